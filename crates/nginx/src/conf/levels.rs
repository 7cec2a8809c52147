//! Typed access to a module's configuration structures.

use ngx::ffi::{ngx_cycle, ngx_cycle_t};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf};

/// The structure of a module's `http` block.
pub trait MainLevel: Sized + 'static {
    /// The module that creates it.
    type Module: HttpModuleMainConf<MainConf = Self>;
}

/// The structure of a module's location level.
pub trait LocationLevel: Sized + 'static {
    /// The module that creates it.
    type Module: HttpModuleLocationConf<LocationConf = Self>;
}

/// The main configuration in the active cycle; `None` without an `http` block.
///
/// The reference must not outlive the hook or handler: in single-process mode a reload replaces the cycle.
pub fn current_main_conf<T: MainLevel>() -> Option<&'static T> {
    // SAFETY: the active cycle has been configured.
    unsafe { main_conf(ngx_cycle) }
}

/// Like [`current_main_conf`], for the given cycle.
///
/// # Safety
/// The cycle is null or configured, and outlives the use of the reference.
pub unsafe fn main_conf<T: MainLevel>(cycle: *mut ngx_cycle_t) -> Option<&'static T> {
    // SAFETY: the caller's contract.
    T::Module::main_conf(unsafe { cycle.as_ref() }?)
}
