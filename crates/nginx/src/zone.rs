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

/// The memory of a zone: contiguous, page-aligned, all zero when new, shared by every process that
/// is forked after it was made.
#[derive(Clone, Copy)]
pub struct Region {
    /// Its first byte.
    pub base: NonNull<u8>,
    /// Bytes from there.
    pub len: usize,
}

/// What lives in a zone.
pub trait ZoneContent: Sized {
    /// Called in the master once the memory exists, also by `nginx -t`, also while workers of the
    /// generation before use the same memory: it must not reset what is in there.
    ///
    /// `before` is the same of the configuration in force, where a reload re-uses the zone (same name, size
    /// and module). The reload may still fail, and then that configuration stays in force: nothing that
    /// its workers see may change here. Returns a message for the error log, if there is one.
    fn attach(&self, region: Region, before: Option<&Self>) -> Result<(), String>;

    /// Where [`Self::attach`] found the memory, for the next cycle to find it again.
    fn region(&self) -> Option<Region>;

    /// What the zone is, for messages: `session table`.
    const WHAT: &'static str;

    /// Its address tells zones of this content from all others (`ngx_shared_memory_add`): one that gets the
    /// name of another after a reload is not taken for it. One static a content, not only one a text.
    const TAG: &'static Tag;
}

/// Something with an address of its own; never written to. Not of size zero, and not constant memory, which
/// a compiler may merge.
pub struct Tag(AtomicU8);

impl Tag {
    /// An address that no other has.
    pub const fn unique() -> Self {
        Self(AtomicU8::new(0))
    }
}

/// Smallest zone that NGINX can manage, with so many bytes left in it.
pub fn smallest(bytes: usize) -> usize {
    // SAFETY: set at the start of main().
    (bytes + overhead(bytes)).max(8 * unsafe { ngx_pagesize })
}

/// Adds a zone to the configuration. `content` gets its memory when the configuration is taken.
pub fn add<C: ZoneContent>(
    cf: Conf<'_>,
    name: &str,
    size: usize,
    content: C,
) -> Result<InPool<C>, String> {
    let content = NonNull::new(cf.pool().allocate(content)).ok_or("out of memory")?;
    let mut name = cf.intern(name).ok_or("out of memory")?;
    // SAFETY: the name lives in the cycle's pool; the tag is an address that is only compared.
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
        // SAFETY: `data` is what `add` stored; `old` is the same of the cycle before, still alive.
        let (content, old) = unsafe { (&*(*zone).data.cast::<C>(), old.cast::<C>().as_ref()) };
        // SAFETY: the zone's memory and log exist when NGINX calls init.
        let (shm, log) = unsafe { (&(*zone).shm, (*zone).shm.log) };
        let name = shm.name.to_str().unwrap_or("?");
        let before = old.filter(|old| old.region().is_some());
        let region = match before.and_then(C::region) {
            Some(region) => region,
            // SAFETY: a new zone, initialised by ngx_init_zone_pool.
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

/// Allocates all free pages of a new zone in one piece. Whole pages are never written to by the
/// allocator, so a large zone costs nothing until it is used.
///
/// # Safety
/// `pool` is the initialised slab pool at the head of a zone that nobody uses yet.
unsafe fn take_all(pool: *mut ngx_slab_pool_t) -> Option<Region> {
    // SAFETY: as the caller says; `pfree` pages are free and contiguous in a new pool.
    unsafe {
        (*pool).set_log_nomem(0);
        let len = (*pool).pfree * ngx_pagesize;
        let base = ngx_slab_alloc(pool, len).cast::<u8>();
        (*pool).data = base.cast();
        NonNull::new(base).map(|base| Region { base, len })
    }
}

/// The master has a configuration in force already.
fn reloading() -> bool {
    // SAFETY: while a configuration is taken, `ngx_cycle` still is the one before; the first is an
    // empty one without `conf_ctx` (ngx_is_init_cycle).
    unsafe { !ffi::ngx_cycle.is_null() && !(*ffi::ngx_cycle).conf_ctx.is_null() }
}

/// A value in the pool of a cycle, dropped with it. Kept only by configuration of the same cycle.
pub struct InPool<T>(NonNull<T>);

impl<T> Deref for InPool<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: what holds an `InPool` is in the same pool and goes with it.
        unsafe { self.0.as_ref() }
    }
}

/// What NGINX's slab pool takes of a zone for itself, generously.
pub fn overhead(bytes: usize) -> usize {
    // SAFETY: set at the start of main().
    let page = unsafe { ngx_pagesize };
    // A descriptor of 24 bytes a page, the pool's head, and rounding.
    bytes / page * 32 + 4 * page
}
