// SPDX-License-Identifier: Apache-2.0
//! Values between a guest's memory and the C structs of Wasmtime's `wasmtime_component_val_t`,
//! without what lies between the two in Wasmtime's own API: a `Val` for each value, 40 bytes for
//! each item of a `list<u8>`, then a copy as a C value of 32 bytes. Two things differ from the C
//! API, and `include/theater_engine.h` says so: a `list<u8>` is a `String` of any bytes, and the
//! names of record fields are left empty on the way from the guest.
//!
//! Walks the component's own types, as Wasmtime does for its dynamic values, and leaves every
//! scalar, string and `list<u8>` (bounds, alignment, encodings) to Wasmtime's typed conversions.
//! Fuel is charged as Wasmtime charges it, except for names, and for a `list<u8>`: its bytes.
//!
//! `Value` is `wasmtime_component_val_t` in another declaration, since the fields of that one are
//! private; the assertions below and the tests of every kind hold the two together. Recursion is
//! as deep as the type, which src/engine/types.c bounds before a function comes here.
use std::mem::{MaybeUninit, align_of, size_of};
use std::{ptr, slice};
use wasmtime_c_api::wasmtime::component::__internal::wasmtime_environ::component::{
    CanonicalAbiInfo, InterfaceType, TypeEnum, TypeFlags, TypeListIndex, VariantInfo,
};
use wasmtime_c_api::wasmtime::component::__internal::{LiftContext, LowerContext};
use wasmtime_c_api::wasmtime::component::{ComponentType, Lift, Lower};
use wasmtime_c_api::wasmtime::{Result, ValRaw, bail, format_err};
use wasmtime_c_api::wasmtime_component_val_t;

/// `size` items on the heap, as the C API's vectors lay them out.
#[repr(C)]
pub struct Items<T> {
    size: usize,
    data: *mut T,
}

impl<T> Items<T> {
    fn as_slice(&self) -> &[T] {
        if self.size == 0 {
            return &[];
        }
        unsafe { slice::from_raw_parts(self.data, self.size) }
    }
}

impl Items<u8> {
    fn as_str(&self) -> &str {
        str::from_utf8(self.as_slice()).unwrap_or_default()
    }
}

impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        let size = items.len();
        let data = Box::into_raw(items.into_boxed_slice()).cast();
        Items { size, data }
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        if !self.data.is_null() {
            let items = ptr::slice_from_raw_parts_mut(self.data, self.size);
            drop(unsafe { Box::from_raw(items) });
        }
    }
}

#[repr(C)]
pub struct Entry {
    name: Items<u8>,
    value: Value,
}

#[repr(C)]
pub struct Case {
    name: Items<u8>,
    payload: Option<Box<Value>>,
}

#[repr(C)]
pub struct Outcome {
    is_ok: bool,
    payload: Option<Box<Value>>,
}

#[repr(C, u8)]
pub enum Value {
    Bool(bool),
    S8(i8),
    U8(u8),
    S16(i16),
    U16(u16),
    S32(i32),
    U32(u32),
    S64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Char(u32),
    /// A string, or the bytes of a `list<u8>`.
    String(Items<u8>),
    List(Items<Value>),
    Record(Items<Entry>),
    Tuple(Items<Value>),
    Variant(Case),
    Enum(Items<u8>),
    Option(Option<Box<Value>>),
    Result(Outcome),
    Flags(Items<Items<u8>>),
}

const _: () = {
    assert!(size_of::<Value>() == size_of::<wasmtime_component_val_t>());
    assert!(align_of::<Value>() == align_of::<wasmtime_component_val_t>());
};

// One owner at a time: the store's thread.
unsafe impl Send for Value {}
unsafe impl Sync for Value {}

impl Value {
    pub const NONE: Value = Value::Bool(false);
}

/// What one item of a list, field or payload costs: `size_of::<Val>()` of Wasmtime 48.
const ITEM_FUEL: usize = 40;

// ---- from the guest -----------------------------------------------------------------------------

