//! Shared memory zones (`ngx_shared_memory_add`).

use std::ffi::c_void;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;

use ngx::ffi::{
    self, NGX_ERROR, NGX_LOG_EMERG, NGX_LOG_NOTICE, NGX_OK, ngx_int_t, ngx_pagesize,
    ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_alloc, ngx_slab_pool_t,
};

use super::catch_unwind::catch_unwind_ffi;
use super::conf::Conf;

/// The memory of a zone: contiguous, page-aligned, zeroed when new, shared by all processes forked after its creation.
#[derive(Clone, Copy)]
pub struct Region {
    /// Its first byte.
    pub base: NonNull<u8>,
    /// Length in bytes.
    pub len: usize,
}

/// The content of a zone.
pub trait ZoneContent: Sized {
    /// Called in the master once the memory exists, also for `nginx -t`, and while workers of the previous generation
    /// use the same memory: it must not reset the memory.
    ///
    /// `before` is the content in the active configuration if a reload reuses the zone (same name, size and tag). The
    /// reload may still fail and leave that configuration active, so nothing that its workers see may change here.
    ///
    /// # Errors
    /// A message for the error log; the configuration is rejected.
    fn attach(&self, region: Region, before: Option<&Self>) -> Result<(), String>;

    /// The memory given to [`Self::attach`], from which the next cycle takes it; `None` before.
    fn region(&self) -> Option<Region>;

    /// What the zone holds, for messages: `session table`.
    const WHAT: &'static str;

    /// Its address identifies zones of this content (`ngx_shared_memory_add`), so a zone that takes over another's name
    /// in a reload is not mistaken for it. One static per content, even if two have the same type.
    const TAG: &'static Tag;
}

/// A value with a unique address; never written. It is neither zero-sized nor constant memory, whose addresses may
/// coincide.
pub struct Tag(AtomicU8);

impl Tag {
    /// For a `static`, whose address is then unique.
    pub const fn unique() -> Self {
        Self(AtomicU8::new(0))
    }
}

/// Size in bytes of the smallest zone that NGINX accepts and that has `bytes` left for content.
pub fn smallest(bytes: usize) -> usize {
    // SAFETY: set at the start of main().
    (bytes + overhead(bytes)).max(8 * unsafe { ngx_pagesize })
}

/// Adds a zone to the configuration. NGINX provides the memory after reading the configuration, through
/// [`ZoneContent::attach`].
///
/// # Errors
/// Out of memory, or the name is already in use.
pub fn add<C: ZoneContent>(
    cf: Conf<'_>,
    name: &str,
    size: usize,
    content: C,
) -> Result<InPool<C>, String> {
    let content = NonNull::new(cf.pool().allocate(content)).ok_or("out of memory")?;
    let mut name = cf.intern(name).ok_or("out of memory")?;
    // SAFETY: the name lives in the cycle's pool; NGINX only compares the tag's address.
    unsafe {
        let tag = (&raw const C::TAG.0).cast_mut().cast();
        let zone = ngx_shared_memory_add(cf.as_ptr(), &mut name, size, tag);
        let zone = zone.as_mut().ok_or("the zone could not be added")?;
        if !zone.data.is_null() {
            return Err(format!("zone \"{}\" is already in use", name.to_str().unwrap_or("?")));
        }
        zone.init = Some(init::<C>);
        zone.data = content.as_ptr().cast();
    }
    Ok(InPool(content))
}

extern "C" fn init<C: ZoneContent>(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    catch_unwind_ffi(NGX_ERROR as ngx_int_t, || {
        // SAFETY: `data` is the content stored by `add`; `old` is null or that of the previous cycle, which is alive.
        let (content, old) = unsafe { (&*(*zone).data.cast::<C>(), old.cast::<C>().as_ref()) };
        // SAFETY: the zone's memory and log exist when NGINX calls init.
        let (shm, log) = unsafe { (&(*zone).shm, (*zone).shm.log) };
        let name = shm.name.to_str().unwrap_or("?");
        let before = old.filter(|old| old.region().is_some());
        let region = match before.and_then(C::region) {
            Some(region) => region,
            // SAFETY: a new zone, initialized by `ngx_init_zone_pool`.
            None => match unsafe { take_all(shm.addr.cast()) } {
                Some(region) => region,
                None => {
                    ngx::ngx_log_error!(
                        NGX_LOG_EMERG,
                        log,
                        "{} zone \"{name}\" is too small",
                        C::WHAT
                    );
                    return NGX_ERROR as ngx_int_t;
                }
            },
        };
        if before.is_none() && reloading() {
            ngx::ngx_log_error!(
                NGX_LOG_NOTICE,
                log,
                "{} zone \"{name}\" is new or has another size: it starts empty",
                C::WHAT
            );
        }
        match content.attach(region, before) {
            Ok(()) => NGX_OK as ngx_int_t,
            Err(message) => {
                ngx::ngx_log_error!(NGX_LOG_EMERG, log, "{} zone \"{name}\": {message}", C::WHAT);
                NGX_ERROR as ngx_int_t
            }
        }
    })
}

/// Allocates all free pages of a new zone in one piece. The allocator does not write to whole pages, so a large zone
/// takes no physical memory until it is used.
///
/// # Safety
/// `pool` is the initialized slab pool at the head of a zone that is not in use yet.
unsafe fn take_all(pool: *mut ngx_slab_pool_t) -> Option<Region> {
    // SAFETY: the caller's contract; `pfree` pages are free and contiguous in a new pool.
    unsafe {
        (*pool).set_log_nomem(0);
        let len = (*pool).pfree * ngx_pagesize;
        let base = ngx_slab_alloc(pool, len).cast::<u8>();
        (*pool).data = base.cast();
        NonNull::new(base).map(|base| Region { base, len })
    }
}

/// The master already has an active configuration.
fn reloading() -> bool {
    // SAFETY: `ngx_cycle` is still the previous cycle while a configuration is applied; the initial cycle has no
    // `conf_ctx` (`ngx_is_init_cycle`).
    unsafe { !ffi::ngx_cycle.is_null() && !(*ffi::ngx_cycle).conf_ctx.is_null() }
}

/// A value in the pool of a cycle, dropped with it. Held only by configuration of the same cycle.
pub struct InPool<T>(NonNull<T>);

impl<T> Deref for InPool<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the holder of an `InPool` is in the same pool and is freed with it.
        unsafe { self.0.as_ref() }
    }
}

/// Upper bound of the bytes that NGINX's slab pool takes from a zone.
pub fn overhead(bytes: usize) -> usize {
    // SAFETY: set at the start of main().
    let page = unsafe { ngx_pagesize };
    // A descriptor of 24 bytes per page, the pool's header, and rounding.
    bytes / page * 32 + 4 * page
}
