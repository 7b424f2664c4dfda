//! Text in code pages: UTF-8 is done here, the others by the C library (iconv), as far as it has them.

use std::{
    borrow::Cow,
    ffi::{CStr, c_char},
    slice,
};

use crate::{
    error, last_error,
    text::{Wide, from_wide, narrow},
};

const MB_ERR_INVALID_CHARS: u32 = 8;
const WC_ERR_INVALID_CHARS: u32 = 0x80;

/// The encoding of a code page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Utf8,
    /// One that the C library knows by this name.
    Named(&'static CStr),
}

impl Page {
    /// None for one that is not provided.
    fn of(number: u32) -> Option<Page> {
        Some(Page::Named(match number {
            // Those of the system, which are UTF-8 here, and UTF-8 itself.
            0 | 1 | 3 | 65001 => return Some(Page::Utf8),
            437 => c"CP437",
            850 => c"CP850",
            932 => c"CP932",
            936 => c"GBK",
            949 => c"CP949",
            950 => c"CP950",
            1250 => c"CP1250",
            1251 => c"CP1251",
            1252 => c"CP1252",
            1253 => c"CP1253",
            1254 => c"CP1254",
            1258 => c"CP1258",
            1361 => c"JOHAB",
            20127 => c"ASCII",
            28591 => c"ISO-8859-1",
            51949 => c"EUC-KR",
            54936 => c"GB18030",
            _ => return None,
        }))
    }
}

/// A conversion of the C library.
struct Conversion(libc::iconv_t);

impl Conversion {
    /// None if the C library has no such encoding, or its tables are not installed.
    fn new(to: &CStr, from: &CStr) -> Option<Conversion> {
        // SAFETY: they are strings.
        let opened = unsafe { libc::iconv_open(to.as_ptr(), from.as_ptr()) };
        (opened.addr() != usize::MAX).then_some(Conversion(opened))
    }

    /// Converts as far as it can be done. Returns what it came to, and how many bytes are left that can't be converted or are cut off.
    fn run(&mut self, text: &[u8]) -> (Vec<u8>, usize) {
        // Four bytes for each are enough for any encoding, with what a state needs at the end.
        let mut room = vec![0_u8; text.len() * 4 + 16];
        let (mut from, mut left) = (text.as_ptr().cast_mut().cast::<c_char>(), text.len());
        let (mut to, mut free) = (room.as_mut_ptr().cast::<c_char>(), room.len());
        // SAFETY: both ranges are there; the first is only read.
        unsafe {
            libc::iconv(
                self.0,
                &raw mut from,
                &raw mut left,
                &raw mut to,
                &raw mut free,
            );
        }
        room.truncate(room.len() - free);
        (room, left)
    }
}

impl Drop for Conversion {
    fn drop(&mut self) {
        // SAFETY: it was opened, and is closed once.
        unsafe { libc::iconv_close(self.0) };
    }
}

/// What of a text is no character of its encoding becomes U+FFFD, or an error if it is `strict`.
fn decode(text: &[u8], page: Page, strict: bool) -> Result<Cow<'_, str>, u32> {
    let name = match page {
        Page::Named(name) => name,
        Page::Utf8 if strict => {
            let text = std::str::from_utf8(text).map_err(|_| error::NO_UNICODE_TRANSLATION)?;
            return Ok(Cow::Borrowed(text));
        }
        Page::Utf8 => return Ok(String::from_utf8_lossy(text)),
    };
    let mut conversion = Conversion::new(c"UTF-8", name).ok_or(error::INVALID_PARAMETER)?;
    let mut decoded = String::new();
    let mut rest = text;
    loop {
        let (part, left) = conversion.run(rest);
        decoded.push_str(&String::from_utf8_lossy(&part));
        if left == 0 {
            return Ok(Cow::Owned(decoded));
        }
        if strict {
            return Err(error::NO_UNICODE_TRANSLATION);
        }
        decoded.push(char::REPLACEMENT_CHARACTER);
        rest = &rest[rest.len() - left + 1..];
    }
}

