//! Standard handles, text to the console, debug output.

use std::{
    ffi::{c_char, c_void},
    io::{self, IsTerminal, Write, stderr, stdout},
    mem, ptr, slice,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::io::Errno;

use crate::{
    TRUE, error,
    handle::{self, INVALID_HANDLE_VALUE, Object},
    last_error,
    text::{Wide, from_wide, narrow, wide},
};

/// One of the three standard streams.
#[derive(Debug)]
pub(crate) struct Stream {
    descriptor: i32,
}

impl Object for Stream {}

impl Stream {
    /// Reads by the C library, as the program's own input is read: up to the end of a line.
    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        if self.descriptor != 0 {
            return Err(Errno::BADF.into());
        }
        let mut count = 0;
        while count < room.len() {
            // SAFETY: it may be called at any time.
            let Ok(byte) = u8::try_from(unsafe { libc::getchar() }) else {
                break;
            };
            room[count] = byte;
            count += 1;
            if byte == b'\n' {
                break;
            }
        }
        Ok(count)
    }

    /// Writes all, in the order of what the C library writes there.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the C library sets them before any code of this library runs.
        let (out, errors) = unsafe { (C_STDOUT, C_STDERR) };
        let file = match self.descriptor {
            1 => out,
            2 => errors,
            _ => return Err(Errno::BADF.into()),
        };
        // SAFETY: the bytes are there, and the file is one that lives as long as the process.
        let done = unsafe {
            libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), file) == bytes.len()
                && libc::fflush(file) == 0
        };
        if done {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// The handles of input, output and errors.
static STREAMS: LazyLock<[usize; 3]> = LazyLock::new(|| {
    [0, 1, 2].map(|descriptor| handle::insert(Arc::new(Stream { descriptor })).unwrap_or(0))
});

const UTF8: u32 = 65001;

unsafe extern "C" {
    #[link_name = "stdout"]
    static C_STDOUT: *mut libc::FILE;
    #[link_name = "stderr"]
    static C_STDERR: *mut libc::FILE;
}

/// The handle of a standard stream: -10 is input, -11 output, -12 errors.
#[unsafe(no_mangle)]
pub extern "C" fn GetStdHandle(which: u32) -> usize {
    let number = (-10_i32 as u32).checked_sub(which);
    match number.and_then(|number| STREAMS.get(number as usize)) {
        Some(handle) => *handle,
        None => {
            last_error::set(error::INVALID_HANDLE);
            INVALID_HANDLE_VALUE
        }
    }
}

fn write_console(console: usize, bytes: &[u8], count: u32, written: *mut u32) -> i32 {
    let Some(stream) = handle::get::<Stream>(console).filter(|stream| stream.descriptor > 0) else {
        return last_error::fail(error::INVALID_HANDLE);
    };
    if stream.write(bytes).is_err() {
        return last_error::fail(error::WRITE_FAULT);
    }
    if !written.is_null() {
        // SAFETY: of the caller.
        unsafe { written.write(count) };
    }
    TRUE
}

/// Writes text to standard output or standard error, also if that is no terminal.
///
/// # Safety
/// So many characters can be read at `text`. `written` is NULL, or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WriteConsoleA(
    console: usize,
    text: *const u8,
    count: u32,
    written: *mut u32,
    _reserved: *const c_void,
) -> i32 {
    let bytes = if text.is_null() {
        &[]
    } else {
        // SAFETY: of the caller.
        unsafe { slice::from_raw_parts(text, count as usize) }
    };
    write_console(console, bytes, count, written)
}

/// The same as [`WriteConsoleA`], in UTF-8.
///
/// # Safety
/// As for [`WriteConsoleA`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WriteConsoleW(
    console: usize,
    text: *const Wide,
    count: u32,
    written: *mut u32,
    _reserved: *const c_void,
) -> i32 {
    let text = if text.is_null() {
        String::new()
    } else {
        // SAFETY: of the caller.
        from_wide(unsafe { slice::from_raw_parts(text, count as usize) })
    };
    write_console(console, text.as_bytes(), count, written)
}

