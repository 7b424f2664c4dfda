//! Files: opened by name, read and written where the thread stands. The standard streams are files, too.
//!
//! A call with an OVERLAPPED reads or writes at its offset, and has ended when it returns; the OVERLAPPED and its event say so. A
//! file can't be associated with a port.

use std::{
    ffi::{c_char, c_void},
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::{ffi::OsStringExt, fs::FileExt},
    path::PathBuf,
    slice,
    sync::{Arc, atomic::Ordering},
};

use rustix::io::Errno;

use crate::{
    TRUE, codes,
    console::Stream,
    error,
    handle::{self, INVALID_HANDLE_VALUE, Object},
    last_error,
    objects::event,
    operation::{CallerOverlapped, NO_PACKET},
    socket,
    text::{Wide, narrow, wide},
};

const GENERIC_READ: u32 = 0x8000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const GENERIC_ALL: u32 = 0x1000_0000;
const FILE_READ_DATA: u32 = 1;
const FILE_WRITE_DATA: u32 = 2;
const FILE_APPEND_DATA: u32 = 4;

const CREATE_NEW: u32 = 1;
const CREATE_ALWAYS: u32 = 2;
const OPEN_EXISTING: u32 = 3;
const OPEN_ALWAYS: u32 = 4;
const TRUNCATE_EXISTING: u32 = 5;

const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;

const INVALID_FILE_SIZE: u32 = u32::MAX;

/// A file that a program has opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    /// Its name is to go with it.
    deleted: Option<PathBuf>,
}

