//! TransmitFile: a file, with memory before and behind it, as one send.

use std::{io::Seek, os::fd::AsRawFd, sync::Arc};

use wharf::raw::{Kind, RawBuffer, Request, Transmit};

use super::{Socket, cancel, extension, find, flag, transfer::buffer_of};
use crate::{
    call::{self, Outcome},
    codes::{self, SUCCESS, wsa},
    error,
    files::{self, OpenFile},
    operation::{self, CallerOverlapped, NO_PACKET, Work},
};

const DISCONNECT: u32 = 1;
const REUSE_SOCKET: u32 = 2;
/// Whose threads of Windows are to do it, and how: there is nothing to choose here.
const HINTS: u32 = 0x04 | 0x10 | 0x20;

/// The most bytes of one call.
const BYTES_MAX: u64 = 2_147_483_646;

/// TRANSMIT_FILE_BUFFERS.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CallerEnds {
    head: *mut u8,
    head_len: u32,
    tail: *mut u8,
    tail_len: u32,
}

const _: () = assert!(size_of::<CallerEnds>() == 32);

/// What is kept of a TransmitFile that is under way.
#[derive(Debug)]
pub(crate) struct Transmission {
    /// Open until it has ended, even if the program closes its handle.
    _file: Option<Arc<OpenFile>>,
    /// The connection is to end behind it, and the socket, if so, to be fit for another.
    disconnects: bool,
    reuses: bool,
}

/// What is to be sent, and what is to be done then.
struct Plan {
    file: Option<Arc<OpenFile>>,
    transmit: Transmit,
    flags: u32,
}

impl Plan {
    /// `offset`: where in the file to begin; none is at its position. `len`: how many bytes of it; 0 is all that there are.
    fn of(
        file: Option<Arc<OpenFile>>,
        (offset, len): (Option<u64>, u64),
        [head, tail]: [RawBuffer; 2],
        flags: u32,
    ) -> Outcome<Plan> {
        if flags & !(DISCONNECT | REUSE_SOCKET | HINTS) != 0
            || flags & (DISCONNECT | REUSE_SOCKET) == REUSE_SOCKET
        {
            return Err(wsa::INVALID);
        }
        let mut transmit = Transmit {
            head,
            file: -1,
            offset: 0,
            len: 0,
            tail,
        };
        if let Some(file) = file.as_deref().map(OpenFile::file) {
            let size = file
                .metadata()
                .map_err(|failure| files::code_of(&failure))?;
            transmit.file = file.as_raw_fd();
            transmit.offset = match offset {
                Some(offset) => offset,
                None => { file }
                    .stream_position()
                    .map_err(|failure| files::code_of(&failure))?,
            };
            let left = size.len().checked_sub(transmit.offset);
            let left = left.ok_or(wsa::INVALID)?;
            transmit.len = if len == 0 { left } else { len };
        }
        let bytes = transmit.len.saturating_add((head.len + tail.len) as u64);
        match bytes <= BYTES_MAX {
            true => Ok(Plan {
                file,
                transmit,
                flags,
            }),
            false => Err(wsa::INVALID),
        }
    }
}

impl Socket {
    /// Begins to send; its end is always told as that of one that pended.
    ///
    /// # Safety
    /// The caller's OVERLAPPED and memory stay until it has ended.
    unsafe fn begin_to_transmit(
        self: &Arc<Self>,
        Plan {
            file,
            transmit,
            flags,
        }: Plan,
        overlapped: *mut CallerOverlapped,
    ) -> Outcome<()> {
        // SAFETY: passed on to the caller.
        let mut record = unsafe { operation::begin(overlapped, self) };
        let disconnects = flags & DISCONNECT != 0;
        record.work = Work::Transmit(Box::new(Transmission {
            _file: file,
            disconnects,
            reuses: flags & REUSE_SOCKET != 0,
        }));
        if disconnects {
            // Nothing is sent behind it.
            self.set(flag::SHUT_SEND, true);
        }
        let request = |_: &mut _| Request::Transmit(Box::new(transmit));
        self.start(record, Kind::Stream, request)
            .map_err(|(record, code)| {
                operation::refuse(record, codes::UNSUCCESSFUL, false);
                code
            })
    }