/// The code pages that the program has set, for output and input. They change nothing: terminals take UTF-8.
static PAGES: [AtomicU32; 2] = [AtomicU32::new(UTF8), AtomicU32::new(UTF8)];

/// Notes a code page for output. What is written is passed on as it is.
#[unsafe(no_mangle)]
pub extern "C" fn SetConsoleOutputCP(page: u32) -> i32 {
    PAGES[0].store(page, Ordering::Relaxed);
    TRUE
}

/// Notes a code page for input. What is read is passed on as it is.
#[unsafe(no_mangle)]
pub extern "C" fn SetConsoleCP(page: u32) -> i32 {
    PAGES[1].store(page, Ordering::Relaxed);
    TRUE
}

/// What [`SetConsoleOutputCP`] has noted, 65001 at first.
#[unsafe(no_mangle)]
pub extern "C" fn GetConsoleOutputCP() -> u32 {
    PAGES[0].load(Ordering::Relaxed)
}

/// What [`SetConsoleCP`] has noted, 65001 at first.
#[unsafe(no_mangle)]
pub extern "C" fn GetConsoleCP() -> u32 {
    PAGES[1].load(Ordering::Relaxed)
}

/// Titles the terminal, if standard output is one.
fn set_title(title: &[u8]) -> i32 {
    let mut out = stdout().lock();
    if out.is_terminal() {
        // Nothing that would end the sequence.
        let title: Vec<u8> = title.iter().copied().filter(|byte| *byte >= 0x20).collect();
        let _ = out.write_all(&[b"\x1b]0;", title.as_slice(), b"\x07"].concat());
        let _ = out.flush();
    }
    TRUE
}

/// Titles the terminal, if standard output is one. Always TRUE.
///
/// # Safety
/// The title is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SetConsoleTitleA(title: *const c_char) -> i32 {
    // SAFETY: of the caller.
    set_title(unsafe { narrow(title) })
}

/// The same as [`SetConsoleTitleA`].
///
/// # Safety
/// The title is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SetConsoleTitleW(title: *const Wide) -> i32 {
    // SAFETY: of the caller.
    set_title(unsafe { wide(title) }.as_bytes())
}

/// Writes to standard error, in one piece. That nobody reads it is no signal: `SIGPIPE` would end a program of C.
pub(super) fn tell(text: &[u8]) {
    without_sigpipe(|| {
        let _ = stderr().lock().write_all(text);
    });
}

/// Calls something whose writes raise no `SIGPIPE`: the signal is blocked meanwhile, and one that the writes have raised is taken.
fn without_sigpipe(call: impl FnOnce()) {
    // SAFETY: the sets are this thread's own variables, and are filled before they are read.
    unsafe {
        let (mut pipe, mut before, mut pending) = (mem::zeroed(), mem::zeroed(), mem::zeroed());
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::sigpending(&raw mut pending);
        let was_pending = libc::sigismember(&raw const pending, libc::SIGPIPE) == 1;
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before);
        call();
        let at_once = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if !was_pending {
            libc::sigtimedwait(&raw const pipe, ptr::null_mut(), &raw const at_once);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
    }
}

/// Writes a text to standard error, for whoever debugs the program.
///
/// # Safety
/// It is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OutputDebugStringA(text: *const c_char) {
    // SAFETY: of the caller.
    tell(unsafe { narrow(text) });
}

/// The same as [`OutputDebugStringA`].
///
/// # Safety
/// It is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OutputDebugStringW(text: *const Wide) {
    // SAFETY: of the caller.
    tell(unsafe { wide(text) }.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::FromRawFd};

    use super::*;

    #[test]
    fn a_write_that_nobody_reads_raises_no_signal() {
        // As a program of C has it; the standard library of Rust ignores it in its own programs.
        // SAFETY: no handler is called.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let mut ends = [0; 2];
        // SAFETY: there is room for two; they are nobody else's.
        let mut writer = unsafe {
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
            libc::close(ends[0]);
            File::from_raw_fd(ends[1])
        };
        without_sigpipe(|| {
            let error = writer.write_all(b"box").expect_err("nobody reads");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGPIPE, before) };
    }
}