/// Where a value comes from: the rest of the flat values, or its bytes in linear memory.
pub enum Source<'a> {
    Flat(slice::Iter<'a, ValRaw>),
    Memory(&'a [u8]),
}

fn next<'a>(values: &mut slice::Iter<'a, ValRaw>) -> &'a ValRaw {
    values.next().expect("as many flat values as the type has")
}

fn lift_scalar<T>(cx: &mut LiftContext<'_>, ty: InterfaceType, from: &mut Source<'_>) -> Result<T>
where
    T: Lift + ComponentType<Lower = ValRaw>,
{
    match from {
        Source::Flat(values) => T::linear_lift_from_flat(cx, ty, next(values)),
        Source::Memory(bytes) => T::linear_lift_from_memory(cx, ty, bytes),
    }
}

/// A string or list: pointer and length.
fn lift_pair<T>(cx: &mut LiftContext<'_>, ty: InterfaceType, from: &mut Source<'_>) -> Result<T>
where
    T: Lift + ComponentType<Lower = [ValRaw; 2]>,
{
    match from {
        Source::Flat(values) => {
            let pair = [*next(values), *next(values)];
            T::linear_lift_from_flat(cx, ty, &pair)
        }
        Source::Memory(bytes) => T::linear_lift_from_memory(cx, ty, bytes),
    }
}

/// The next member of a record or tuple, whose offset is carried along.
pub fn lift_member(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    from: &mut Source<'_>,
    offset: &mut u32,
) -> Result<Value> {
    match from {
        Source::Flat(_) => lift(cx, ty, from),
        Source::Memory(bytes) => {
            let abi = cx.types.canonical_abi(&ty);
            let begin = abi.next_field32(offset) as usize;
            let mut part = Source::Memory(&bytes[begin..][..abi.size32 as usize]);
            lift(cx, ty, &mut part)
        }
    }
}

fn lift_list(
    cx: &mut LiftContext<'_>,
    list: TypeListIndex,
    from: &mut Source<'_>,
) -> Result<Vec<Value>> {
    let (start, length) = match from {
        Source::Flat(values) => (next(values).get_u32(), next(values).get_u32()),
        Source::Memory(bytes) => (word_of(&bytes[..4]), word_of(&bytes[4..8])),
    };
    let (start, length) = (start as usize, length as usize);
    let element = cx.types[list].element;
    let abi = cx.types.canonical_abi(&element);
    let size = abi.size32 as usize;
    let end = length.checked_mul(size).and_then(|bytes| bytes.checked_add(start));
    if end.is_none_or(|end| end > cx.memory().len()) {
        bail!("list pointer/length out of bounds of memory");
    }
    cx.consume_fuel_array(length, ITEM_FUEL)?;
    if start % abi.align32 as usize != 0 {
        bail!("list pointer is not aligned");
    }
    let mut items = Vec::with_capacity(length);
    for index in 0..length {
        let bytes = &cx.memory()[start + index * size..][..size];
        items.push(lift(cx, element, &mut Source::Memory(bytes))?);
    }
    Ok(items)
}

/// Discriminant and payload of whatever has cases.
fn lift_case(
    cx: &mut LiftContext<'_>,
    abi: &CanonicalAbiInfo,
    info: &VariantInfo,
    mut cases: impl ExactSizeIterator<Item = Option<InterfaceType>>,
    from: &mut Source<'_>,
) -> Result<(usize, Option<Box<Value>>)> {
    let index = match from {
        Source::Flat(values) => next(values).get_u32(),
        Source::Memory(bytes) => word_of(&bytes[..usize::from(info.size)]),
    } as usize;
    let count = cases.len();
    let case = cases
        .nth(index)
        .ok_or_else(|| format_err!("discriminant {index} out of range [0..{count})"))?;
    if case.is_some() {
        cx.consume_fuel(ITEM_FUEL)?;
    }
    let payload = match (case, &mut *from) {
        (None, _) => None,
        (Some(ty), Source::Flat(_)) => Some(Box::new(lift(cx, ty, from)?)),
        (Some(ty), Source::Memory(bytes)) => {
            let size = cx.types.canonical_abi(&ty).size32 as usize;
            let bytes = &bytes[info.payload_offset32 as usize..][..size];
            Some(Box::new(lift(cx, ty, &mut Source::Memory(bytes))?))
        }
    };
    if let Source::Flat(values) = from {
        let used = 1 + case.map_or(0, |ty| flat_count(cx.types.canonical_abi(&ty)));
        for _ in used..flat_count(abi) {
            next(values);
        }
    }
    Ok((index, payload))
}