impl OpenFile {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// The file with this handle.
pub(crate) fn opened(handle: usize) -> Option<Arc<OpenFile>> {
    handle::get(handle)
}

impl Object for OpenFile {
    fn closed(&self) {
        if let Some(path) = &self.deleted {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The last error of a failure of the system's.
pub(crate) fn code_of(failure: &io::Error) -> u32 {
    match Errno::from_io_error(failure) {
        Some(Errno::NOENT) => error::FILE_NOT_FOUND,
        Some(Errno::NOTDIR) => error::PATH_NOT_FOUND,
        Some(Errno::MFILE | Errno::NFILE) => error::TOO_MANY_OPEN_FILES,
        Some(Errno::ACCESS | Errno::PERM | Errno::ISDIR | Errno::ROFS) => error::ACCESS_DENIED,
        Some(Errno::EXIST) => error::FILE_EXISTS,
        Some(Errno::NOSPC | Errno::DQUOT) => error::DISK_FULL,
        Some(Errno::NOMEM) => error::NOT_ENOUGH_MEMORY,
        Some(Errno::PIPE) => error::BROKEN_PIPE,
        // It was opened for something else.
        Some(Errno::BADF) => error::ACCESS_DENIED,
        Some(Errno::INVAL | Errno::NAMETOOLONG) => error::INVALID_PARAMETER,
        _ => error::GEN_FAILURE,
    }
}

fn open(path: PathBuf, access: u32, disposition: u32, flags: u32) -> usize {
    let all = access & GENERIC_ALL != 0;
    let reads = all || access & (GENERIC_READ | FILE_READ_DATA) != 0;
    let writes = all || access & (GENERIC_WRITE | FILE_WRITE_DATA) != 0;
    let appends = !writes && access & FILE_APPEND_DATA != 0;
    // To make a file, or to empty it, is to write it.
    let makes = disposition != OPEN_EXISTING && !appends;
    let mut options = OpenOptions::new();
    // With neither it can only be asked about, for which the system has no such way to open it.
    options
        .read(reads || !(writes || appends))
        .write(writes || makes)
        .append(appends);
    let existed = path.exists();
    match disposition {
        CREATE_NEW => options.create_new(true),
        CREATE_ALWAYS => options.create(true).truncate(true),
        OPEN_EXISTING => &mut options,
        OPEN_ALWAYS => options.create(true),
        TRUNCATE_EXISTING => options.truncate(true),
        _ => {
            last_error::set(error::INVALID_PARAMETER);
            return INVALID_HANDLE_VALUE;
        }
    };
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(failure) => {
            last_error::set(code_of(&failure));
            return INVALID_HANDLE_VALUE;
        }
    };
    let deleted = (flags & FILE_FLAG_DELETE_ON_CLOSE != 0).then_some(path);
    let Some(handle) = handle::insert(Arc::new(OpenFile { file, deleted })) else {
        last_error::set(error::NOT_ENOUGH_MEMORY);
        return INVALID_HANDLE_VALUE;
    };
    let tells = existed && matches!(disposition, CREATE_ALWAYS | OPEN_ALWAYS);
    last_error::set(if tells { error::ALREADY_EXISTS } else { 0 });
    handle
}

/// A path with the separators of this system.
fn path_of(name: Vec<u8>) -> PathBuf {
    let name = name
        .into_iter()
        .map(|byte| if byte == b'\\' { b'/' } else { byte });
    std::ffi::OsString::from_vec(name.collect()).into()
}

/// Opens a file, or makes one. `disposition`: 1 makes one that is not there, 2 makes or empties one, 3 opens one that is there, 4
/// opens or makes one, 5 empties one that is there. Backslashes in the name are slashes. Other processes may do with the file what
/// they like. Returns its handle; `usize::MAX`, with the last error, if that can't be.
///
/// # Safety
/// The name is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CreateFileA(
    name: *const c_char,
    access: u32,
    _share: u32,
    _security: *const c_void,
    disposition: u32,
    flags: u32,
    _template: usize,
) -> usize {
    // SAFETY: of the caller.
    let path = path_of(unsafe { narrow(name) }.to_vec());
    open(path, access, disposition, flags)
}

/// The same as [`CreateFileA`].
///
/// # Safety
/// The name is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CreateFileW(
    name: *const Wide,
    access: u32,
    _share: u32,
    _security: *const c_void,
    disposition: u32,
    flags: u32,
    _template: usize,
) -> usize {
    // SAFETY: of the caller.
    let path = path_of(unsafe { wide(name) }.into_bytes());
    open(path, access, disposition, flags)
}

/// What can be read from and written to.
enum Target {
    File(Arc<OpenFile>),
    Stream(Arc<Stream>),
}

fn target(handle: usize) -> Option<Target> {
    let file = handle::get(handle).map(Target::File);
    file.or_else(|| handle::get(handle).map(Target::Stream))
}

/// Whether a handle is that of a file, or of a standard stream.
pub(crate) fn is_file(handle: usize) -> bool {
    target(handle).is_some()
}

/// Where an OVERLAPPED says that the bytes are. None without one.
///
/// # Safety
/// It is NULL, or an OVERLAPPED.
unsafe fn offset(overlapped: *const CallerOverlapped) -> Option<u64> {
    // SAFETY: of the caller.
    (!overlapped.is_null()).then(|| unsafe { (*overlapped).offset })
}

/// Tells what came of a call: in the OVERLAPPED, by its event, in the count. The end of a file is a failure for a call with an
/// OVERLAPPED that was to read something.
///
/// # Safety
/// Each is NULL, or what it says.
unsafe fn tell(
    result: Result<usize, u32>,
    ends: bool,
    count: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    let bytes = *result.as_ref().unwrap_or(&0);
    // SAFETY: of the caller.
    unsafe {
        if !count.is_null() {
            count.write(bytes as u32);
        }
        if let Some(overlapped) = overlapped.as_ref() {
            let status = if ends {
                codes::END_OF_FILE
            } else {
                codes::SUCCESS
            };
            overlapped.internal_high.store(bytes, Ordering::Relaxed);
            (overlapped.internal).store(status as usize, Ordering::Release);
            event::set(overlapped.event & !NO_PACKET);
        }
    }
    match result {
        Err(code) => last_error::fail(code),
        Ok(_) if ends && !overlapped.is_null() => last_error::fail(error::HANDLE_EOF),
        Ok(_) => TRUE,
    }
}

/// Reads from a file: at its position, or where the OVERLAPPED says. At the end of the file there are 0 bytes, which with an
/// OVERLAPPED is error 38. On a socket it is a `WSARecv` into one buffer.
///
/// # Safety
/// So many bytes can be written to `to`. The count is NULL or can be written; the OVERLAPPED is NULL or one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ReadFile(
    handle: usize,
    to: *mut u8,
    bytes: u32,
    count: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    let target = match target(handle) {
        Some(target) => target,
        None if socket::find(handle).is_ok() => {
            // SAFETY: passed on to the caller.
            return unsafe { socket::read_file(handle, to, bytes, count, overlapped) };
        }
        None => return last_error::fail(error::INVALID_HANDLE),
    };
    // SAFETY: of the caller.
    let at = unsafe { offset(overlapped) };
    let room = if bytes == 0 {
        &mut []
    } else {
        // SAFETY: of the caller.
        unsafe { slice::from_raw_parts_mut(to, bytes as usize) }
    };
    let result = wharf::blocking(|| match (&target, at) {
        (Target::Stream(stream), _) => stream.read(room),
        (Target::File(file), None) => (&file.file).read(room),
        (Target::File(file), Some(at)) => file.file.read_at(room, at),
    });
    let ends = bytes > 0 && matches!(result, Ok(0));
    // SAFETY: passed on to the caller.
    unsafe {
        tell(
            result.map_err(|failure| code_of(&failure)),
            ends,
            count,
            overlapped,
        )
    }
}

