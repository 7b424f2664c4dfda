//! Texts of errors, and what is made of texts with places for arguments: `FormatMessage`.

use std::{borrow::Cow, ffi::c_char};

use crate::{
    error, last_error,
    text::{Wide, narrow, wide},
};

const ALLOCATE_BUFFER: u32 = 0x100;
const IGNORE_INSERTS: u32 = 0x200;
const FROM_STRING: u32 = 0x400;
const FROM_SYSTEM: u32 = 0x1000;
const ARGUMENT_ARRAY: u32 = 0x2000;
const MAX_WIDTH_MASK: u32 = 0xff;

/// The texts, by their numbers, which rise.
const TEXTS: &[(u32, &str)] = &[
    (0, "The operation succeeded."),
    (1, "There is no such function."),
    (2, "There is no such file."),
    (3, "There is no such path."),
    (4, "Too many files are open."),
    (5, "Access is denied."),
    (6, "The handle is not valid."),
    (8, "There is not enough memory."),
    (14, "There is not enough memory."),
    (24, "The length is wrong for this command."),
    (29, "The device can't be written to."),
    (
        31,
        "A device does not work, or what was asked for is not there.",
    ),
    (32, "Another process uses the file."),
    (38, "The end of the file was reached."),
    (50, "The request is not supported."),
    (53, "The network path was not found."),
    (64, "The connection is gone: the other side has reset it."),
    (80, "The file is there already."),
    (87, "A parameter is wrong."),
    (109, "The pipe has ended."),
    (111, "The name is too long for the buffer."),
    (120, "This function is not provided here."),
    (121, "The time for an answer is over."),
    (122, "The buffer is too small."),
    (126, "There is no such module."),
    (127, "There is no such procedure."),
    (170, "It is in use."),
    (183, "It exists already."),
    (192, "A call that was queued for the thread has run."),
    (232, "The pipe is being closed."),
    (234, "There is more data than fitted."),
    (258, "The wait has timed out."),
    (259, "There are no more items."),
    (288, "The mutex is not the caller's."),
    (298, "The semaphore would rise above its most."),
    (317, "There is no text for this number."),
    (487, "The address is not valid."),
    (735, "The port was closed."),
    (995, "The operation was cancelled."),
    (996, "The operation is still under way."),
    (997, "The operation is under way."),
    (998, "The address can't be used."),
    (1113, "There is no such character in the code page."),
    (1168, "It was not found."),
    (1225, "The other machine refuses the connection."),
    (1226, "The connection was closed in order."),
    (1227, "The address is in use by another connection."),
    (1229, "There is no such connection."),
    (1231, "The network can't be reached."),
    (1232, "The machine can't be reached."),
    (1234, "Nobody listens at the port of the other machine."),
    (1235, "The request was aborted."),
    (1236, "The connection was closed on this machine."),
    (1450, "The system's resources are used up."),
    (1460, "The time is over."),
    (10004, "The blocking call was interrupted."),
    (10009, "The descriptor is not valid."),
    (10013, "Access to the socket is denied."),
    (10014, "The address can't be used."),
    (10022, "An argument is wrong."),
    (10024, "Too many sockets are open."),
    (10035, "The call would have to wait."),
    (10036, "A blocking call is under way."),
    (10037, "The operation is under way already."),
    (10038, "It is no socket."),
    (10039, "An address is needed."),
    (
        10040,
        "The datagram is larger than the buffer, or than a datagram may be.",
    ),
    (10041, "The protocol is not of this kind of socket."),
    (10042, "There is no such option."),
    (10043, "There is no such protocol here."),
    (10044, "There is no such kind of socket here."),
    (10045, "The operation is not supported on this socket."),
    (10046, "There is no such family of protocols here."),
    (10047, "The address is of another family."),
    (10048, "The address is in use."),
    (10049, "The address is none of this machine."),
    (10050, "The network is down."),
    (10051, "The network can't be reached."),
    (10052, "The connection was lost with the network."),
    (10053, "The connection was ended on this machine."),
    (10054, "The other side has reset the connection."),
    (10055, "There is no room left for buffers."),
    (10056, "The socket is connected."),
    (10057, "The socket is not connected."),
    (10058, "The socket was shut down for this."),
    (10060, "The other side did not answer in time."),
    (10061, "The other machine refuses the connection."),
    (10062, "The name goes in a circle."),
    (10063, "The name is too long."),
    (10064, "The machine is down."),
    (10065, "The machine can't be reached."),
    (10067, "Too many processes use sockets."),
    (10091, "The network is not ready."),
    (10092, "This version of sockets is not supported."),
    (10093, "WSAStartup was not called."),
    (10101, "The other side closes in order."),
    (10108, "There is no such service."),
    (10109, "There is no such type."),
    (10110, "There are no more results."),
    (10111, "The call was cancelled."),
    (11001, "There is no such machine."),
    (11002, "The name server does not answer now."),
    (11003, "The name server has failed for good."),
    (11004, "The name has no address of this kind."),
];

