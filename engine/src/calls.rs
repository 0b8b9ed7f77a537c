// SPDX-License-Identifier: Apache-2.0
//! Imports and calls whose types are only known when a component is loaded, by way of Wasmtime's
//! typed functions: these hand over the flat values and the guest's memory, and `values.rs` walks
//! the component's own types over them. What Wasmtime checks of a typed function at compile time
//! comes down to the number of flat parameters here, which `typecheck` compares.
//!
//! A call is one future: instantiate, find the export, call it.
use crate::values::{Source, Target, Value, lift_member, lower_member};
use std::ffi::c_void;
use std::future::Future;
use std::mem::{MaybeUninit, size_of};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::{future, ptr, slice};
use wasmtime_c_api::wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime_c_api::wasmtime::component::types::ComponentFunc;
use wasmtime_c_api::wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, ComponentType, InstancePre, Lift, Linker,
    LinkerInstance, Lower, Type, TypedFunc,
};
use wasmtime_c_api::wasmtime::{AsContextMut, Error, Result, StoreContextMut, ValRaw, bail};
use wasmtime_c_api::*;

const _: () = {
    assert!(size_of::<wasmtime_component_linker_t>() == size_of::<Linker<WasmtimeStoreData>>());
    assert!(size_of::<wasmtime_component_t>() == size_of::<Component>());
    assert!(size_of::<wasmtime_component_export_index_t>() == size_of::<ComponentExportIndex>());
    assert!(size_of::<wasmtime_component_func_type_t>() == size_of::<ComponentFunc>());
};

/// Parameters that the canonical ABI hands over one by one; more of them lie in memory.
const FLAT_PARAMS_MAX: usize = 16;

fn members(types: &ComponentTypes, ty: InterfaceType) -> &[InterfaceType] {
    match ty {
        InterfaceType::Tuple(index) => &types[index].types,
        _ => unreachable!("parameters and results are tuples"),
    }
}

// ---- imports ------------------------------------------------------------------------------------

/// The arguments of an import with N flat parameters; 0 also if they lie in memory.
struct Arguments<const N: usize>(Vec<Value>);

unsafe impl<const N: usize> ComponentNamedList for Arguments<N> {}
unsafe impl<const N: usize> ComponentType for Arguments<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        let flat = types.types.canonical_abi(ty).flat_count(FLAT_PARAMS_MAX);
        if flat.unwrap_or(0) != N {
            bail!("an import with other parameters than it was defined with");
        }
        Ok(())
    }
}

unsafe impl<const N: usize> Lift for Arguments<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &Self::Lower,
    ) -> Result<Self> {
        lift_all(cx, ty, Source::Flat(src.iter())).map(Arguments)
    }

    /// Of `bytes` only the beginning counts: Wasmtime has checked the size of the real type.
    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let memory = cx.memory();
        let start = bytes.as_ptr().addr() - memory.as_ptr().addr();
        lift_all(cx, ty, Source::Memory(&memory[start..])).map(Arguments)
    }
}

fn lift_all(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    mut from: Source<'_>,
) -> Result<Vec<Value>> {
    let types = members(cx.types, ty);
    let mut values = Vec::with_capacity(types.len());
    let mut offset = 0;
    for member in types {
        values.push(lift_member(cx, *member, &mut from, &mut offset)?);
    }
    Ok(values)
}

/// The result of an import with M results, 0 or 1.
struct Answer<const M: usize>(Value);

unsafe impl<const M: usize> ComponentNamedList for Answer<M> {}
unsafe impl<const M: usize> ComponentType for Answer<M> {
    type Lower = [ValRaw; M];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        if members(types.types, *ty).len() != M {
            bail!("an import with other results than it was defined with");
        }
        Ok(())
    }
}

unsafe impl<const M: usize> Lower for Answer<M> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let dst = unsafe { &mut *ptr::from_mut(dst).cast::<[MaybeUninit<ValRaw>; M]>() };
        let values = slice::from_ref(&self.0).iter();
        lower_all(cx, ty, values, Target::Flat(dst.iter_mut()), 0)
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let values = slice::from_ref(&self.0).iter();
        lower_all(cx, ty, values, Target::Memory(offset), offset)
    }
}

fn lower_all<'a, T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    values: impl Iterator<Item = &'a Value>,
    mut to: Target<'_>,
    mut offset: usize,
) -> Result<()> {
    let types = members(cx.types, ty);
    for (member, value) in types.iter().zip(values) {
        lower_member(cx, *member, value, &mut to, &mut offset)?;
    }
    Ok(())
}

/// What an import is in C.
pub type theater_engine_import_fn = extern "C" fn(
    *mut c_void,
    StoreContextMut<'_, WasmtimeStoreData>,
    *const Value,
    usize,
    *mut Value,
    *mut *const bool,
) -> Option<Box<wasmtime_error_t>>;

#[derive(Clone, Copy)]
struct Import {
    callback: theater_engine_import_fn,
    env: *mut c_void,
}
// Called by the store's thread only.
unsafe impl Send for Import {}
unsafe impl Sync for Import {}