/// Writes all bytes to a file: at its position, or where the OVERLAPPED says. On a socket it is a `WSASend` from one buffer.
///
/// # Safety
/// So many bytes can be read. The count is NULL or can be written; the OVERLAPPED is NULL or one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WriteFile(
    handle: usize,
    from: *const u8,
    bytes: u32,
    count: *mut u32,
    overlapped: *mut CallerOverlapped,
) -> i32 {
    let target = match target(handle) {
        Some(target) => target,
        None if socket::find(handle).is_ok() => {
            // SAFETY: passed on to the caller.
            return unsafe { socket::write_file(handle, from, bytes, count, overlapped) };
        }
        None => return last_error::fail(error::INVALID_HANDLE),
    };
    // SAFETY: of the caller.
    let at = unsafe { offset(overlapped) };
    let text = if bytes == 0 {
        &[]
    } else {
        // SAFETY: of the caller.
        unsafe { slice::from_raw_parts(from, bytes as usize) }
    };
    let written = wharf::blocking(|| match (&target, at) {
        (Target::Stream(stream), _) => stream.write(text),
        // The end of the file, wherever it is.
        (Target::File(file), Some(u64::MAX)) => {
            (&file.file).seek(SeekFrom::End(0))?;
            (&file.file).write_all(text)
        }
        (Target::File(file), None) => (&file.file).write_all(text),
        (Target::File(file), Some(at)) => file.file.write_all_at(text, at),
    });
    let result = written
        .map(|()| text.len())
        .map_err(|failure| code_of(&failure));
    // SAFETY: passed on to the caller.
    unsafe { tell(result, false, count, overlapped) }
}

/// Writes what the system keeps of a file to the disk.
#[unsafe(no_mangle)]
pub extern "C" fn FlushFileBuffers(handle: usize) -> i32 {
    match handle::get_or_fail::<OpenFile>(handle)
        .map(|file| wharf::blocking(|| file.file.sync_all()))
    {
        None => 0,
        Some(Ok(())) => TRUE,
        Some(Err(failure)) => last_error::fail(code_of(&failure)),
    }
}

/// Tells the length of a file in bytes.
///
/// # Safety
/// `bytes` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetFileSizeEx(handle: usize, bytes: *mut i64) -> i32 {
    match handle::get_or_fail::<OpenFile>(handle).map(|file| file.file.metadata()) {
        None => 0,
        Some(Err(failure)) => last_error::fail(code_of(&failure)),
        Some(Ok(about)) => {
            // SAFETY: of the caller.
            unsafe { bytes.write_unaligned(about.len() as i64) };
            TRUE
        }
    }
}

/// The lower half of the length of a file; the upper is told. 0xffffffff, with the last error, for what is no file.
///
/// # Safety
/// `high` is NULL, or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetFileSize(handle: usize, high: *mut u32) -> u32 {
    let mut bytes = 0;
    // SAFETY: a variable.
    if unsafe { GetFileSizeEx(handle, &raw mut bytes) } == 0 {
        return INVALID_FILE_SIZE;
    }
    last_error::set(0);
    if !high.is_null() {
        // SAFETY: of the caller.
        unsafe { high.write((bytes >> 32) as u32) };
    }
    bytes as u32
}

