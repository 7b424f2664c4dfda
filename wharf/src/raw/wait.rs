//! Packets: posting them, waiting for them, and closing the port, on either shape of it.

use std::{io, ptr::NonNull, sync::Arc, time::Duration};

use super::{
    Answer, End, Overlapped, Packet, Port, Queued, Status, WaitMany, check_max,
    membership::{Keeping, Membership},
    shape::Packets,
};

impl Port {
    /// Queues a packet of the caller's own: any key, any number, any token (`PostQueuedCompletionStatus` on Windows).
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
        Packets::post_packet(self, packet).map_err(|(error, _)| error)
    }

    /// Posts a packet as [`post`](Self::post) does, but in a handler of this port (between a wait that brought a packet and the
    /// next) without another thread being released for it at first:
    /// [`CompletionPort::post_quietly`](crate::CompletionPort::post_quietly) tells when one is.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    pub fn post_quietly(&self, key: usize, transferred: usize, token: u64) -> io::Result<()> {
        let packet = Queued::Posted {
            key,
            transferred,
            token,
        };
        Packets::post_packet_quietly(self, packet).map_err(|(error, _)| error)
    }

    /// Queues an operation of the kind [`Request::Posted`](super::Request::Posted) as a packet of its own, with the number
    /// `transferred`.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn post_overlapped(
        &self,
        mut operation: NonNull<Overlapped>,
        transferred: usize,
    ) -> io::Result<()> {
        // SAFETY: the caller gives the operation to the port from now on.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.status = Status::Done;
        overlapped.transferred = transferred;
        self.queue_overlapped(operation)
    }

    /// Waits for one packet, for `timeout` at most; `None` is for ever, zero only looks. Never shorter than asked. This is
    /// `GetQueuedCompletionStatus` of Windows.
    ///
    /// The calling thread counts as running from the packet on until it next waits, on this port or on another, or
    /// ends; or is found to block. Waiting threads are released last in, first out (LIFO).
    ///
    /// # Errors
    /// The system can't wait. None is known to happen.
    pub fn wait(self: &Arc<Self>, timeout: Option<Duration>) -> io::Result<Answer> {
        if let Some((packet, _)) = self.claim() {
            return Ok(Answer::Packet(packet.into_packet()));
        }
        Ok(match Packets::wait_one(self, timeout)? {
            Ok(queued) => Answer::Packet(queued.into_packet()),
            Err(End::TimedOut) => Answer::TimedOut,
            Err(End::Closed) => Answer::Closed,
        })
    }

    /// Waits for up to `max` packets, and appends the packets that are there, at least one, to `into`, in queue order.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max` is 0.
    pub fn wait_many(
        self: &Arc<Self>,
        into: &mut Vec<Packet>,
        max: usize,
        timeout: Option<Duration>,
    ) -> io::Result<WaitMany> {
        self.wait_each(max, timeout, |queued| {
            into.extend(queued.map(Queued::into_packet))
        })
    }

    /// A packet for a thread that comes back for the next one, if it can have one without a wait. What is left to be noted of it
    /// is noted when the second part is dropped: before code of the user's runs, and before the thread waits.
    #[inline(always)]
    pub(crate) fn claim(&self) -> Option<(Queued, impl Sized)> {
        Packets::claim(self)
    }

    /// As [`wait`](Self::wait) where no packet could be [claimed](Self::claim), with the packet as it was queued.
    #[cfg(feature = "safe")]
    #[inline]
    pub(crate) fn wait_one(
        self: &Arc<Self>,
        timeout: Option<Duration>,
    ) -> io::Result<Result<Queued, End>> {
        Packets::wait_one(self, timeout)
    }

    /// As [`wait_many`](Self::wait_many), with a function for the packets. If it panics, they count as handed out, and the
    /// thread is a member as before.
    pub(crate) fn wait_each(
        self: &Arc<Self>,
        max: usize,
        timeout: Option<Duration>,
        each: impl FnOnce(std::vec::Drain<'_, Queued>),
    ) -> io::Result<WaitMany> {
        check_max(max)?;
        let mut keeping = Keeping::new(self.enter());
        let member = keeping.member();
        let end = Packets::wait(&**self, member, timeout, max);
        let delivered = member.delivered();
        let count = delivered.len();
        each(delivered.drain(..));
        drop(keeping);
        Ok(match end? {
            Ok(()) => WaitMany::Packets(count),
            Err(End::TimedOut) => WaitMany::TimedOut,
            Err(End::Closed) => WaitMany::Closed,
        })
    }

    /// Closes the port, and returns the packets that were not handed out.
    ///
    /// 1. From now on nothing is started, associated or posted, and every wait answers that the port is closed.
    /// 2. Timers and operations are cancelled, and handles closed.
    /// 3. Operations in transfer end. On Linux, transfers of sockets never block, so this is soon; the call waits for transfers
    ///    of files that have begun, and for the end of the port's own threads. On Windows, the call waits for the kernel's last
    ///    packets; the kernel gives them to as many threads as may run, so while as many compute in their handlers, the call
    ///    waits for one of them.
    /// 4. Packets that were not handed out are returned.
    ///
    /// An operation that is started meanwhile is refused, or cancelled with the others. A second call, or one from another
    /// thread meanwhile, returns at once, without packets. May be called from a handler.
    pub fn close(&self) -> Vec<Packet> {
        let queued = Packets::close_queue(self);
        queued.into_iter().map(Queued::into_packet).collect()
    }
    /// As [`close`](Self::close), with the packets as they were queued.
    #[cfg(feature = "safe")]
    pub(crate) fn close_queue(&self) -> Vec<Queued> {
        Packets::close_queue(self)
    }

    /// Queues a packet; gives it back if it is refused.
    #[cfg(feature = "safe")]
    #[inline]
    pub(crate) fn post_packet(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        Packets::post_packet(self, packet)
    }

    /// Likewise, quietly.
    #[cfg(feature = "safe")]
    #[inline]
    pub(crate) fn post_packet_quietly(&self, packet: Queued) -> Result<(), (io::Error, Queued)> {
        Packets::post_packet_quietly(self, packet)
    }
}
