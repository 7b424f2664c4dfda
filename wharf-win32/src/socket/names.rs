//! Names of hosts, and addresses as text.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char},
    mem, ptr,
};

use super::{
    address::{Address, family_to_linux, family_to_windows},
    check_started,
};
use crate::{
    call::{self, Outcome},
    codes::wsa,
    error, last_error,
};

const HOST_NOT_FOUND: u32 = 11001;
const TRY_AGAIN: u32 = 11002;
const NO_RECOVERY: u32 = 11003;
const NO_DATA: u32 = 11004;
const TYPE_NOT_FOUND: u32 = 10109;

/// `addrinfo`, as Windows has it.
#[derive(Debug)]
#[repr(C)]
pub struct CallerInfo {
    flags: i32,
    family: i32,
    kind: i32,
    protocol: i32,
    address_len: usize,
    name: *mut c_char,
    address: *mut libc::c_void,
    next: *mut CallerInfo,
}

const _: () = assert!(size_of::<CallerInfo>() == 48);

/// The flags of a look-up, of Windows and of Linux.
const FLAGS: &[(i32, i32)] = &[
    (0x1, libc::AI_PASSIVE),
    (0x2, libc::AI_CANONNAME),
    (0x4, libc::AI_NUMERICHOST),
    (0x8, libc::AI_NUMERICSERV),
    (0x100, libc::AI_ALL),
    (0x400, libc::AI_ADDRCONFIG),
    (0x800, libc::AI_V4MAPPED),
];

/// The code of a failed look-up.
fn code_of(failure: i32) -> u32 {
    match failure {
        libc::EAI_AGAIN => TRY_AGAIN,
        libc::EAI_BADFLAGS => wsa::INVALID,
        libc::EAI_FAMILY => wsa::FAMILY_NOT_SUPPORTED,
        libc::EAI_MEMORY => error::NOT_ENOUGH_MEMORY,
        libc::EAI_NONAME | libc::EAI_NODATA => HOST_NOT_FOUND,
        libc::EAI_SERVICE => TYPE_NOT_FOUND,
        libc::EAI_SOCKTYPE => wsa::TYPE_NOT_SUPPORTED,
        _ => NO_RECOVERY,
    }
}

/// Flags of Linux for those of Windows.
fn linux_flags(table: &[(i32, i32)], flags: i32) -> i32 {
    let set = table.iter().filter(|(windows, _)| flags & windows != 0);
    set.fold(0, |flags, (_, linux)| flags | linux)
}

/// # Safety
/// NULL, or the address of what its type says.
unsafe fn hints_of(hints: *const CallerInfo) -> libc::addrinfo {
    // SAFETY: it consists of numbers, and addresses that may be NULL.
    let mut linux: libc::addrinfo = unsafe { mem::zeroed() };
    // SAFETY: passed on to the caller.
    if let Some(hints) = unsafe { hints.as_ref() } {
        linux.ai_flags = linux_flags(FLAGS, hints.flags);
        linux.ai_family = family_to_linux(hints.family);
        linux.ai_socktype = hints.kind;
        linux.ai_protocol = hints.protocol;
    }
    linux
}

/// What Linux has found; it is freed at the end.
struct Found(*mut libc::addrinfo);