/// Up to four bytes, the lowest first.
fn word_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn flat_count(abi: &CanonicalAbiInfo) -> usize {
    abi.flat_count(usize::MAX).expect("a flat type")
}

fn lift_flags(flags: &TypeFlags, abi: &CanonicalAbiInfo, from: &mut Source<'_>) -> Vec<Items<u8>> {
    let bit = |words: &dyn Fn(usize) -> u32| {
        let set = |index: &usize| words(index / 32) >> (index % 32) & 1 == 1;
        let names = (0..flags.names.len()).filter(set);
        names.map(|index| name_of(&flags.names[index])).collect()
    };
    match from {
        Source::Flat(values) => {
            let words = (0..flat_count(abi)).map(|_| next(values).get_u32()).collect::<Vec<_>>();
            bit(&|index| words[index])
        }
        Source::Memory(bytes) => {
            bit(&|index| word_of(&bytes[index * 4..(index * 4 + 4).min(bytes.len())]))
        }
    }
}

fn name_of(text: &str) -> Items<u8> {
    text.as_bytes().to_vec().into()
}

fn lift_record(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    from: &mut Source<'_>,
) -> Result<Value> {
    let types = cx.types;
    let mut offset = 0;
    match ty {
        InterfaceType::Record(index) => {
            let fields = &types[index].fields;
            cx.consume_fuel_array(fields.len(), ITEM_FUEL)?;
            let mut entries = Vec::with_capacity(fields.len());
            for field in fields {
                let value = lift_member(cx, field.ty, from, &mut offset)?;
                entries.push(Entry { name: Vec::new().into(), value });
            }
            Ok(Value::Record(entries.into()))
        }
        InterfaceType::Tuple(index) => {
            let members = &types[index].types;
            cx.consume_fuel_array(members.len(), ITEM_FUEL)?;
            let mut values = Vec::with_capacity(members.len());
            for member in members {
                values.push(lift_member(cx, *member, from, &mut offset)?);
            }
            Ok(Value::Tuple(values.into()))
        }
        _ => bail!("a type that this host does not serve"),
    }
}

fn lift_choice(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    from: &mut Source<'_>,
) -> Result<Value> {
    let types = cx.types;
    match ty {
        InterfaceType::Variant(index) => {
            let variant = &types[index];
            let cases = variant.cases.values().copied();
            let (case, payload) = lift_case(cx, &variant.abi, &variant.info, cases, from)?;
            let (name, _) = variant.cases.get_index(case).expect("it was in range");
            Ok(Value::Variant(Case { name: name_of(name), payload }))
        }
        InterfaceType::Enum(index) => {
            let names = &types[index];
            let cases = names.names.iter().map(|_| None);
            let (case, _) = lift_case(cx, &names.abi, &names.info, cases, from)?;
            Ok(Value::Enum(name_of(&names.names[case])))
        }
        InterfaceType::Option(index) => {
            let option = &types[index];
            let cases = [None, Some(option.ty)].into_iter();
            let (_, payload) = lift_case(cx, &option.abi, &option.info, cases, from)?;
            Ok(Value::Option(payload))
        }
        InterfaceType::Result(index) => {
            let result = &types[index];
            let cases = [result.ok, result.err].into_iter();
            let (case, payload) = lift_case(cx, &result.abi, &result.info, cases, from)?;
            Ok(Value::Result(Outcome { is_ok: case == 0, payload }))
        }
        InterfaceType::Flags(index) => {
            let flags = &types[index];
            Ok(Value::Flags(lift_flags(flags, &flags.abi, from).into()))
        }
        _ => lift_record(cx, ty, from),
    }
}

