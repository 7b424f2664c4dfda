//! Single keys. From a terminal without waiting for the end of the line, and without an echo; else the next byte of standard input.

use std::{
    ffi::c_int,
    io::{IsTerminal, stdin},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, SeekFrom, fstat, seek},
    io::ioctl_fionread,
    termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    },
};

/// What is read at the end of the input.
const END: i32 = -1;

/// How the terminal was, while it waits for a key.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

fn before() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn restore_at_exit() {
    restore_terminal();
}

/// The terminal is as it was, if it waits for a key. For the end of the process, too.
pub(crate) fn restore_terminal() {
    if let Some(before) = before().take() {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

/// Has the terminal give each key at once. False if it can't be.
fn take_keys() -> bool {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: the function may be called at the end of the process.
        unsafe { libc::atexit(restore_at_exit) };
    });
    let mut before = before();
    let Ok(mut modes) = tcgetattr(stdin()) else {
        return false;
    };
    // Another thread may wait for a key already.
    before.get_or_insert_with(|| modes.clone());
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    // The key Return is 13, as on Windows.
    modes.input_modes -= InputModes::ICRNL;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(stdin(), OptionalActions::Now, &modes).is_ok()
}

/// Waits for a key, and returns its character; -1 at the end of the input.
#[unsafe(no_mangle)]
pub extern "C" fn _getch() -> i32 {
    wharf::blocking(|| {
        if !stdin().is_terminal() || !take_keys() {
            // By the C library, as the program's own input is read.
            // SAFETY: it may be called at any time.
            return unsafe { libc::getchar() };
        }
        let mut key = [0];
        let read = rustix::io::retry_on_intr(|| rustix::io::read(stdin(), &mut key));
        restore_terminal();
        match read {
            Ok(1) => key[0].into(),
            _ => END,
        }
    })
}

/// [`_getch`], with an echo.
#[unsafe(no_mangle)]
pub extern "C" fn _getche() -> i32 {
    let key = _getch();
    if key != END && stdin().is_terminal() {
        // SAFETY: any byte may be written.
        unsafe { libc::putchar(key) };
    }
    key
}

/// Whether [`_getch`] would find a key. At the end of the input there is none.
#[unsafe(no_mangle)]
pub extern "C" fn _kbhit() -> i32 {
    let terminal = stdin().is_terminal() && take_keys();
    let waits = (!terminal && was_read_ahead()) || key_waits();
    if terminal {
        restore_terminal();
    }
    waits.into()
}

/// How a `FILE` of the C library begins. What it has read, and nobody has taken, is between the two addresses.
#[repr(C)]
struct Stream {
    flags: c_int,
    next: *const u8,
    end: *const u8,
}

unsafe extern "C" {
    /// The standard input of the C library.
    #[link_name = "stdin"]
    static INPUT: *mut Stream;
    fn flockfile(stream: *mut Stream);
    fn funlockfile(stream: *mut Stream);
}

/// Whether the C library has bytes of standard input, of which the descriptor knows nothing any more.
fn was_read_ahead() -> bool {
    // SAFETY: it is open as long as the process; both C libraries of Linux lay it out so, for their own macros, and change it
    // under this lock only.
    unsafe {
        let input = INPUT;
        flockfile(input);
        let any = (*input).next < (*input).end;
        funlockfile(input);
        any
    }
}

fn key_waits() -> bool {
    let input = stdin();
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if poll(&mut polled, Some(&at_once)) != Ok(1) {
        return false;
    }
    // Ready is the end of the input, too.
    match ioctl_fionread(&input) {
        Ok(bytes) => bytes > 0,
        Err(_) => fstat(&input).is_ok_and(|about| {
            FileType::from_raw_mode(about.st_mode) == FileType::RegularFile
                && seek(&input, SeekFrom::Current(0)).is_ok_and(|at| at < about.st_size as u64)
        }),
    }
}
