// SPDX-License-Identifier: Apache-2.0
//! Wasmtime's C API, and the few functions that it lacks (`include/theater_engine.h` says what each
//! one is for). Nothing is decided here; all else is C. Imports and calls are in `calls.rs`, values
//! in `values.rs`.
//!
//! The casts below rest on the declarations of wasmtime-c-api-impl 48.0.8, whose version is pinned
//! exactly: `wasmtime_store_t`, `wasm_config_t`, `wasm_engine_t` and `wasmtime_error_t` are
//! `#[repr(C)]` structs of one field, which is not public. The assertions below hold their sizes.
#![allow(non_camel_case_types)]

mod calls;
mod values;

pub use calls::*;
use std::ffi::c_char;
use std::mem::size_of;
use wasmtime_c_api::wasmtime::component::Resource;
use wasmtime_c_api::wasmtime::{
    Config, Enabled, Engine, Error, InstanceAllocationStrategy, OutOfMemory,
    PoolConcurrencyLimitError, PoolingAllocationConfig, ResourceLimiter, Result, Store, Trap,
};
pub use wasmtime_c_api::*;

const _: () = {
    assert!(size_of::<wasmtime_store_t>() == size_of::<Store<WasmtimeStoreData>>());
    assert!(size_of::<wasm_config_t>() == size_of::<Config>());
    assert!(size_of::<wasm_engine_t>() == size_of::<Engine>());
    assert!(size_of::<wasmtime_error_t>() == size_of::<Error>());
};

unsafe fn store_of(store: *mut wasmtime_store_t) -> &'static mut Store<WasmtimeStoreData> {
    unsafe { &mut *store.cast() }
}