pub fn lift(cx: &mut LiftContext<'_>, ty: InterfaceType, from: &mut Source<'_>) -> Result<Value> {
    Ok(match ty {
        InterfaceType::Bool => Value::Bool(lift_scalar(cx, ty, from)?),
        InterfaceType::S8 => Value::S8(lift_scalar(cx, ty, from)?),
        InterfaceType::U8 => Value::U8(lift_scalar(cx, ty, from)?),
        InterfaceType::S16 => Value::S16(lift_scalar(cx, ty, from)?),
        InterfaceType::U16 => Value::U16(lift_scalar(cx, ty, from)?),
        InterfaceType::S32 => Value::S32(lift_scalar(cx, ty, from)?),
        InterfaceType::U32 => Value::U32(lift_scalar(cx, ty, from)?),
        InterfaceType::S64 => Value::S64(lift_scalar(cx, ty, from)?),
        InterfaceType::U64 => Value::U64(lift_scalar(cx, ty, from)?),
        InterfaceType::Float32 => Value::F32(lift_scalar(cx, ty, from)?),
        InterfaceType::Float64 => Value::F64(lift_scalar(cx, ty, from)?),
        InterfaceType::Char => Value::Char(lift_scalar::<char>(cx, ty, from)? as u32),
        InterfaceType::String => {
            Value::String(lift_pair::<String>(cx, ty, from)?.into_bytes().into())
        }
        InterfaceType::List(list) if cx.types[list].element == InterfaceType::U8 => {
            Value::String(lift_pair::<Vec<u8>>(cx, ty, from)?.into())
        }
        InterfaceType::List(list) => Value::List(lift_list(cx, list, from)?.into()),
        _ => lift_choice(cx, ty, from)?,
    })
}

// ---- to the guest -------------------------------------------------------------------------------

/// Where a value goes: the rest of the flat values, or an offset in linear memory.
pub enum Target<'a> {
    Flat(slice::IterMut<'a, MaybeUninit<ValRaw>>),
    Memory(usize),
}

fn slot<'a, 'b>(
    values: &'b mut slice::IterMut<'a, MaybeUninit<ValRaw>>,
) -> &'a mut MaybeUninit<ValRaw> {
    values.next().expect("as many flat values as the type has")
}

fn lower_scalar<S, T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: S,
    to: &mut Target<'_>,
) -> Result<()>
where
    S: Lower + ComponentType<Lower = ValRaw>,
{
    match to {
        Target::Flat(values) => value.linear_lower_to_flat(cx, ty, slot(values)),
        Target::Memory(offset) => value.linear_lower_to_memory(cx, ty, *offset),
    }
}

fn lower_pair<S, T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &S,
    to: &mut Target<'_>,
) -> Result<()>
where
    S: Lower + ComponentType<Lower = [ValRaw; 2]> + ?Sized,
{
    match to {
        Target::Flat(values) => {
            let mut pair = MaybeUninit::<[ValRaw; 2]>::uninit();
            value.linear_lower_to_flat(cx, ty, &mut pair)?;
            let pair = unsafe { pair.assume_init() };
            slot(values).write(pair[0]);
            slot(values).write(pair[1]);
            Ok(())
        }
        Target::Memory(offset) => value.linear_lower_to_memory(cx, ty, *offset),
    }
}

/// The next member of a record or tuple, whose offset in the whole is carried along.
pub fn lower_member<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    to: &mut Target<'_>,
    offset: &mut usize,
) -> Result<()> {
    match to {
        Target::Flat(_) => lower(cx, ty, value, to),
        Target::Memory(_) => {
            let at = cx.types.canonical_abi(&ty).next_field32_size(offset);
            lower(cx, ty, value, &mut Target::Memory(at))
        }
    }
}