/// What the encoding has no character for becomes the `other`. Says whether there was any.
fn encode(text: &str, page: Page, other: &[u8]) -> Result<(Vec<u8>, bool), u32> {
    let Page::Named(name) = page else {
        return Ok((text.as_bytes().to_vec(), false));
    };
    let mut conversion = Conversion::new(name, c"UTF-8").ok_or(error::INVALID_PARAMETER)?;
    let mut encoded = Vec::new();
    let mut rest = text;
    let mut used = false;
    loop {
        let (part, left) = conversion.run(rest.as_bytes());
        encoded.extend_from_slice(&part);
        rest = &rest[rest.len() - left..];
        let Some(unknown) = rest.chars().next() else {
            return Ok((encoded, used));
        };
        encoded.extend_from_slice(other);
        used = true;
        rest = &rest[unknown.len_utf8()..];
    }
}

/// What a function is given as a text: so many characters, or, with -1, as many as there are with the 0 at the end. None for what
/// is no text, or an empty one.
///
/// # Safety
/// So many can be read there, or it is a string.
unsafe fn given<'a, T>(
    text: *const T,
    len: i32,
    len_of: impl FnOnce(*const T) -> usize,
) -> Option<&'a [T]> {
    if text.is_null() {
        return None;
    }
    let len = match len {
        -1 => len_of(text) + 1,
        len => usize::try_from(len).ok().filter(|len| *len > 0)?,
    };
    // SAFETY: of the caller.
    Some(unsafe { slice::from_raw_parts(text, len) })
}

/// Writes a text without a 0 at its end. Returns its length; with no room at all, that is all that is done; with too little, 0.
///
/// # Safety
/// So many characters can be written there.
unsafe fn hand_out<T: Copy>(text: &[T], to: *mut T, room: i32) -> i32 {
    let (Ok(len), Ok(room)) = (i32::try_from(text.len()), usize::try_from(room)) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    if room == 0 {
        return len;
    }
    if text.len() > room {
        return last_error::fail(error::INSUFFICIENT_BUFFER);
    }
    // SAFETY: of the caller.
    unsafe { to.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    len
}

/// Turns a text of a code page into wide characters. `len`: bytes, or -1 for a string with the 0 at its end. Returns how many wide
/// characters there are; with no `room`, how many there would be. 0, with the last error: 87 for a code page that is not provided,
/// 122 for too little room, 1113 for what is no character, if the flag 8 forbids that.
///
/// # Safety
/// The text can be read, and so many wide characters can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MultiByteToWideChar(
    page: u32,
    flags: u32,
    text: *const u8,
    len: i32,
    to: *mut Wide,
    room: i32,
) -> i32 {
    // SAFETY: of the caller.
    let text = unsafe { given(text, len, |text| narrow(text.cast()).len()) };
    let (Some(page), Some(text)) = (Page::of(page), text) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    match decode(text, page, flags & MB_ERR_INVALID_CHARS != 0) {
        Err(code) => last_error::fail(code),
        Ok(text) => {
            let wide: Vec<Wide> = text.chars().map(Wide::from).collect();
            // SAFETY: passed on to the caller.
            unsafe { hand_out(&wide, to, room) }
        }
    }
}

/// Turns wide characters into text of a code page. Lengths and errors are as for [`MultiByteToWideChar`]. What the code page has no
/// character for becomes `other`, `?` if that is NULL, and `used_other` is told whether there was any.
///
/// # Safety
/// The wide characters can be read, and so many bytes can be written. `other` is NULL or a string; `used_other` is NULL or can be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WideCharToMultiByte(
    page: u32,
    flags: u32,
    wide: *const Wide,
    len: i32,
    to: *mut u8,
    room: i32,
    other: *const c_char,
    used_other: *mut i32,
) -> i32 {
    // SAFETY: of the caller: the 0 ends the search.
    let len_of =
        |wide: *const Wide| unsafe { (0..).take_while(|at| wide.add(*at).read() != 0).count() };
    // SAFETY: of the caller.
    let wide = unsafe { given(wide, len, len_of) };
    let (Some(page), Some(wide)) = (Page::of(page), wide) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    let strict = flags & WC_ERR_INVALID_CHARS != 0;
    if strict && wide.iter().any(|code| char::from_u32(*code).is_none()) {
        return last_error::fail(error::NO_UNICODE_TRANSLATION);
    }
    let other = if other.is_null() {
        b"?"
    } else {
        // SAFETY: of the caller.
        unsafe { narrow(other) }
    };
    match encode(&from_wide(wide), page, other) {
        Err(code) => last_error::fail(code),
        Ok((text, used)) => {
            if !used_other.is_null() {
                // SAFETY: of the caller.
                unsafe { used_other.write(used.into()) };
            }
            // SAFETY: passed on to the caller.
            unsafe { hand_out(&text, to, room) }
        }
    }
}

