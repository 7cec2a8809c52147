//! Which library a function is of, and whether it is one that the program NGINX was linked to.

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;

use libc::{Dl_info, PT_DYNAMIC, dl_iterate_phdr, dl_phdr_info};

/// Entries of the dynamic section (System V ABI, chapter 5).
const DT_NULL: usize = 0;
const DT_NEEDED: usize = 1;
const DT_STRTAB: usize = 5;

#[repr(C)]
#[derive(Clone, Copy)]
struct Dynamic {
    tag: usize,
    value: usize,
}

/// Whether the program holds that address itself (a static library), or a library that it names as needed does.
pub(super) fn is_of_program(address: *const c_void) -> bool {
    let (Some(of), Some(program)) = (object_of(address), program()) else { return false };
    if std::ptr::eq(of.dli_fbase, program.base) {
        return true;
    }
    // SAFETY: where the object was loaded from; it stays loaded, since NGINX does not close what it needs.
    let file = unsafe { CStr::from_ptr(of.dli_fname) }.to_bytes();
    let name = file.rsplit(|byte| *byte == b'/').next();
    program.needed().any(|needed| Some(needed) == name)
}

/// The object that holds an address.
fn object_of(address: *const c_void) -> Option<Dl_info> {
    let mut info = MaybeUninit::<Dl_info>::uninit();
    // SAFETY: `dladdr` looks the address up; it fills the structure where it finds it.
    unsafe {
        (libc::dladdr(address, info.as_mut_ptr()) != 0)
            .then(|| info.assume_init())
            .filter(|info| !info.dli_fname.is_null())
    }
}

/// The program that runs.
struct Program {
    base: *mut c_void,
    dynamic: *const Dynamic,
    strings: *const libc::c_char,
}

/// The first object that `dl_iterate_phdr` names.
fn program() -> Option<Program> {
    unsafe extern "C" fn first(
        info: *mut dl_phdr_info,
        _size: libc::size_t,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: called with a valid structure, and with `found` below.
        unsafe {
            let info = &*info;
            for at in 0..usize::from(info.dlpi_phnum) {
                let header = &*info.dlpi_phdr.add(at);
                if header.p_type == PT_DYNAMIC {
                    let address = info.dlpi_addr as usize + header.p_vaddr as usize;
                    *found.cast() = (info.dlpi_addr as usize, address as *const Dynamic);
                }
            }
        }
        1
    }
    let mut found = (0_usize, std::ptr::null::<Dynamic>());
    // SAFETY: `first` writes to `found`, of the type it casts to, before the call returns.
    unsafe { dl_iterate_phdr(Some(first), (&raw mut found).cast()) };
    let (offset, dynamic) = found;
    if dynamic.is_null() {
        return None;
    }
    let strings = entries(dynamic).find(|entry| entry.tag == DT_STRTAB)?.value;
    // glibc has replaced it by the address in memory, musl has not.
    let strings = if strings < offset { strings + offset } else { strings };
    let base = object_of(dynamic.cast())?.dli_fbase;
    Some(Program { base, dynamic, strings: strings as *const libc::c_char })
}

impl Program {
    /// Names of the libraries it was linked to.
    fn needed(&self) -> impl Iterator<Item = &[u8]> {
        entries(self.dynamic).filter(|entry| entry.tag == DT_NEEDED).map(|entry| {
            // SAFETY: the value is a place in the table of strings, which is mapped with the program.
            unsafe { CStr::from_ptr(self.strings.add(entry.value)) }.to_bytes()
        })
    }
}

/// All entries of a dynamic section that is in memory.
fn entries(first: *const Dynamic) -> impl Iterator<Item = Dynamic> {
    // SAFETY: the section ends with an entry of type DT_NULL.
    (0..).map(move |at| unsafe { *first.add(at) }).take_while(|entry| entry.tag != DT_NULL)
}