    /// As [`begin_to_transmit`](Self::begin_to_transmit), and waits for the end. The position of the file is behind what was sent
    /// of it then.
    ///
    /// # Safety
    /// The caller's memory is there.
    unsafe fn transmit_and_wait(self: &Arc<Self>, plan: Plan) -> Outcome<()> {
        let file = plan.file.clone();
        let position = plan.transmit.offset + plan.transmit.len;
        let mut overlapped = CallerOverlapped::new(NO_PACKET);
        // SAFETY: this waits for its end; the rest is passed on to the caller.
        unsafe { self.begin_to_transmit(plan, &raw mut overlapped) }?;
        // SAFETY: it is one.
        match unsafe { cancel::await_end(&raw mut overlapped) } {
            SUCCESS => {}
            _ if self.is_closed() => return Err(wsa::INTERRUPTED),
            status => return Err(codes::wsa_of(status)),
        }
        if let Some(file) = file.as_deref().map(OpenFile::file) {
            let moved = { file }.seek(std::io::SeekFrom::Start(position));
            moved.map_err(|failure| files::code_of(&failure))?;
        }
        Ok(())
    }
}

/// All was sent: what is to follow is done. Returns the status.
pub(super) fn transmitted(socket: &Socket, transmission: &Transmission) -> u32 {
    if !transmission.disconnects {
        return SUCCESS;
    }
    socket.end_sending();
    extension::disconnected(socket, transmission.reuses)
}

fn end(start: *mut u8, len: u32) -> Outcome<RawBuffer> {
    buffer_of(start, i32::try_from(len).map_err(|_| wsa::INVALID)?)
}

/// Sends a part of a file, with memory before and behind it. `bytes`: as many of the file; 0 is all from where it begins, which is
/// where the OVERLAPPED says, or at the file's position without one. Without a file only the memory is sent. `bytes_each` says how
/// large its parts should be, and changes nothing. With the flag 1, TF_DISCONNECT, the connection ends behind it; with 2 as well,
/// TF_REUSE_SOCKET, the socket can be connected again. FALSE with 997: it is under way. Without an OVERLAPPED it waits.
///
/// FALSE with 10022: the socket is no stream, there are more than 2,147,483,646 bytes in all, the beginning is behind the end of the
/// file, or the flags are not those above (4, 16 and 32 change nothing). With 10038: what is no socket, or no file. A file that ends
/// before so many bytes is error 38, when all that there was is sent.
///
/// # Safety
/// The addresses are NULL, or those of what their types say; the memory and the OVERLAPPED stay until the operation has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TransmitFile(
    socket: usize,
    file: usize,
    bytes: u32,
    _bytes_each: u32,
    overlapped: *mut CallerOverlapped,
    ends: *const CallerEnds,
    flags: u32,
) -> i32 {
    call::whether(|| {
        let socket = find(socket)?;
        if !socket.is_stream() {
            return Err(wsa::INVALID);
        }
        socket.check_sends()?;
        socket.check_connected()?;
        // SAFETY: passed on to the caller.
        let ends = match unsafe { ends.as_ref() } {
            None => [RawBuffer::EMPTY; 2],
            Some(ends) => [
                end(ends.head, ends.head_len)?,
                end(ends.tail, ends.tail_len)?,
            ],
        };
        let file = match file {
            0 => None,
            // Windows says so of what is no file, too.
            handle => Some(files::opened(handle).ok_or(wsa::NOT_A_SOCKET)?),
        };
        let waits = overlapped.is_null() || !socket.is(flag::OVERLAPPED);
        // SAFETY: passed on to the caller.
        let offset = (!waits).then(|| unsafe { (*overlapped).offset });
        let plan = Plan::of(file, (offset, bytes.into()), ends, flags)?;
        // SAFETY: passed on to the caller, in both.
        unsafe {
            match waits {
                true => socket.transmit_and_wait(plan),
                false => socket
                    .begin_to_transmit(plan, overlapped)
                    .and(Err(error::IO_PENDING)),
            }
        }
    })
}