fn lower_list<T>(
    cx: &mut LowerContext<'_, T>,
    list: TypeListIndex,
    items: &[Value],
    to: &mut Target<'_>,
) -> Result<()> {
    let element = cx.types[list].element;
    let abi = cx.types.canonical_abi(&element);
    let size = abi.size32 as usize;
    let bytes = items.len().checked_mul(size);
    let bytes = bytes.ok_or_else(|| format_err!("size overflow copying a list"))?;
    let start = cx.realloc(0, 0, abi.align32, bytes)?;
    for (index, item) in items.iter().enumerate() {
        lower(cx, element, item, &mut Target::Memory(start + index * size))?;
    }
    match to {
        Target::Flat(values) => {
            slot(values).write(ValRaw::i64(start as i64));
            slot(values).write(ValRaw::i64(items.len() as i64));
        }
        Target::Memory(offset) => {
            *cx.get(*offset) = u32::try_from(start)?.to_le_bytes();
            *cx.get(*offset + 4) = u32::try_from(items.len())?.to_le_bytes();
        }
    }
    Ok(())
}

fn put_word<T>(cx: &mut LowerContext<'_, T>, offset: usize, word: u32, size: usize) {
    cx.as_slice_mut()[offset..][..size].copy_from_slice(&word.to_le_bytes()[..size]);
}

fn lower_case<T>(
    cx: &mut LowerContext<'_, T>,
    abi: &CanonicalAbiInfo,
    info: &VariantInfo,
    index: usize,
    payload: Option<(InterfaceType, &Value)>,
    to: &mut Target<'_>,
) -> Result<()> {
    let discriminant = u32::try_from(index)?;
    match to {
        Target::Flat(values) => {
            slot(values).write(ValRaw::u32(discriminant));
        }
        Target::Memory(offset) => put_word(cx, *offset, discriminant, usize::from(info.size)),
    }
    if let Some((ty, value)) = payload {
        match to {
            Target::Flat(_) => lower(cx, ty, value, to)?,
            Target::Memory(offset) => {
                let mut inner = Target::Memory(*offset + info.payload_offset32 as usize);
                lower(cx, ty, value, &mut inner)?;
            }
        }
    }
    if let Target::Flat(values) = to {
        let used = 1 + payload.map_or(0, |(ty, _)| flat_count(cx.types.canonical_abi(&ty)));
        for _ in used..flat_count(abi) {
            slot(values).write(ValRaw::u64(0));
        }
    }
    Ok(())
}

/// The payload with its type, if there is one; both or neither.
fn payload_of<'a>(
    ty: Option<InterfaceType>,
    payload: &'a Option<Box<Value>>,
) -> Result<Option<(InterfaceType, &'a Value)>> {
    match (ty, payload) {
        (Some(ty), Some(value)) => Ok(Some((ty, value))),
        (None, None) => Ok(None),
        _ => mismatch(),
    }
}

fn mismatch<R>() -> Result<R> {
    bail!("a value is not of its type")
}

fn lower_flags<T>(
    cx: &mut LowerContext<'_, T>,
    flags: &TypeFlags,
    names: &[Items<u8>],
    to: &mut Target<'_>,
) -> Result<()> {
    let mut words = vec![0u32; flags.names.len().div_ceil(32)];
    for name in names {
        match flags.names.get_index_of(name.as_str()) {
            Some(index) => words[index / 32] |= 1 << (index % 32),
            None => return mismatch(),
        }
    }
    match to {
        Target::Flat(values) => words.iter().for_each(|word| {
            slot(values).write(ValRaw::u32(*word));
        }),
        Target::Memory(offset) => {
            let size = flags.abi.size32 as usize;
            for (index, word) in words.iter().enumerate() {
                put_word(cx, *offset + index * 4, *word, (size - index * 4).min(4));
            }
        }
    }
    Ok(())
}

