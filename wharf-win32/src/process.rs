//! The process: its end, and what is asked about it and the system.

use std::{thread, time::Duration};

use crate::{
    TRUE, console, error, handle, last_error, memory,
    objects::{CURRENT_PROCESS, CURRENT_THREAD},
    text::{Wide, write_narrow, write_wide},
    threads::{STILL_ACTIVE, Thread},
};

/// How long the end waits for files of the C library to be written out.
const FLUSH_MAX: Duration = Duration::from_millis(500);

/// Ends the process at once, with the lower 8 bits of that exit code: files of the C library are written out, but no destructor and
/// no `atexit` function runs beside threads that still do, as on Windows.
#[unsafe(no_mangle)]
pub extern "C" fn ExitProcess(code: u32) -> ! {
    flush_files();
    console::restore_terminal();
    // SAFETY: it may be called at any time.
    unsafe { libc::_exit(code as i32) }
}

/// Writes out what is in files of the C library. Another thread may hold one for long, as one does that reads a line from standard
/// input: then it is not waited for. Standard input is the last that the C library looks at.
pub(crate) fn flush_files() {
    let (done, is_done) = std::sync::mpsc::channel();
    let flusher = thread::Builder::new().spawn(move || {
        // SAFETY: NULL is all files.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let _ = done.send(());
    });
    if flusher.is_ok() {
        let _ = is_done.recv_timeout(FLUSH_MAX);
    }
}

/// [`ExitProcess`], if it is the process itself. Others can't be ended here.
#[unsafe(no_mangle)]
pub extern "C" fn TerminateProcess(process: usize, code: u32) -> i32 {
    if process == CURRENT_PROCESS {
        ExitProcess(code);
    }
    last_error::fail(error::INVALID_HANDLE)
}

/// The number of the process, if it is the calling one.
#[unsafe(no_mangle)]
pub extern "C" fn GetProcessId(process: usize) -> u32 {
    if process == CURRENT_PROCESS {
        return std::process::id();
    }
    last_error::set(error::INVALID_HANDLE);
    0
}

/// Takes any class of priority for the process. The system's schedule is not changed.
#[unsafe(no_mangle)]
pub extern "C" fn SetPriorityClass(process: usize, _class: u32) -> i32 {
    if process == CURRENT_PROCESS {
        TRUE
    } else {
        last_error::fail(error::INVALID_HANDLE)
    }
}

/// The class of a process that nobody has changed.
#[unsafe(no_mangle)]
pub extern "C" fn GetPriorityClass(_process: usize) -> u32 {
    const NORMAL: u32 = 0x20;
    NORMAL
}

/// `SYSTEM_INFO`, of 48 bytes.
#[repr(C)]
#[derive(Debug)]
pub struct SystemInfo {
    architecture: u16,
    reserved: u16,
    page_bytes: u32,
    lowest_address: usize,
    highest_address: usize,
    processors_mask: usize,
    processors: u32,
    processor_type: u32,
    allocation_granularity: u32,
    level: u16,
    revision: u16,
}

const _: () = assert!(size_of::<SystemInfo>() == 48);

/// How many threads of this process can run at once, as far as a mask can tell.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(64))
}

fn processors_mask(processors: usize) -> usize {
    usize::MAX >> (64 - processors)
}

/// Tells about the machine: `dwNumberOfProcessors` is how many threads of this process can run at once.
///
/// # Safety
/// `info` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetSystemInfo(info: *mut SystemInfo) {
    let processors = processors();
    let (architecture, processor_type) = if cfg!(target_arch = "aarch64") {
        (12, 0)
    } else {
        (9, 8664)
    };
    let filled = SystemInfo {
        architecture,
        reserved: 0,
        page_bytes: memory::page_bytes() as u32,
        lowest_address: 0x10000,
        highest_address: 0x7fff_fffe_ffff,
        processors_mask: processors_mask(processors),
        processors: processors as u32,
        processor_type,
        allocation_granularity: memory::GRANULARITY as u32,
        level: 6,
        revision: 0,
    };
    // SAFETY: of the caller.
    unsafe { info.write(filled) };
}

/// The same as [`GetSystemInfo`].
///
/// # Safety
/// `info` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetNativeSystemInfo(info: *mut SystemInfo) {
    // SAFETY: passed on to the caller.
    unsafe { GetSystemInfo(info) };
}

