//! Finds the library that contains a function, and whether the NGINX binary is linked to it.

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;

use libc::{Dl_info, PT_DYNAMIC, dl_iterate_phdr, dl_phdr_info};

/// Tags of the dynamic section (System V ABI, chapter 5).
const DT_NULL: usize = 0;
const DT_NEEDED: usize = 1;
const DT_STRTAB: usize = 5;

#[repr(C)]
#[derive(Clone, Copy)]
struct Dynamic {
    tag: usize,
    value: usize,
}

/// Whether the address is in the program itself (a static library) or in a library that it lists as `DT_NEEDED`.
pub(super) fn is_of_program(address: *const c_void) -> bool {
    let (Some(of), Some(program)) = (object_of(address), program()) else { return false };
    if std::ptr::eq(of.dli_fbase, program.base) {
        return true;
    }
    // SAFETY: the object's file name; it lives while the object is loaded, and NGINX does not unload its libraries.
    let file = unsafe { CStr::from_ptr(of.dli_fname) }.to_bytes();
    let name = file.rsplit(|byte| *byte == b'/').next();
    program.needed().any(|needed| Some(needed) == name)
}

/// The loaded object that contains an address.
fn object_of(address: *const c_void) -> Option<Dl_info> {
    let mut info = MaybeUninit::<Dl_info>::uninit();
    // SAFETY: `dladdr` accepts any address; it fills the structure if it returns nonzero.
    unsafe {
        (libc::dladdr(address, info.as_mut_ptr()) != 0)
            .then(|| info.assume_init())
            .filter(|info| !info.dli_fname.is_null())
    }
}

/// The running program.
struct Program {
    base: *mut c_void,
    dynamic: *const Dynamic,
    strings: *const libc::c_char,
}

/// The program is the first object that `dl_iterate_phdr` reports.
fn program() -> Option<Program> {
    unsafe extern "C" fn first(
        info: *mut dl_phdr_info,
        _size: libc::size_t,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: called with a valid structure and a pointer to `found` below.
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
    // SAFETY: `found` has the type that `first` writes, and outlives the call.
    unsafe { dl_iterate_phdr(Some(first), (&raw mut found).cast()) };
    let (offset, dynamic) = found;
    if dynamic.is_null() {
        return None;
    }
    let strings = entries(dynamic).find(|entry| entry.tag == DT_STRTAB)?.value;
    // glibc has replaced the offset with the address in memory, musl has not.
    let strings = if strings < offset { strings + offset } else { strings };
    let base = object_of(dynamic.cast())?.dli_fbase;
    Some(Program { base, dynamic, strings: strings as *const libc::c_char })
}

impl Program {
    /// Names of the libraries that it is linked to.
    fn needed(&self) -> impl Iterator<Item = &[u8]> {
        entries(self.dynamic).filter(|entry| entry.tag == DT_NEEDED).map(|entry| {
            // SAFETY: the value is an offset into the string table, which is mapped with the program.
            unsafe { CStr::from_ptr(self.strings.add(entry.value)) }.to_bytes()
        })
    }
}

/// The entries of a dynamic section in memory.
fn entries(first: *const Dynamic) -> impl Iterator<Item = Dynamic> {
    // SAFETY: the section ends with an entry of type DT_NULL.
    (0..).map(move |at| unsafe { *first.add(at) }).take_while(|entry| entry.tag != DT_NULL)
}
