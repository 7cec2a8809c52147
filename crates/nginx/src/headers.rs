//! Iteration over header lists.

use ngx::ffi::{ngx_list_part_t, ngx_list_t, ngx_str_t, ngx_table_elt_t};

/// The headers of a list in order, without those NGINX has deleted (`hash == 0`).
///
/// # Safety
/// `list` is a header list of a live request, and nothing is pushed to it while the iterator lives.
pub unsafe fn walk<'r>(list: *const ngx_list_t) -> Headers<'r> {
    // SAFETY: the caller's contract.
    let part = unsafe { &(*list).part };
    Headers { part: Some(part), index: 0 }
}

/// Iterator over pairs of name and value.
pub struct Headers<'r> {
    part: Option<&'r ngx_list_part_t>,
    index: usize,
}

impl<'r> Iterator for Headers<'r> {
    type Item = (&'r [u8], &'r [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let part = self.part?;
            if self.index >= part.nelts {
                // SAFETY: `next` is null or the next part of the same list.
                self.part = unsafe { part.next.as_ref() };
                self.index = 0;
                continue;
            }
            // SAFETY: `elts` holds `nelts` elements.
            let header = unsafe { &*part.elts.cast::<ngx_table_elt_t>().add(self.index) };
            self.index += 1;
            if header.hash != 0 {
                // SAFETY: names and values live in request memory.
                return Some(unsafe { (bytes(&header.key), bytes(&header.value)) });
            }
        }
    }
}

/// The bytes of an NGINX string. NGINX represents empty strings as `{0, NULL}`; a slice must not be null.
///
/// # Safety
/// `data` points at `len` bytes that live for `'r`, or `len` is 0.
#[inline]
pub unsafe fn bytes<'r>(text: &ngx_str_t) -> &'r [u8] {
    if text.len == 0 || text.data.is_null() {
        return &[];
    }
    // SAFETY: the caller's contract.
    unsafe { std::slice::from_raw_parts(text.data, text.len) }
}

/// Value of a known header (`headers_in.user_agent` and the like); `None` if it is null, that is, absent.
///
/// # Safety
/// `header` is null or points at a header of a live request.
#[inline]
pub unsafe fn known<'r>(header: *const ngx_table_elt_t) -> Option<&'r [u8]> {
    // SAFETY: the caller's contract.
    unsafe { header.as_ref().map(|header| bytes(&header.value)) }
}