impl Found {
    /// # Safety
    /// Each name is NULL or a string.
    unsafe fn look_up(
        host: *const c_char,
        service: *const c_char,
        hints: &libc::addrinfo,
    ) -> Outcome<Found> {
        let mut list = ptr::null_mut();
        let failure = wharf::raw::blocking(|| {
            // SAFETY: passed on to the caller; the others are in place.
            unsafe { libc::getaddrinfo(host, service, hints, &raw mut list) }
        });
        match failure {
            0 => Ok(Found(list)),
            failure => Err(code_of(failure)),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &libc::addrinfo> {
        // SAFETY: each is one of the list, which stays as long as this.
        let (first, next) = (
            unsafe { self.0.as_ref() },
            |info: &&libc::addrinfo| unsafe { info.ai_next.as_ref() },
        );
        std::iter::successors(first, next)
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        // SAFETY: it came from a look-up, and nobody has it any more.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

/// One of a list, as Windows has it: all of it is freed by [`free_list`].
///
/// # Safety
/// It is one of a list of Linux's.
unsafe fn copy_of(linux: &libc::addrinfo) -> Box<CallerInfo> {
    // SAFETY: passed on to the caller.
    let address = unsafe {
        Address::filled(|place, len| {
            let room = linux.ai_addrlen.min(*len);
            place
                .cast::<u8>()
                .copy_from_nonoverlapping(linux.ai_addr.cast(), room as usize);
            *len = room;
            0
        })
    };
    let bytes = address.map(Address::to_windows).unwrap_or_default();
    let name = match linux.ai_canonname.is_null() {
        true => ptr::null_mut(),
        // SAFETY: passed on to the caller.
        false => unsafe { CStr::from_ptr(linux.ai_canonname) }
            .to_owned()
            .into_raw(),
    };
    Box::new(CallerInfo {
        flags: 0,
        family: family_to_windows(linux.ai_family),
        kind: linux.ai_socktype,
        protocol: linux.ai_protocol,
        address_len: bytes.len(),
        name,
        address: Box::into_raw(bytes.into_boxed_slice()).cast(),
        next: ptr::null_mut(),
    })
}

/// # Safety
/// The list came from [`wharf_w32_getaddrinfo`], and is not used any more.
unsafe fn free_list(mut list: *mut CallerInfo) {
    while !list.is_null() {
        // SAFETY: passed on to the caller: they were boxes.
        unsafe {
            let info = Box::from_raw(list);
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(
                info.address.cast::<u8>(),
                info.address_len,
            )));
            if !info.name.is_null() {
                drop(CString::from_raw(info.name));
            }
            list = info.next;
        }
    }
}

/// A function that returns 0, or a code, which is the last error too.
fn code_after(work: impl FnOnce() -> Outcome<()>) -> i32 {
    call::status(work);
    last_error::GetLastError() as i32
}

/// Looks up a host, a service or both. Returns 0, or a code, which is the last error too.
///
/// # Safety
/// Each is NULL or the address of what its type says; the list is freed with `freeaddrinfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_getaddrinfo(
    host: *const c_char,
    service: *const c_char,
    hints: *const CallerInfo,
    result: *mut *mut CallerInfo,
) -> i32 {
    let look_up = || -> Outcome<()> {
        check_started()?;
        if result.is_null() {
            return Err(wsa::FAULT);
        }
        // SAFETY: passed on to the caller.
        let hints = unsafe {
            result.write(ptr::null_mut());
            hints_of(hints)
        };
        // The name of this host is looked up as an empty one.
        // SAFETY: passed on to the caller.
        let host = match !host.is_null() && unsafe { *host } == 0 {
            true => c"localhost".as_ptr(),
            false => host,
        };
        // SAFETY: passed on to the caller.
        let found = unsafe { Found::look_up(host, service, &hints) }?;
        let mut end = result;
        for info in found.iter() {
            // SAFETY: it is one of a list of Linux's; `end` is the end of ours.
            unsafe {
                let copy = Box::into_raw(copy_of(info));
                end.write(copy);
                end = &raw mut (*copy).next;
            }
        }
        Ok(())
    };
    code_after(look_up)
}

/// Frees what `getaddrinfo` has found.
///
/// # Safety
/// It came from there, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_freeaddrinfo(list: *mut CallerInfo) {
    // SAFETY: passed on to the caller.
    unsafe { free_list(list) }
}

/// The name of a host and of a service that an address has. Returns 0, or a code, which is the last error too.
///
/// # Safety
/// There are as many bytes, and as much room, as is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_getnameinfo(
    address: *const libc::c_void,
    len: i32,
    host: *mut c_char,
    host_len: u32,
    service: *mut c_char,
    service_len: u32,
    flags: i32,
) -> i32 {
    /// The flags, of Windows and of Linux.
    const NAME_FLAGS: &[(i32, i32)] = &[
        (0x1, libc::NI_NOFQDN),
        (0x2, libc::NI_NUMERICHOST),
        (0x4, libc::NI_NAMEREQD),
        (0x8, libc::NI_NUMERICSERV),
        (0x10, libc::NI_DGRAM),
    ];
    let look_up = || -> Outcome<()> {
        check_started()?;
        // SAFETY: passed on to the caller.
        let address = unsafe { address_of_any_family(address, len) }?;
        let (start, len) = address.as_linux();
        let linux = linux_flags(NAME_FLAGS, flags);
        let failure = wharf::raw::blocking(|| {
            // SAFETY: passed on to the caller.
            unsafe { libc::getnameinfo(start, len, host, host_len, service, service_len, linux) }
        });
        match failure {
            0 => Ok(()),
            failure => Err(code_of(failure)),
        }
    };
    code_after(look_up)
}