/// The number of bytes of a string; 0 for NULL.
///
/// # Safety
/// It is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstrlenA(text: *const c_char) -> i32 {
    // SAFETY: of the caller.
    unsafe { narrow(text) }.len() as i32
}

/// The number of characters of a wide string; 0 for NULL.
///
/// # Safety
/// It is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstrlenW(text: *const Wide) -> i32 {
    if text.is_null() {
        return 0;
    }
    // SAFETY: of the caller: the 0 ends the search.
    unsafe { (0..).take_while(|at| text.add(*at).read() != 0).count() as i32 }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    const GIVEN: &str = "가격 ab";
    const IN_949: &[u8] = b"\xb0\xa1\xb0\xdd ab";

    fn to_wide(page: u32, flags: u32, text: &[u8], room: usize) -> (i32, Vec<Wide>) {
        let mut wide = vec![0; room];
        // SAFETY: the text is there, and so much room.
        let len = unsafe {
            let len = text.len() as i32;
            MultiByteToWideChar(
                page,
                flags,
                text.as_ptr(),
                len,
                wide.as_mut_ptr(),
                room as i32,
            )
        };
        (len, wide)
    }

    #[test]
    fn utf_8_becomes_wide_and_back() {
        let wide: Vec<Wide> = GIVEN.chars().map(Wide::from).collect();
        assert_eq!(to_wide(65001, 0, GIVEN.as_bytes(), 0).0, 5);
        assert_eq!(to_wide(0, 0, GIVEN.as_bytes(), 5), (5, wide.clone()));
        assert_eq!(
            (
                to_wide(0, 0, GIVEN.as_bytes(), 4).0,
                last_error::GetLastError()
            ),
            (0, 122)
        );
        assert_eq!(to_wide(0, 0, b"a\xffb", 3), (3, vec![97, 0xfffd, 98]));
        assert_eq!(
            (to_wide(0, 8, b"a\xffb", 3).0, last_error::GetLastError()),
            (0, 1113)
        );
        assert_eq!(
            (to_wide(0, 0, b"", 3).0, last_error::GetLastError()),
            (0, 87)
        );
        assert_eq!(
            (to_wide(12345, 0, b"a", 3).0, last_error::GetLastError()),
            (0, 87)
        );
        let mut back = [1_u8; 12];
        // SAFETY: the wide characters end with a 0, and there is so much room.
        let len = unsafe {
            let wide = [wide, vec![0]].concat();
            let (to, room) = (back.as_mut_ptr(), back.len() as i32);
            WideCharToMultiByte(
                0,
                0,
                wide.as_ptr(),
                -1,
                to,
                room,
                ptr::null(),
                ptr::null_mut(),
            )
        };
        assert_eq!(
            (len, &back[..10]),
            (10, [GIVEN.as_bytes(), b"\0"].concat().as_slice())
        );
    }

    /// Where the C library has it: its tables may not be installed.
    #[test]
    fn korean_text_of_code_page_949_becomes_wide_and_back() {
        if Conversion::new(c"UTF-8", c"CP949").is_none() {
            return;
        }
        let page = Page::of(949).unwrap();
        assert_eq!(decode(IN_949, page, true).as_deref(), Ok(GIVEN));
        assert_eq!(encode(GIVEN, page, b"?"), Ok((IN_949.to_vec(), false)));
        assert_eq!(
            encode("a\u{1f600}b", page, b"#"),
            Ok((b"a#b".to_vec(), true))
        );
        assert_eq!(decode(b"a\xb0", page, false).as_deref(), Ok("a\u{fffd}"));
        assert_eq!(
            decode(b"a\xb0", page, true),
            Err(error::NO_UNICODE_TRANSLATION)
        );
    }
}