/// The version that is told: Windows 10.
const VERSION: [u32; 3] = [10, 0, 19045];
const PLATFORM_NT: u32 = 2;

/// What `OSVERSIONINFO` and `OSVERSIONINFOEX` begin with, as numbers: its size, the version, the platform. Then a text of 128
/// characters, which is empty; then, with `EX`, 8 bytes.
///
/// # Safety
/// It can be written, as far as its first number says.
unsafe fn write_version(info: *mut u32, character_bytes: u32) -> i32 {
    let (plain, extended) = (20 + 128 * character_bytes, 20 + 128 * character_bytes + 8);
    // SAFETY: of the caller.
    let bytes = unsafe { info.read() };
    if bytes != plain && bytes != extended {
        return last_error::fail(error::INSUFFICIENT_BUFFER);
    }
    // SAFETY: of the caller; it has so many bytes.
    unsafe {
        info.cast::<u8>().add(4).write_bytes(0, bytes as usize - 4);
        info.add(1)
            .copy_from_nonoverlapping(VERSION.as_ptr(), VERSION.len());
        info.add(4).write(PLATFORM_NT);
        if bytes == extended {
            const WORKSTATION: u8 = 1;
            info.cast::<u8>().add(bytes as usize - 2).write(WORKSTATION);
        }
    }
    TRUE
}

/// Tells the version of Windows that this may be taken for: 10.0.19045.
///
/// # Safety
/// `info` can be written, as far as its first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetVersionExA(info: *mut u32) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { write_version(info, 1) }
}

/// The same as [`GetVersionExA`], in a structure of wide characters.
///
/// # Safety
/// As for [`GetVersionExA`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetVersionExW(info: *mut u32) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { write_version(info, size_of::<Wide>() as u32) }
}

/// The same version in one number.
#[unsafe(no_mangle)]
pub extern "C" fn GetVersion() -> u32 {
    VERSION[2] << 16 | VERSION[1] << 8 | VERSION[0]
}

/// Waits for nothing: the pseudo-handle of a process has no exit code as long as it runs.
///
/// # Safety
/// `code` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetExitCodeProcess(process: usize, code: *mut u32) -> i32 {
    if process != CURRENT_PROCESS {
        return last_error::fail(error::INVALID_HANDLE);
    }
    // SAFETY: of the caller.
    unsafe { code.write(STILL_ACTIVE) };
    TRUE
}

fn host_name() -> String {
    String::from_utf8_lossy(rustix::system::uname().nodename().to_bytes()).into_owned()
}

/// Tells the name of the machine. `len`: characters with room, then those written, without the 0 at the end. FALSE, with error 111
/// and the number that is needed, if there is no room.
///
/// # Safety
/// `len` can be read and written, and so many characters at `name`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetComputerNameA(name: *mut u8, len: *mut u32) -> i32 {
    let text = host_name();
    // SAFETY: of the caller.
    unsafe {
        let written = write_narrow(&text, name, len.read() as usize);
        tell_name(written, text.len(), len)
    }
}

/// The same as [`GetComputerNameA`].
///
/// # Safety
/// As for [`GetComputerNameA`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetComputerNameW(name: *mut Wide, len: *mut u32) -> i32 {
    let text = host_name();
    // SAFETY: of the caller.
    unsafe {
        let written = write_wide(&text, name, len.read() as usize);
        tell_name(written, text.chars().count(), len)
    }
}

/// # Safety
/// `len` can be written.
unsafe fn tell_name(written: bool, count: usize, len: *mut u32) -> i32 {
    let told = if written { count } else { count + 1 };
    // SAFETY: of the caller.
    unsafe { len.write(told as u32) };
    if written {
        TRUE
    } else {
        last_error::fail(error::BUFFER_OVERFLOW)
    }
}

/// The mask of the processors that threads may run on: one that is asked for is taken, and has no effect. Returns the one before; 0
/// if the handle or the mask is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn SetThreadAffinityMask(thread: usize, mask: usize) -> usize {
    if thread != CURRENT_THREAD && handle::get::<Thread>(thread).is_none() {
        last_error::set(error::INVALID_HANDLE);
        return 0;
    }
    if mask == 0 {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    }
    processors_mask(processors())
}