/// The text of an error.
fn text_of(code: u32) -> Option<&'static str> {
    let at = TEXTS
        .binary_search_by_key(&code, |(number, _)| *number)
        .ok()?;
    Some(TEXTS[at].1)
}

/// What stands at `%1` and the like in a text.
enum Arguments<'a> {
    /// The places stay as they are.
    None,
    /// Each place is asked for by its number, from 1 on, with its format (what stands between `!` and `!`).
    Of(&'a dyn Fn(usize, &str) -> String),
}

/// Fills the places of a text: `%n` is the end of a line, `%0` the end of the text, `%1` to `%99` are arguments, `%%` and the like
/// the character itself. Without arguments nothing is filled.
fn fill(text: &str, arguments: &Arguments) -> String {
    let Arguments::Of(argument) = arguments else {
        return text.to_owned();
    };
    let mut filled = String::new();
    let mut left = text;
    while let Some((before, after)) = left.split_once('%') {
        filled.push_str(before);
        let digits = after.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let number: usize = after[..digits].parse().unwrap_or(0);
        left = &after[digits..];
        if digits > 0 {
            if number == 0 {
                return filled;
            }
            let format = left.strip_prefix('!').and_then(|rest| rest.split_once('!'));
            filled.push_str(&argument(number, format.map_or("s", |(format, _)| format)));
            left = format.map_or(left, |(_, rest)| rest);
            continue;
        }
        let mut characters = left.chars();
        match characters.next() {
            Some('n') => filled.push_str("\r\n"),
            Some('r') => filled.push('\r'),
            Some('t') => filled.push('\t'),
            Some(other) => filled.push(other),
            None => {}
        }
        left = characters.as_str();
    }
    filled + left
}

/// An argument of a word, in a format of `printf`'s: texts, numbers and characters.
///
/// # Safety
/// If the format is one for a text, the word is the address of one, of the kind that `read` reads.
unsafe fn argument(word: usize, format: &str, read: impl Fn(usize) -> String) -> String {
    let kind = format.trim_start_matches(|character: char| !character.is_ascii_alphabetic());
    match kind.trim_start_matches(['l', 'h', 'I', 'w', '6', '4']) {
        "d" | "i" if kind.len() > 1 => (word as isize).to_string(),
        "d" | "i" => (word as i32).to_string(),
        "u" if kind.len() > 1 => word.to_string(),
        "u" => (word as u32).to_string(),
        "x" => format!("{word:x}"),
        "X" => format!("{word:X}"),
        "c" => char::from_u32(word as u32)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .to_string(),
        _ => read(word),
    }
}

/// Puts the text into lines as asked: with a width that is all, line ends become spaces.
fn in_one_line(text: &str) -> String {
    text.replace("\r\n", " ").replace('\n', " ")
}

/// The text that is asked for. The last error if there is none.
fn compose(flags: u32, source: Cow<str>, code: u32, arguments: &Arguments) -> Result<String, u32> {
    let text = if flags & FROM_STRING != 0 {
        fill(&source, arguments)
    } else if flags & FROM_SYSTEM != 0 {
        let text = text_of(code).ok_or(error::MR_MID_NOT_FOUND)?;
        format!("{text}\r\n")
    } else {
        return Err(error::INVALID_PARAMETER);
    };
    Ok(if flags & MAX_WIDTH_MASK == MAX_WIDTH_MASK {
        in_one_line(&text)
    } else {
        text
    })
}

/// Hands the text out: into the buffer, or into one that the C library allocates, for `LocalFree`. Returns how many characters it has
/// without the 0 at its end; 0, with the last error, if there is no room.
///
/// # Safety
/// The buffer has room for so many characters, or for an address with the flag 0x100.
unsafe fn hand_out<C: Copy + Default>(text: &[C], flags: u32, buffer: *mut C, room: u32) -> u32 {
    let whole = text.len() + 1;
    let to = if flags & ALLOCATE_BUFFER == 0 {
        if whole > room as usize {
            last_error::set(error::INSUFFICIENT_BUFFER);
            return 0;
        }
        buffer
    } else {
        // SAFETY: of the C library.
        let allocated = unsafe { libc::malloc(whole.max(room as usize) * size_of::<C>()) };
        if allocated.is_null() {
            last_error::set(error::NOT_ENOUGH_MEMORY);
            return 0;
        }
        // SAFETY: of the caller.
        unsafe { buffer.cast::<*mut C>().write_unaligned(allocated.cast()) };
        allocated.cast()
    };
    // SAFETY: it has room, as was looked at or allocated.
    unsafe {
        to.copy_from_nonoverlapping(text.as_ptr(), text.len());
        to.add(text.len()).write(C::default());
    }
    text.len() as u32
}

