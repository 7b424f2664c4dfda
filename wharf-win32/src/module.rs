//! Modules: the program itself, and this library under the names of those whose functions it has. And the places of both.

use std::{
    ffi::{CStr, CString, OsString, c_char, c_void},
    io,
    mem::MaybeUninit,
    os::unix::ffi::OsStringExt,
    path::PathBuf,
};

use crate::{
    FALSE, TRUE, error, last_error,
    text::{Wide, narrow, wide},
};

/// The handle of the program: the address where programs of Windows mostly are.
const PROGRAM: usize = 0x0040_0000;
/// That of this library.
const LIBRARY: usize = 0x1000_0000;

/// The names of Windows' libraries of which this one has functions, in small letters.
const NAMES: [&str; 8] = [
    "kernel32",
    "kernelbase",
    "mswsock",
    "user32",
    "winmm",
    "ws2_32",
    "wsock32",
    "ucrtbase",
];

/// The handle of a module that is meant by a name, with a path and an extension or without.
fn module(name: &[u8]) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit(|byte| matches!(byte, b'\\' | b'/')).next()?;
    let name = name.strip_suffix(b".dll").unwrap_or(name);
    NAMES
        .iter()
        .any(|known| known.as_bytes() == name)
        .then_some(LIBRARY)
}

fn found(module: Option<usize>) -> usize {
    module.unwrap_or_else(|| {
        last_error::set(error::MOD_NOT_FOUND);
        0
    })
}

/// The handle of the program (NULL), or of a library of Windows of which this one has functions. 0, with error 126, for others.
///
/// # Safety
/// The name is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetModuleHandleA(name: *const c_char) -> usize {
    if name.is_null() {
        return PROGRAM;
    }
    // SAFETY: of the caller.
    found(module(unsafe { narrow(name) }))
}

/// The same as [`GetModuleHandleA`].
///
/// # Safety
/// The name is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetModuleHandleW(name: *const Wide) -> usize {
    if name.is_null() {
        return PROGRAM;
    }
    // SAFETY: of the caller.
    found(module(unsafe { wide(name) }.as_bytes()))
}

/// The handle of a library of Windows of which this one has functions. 0, with error 126, for others: none is loaded.
///
/// # Safety
/// The name is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LoadLibraryA(name: *const c_char) -> usize {
    // SAFETY: of the caller.
    found(module(unsafe { narrow(name) }))
}

/// The same as [`LoadLibraryA`].
///
/// # Safety
/// The name is NULL, or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LoadLibraryW(name: *const Wide) -> usize {
    // SAFETY: of the caller.
    found(module(unsafe { wide(name) }.as_bytes()))
}

/// Gives back what [`LoadLibraryA`] gave. Nothing is unloaded.
#[unsafe(no_mangle)]
pub extern "C" fn FreeLibrary(module: usize) -> i32 {
    if module == LIBRARY {
        TRUE
    } else {
        last_error::fail(error::MOD_NOT_FOUND)
    }
}

/// What the dynamic linker knows of an address. None if it is in nothing that it has loaded.
fn about(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: it is written if the result is not 0.
    unsafe { (libc::dladdr(address, info.as_mut_ptr()) != 0).then(|| info.assume_init()) }
}

/// The address of a function that this library exports under that name.
fn exported(name: &CStr) -> Option<usize> {
    let own = about(GetModuleHandleA as *const c_void)?;
    // SAFETY: a handle that stands for all that is loaded; the name is a string.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // The C library has functions of these names, too.
    let is_own = !address.is_null() && about(address)?.dli_fbase == own.dli_fbase;
    is_own.then_some(address.addr())
}

/// The address of a function of this library, by its name on Windows. 0, with error 127, for others. In a program that is linked with
/// the static library, only functions that its own table of dynamic symbols has are found (`-rdynamic`).
///
/// # Safety
/// The name is a string, or a number below 65536.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetProcAddress(module: usize, name: *const c_char) -> usize {
    if module != LIBRARY && module != PROGRAM {
        last_error::set(error::MOD_NOT_FOUND);
        return 0;
    }
    // A small number is that of a function, which none has here.
    let name = if name.addr() < 0x10000 {
        &[]
    } else {
        // SAFETY: of the caller.
        unsafe { narrow(name) }
    };
    let named = |prefix: &[u8]| {
        let name = CString::new([prefix, name].concat()).ok()?;
        exported(&name)
    };
    let address = (!name.is_empty()).then(|| named(b"wharf_w32_").or_else(|| named(b"")));
    address.flatten().unwrap_or_else(|| {
        last_error::set(error::PROC_NOT_FOUND);
        0
    })
}