/// Moves the position of a file: from its beginning (0), from where it is (1), from its end (2).
///
/// # Safety
/// `now` is NULL, or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SetFilePointerEx(
    handle: usize,
    distance: i64,
    now: *mut i64,
    from: u32,
) -> i32 {
    let to = match from {
        0 => SeekFrom::Start(distance as u64),
        1 => SeekFrom::Current(distance),
        2 => SeekFrom::End(distance),
        _ => return last_error::fail(error::INVALID_PARAMETER),
    };
    match handle::get_or_fail::<OpenFile>(handle).map(|file| (&file.file).seek(to)) {
        None => 0,
        Some(Err(failure)) => last_error::fail(code_of(&failure)),
        Some(Ok(at)) => {
            if !now.is_null() {
                // SAFETY: of the caller.
                unsafe { now.write_unaligned(at as i64) };
            }
            TRUE
        }
    }
}

/// Deletes a file.
///
/// # Safety
/// The name is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn DeleteFileA(name: *const c_char) -> i32 {
    // SAFETY: of the caller.
    let path = path_of(unsafe { narrow(name) }.to_vec());
    match std::fs::remove_file(path) {
        Ok(()) => TRUE,
        Err(failure) => last_error::fail(code_of(&failure)),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{ffi::CString, ptr};

    use super::*;

    /// A name in the folder for temporary files, with backslashes.
    fn name(what: &str) -> CString {
        let path = std::env::temp_dir().join(format!("wharf-w32-{what}-{}", std::process::id()));
        CString::new(path.to_str().unwrap().replace('/', "\\")).unwrap()
    }

    fn create(name: &CString, access: u32, disposition: u32, flags: u32) -> usize {
        // SAFETY: a string.
        unsafe { CreateFileA(name.as_ptr(), access, 0, ptr::null(), disposition, flags, 0) }
    }

    #[test]
    fn a_file_is_written_read_and_deleted_with_its_handle() {
        let name = name("moved");
        assert_eq!(
            create(&name, GENERIC_READ, OPEN_EXISTING, 0),
            INVALID_HANDLE_VALUE
        );
        assert_eq!(last_error::GetLastError(), 2);
        let all = GENERIC_READ | GENERIC_WRITE;
        let file = create(&name, all, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE);
        assert_eq!(create(&name, all, CREATE_NEW, 0), INVALID_HANDLE_VALUE);
        assert_eq!(last_error::GetLastError(), 80);
        let (mut count, mut room) = (0, [0_u8; 8]);
        // SAFETY: variables, and a range of bytes.
        unsafe {
            assert_eq!(
                WriteFile(file, b"abcdef".as_ptr(), 6, &mut count, ptr::null_mut()),
                1
            );
            assert_eq!((count, GetFileSize(file, ptr::null_mut())), (6, 6));
            assert_eq!(SetFilePointerEx(file, 2, ptr::null_mut(), 0), 1);
            assert_eq!(
                ReadFile(file, room.as_mut_ptr(), 8, &mut count, ptr::null_mut()),
                1
            );
            assert_eq!((count, &room[..4]), (4, b"cdef".as_slice()));
            assert_eq!(
                ReadFile(file, room.as_mut_ptr(), 8, &mut count, ptr::null_mut()),
                1
            );
            assert_eq!(count, 0, "the end of the file");
        }
        assert!(handle::close(file));
        assert_eq!(
            create(&name, GENERIC_READ, OPEN_EXISTING, 0),
            INVALID_HANDLE_VALUE
        );
    }

    #[test]
    fn an_overlapped_call_has_ended_when_it_returns() {
        let (name, mut count, mut room) = (name("overlapped"), 0, [0_u8; 4]);
        let file = create(&name, GENERIC_ALL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE);
        let done = event::CreateEventA(ptr::null(), 1, 0, ptr::null());
        let mut at = CallerOverlapped::new(done);
        at.offset = 3;
        // SAFETY: variables, and a range of bytes.
        unsafe {
            assert_eq!(
                WriteFile(file, b"xy".as_ptr(), 2, ptr::null_mut(), &mut at),
                1
            );
            assert_eq!(at.internal_high.load(Ordering::Relaxed), 2);
            assert_eq!(ReadFile(file, room.as_mut_ptr(), 4, &mut count, &mut at), 1);
            assert_eq!((count, &room[..2]), (2, b"xy".as_slice()));
            at.offset = 9;
            assert_eq!(ReadFile(file, room.as_mut_ptr(), 4, &mut count, &mut at), 0);
        }
        assert_eq!((last_error::GetLastError(), count), (38, 0));
        assert_eq!(at.internal.load(Ordering::Relaxed), 0xc000_0011);
        assert_eq!(crate::objects::WaitForSingleObject(done, 0), 0);
        assert!(handle::close(file));
    }
}