/// Writes the text of an error (with the flag 0x1000), or of a string (0x400) in which the places for arguments are filled from an
/// array of words (0x2000) or left as they are (0x200, or without an array). The texts are English, whatever the language; each
/// ends with a line end, which the flag 0xff makes a space.
///
/// # Safety
/// With the flag 0x400, `source` is a string. The buffer has room for so many characters, or for an address with the flag 0x100.
/// With the flag 0x2000, the arguments are as many words as the string asks for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FormatMessageA(
    flags: u32,
    source: *const c_char,
    code: u32,
    _language: u32,
    buffer: *mut u8,
    room: u32,
    arguments: *const usize,
) -> u32 {
    // SAFETY: of the caller: the array has it, and it is the address of a text if the format says so.
    let read = |number: usize, format: &str| unsafe {
        let text =
            |word: usize| String::from_utf8_lossy(narrow(word as *const c_char)).into_owned();
        argument(arguments.add(number - 1).read(), format, text)
    };
    let source = if flags & FROM_STRING == 0 {
        Cow::default()
    } else {
        // SAFETY: of the caller.
        String::from_utf8_lossy(unsafe { narrow(source) })
    };
    match compose(flags, source, code, &given(flags, arguments, &read)) {
        // SAFETY: passed on to the caller.
        Ok(text) => unsafe { hand_out(text.as_bytes(), flags, buffer, room) },
        Err(code) => {
            last_error::set(code);
            0
        }
    }
}

/// The same as [`FormatMessageA`], in wide characters.
///
/// # Safety
/// As for [`FormatMessageA`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FormatMessageW(
    flags: u32,
    source: *const Wide,
    code: u32,
    _language: u32,
    buffer: *mut Wide,
    room: u32,
    arguments: *const usize,
) -> u32 {
    // SAFETY: as in `FormatMessageA`.
    let read = |number: usize, format: &str| unsafe {
        argument(arguments.add(number - 1).read(), format, |word| {
            wide(word as *const Wide)
        })
    };
    let source = if flags & FROM_STRING == 0 {
        Cow::default()
    } else {
        // SAFETY: of the caller.
        Cow::Owned(unsafe { wide(source) })
    };
    match compose(flags, source, code, &given(flags, arguments, &read)) {
        Ok(text) => {
            let text: Vec<Wide> = text.chars().map(Wide::from).collect();
            // SAFETY: passed on to the caller.
            unsafe { hand_out(&text, flags, buffer, room) }
        }
        Err(code) => {
            last_error::set(code);
            0
        }
    }
}

fn given<'a>(
    flags: u32,
    arguments: *const usize,
    read: &'a dyn Fn(usize, &str) -> String,
) -> Arguments<'a> {
    let given = flags & ARGUMENT_ARRAY != 0 && flags & IGNORE_INSERTS == 0 && !arguments.is_null();
    if given {
        Arguments::Of(read)
    } else {
        Arguments::None
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn texts_are_in_order() {
        assert!(TEXTS.is_sorted_by_key(|(number, _)| *number));
        assert!(TEXTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn places_are_filled() {
        let read = |number: usize, format: &str| format!("<{number}{format}>");
        let arguments = Arguments::Of(&read);
        assert_eq!(fill("a %1 b%12!d!%%%n", &arguments), "a <1s> b<12d>%\r\n");
        assert_eq!(fill("gone%0 never", &arguments), "gone");
        assert_eq!(fill("%1%", &Arguments::None), "%1%");
        assert_eq!(fill("%", &arguments), "");
    }

    #[test]
    fn an_error_has_a_text_in_a_buffer_with_room() {
        let mut buffer = [0; 64];
        let mut ask = |flags, code, room| {
            // SAFETY: the buffer has so much room.
            let len = unsafe {
                FormatMessageA(
                    flags,
                    ptr::null(),
                    code,
                    0,
                    buffer.as_mut_ptr(),
                    room,
                    ptr::null(),
                )
            };
            (
                len,
                String::from_utf8_lossy(&buffer[..len as usize]).into_owned(),
            )
        };
        assert_eq!(
            ask(FROM_SYSTEM, 6, 64),
            (26, "The handle is not valid.\r\n".into())
        );
        assert_eq!(
            ask(FROM_SYSTEM | 0xff, 6, 64),
            (25, "The handle is not valid. ".into())
        );
        assert_eq!(
            (ask(FROM_SYSTEM, 6, 26).0, last_error::GetLastError()),
            (0, 122)
        );
        assert_eq!(
            (ask(FROM_SYSTEM, 77_777, 64).0, last_error::GetLastError()),
            (0, 317)
        );
        assert_eq!((ask(0, 6, 64).0, last_error::GetLastError()), (0, 87));
    }

    #[test]
    fn a_buffer_is_allocated_and_arguments_are_read() {
        let arguments = [c"one".as_ptr() as usize, (-2_i32) as usize, 255];
        let mut buffer: *mut c_char = ptr::null_mut();
        let flags = FROM_STRING | ARGUMENT_ARRAY | ALLOCATE_BUFFER;
        // SAFETY: the arguments are what the string asks for.
        let text = unsafe {
            let (source, to) = (c"%1, %2!d!, %3!X!".as_ptr(), (&raw mut buffer).cast());
            assert_eq!(
                FormatMessageA(flags, source, 0, 0, to, 0, arguments.as_ptr()),
                11
            );
            let text = narrow(buffer).to_vec();
            libc::free(buffer.cast());
            text
        };
        assert_eq!(text, b"one, -2, FF");
    }
}