/// What is written of a text that may be too long for its buffer.
enum TooLong {
    /// As much as there is room for, and the room is returned.
    Cut,
    /// Nothing, and what would be needed is returned.
    Nothing,
}

/// Writes a text, of any characters. Returns how many there are without the 0 at the end.
///
/// # Safety
/// So many can be written there.
unsafe fn write<C: Copy + Default>(text: &[C], to: *mut C, room: u32, too_long: &TooLong) -> u32 {
    let whole = text.len() + 1;
    let (count, result) = match too_long {
        _ if whole <= room as usize => (text.len(), text.len()),
        TooLong::Cut => ((room as usize).saturating_sub(1), room as usize),
        TooLong::Nothing => return whole as u32,
    };
    if room > 0 {
        // SAFETY: of the caller.
        unsafe {
            to.copy_from_nonoverlapping(text.as_ptr(), count);
            to.add(count).write(C::default());
        }
    }
    // As newer Windows do: it says so, too.
    if whole > room as usize {
        last_error::set(error::INSUFFICIENT_BUFFER);
    }
    result as u32
}

fn bytes_of(path: io::Result<PathBuf>) -> Vec<u8> {
    OsString::from(path.unwrap_or_default()).into_vec()
}

fn wide_of(path: io::Result<PathBuf>) -> Vec<Wide> {
    path.unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(Wide::from)
        .collect()
}

/// Tells the path of the program, whatever the module. Returns its length; if there is no room for it, the room, with error 122.
///
/// # Safety
/// So many characters can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetModuleFileNameA(_module: usize, to: *mut u8, room: u32) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe { write(&bytes_of(std::env::current_exe()), to, room, &TooLong::Cut) }
}

/// The same as [`GetModuleFileNameA`].
///
/// # Safety
/// So many characters can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetModuleFileNameW(_module: usize, to: *mut Wide, room: u32) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe { write(&wide_of(std::env::current_exe()), to, room, &TooLong::Cut) }
}

/// Tells the folder that the process is in. Returns its length; if there is no room for it, what is needed.
///
/// # Safety
/// So many characters can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetCurrentDirectoryA(room: u32, to: *mut u8) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe {
        write(
            &bytes_of(std::env::current_dir()),
            to,
            room,
            &TooLong::Nothing,
        )
    }
}

/// The same as [`GetCurrentDirectoryA`].
///
/// # Safety
/// So many characters can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetCurrentDirectoryW(room: u32, to: *mut Wide) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe {
        write(
            &wide_of(std::env::current_dir()),
            to,
            room,
            &TooLong::Nothing,
        )
    }
}

/// Changes the folder that the process is in.
///
/// # Safety
/// The path is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SetCurrentDirectoryA(path: *const c_char) -> i32 {
    // SAFETY: of the caller.
    let path = OsString::from_vec(unsafe { narrow(path) }.to_vec());
    if std::env::set_current_dir(path).is_ok() {
        return TRUE;
    }
    last_error::set(error::FILE_NOT_FOUND);
    FALSE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_any_spelling() {
        assert_eq!(module(b"WS2_32.DLL"), Some(LIBRARY));
        assert_eq!(
            module(b"C:\\Windows\\System32\\kernel32.dll"),
            Some(LIBRARY)
        );
        assert_eq!(module(b"mswsock"), Some(LIBRARY));
        assert_eq!(module(b"advapi32.dll"), None);
        assert_eq!(module(b""), None);
    }

    #[test]
    fn a_path_is_cut_or_told_how_long_it_is() {
        let mut room = [7_u8; 4];
        // SAFETY: the room is as large as is said.
        unsafe {
            assert_eq!(write(b"abc", room.as_mut_ptr(), 4, &TooLong::Cut), 3);
            assert_eq!(&room, b"abc\0");
            assert_eq!(write(b"abcd", room.as_mut_ptr(), 3, &TooLong::Cut), 3);
            assert_eq!(&room, b"ab\0\0");
            assert_eq!(write(b"abcd", room.as_mut_ptr(), 4, &TooLong::Nothing), 5);
            assert_eq!(
                write(b"abcd", std::ptr::null_mut(), 0, &TooLong::Nothing),
                5
            );
        }
        assert_eq!(last_error::GetLastError(), 122);
    }
}