#[unsafe(no_mangle)]
pub extern "C" fn theater_engine_wasmtime_version() -> *const c_char {
    c"48.0.8".as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_config_apply(config: *mut wasm_config_t) {
    let config: &mut Config = unsafe { &mut *config.cast() };
    config.wasm_backtrace_max_frames(None);
}

#[repr(C)]
pub struct theater_engine_pool_t {
    guests: u32,
    stacks: u32,
    instances: u32,
    memories: u32,
    tables: u32,
    memory_bytes: u64,
    table_elements: u64,
    stack_resident: u64,
    memory_resident: u64,
    table_resident: u64,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_config_pool(
    config: *mut wasm_config_t,
    pool: &theater_engine_pool_t,
) {
    let config: &mut Config = unsafe { &mut *config.cast() };
    let mut slots = PoolingAllocationConfig::new();
    slots
        .total_component_instances(pool.guests)
        .total_stacks(pool.stacks)
        .total_core_instances(pool.guests.saturating_mul(pool.instances))
        .total_memories(pool.guests.saturating_mul(pool.memories))
        .total_tables(pool.guests.saturating_mul(pool.tables))
        .max_core_instances_per_component(pool.instances)
        .max_memories_per_component(pool.memories)
        .max_memories_per_module(pool.memories)
        .max_tables_per_component(pool.tables)
        .max_tables_per_module(pool.tables)
        .table_elements(pool.table_elements as usize)
        .max_memory_size(pool.memory_bytes as usize)
        .max_unused_warm_slots(pool.guests)
        .async_stack_keep_resident(pool.stack_resident as usize)
        .linear_memory_keep_resident(pool.memory_resident as usize)
        .table_keep_resident(pool.table_resident as usize)
        .pagemap_scan(Enabled::Auto);
    config.async_stack_zeroing(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(slots));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_new(
    config: Box<wasm_config_t>,
    out: *mut *mut wasm_engine_t,
) -> Option<Box<wasmtime_error_t>> {
    let config: Box<Config> = unsafe { Box::from_raw(Box::into_raw(config).cast()) };
    match Engine::new(&config) {
        Ok(engine) => {
            unsafe { *out = Box::into_raw(Box::new(engine)).cast() };
            None
        }
        Err(error) => Some(Box::new(error.into())),
    }
}

#[repr(C)]
pub struct theater_engine_limits_t {
    memory_bytes_max: u64,
    table_elements_max: u64,
    instances_max: u32,
    tables_max: u32,
    memories_max: u32,
    refused: u32,
    grown_bytes: u64,
    machine_failed: bool,
}

/// What Wasmtime reports as failed growth without having asked the limiter before: sizes that the
/// type itself cannot have. These stay -1.
const NO_SUCH_SIZE: [&str; 2] = [
    "memory growth exceeds memory type's limits",
    "overflow calculating new table size",
];

impl theater_engine_limits_t {
    /// The declared maximum is judged here and not left to Wasmtime, so that a failure after our
    /// yes can only be the machine's.
    fn allows(&mut self, desired: usize, declared: Option<usize>, limit: u64) -> bool {
        let allowed = desired as u64 <= limit && declared.is_none_or(|max| desired <= max);
        if !allowed {
            self.refused = self.refused.saturating_add(1);
        }
        allowed
    }

    fn take(&mut self, allowed: bool, bytes: usize) {
        if allowed {
            self.grown_bytes = self.grown_bytes.saturating_add(bytes as u64);
        }
    }

    fn failed(&mut self, error: Error) -> Result<()> {
        if NO_SUCH_SIZE.contains(&error.to_string().as_str()) {
            return Ok(());
        }
        self.machine_failed = true;
        Err(error)
    }
}

impl ResourceLimiter for theater_engine_limits_t {
    fn memory_growing(&mut self, now: usize, want: usize, max: Option<usize>) -> Result<bool> {
        let allowed = self.allows(want, max, self.memory_bytes_max);
        self.take(allowed, want.saturating_sub(now));
        Ok(allowed)
    }
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed(error)
    }
    fn table_growing(&mut self, now: usize, want: usize, max: Option<usize>) -> Result<bool> {
        let allowed = self.allows(want, max, self.table_elements_max);
        self.take(allowed, want.saturating_sub(now).saturating_mul(size_of::<usize>()));
        Ok(allowed)
    }
    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed(error)
    }
    fn instances(&self) -> usize {
        self.instances_max as usize
    }
    fn tables(&self) -> usize {
        self.tables_max as usize
    }
    fn memories(&self) -> usize {
        self.memories_max as usize
    }
}

struct Limits(*mut theater_engine_limits_t);
// The store and its limits have one owner thread, as the C API demands of a store anyway.
unsafe impl Send for Limits {}
unsafe impl Sync for Limits {}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_store_limit(
    store: *mut wasmtime_store_t,
    limits: *mut theater_engine_limits_t,
) {
    let limits = Limits(limits);
    unsafe { store_of(store) }.limiter(move |_| {
        let limits = &limits;
        unsafe { &mut *limits.0 }
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_store_host_call_fuel(
    store: *mut wasmtime_store_t,
    fuel: usize,
) {
    unsafe { store_of(store) }.set_hostcall_fuel(fuel);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_store_handles_max(
    store: *mut wasmtime_store_t,
    handles: usize,
) {
    unsafe { store_of(store) }.set_max_component_handles(handles);
}

/// The count of live handles is not public; with room for one, one of ours fits if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_store_has_handles(store: *mut wasmtime_store_t) -> bool {
    struct Probe;
    let store = unsafe { store_of(store) };
    let limit = store.max_component_handles();
    store.set_max_component_handles(1);
    let put = Resource::<Probe>::new_own(0).try_into_resource_any(&mut *store);
    let taken = put.and_then(|handle| handle.try_into_resource::<Probe>(&mut *store));
    store.set_max_component_handles(limit);
    taken.is_err()
}

#[repr(C)]
pub struct theater_engine_error_t {
    trap_code: i32,
    out_of_memory: bool,
    text: wasm_byte_vec_t,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn theater_engine_error_read(
    error: *const wasmtime_error_t,
    out: *mut theater_engine_error_t,
) {
    let error: &Error = unsafe { &*error.cast() };
    let trap = error.downcast_ref::<Trap>();
    let all = error.chain().map(|cause| cause.to_string()).collect::<Vec<_>>();
    let innermost = all.last().map(String::as_str).unwrap_or_default();
    let line = innermost.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    unsafe {
        out.write(theater_engine_error_t {
            trap_code: trap.map_or(-1, |trap| *trap as u8 as i32),
            out_of_memory: error.is::<OutOfMemory>()
                || error.is::<PoolConcurrencyLimitError>()
                || all.iter().any(|text| text.contains("(os error ")),
            text: line.into_bytes().into(),
        });
    }
}
