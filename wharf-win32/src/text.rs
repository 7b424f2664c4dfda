//! Text between C and Rust, and between narrow and wide characters.
//!
//! A wide character is 32 bits here, one code point. Narrow text is UTF-8, and what is not is passed on as it is where nothing is
//! asked of it.

use std::ffi::{CStr, c_char};

/// `wchar_t`.
pub(crate) type Wide = u32;

/// A narrow string, without the 0 at its end; nothing for NULL.
///
/// # Safety
/// It is NULL, or ends with a 0 and stays as it is.
pub(crate) unsafe fn narrow<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: of the caller.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

/// A wide string, without the 0 at its end; nothing for NULL.
///
/// # Safety
/// It is NULL, or ends with a 0.
pub(crate) unsafe fn wide(text: *const Wide) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: of the caller: the 0 ends the search.
    let len = unsafe { (0..).take_while(|at| text.add(*at).read() != 0).count() };
    // SAFETY: they were just read.
    from_wide(unsafe { std::slice::from_raw_parts(text, len) })
}

/// What is no code point becomes U+FFFD.
pub(crate) fn from_wide(text: &[Wide]) -> String {
    let character = |code: &Wide| char::from_u32(*code).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.iter().map(character).collect()
}

/// Writes a text with a 0 at its end, if there is room for both. Says whether there was.
///
/// # Safety
/// So many bytes can be written there.
pub(crate) unsafe fn write_narrow(text: &str, to: *mut u8, room: usize) -> bool {
    let fits = text.len() < room;
    if fits {
        // SAFETY: of the caller.
        unsafe {
            to.copy_from_nonoverlapping(text.as_ptr(), text.len());
            to.add(text.len()).write(0);
        }
    }
    fits
}

/// The same, in wide characters.
///
/// # Safety
/// So many characters can be written there.
pub(crate) unsafe fn write_wide(text: &str, to: *mut Wide, room: usize) -> bool {
    let wide: Vec<Wide> = text.chars().chain(['\0']).map(Wide::from).collect();
    let fits = wide.len() <= room;
    if fits {
        // SAFETY: of the caller.
        unsafe { to.copy_from_nonoverlapping(wide.as_ptr(), wide.len()) };
    }
    fits
}
