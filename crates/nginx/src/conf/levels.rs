//! The structures of the levels of a configuration, by the module that makes them.

use ngx::ffi::{ngx_cycle, ngx_cycle_t};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf};

/// The structure of a module's `http` block.
pub trait MainLevel: Sized + 'static {
    /// The module that makes it.
    type Module: HttpModuleMainConf<MainConf = Self>;
}

/// The structure of each of a module's locations.
pub trait LocationLevel: Sized + 'static {
    /// The module that makes it.
    type Module: HttpModuleLocationConf<LocationConf = Self>;
}

/// The main configuration in the cycle in force; `None` without an `http` block.
///
/// The reference is for one hook or handler: in single-process mode a reload replaces the cycle.
pub fn current_main_conf<T: MainLevel>() -> Option<&'static T> {
    // SAFETY: the cycle in force has its configuration.
    unsafe { main_conf(ngx_cycle) }
}

/// As [`current_main_conf`], of another cycle.
///
/// # Safety
/// The cycle's configuration was read, and lives for as long as the hook that asks.
pub unsafe fn main_conf<T: MainLevel>(cycle: *mut ngx_cycle_t) -> Option<&'static T> {
    // SAFETY: as the caller says.
    T::Module::main_conf(unsafe { cycle.as_ref() }?)
}