/// # Safety
/// There are so many bytes.
unsafe fn address_of_any_family(address: *const libc::c_void, len: i32) -> Outcome<Address> {
    for family in [libc::AF_INET, libc::AF_INET6] {
        // SAFETY: passed on to the caller.
        match unsafe { Address::read(address, len, family as u16) } {
            Err(wsa::FAMILY_NOT_SUPPORTED) => {}
            read => return read,
        }
    }
    Err(wsa::FAMILY_NOT_SUPPORTED)
}

/// `hostent`, as Windows has it.
#[derive(Debug)]
#[repr(C)]
pub struct CallerHost {
    name: *mut c_char,
    aliases: *mut *mut c_char,
    family: i16,
    len: i16,
    addresses: *mut *mut c_char,
}

/// What a `hostent` points to.
#[derive(Debug)]
struct Host {
    entry: CallerHost,
    _name: CString,
    _addresses: Vec<[u8; 4]>,
    /// The addresses' addresses; then, behind a NULL, those of the aliases: none.
    _lists: Vec<*mut c_char>,
}

thread_local! {
    /// What this thread looked up last: a program reads it until it looks up the next.
    static HOST: RefCell<Option<Box<Host>>> = const { RefCell::new(None) };
    static TEXT: RefCell<[u8; 16]> = const { RefCell::new([0; 16]) };
}

/// The IPv4 addresses of a host; NULL on failure. It is the thread's until the thread's next call.
///
/// # Safety
/// `name` is NULL (this host) or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_gethostbyname(name: *const c_char) -> *mut CallerHost {
    call::winsock(ptr::null_mut(), || {
        check_started()?;
        // SAFETY: passed on to the caller.
        let given = match name.is_null() || unsafe { *name } == 0 {
            true => own_name()?,
            // SAFETY: passed on to the caller.
            false => unsafe { CStr::from_ptr(name) }.to_owned(),
        };
        // SAFETY: NULL is none.
        let mut hints = unsafe { hints_of(ptr::null()) };
        hints.ai_family = libc::AF_INET;
        hints.ai_socktype = libc::SOCK_STREAM;
        // SAFETY: it is a string, and NULL is none.
        let found = unsafe { Found::look_up(given.as_ptr(), ptr::null(), &hints) }?;
        let address_of = |info: &libc::addrinfo| {
            // SAFETY: it is one of an IPv4 address.
            let address = unsafe { *info.ai_addr.cast::<libc::sockaddr_in>() };
            address.sin_addr.s_addr.to_ne_bytes()
        };
        let addresses: Vec<_> = found.iter().map(address_of).collect();
        if addresses.is_empty() {
            return Err(NO_DATA);
        }
        Ok(keep(given, addresses))
    })
}

fn keep(name: CString, mut addresses: Vec<[u8; 4]>) -> *mut CallerHost {
    let each = addresses
        .iter_mut()
        .map(|address| address.as_mut_ptr().cast::<c_char>());
    let mut lists: Vec<_> = each.chain([ptr::null_mut(), ptr::null_mut()]).collect();
    let entry = CallerHost {
        name: name.as_ptr().cast_mut(),
        aliases: &raw mut lists[addresses.len() + 1],
        family: libc::AF_INET as i16,
        len: 4,
        addresses: lists.as_mut_ptr(),
    };
    let mut host = Box::new(Host {
        entry,
        _name: name,
        _addresses: addresses,
        _lists: lists,
    });
    let address = &raw mut host.entry;
    let mut host = Some(host);
    let kept = HOST.try_with(|kept| *kept.borrow_mut() = host.take());
    if kept.is_err() {
        // In a thread that ends there is no place for it any more: it stays for good.
        host.map(Box::leak);
    }
    address
}

fn own_name() -> Outcome<CString> {
    let mut name = [0_u8; 256];
    // SAFETY: there is as much room as is said, and the last byte stays 0.
    call::winsock_of(unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) })?;
    CStr::from_bytes_until_nul(&name)
        .map(CStr::to_owned)
        .map_err(|_| wsa::FAULT)
}

/// The name of this host. 10014: there is too little room.
///
/// # Safety
/// There is as much room as is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_gethostname(place: *mut c_char, len: i32) -> i32 {
    call::status(|| {
        check_started()?;
        let name = own_name()?;
        let bytes = name.as_bytes_with_nul();
        if place.is_null() || usize::try_from(len).map_or(true, |len| len < bytes.len()) {
            return Err(wsa::FAULT);
        }
        // SAFETY: passed on to the caller.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        Ok(())
    })
}