/// What C keeps a pointer to while an import waits.
struct Waiting {
    answer: Value,
    flag: *const bool,
}
unsafe impl Send for Waiting {}

impl Import {
    fn call(
        self,
        store: StoreContextMut<'_, WasmtimeStoreData>,
        args: &[Value],
        waiting: &mut Waiting,
    ) -> Result<()> {
        let (answer, flag) = (&raw mut waiting.answer, &raw mut waiting.flag);
        let error = (self.callback)(self.env, store, args.as_ptr(), args.len(), answer, flag);
        error.map_or(Ok(()), |error| Err(Error::from(*error)))
    }

    fn define<const N: usize, const M: usize>(
        self,
        into: &mut LinkerInstance<'_, WasmtimeStoreData>,
        name: &str,
        may_wait: bool,
    ) -> Result<()> {
        if !may_wait {
            return into.func_wrap(name, move |store, args: Arguments<N>| {
                let mut waiting = Waiting { answer: Value::NONE, flag: ptr::null() };
                self.call(store, &args.0, &mut waiting)?;
                Ok(Answer::<M>(waiting.answer))
            });
        }
        into.func_wrap_async(name, move |store, args: Arguments<N>| {
            Box::new(async move {
                let mut waiting = Waiting { answer: Value::NONE, flag: ptr::null() };
                self.call(store, &args.0, &mut waiting)?;
                drop(args);
                let place = &raw const waiting as usize;
                future::poll_fn(move |_| {
                    let waiting = place as *const Waiting;
                    let flag = unsafe { ptr::read_volatile(&raw const (*waiting).flag) };
                    let goes_on = flag.is_null() || !unsafe { ptr::read_volatile(flag) };
                    if goes_on { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                Ok(Answer::<M>(waiting.answer))
            })
        })
    }
}

fn define<const M: usize>(
    import: Import,
    into: &mut LinkerInstance<'_, WasmtimeStoreData>,
    name: &str,
    flat: usize,
    may_wait: bool,
) -> Result<()> {
    macro_rules! by_count {
        ($($n:literal)*) => {
            match flat {
                $($n => import.define::<$n, M>(into, name, may_wait),)*
                _ => import.define::<0, M>(into, name, may_wait), // in memory
            }
        };
    }
    by_count!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

/// Flat values of a type; anything above FLAT_PARAMS_MAX is as good as any other.
fn flat_of(ty: &Type) -> usize {
    let all = |types: &mut dyn Iterator<Item = Type>| {
        types.fold(0usize, |sum, ty| sum.saturating_add(flat_of(&ty)))
    };
    let widest = |types: &mut dyn Iterator<Item = Option<Type>>| {
        1 + types.map(|ty| ty.map_or(0, |ty| flat_of(&ty))).max().unwrap_or(0)
    };
    match ty {
        Type::String | Type::List(_) | Type::Map(_) => 2,
        Type::Record(record) => all(&mut record.fields().map(|field| field.ty)),
        Type::Tuple(tuple) => all(&mut tuple.types()),
        Type::Variant(variant) => widest(&mut variant.cases().map(|case| case.ty)),
        Type::Option(option) => widest(&mut [Some(option.ty())].into_iter()),
        Type::Result(result) => widest(&mut [result.ok(), result.err()].into_iter()),
        Type::Flags(flags) => flags.names().count().div_ceil(32),
        _ => 1,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_flat_params(
    function: *const wasmtime_component_func_type_t,
) -> u32 {
    let function: &ComponentFunc = unsafe { &*function.cast() };
    let flat = function.params().fold(0usize, |sum, (_, ty)| sum.saturating_add(flat_of(&ty)));
    flat.min(FLAT_PARAMS_MAX + 1) as u32
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_define(
    into: *mut wasmtime_component_linker_instance_t<'_>,
    name: *const u8,
    name_size: usize,
    flat_params: u32,
    has_result: bool,
    may_wait: bool,
    callback: theater_engine_import_fn,
    env: *mut c_void,
) -> Option<Box<wasmtime_error_t>> {
    let into: &mut LinkerInstance<'_, WasmtimeStoreData> = unsafe { &mut *into.cast() };
    let name = unsafe { slice::from_raw_parts(name, name_size) };
    let name = str::from_utf8(name).unwrap_or_default();
    let import = Import { callback, env };
    let defined = if has_result {
        define::<1>(import, into, name, flat_params as usize, may_wait)
    } else {
        define::<0>(import, into, name, flat_params as usize, may_wait)
    };
    defined.err().map(|error| Box::new(error.into()))
}

// ---- calls --------------------------------------------------------------------------------------

/// The parameters of a call, borrowed from C. Flat or in memory, whatever the real types say: the
/// array is as long as it can get, and the call reads what it needs of it.
struct Parameters(*const Value, usize);
unsafe impl Send for Parameters {}
unsafe impl Sync for Parameters {}

unsafe impl ComponentNamedList for Parameters {}
unsafe impl ComponentType for Parameters {
    type Lower = [ValRaw; FLAT_PARAMS_MAX];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

unsafe impl Lower for Parameters {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let dst = dst.write([ValRaw::u64(0); FLAT_PARAMS_MAX]);
        let values =
            if self.1 == 0 { &[] } else { unsafe { slice::from_raw_parts(self.0, self.1) } };
        if members(cx.types, ty).len() != values.len() {
            bail!("a call with other parameters than its function has");
        }
        let abi = cx.types.canonical_abi(&ty);
        if abi.flat_count(FLAT_PARAMS_MAX).is_some() {
            let dst = unsafe { &mut *ptr::from_mut(dst).cast::<[MaybeUninit<ValRaw>; 16]>() };
            return lower_all(cx, ty, values.iter(), Target::Flat(dst.iter_mut()), 0);
        }
        let start = cx.realloc(0, 0, abi.align32, abi.size32 as usize)?;
        dst[0] = ValRaw::i64(start as i64);
        lower_all(cx, ty, values.iter(), Target::Memory(start), start)
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> Result<()> {
        unreachable!("sixteen flat values are not in memory")
    }
}

/// The result of a call, if it has one: the one flat value, or where it lies in memory.
struct Returned(Option<Value>);

unsafe impl ComponentNamedList for Returned {}
unsafe impl ComponentType for Returned {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

unsafe impl Lift for Returned {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &Self::Lower,
    ) -> Result<Self> {
        let abi = cx.types.canonical_abi(&ty);
        let mut values = match abi.flat_count(1) {
            Some(count) => lift_all(cx, ty, Source::Flat(src[..count].iter()))?,
            None => {
                let start = src[0].get_u32() as usize;
                if start % abi.align32 as usize != 0 {
                    bail!("return pointer not aligned");
                }
                let bytes = cx.memory().get(start..);
                match bytes.and_then(|bytes| bytes.get(..abi.size32 as usize)) {
                    Some(bytes) => lift_all(cx, ty, Source::Memory(bytes))?,
                    None => bail!("pointer out of bounds of memory"),
                }
            }
        };
        Ok(Returned(values.pop()))
    }

    fn linear_lift_from_memory(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &[u8],
    ) -> Result<Self> {
        unreachable!("one flat value is not in memory")
    }
}

pub struct theater_engine_prepared_t {
    instance: InstancePre<WasmtimeStoreData>,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_prepare(
    linker: *const wasmtime_component_linker_t,
    component: *const wasmtime_component_t,
    out: *mut *mut theater_engine_prepared_t,
) -> Option<Box<wasmtime_error_t>> {
    let linker: &Linker<WasmtimeStoreData> = unsafe { &*linker.cast() };
    let component: &Component = unsafe { &*component.cast() };
    match linker.instantiate_pre(component) {
        Ok(instance) => {
            let prepared = Box::new(theater_engine_prepared_t { instance });
            unsafe { *out = Box::into_raw(prepared) };
            None
        }
        Err(error) => Some(Box::new(error.into())),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn theater_engine_prepared_delete(_: Box<theater_engine_prepared_t>) {}

/// A running call; `'static` stands for "until C deletes it", which it does first.
pub struct theater_engine_call_t {
    future: Pin<Box<dyn Future<Output = Result<Option<Value>>>>>,
}

struct Invocation {
    prepared: *const theater_engine_prepared_t,
    export: ComponentExportIndex,
    parameters: Parameters,
}
unsafe impl Send for Invocation {}

async fn run(
    mut store: StoreContextMut<'static, WasmtimeStoreData>,
    invocation: Invocation,
) -> Result<Option<Value>> {
    let prepared = unsafe { &*invocation.prepared };
    let instance = prepared.instance.instantiate_async(&mut store).await?;
    let Some(function) = instance.get_func(&mut store, invocation.export) else {
        bail!("the export is not a function");
    };
    // Parameters and Returned look at the real types themselves.
    let function = unsafe { TypedFunc::<Parameters, Returned>::new_unchecked(function) };
    let returned = function.call_async(store.as_context_mut(), invocation.parameters).await?;
    Ok(returned.0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_call_new(
    prepared: *const theater_engine_prepared_t,
    export: *const wasmtime_component_export_index_t,
    context: StoreContextMut<'static, WasmtimeStoreData>,
    args: *const Value,
    args_count: usize,
) -> Box<theater_engine_call_t> {
    let export = unsafe { *export.cast::<ComponentExportIndex>() };
    let invocation = Invocation { prepared, export, parameters: Parameters(args, args_count) };
    Box::new(theater_engine_call_t { future: Box::pin(run(context, invocation)) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_call_poll(
    call: &mut theater_engine_call_t,
    out_result: *mut Value,
    out_error: *mut Option<Box<wasmtime_error_t>>,
) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    match call.future.as_mut().poll(&mut context) {
        Poll::Pending => return false,
        Poll::Ready(Ok(Some(value))) => unsafe { out_result.write(value) },
        Poll::Ready(Ok(None)) => {}
        Poll::Ready(Err(error)) => unsafe { out_error.write(Some(Box::new(error.into()))) },
    }
    true
}

#[unsafe(no_mangle)]
pub extern "C" fn theater_engine_call_delete(_: Box<theater_engine_call_t>) {}
