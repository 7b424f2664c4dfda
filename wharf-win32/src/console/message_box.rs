//! Message boxes, without a window: the text goes to standard error, and the thread blocks until a line comes on standard input, or
//! for as long as the environment variable `WHARF_MESSAGE_BOX_MS` says.

use std::ffi::c_char;

use crate::{
    objects::Sleep,
    text::{Wide, narrow, wide},
};

use super::output::tell;

/// What the buttons of a box are. The lower four bits of its type.
const BUTTONS: u32 = 0xf;
const ABORT_RETRY_IGNORE: u32 = 2;
const YES_NO_CANCEL: u32 = 3;
const YES_NO: u32 = 4;
const RETRY_CANCEL: u32 = 5;

const OK: i32 = 1;
const CANCEL: i32 = 2;
const ABORT: i32 = 3;
const RETRY: i32 = 4;
const IGNORE: i32 = 5;
const YES: i32 = 6;
const NO: i32 = 7;

/// The button that a line means, by its first letter. One that means none, as an empty one does, is the first button.
fn button(kind: u32, line: &[u8]) -> i32 {
    let buttons: &[(u8, i32)] = match kind & BUTTONS {
        0 => &[(b'o', OK)],
        ABORT_RETRY_IGNORE => &[(b'a', ABORT), (b'r', RETRY), (b'i', IGNORE)],
        YES_NO_CANCEL => &[(b'y', YES), (b'n', NO), (b'c', CANCEL)],
        YES_NO => &[(b'y', YES), (b'n', NO)],
        RETRY_CANCEL => &[(b'r', RETRY), (b'c', CANCEL)],
        _ => &[(b'o', OK), (b'c', CANCEL)],
    };
    let letter = line.first().map(u8::to_ascii_lowercase);
    let meant = buttons.iter().find(|(first, _)| Some(*first) == letter);
    meant.unwrap_or(&buttons[0]).1
}

/// How long boxes block, if not for a line.
fn milliseconds() -> Option<u32> {
    std::env::var("WHARF_MESSAGE_BOX_MS")
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The next line of standard input, read by the C library as the program's own lines are. The end of the input is one as well.
fn read_line() -> Vec<u8> {
    let mut line = Vec::new();
    loop {
        // SAFETY: it may be called at any time.
        match u8::try_from(unsafe { libc::getchar() }) {
            Err(_) | Ok(b'\n') => return line,
            Ok(byte) => line.push(byte),
        }
    }
}

fn show(text: &[u8], caption: &[u8], kind: u32) -> i32 {
    tell(&[b"[", caption, b"] ", text, b"\n"].concat());
    match milliseconds() {
        Some(milliseconds) => {
            Sleep(milliseconds);
            button(kind, b"")
        }
        None => button(kind, &wharf::blocking(read_line)),
    }
}

/// Prints the text, and blocks until a line comes on standard input, or for `WHARF_MESSAGE_BOX_MS` milliseconds. Returns a button of
/// its type: by the first letter of the line, else the first.
///
/// # Safety
/// Text and caption are NULL, or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MessageBoxA(
    _owner: usize,
    text: *const c_char,
    caption: *const c_char,
    kind: u32,
) -> i32 {
    // SAFETY: of the caller.
    let (text, caption) = unsafe { (narrow(text), narrow(caption)) };
    show(
        text,
        if caption.is_empty() {
            b"Error"
        } else {
            caption
        },
        kind,
    )
}

/// The same as [`MessageBoxA`].
///
/// # Safety
/// As for [`MessageBoxA`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn MessageBoxW(
    _owner: usize,
    text: *const Wide,
    caption: *const Wide,
    kind: u32,
) -> i32 {
    // SAFETY: of the caller.
    let (text, caption) = unsafe { (wide(text), wide(caption)) };
    let caption = if caption.is_empty() {
        "Error"
    } else {
        &caption
    };
    show(text.as_bytes(), caption.as_bytes(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_a_button() {
        assert_eq!((button(0, b""), button(0x30, b"no")), (OK, OK));
        assert_eq!(
            (
                button(YES_NO, b""),
                button(YES_NO, b"No"),
                button(YES_NO, b"what")
            ),
            (YES, NO, YES)
        );
        assert_eq!((button(1, b"cancel"), button(1, b"")), (CANCEL, OK));
        assert_eq!(button(ABORT_RETRY_IGNORE | 0x100, b"i"), IGNORE);
        assert_eq!(button(YES_NO_CANCEL, b"c"), CANCEL);
    }
}
