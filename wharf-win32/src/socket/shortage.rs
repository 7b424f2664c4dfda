//! Listeners whose AcceptEx waits for a descriptor.
//!
//! On Windows the socket that an AcceptEx is given is all that it needs. Here the connection has a descriptor of its own for a moment,
//! before it gets that socket's number; at the limit there is none. The raw layer leaves the accept under way and tries it again from
//! time to time. It is tried at once when a socket is closed.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Socket;
use crate::watch;

static SHORT: Mutex<Vec<Weak<Socket>>> = Mutex::new(Vec::new());
/// There are some.
static ANY: AtomicBool = AtomicBool::new(false);

/// The system had no descriptor for an accept of this listener.
#[cold]
pub(crate) fn note_short(listener: &Arc<Socket>) {
    let mut short = SHORT.lock().unwrap_or_else(PoisonError::into_inner);
    let listener = Arc::downgrade(listener);
    if !short.iter().any(|listed| listed.ptr_eq(&listener)) {
        short.push(listener);
    }
    ANY.store(true, Ordering::SeqCst);
}

/// A descriptor was closed: the accepts that wait for one are tried again. Called under no lock.
pub(super) fn has_room() {
    if ANY.load(Ordering::Relaxed) && ANY.swap(false, Ordering::SeqCst) {
        try_again();
    }
}

#[cold]
fn try_again() {
    let short = mem::take(&mut *SHORT.lock().unwrap_or_else(PoisonError::into_inner));
    for listener in short.iter().filter_map(Weak::upgrade) {
        listener.with_raw(|port, handle| {
            port.raw.resume(handle);
            watch::note_start(port);
        });
    }
}
