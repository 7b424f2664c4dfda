//! What both shapes of the port do in the same way, each on what it does in its own.

use std::{fmt, io, sync::Arc, time::Duration};

use super::{Answer, End, Entry, Handle, Many, Packet, Port, Queued, closed};
use crate::{driver::DriverInfo, sync::MutexGuard};

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Port")
            .field("driver", &self.info.name)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Port {
    /// The driver that was chosen.
    pub fn driver(&self) -> &DriverInfo {
        &self.info
    }

    /// Sets the most bytes that may wait to be sent on a handle. A send that would pass it is refused, unless
    /// nothing waits. No limit is set at first.
    ///
    /// # Errors
    /// The handle is closed.
    pub fn set_unsent_max(&self, handle: Handle, bytes: usize) -> io::Result<()> {
        self.open_entry(handle)?.unsent_max = bytes;
        Ok(())
    }

    /// Bytes of started sends that the system has not taken yet, as far as is known. 0 for a handle that is closed.
    pub fn unsent(&self, handle: Handle) -> usize {
        self.table.lock(handle).map_or(0, |entry| entry.unsent)
    }

    /// Bytes received and sent so far. None for a handle that is closed.
    pub fn traffic(&self, handle: Handle) -> Option<(u64, u64)> {
        let entry = self.table.lock(handle)?;
        Some((entry.received, entry.sent))
    }

    pub(super) fn open_entry(&self, handle: Handle) -> io::Result<MutexGuard<'_, Entry>> {
        let entry = self.table.lock(handle).ok_or_else(closed)?;
        match entry.closing {
            true => Err(closed()),
            false => Ok(entry),
        }
    }

    /// Closes a handle: its operations complete as cancelled, and its descriptor is closed as soon as no thread
    /// transfers for it. Says whether it was open.
    pub fn close_handle(&self, handle: Handle) -> bool {
        match self.open_entry(handle) {
            Ok(entry) => {
                self.close_entry(handle, entry);
                true
            }
            Err(_) => false,
        }
    }

    /// Queues a packet of the caller's own: any key, any number, any token.
    ///
    /// # Errors
    /// The port is closed, too many packets and operations are under way
    /// ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)), or, on Windows, the system has no memory for it.
    pub fn post(&self, key: usize, transferred: usize, token: u64) -> io::Result<()> {
        let packet = Queued::Posted {
            key,
            transferred,
            token,
        };
        self.post_packet(packet).map_err(|(error, _)| error)
    }

    /// Waits for one packet, for `timeout` at most; `None` is for ever, zero only looks. Never shorter than asked.
    ///
    /// The calling thread counts as running from the packet on until it next waits, on this port or on another, or
    /// ends; or is found to block.
    ///
    /// # Errors
    /// The system can't wait. None is known to happen.
    pub fn wait(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Answer> {
        Ok(match self.wait_one(timeout)? {
            Ok(queued) => Answer::Packet(queued.into_packet()),
            Err(End::TimedOut) => Answer::TimedOut,
            Err(End::Closed) => Answer::Closed,
        })
    }

    /// Waits for up to `max` packets, and appends those that are there, at least one, to `into`, in queue order.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max` is 0.
    pub fn wait_many(
        self: &Arc<Self>,
        into: &mut Vec<Packet>,
        max: usize,
        timeout: Option<Duration>,
    ) -> io::Result<Many> {
        self.wait_each(max, timeout, |queued| {
            into.extend(queued.map(Queued::into_packet))
        })
    }

    /// Closes the port, and returns the packets that were not handed out.
    ///
    /// 1. From now on nothing is started, associated or posted, and every wait answers that the port is closed.
    /// 2. Timers and operations are cancelled, and handles closed.
    /// 3. What is in transfer ends. With a port of our own, transfers of sockets never block, so this is soon; those of files that
    ///    have begun are waited for, and the threads of the port's own end. On Windows, the kernel's last packets are waited
    ///    for; it gives them to as many threads as may run, so that while as many compute in their handlers, this waits for one
    ///    of them.
    /// 4. What was not handed out is returned.
    ///
    /// What is started meanwhile is refused, or cancelled with the rest. A second call, or one from another thread
    /// meanwhile, returns nothing at once. May be called from a handler.
    pub fn close(&self) -> Vec<Packet> {
        let queued = self.close_queue();
        queued.into_iter().map(Queued::into_packet).collect()
    }
}

/// Whether a wait for so many packets can end.
pub(super) fn check_max(max: usize) -> io::Result<()> {
    match max {
        0 => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a wait for 0 packets would wait for ever; ask for at least 1",
        )),
        _ => Ok(()),
    }
}