/// The number of an IPv4 address in text, in the order of the network; 0xffffffff if it is none.
///
/// # Safety
/// NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_inet_addr(text: *const c_char) -> u32 {
    if text.is_null() {
        return u32::MAX;
    }
    let mut address = libc::in_addr { s_addr: 0 };
    // SAFETY: passed on to the caller.
    match unsafe { inet_aton(text, &raw mut address) } {
        0 => u32::MAX,
        _ => address.s_addr,
    }
}

unsafe extern "C" {
    fn inet_aton(text: *const c_char, address: *mut libc::in_addr) -> libc::c_int;
    fn inet_pton(family: libc::c_int, text: *const c_char, place: *mut libc::c_void)
    -> libc::c_int;
    fn inet_ntop(
        family: libc::c_int,
        address: *const libc::c_void,
        text: *mut c_char,
        len: libc::socklen_t,
    ) -> *const c_char;
}

/// An IPv4 address as text, which is the thread's until its next call.
#[unsafe(no_mangle)]
pub extern "C" fn wharf_w32_inet_ntoa(address: u32) -> *mut c_char {
    let [a, b, c, d] = address.to_ne_bytes();
    let text = format!("{a}.{b}.{c}.{d}\0");
    TEXT.with(|kept| {
        let mut kept = kept.borrow_mut();
        kept[..text.len()].copy_from_slice(text.as_bytes());
        kept.as_mut_ptr().cast()
    })
}

/// Reads an address in text. 1: done; 0: it is none; -1: there is no such family.
///
/// # Safety
/// A string, and room for an address of the family.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_inet_pton(
    family: i32,
    text: *const c_char,
    place: *mut libc::c_void,
) -> i32 {
    let _errno = call::KeptErrno::new();
    if text.is_null() || place.is_null() {
        last_error::set(wsa::FAULT);
        return -1;
    }
    // SAFETY: passed on to the caller.
    let read = unsafe { inet_pton(family_to_linux(family), text, place) };
    match read {
        ..0 => last_error::set(wsa::FAMILY_NOT_SUPPORTED),
        0 => last_error::set(wsa::INVALID),
        _ => {}
    }
    read
}

/// Writes an address as text; NULL on failure: 87, there is too little room; 10047, there is no such family.
///
/// # Safety
/// An address of the family, and as much room as is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wharf_w32_inet_ntop(
    family: i32,
    address: *const libc::c_void,
    text: *mut c_char,
    len: usize,
) -> *const c_char {
    let _errno = call::KeptErrno::new();
    let family = family_to_linux(family);
    if !matches!(family, libc::AF_INET | libc::AF_INET6) {
        last_error::set(wsa::FAMILY_NOT_SUPPORTED);
        return ptr::null();
    }
    let room = libc::socklen_t::try_from(len).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: passed on to the caller.
    let written = unsafe { inet_ntop(family, address, text, room) };
    if written.is_null() {
        last_error::set(error::INVALID_PARAMETER);
    }
    written
}

/// The longest text of an address, with its end.
const TEXT_MAX: usize = 46;

/// As `inet_pton`, of text in wide characters of 32 bits.
///
/// # Safety
/// As for `inet_pton`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InetPtonW(family: i32, text: *const u32, place: *mut libc::c_void) -> i32 {
    if text.is_null() {
        last_error::set(wsa::FAULT);
        return -1;
    }
    let mut narrow = [0; TEXT_MAX];
    for at in 0..TEXT_MAX {
        // SAFETY: passed on to the caller: it has not ended before.
        let character = unsafe { *text.add(at) };
        // What is not ASCII is in no address.
        narrow[at] = u8::try_from(character).unwrap_or(b'?');
        if character == 0 {
            // SAFETY: passed on to the caller.
            return unsafe { wharf_w32_inet_pton(family, narrow.as_ptr().cast(), place) };
        }
    }
    last_error::set(wsa::INVALID);
    0
}

/// As `inet_ntop`, into wide characters of 32 bits.
///
/// # Safety
/// As for `inet_ntop`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InetNtopW(
    family: i32,
    address: *const libc::c_void,
    text: *mut u32,
    len: usize,
) -> *const u32 {
    let mut narrow = [0_u8; TEXT_MAX];
    let room = len.min(TEXT_MAX);
    // SAFETY: passed on to the caller.
    let written = unsafe { wharf_w32_inet_ntop(family, address, narrow.as_mut_ptr().cast(), room) };
    if written.is_null() || text.is_null() {
        return ptr::null();
    }
    for (at, byte) in narrow.iter().enumerate().take(room) {
        // SAFETY: passed on to the caller.
        unsafe { text.add(at).write((*byte).into()) };
        if *byte == 0 {
            break;
        }
    }
    text
}
