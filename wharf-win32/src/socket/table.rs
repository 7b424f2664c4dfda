//! The sockets of the process, by their numbers: each place has a lock of its own.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Socket, flag, shortage};
use crate::{call::Outcome, codes::wsa};

const CHUNK: usize = 1024;
const CHUNKS: usize = 1024;

type Place = Mutex<Option<Arc<Socket>>>;

/// Chunks are made when they are first needed, and stay.
static TABLE: [OnceLock<Box<[Place]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];

/// The place of a number, if it was ever used.
fn place(number: usize) -> Option<&'static Place> {
    TABLE.get(number / CHUNK)?.get()?.get(number % CHUNK)
}

/// The socket with this number.
pub(crate) fn find(number: usize) -> Outcome<Arc<Socket>> {
    // It may have been kept in an `int`.
    let place = place(number & 0xffff_ffff).ok_or_else(not_a_socket)?;
    let socket = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let socket = socket.ok_or_else(not_a_socket)?;
    if socket.is(flag::IS_LATE) {
        socket.catch_up()?;
    }
    Ok(socket)
}

/// The code of a number that is none of a socket. Before `WSAStartup` there are none.
pub(super) fn not_a_socket() -> u32 {
    super::check_started().err().unwrap_or(wsa::NOT_A_SOCKET)
}

/// Lists a socket. Returns its number, and fails if that is higher than any that there is a place for.
pub(super) fn insert(socket: Socket) -> Outcome<usize> {
    let number = socket.number().unsigned_abs() as usize;
    let chunk = TABLE.get(number / CHUNK).ok_or(wsa::TOO_MANY_FILES)?;
    let places = chunk.get_or_init(|| (0..CHUNK).map(|_| Place::default()).collect());
    let mut place = places[number % CHUNK]
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    // If another is still there, its descriptor was closed behind our back.
    let before = place.replace(Arc::new(socket));
    drop(place);
    if let Some(stale) = before {
        stale.forget();
    }
    Ok(number)
}

/// Closes a socket. False: there is none with this number.
pub(crate) fn close(number: usize) -> bool {
    let Some(place) = place(number & 0xffff_ffff) else {
        return false;
    };
    let socket = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(socket) = socket else {
        return false;
    };
    socket.end();
    drop(socket);
    shortage::has_room();
    true
}