fn enum_index(names: &TypeEnum, name: &Items<u8>) -> Result<usize> {
    names.names.get_index_of(name.as_str()).map_or_else(mismatch, Ok)
}

fn lower_choice<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    to: &mut Target<'_>,
) -> Result<()> {
    let types = cx.types;
    match (ty, value) {
        (InterfaceType::Variant(index), Value::Variant(case)) => {
            let variant = &types[index];
            let Some((at, _, inner)) = variant.cases.get_full(case.name.as_str()) else {
                return mismatch();
            };
            let payload = payload_of(*inner, &case.payload)?;
            lower_case(cx, &variant.abi, &variant.info, at, payload, to)
        }
        (InterfaceType::Enum(index), Value::Enum(name)) => {
            let names = &types[index];
            let at = enum_index(names, name)?;
            lower_case(cx, &names.abi, &names.info, at, None, to)
        }
        (InterfaceType::Option(index), Value::Option(payload)) => {
            let option = &types[index];
            let at = usize::from(payload.is_some());
            let payload = payload.as_deref().map(|value| (option.ty, value));
            lower_case(cx, &option.abi, &option.info, at, payload, to)
        }
        (InterfaceType::Result(index), Value::Result(outcome)) => {
            let result = &types[index];
            let inner = if outcome.is_ok { result.ok } else { result.err };
            let payload = payload_of(inner, &outcome.payload)?;
            let at = usize::from(!outcome.is_ok);
            lower_case(cx, &result.abi, &result.info, at, payload, to)
        }
        (InterfaceType::Flags(index), Value::Flags(names)) => {
            lower_flags(cx, &types[index], names.as_slice(), to)
        }
        _ => lower_record(cx, ty, value, to),
    }
}

fn lower_record<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    to: &mut Target<'_>,
) -> Result<()> {
    let types = cx.types;
    let mut offset = match to {
        Target::Flat(_) => 0,
        Target::Memory(offset) => *offset,
    };
    match (ty, value) {
        (InterfaceType::Record(index), Value::Record(entries)) => {
            let fields = &types[index].fields;
            let entries = entries.as_slice();
            if entries.len() != fields.len() {
                return mismatch();
            }
            for (field, entry) in fields.iter().zip(entries) {
                lower_member(cx, field.ty, &entry.value, to, &mut offset)?;
            }
            Ok(())
        }
        (InterfaceType::Tuple(index), Value::Tuple(items)) => {
            let members = &types[index].types;
            let items = items.as_slice();
            if items.len() != members.len() {
                return mismatch();
            }
            for (member, item) in members.iter().zip(items) {
                lower_member(cx, *member, item, to, &mut offset)?;
            }
            Ok(())
        }
        _ => mismatch(),
    }
}

pub fn lower<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    to: &mut Target<'_>,
) -> Result<()> {
    match (ty, value) {
        (InterfaceType::Bool, Value::Bool(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::S8, Value::S8(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::U8, Value::U8(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::S16, Value::S16(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::U16, Value::U16(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::S32, Value::S32(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::U32, Value::U32(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::S64, Value::S64(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::U64, Value::U64(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::Float32, Value::F32(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::Float64, Value::F64(value)) => lower_scalar(cx, ty, *value, to),
        (InterfaceType::Char, Value::Char(value)) => match char::from_u32(*value) {
            Some(value) => lower_scalar(cx, ty, value, to),
            None => mismatch(),
        },
        (InterfaceType::String, Value::String(text)) => match str::from_utf8(text.as_slice()) {
            Ok(text) => lower_pair(cx, ty, text, to),
            Err(_) => mismatch(),
        },
        (InterfaceType::List(list), Value::String(bytes))
            if cx.types[list].element == InterfaceType::U8 =>
        {
            lower_pair(cx, ty, bytes.as_slice(), to)
        }
        (InterfaceType::List(list), Value::List(items)) => {
            lower_list(cx, list, items.as_slice(), to)
        }
        _ => lower_choice(cx, ty, value, to),
    }
}
