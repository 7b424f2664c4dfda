//! Connections that were accepted and whose first bytes are awaited.
//!
//! Their operation was started on the listener, and its id names the listener. Once there is a connection, the operation waits
//! on it, under a handle that no caller knows; when the bytes are there, that handle is given up, and the connection goes to
//! the caller. To cancel such an operation, the port closes that handle.

use std::{io, net::SocketAddr, ptr::NonNull, time::Instant};

use super::{
    entry::{Arrivals, Entry},
    handles::Handles,
    port::Port,
    results::{FollowUp, Results},
    side::{Found, Ready},
};
use crate::{
    driver::{self, codes},
    raw::{
        Accepted, Descriptor, Direction, Handle, Kind, LockedEntry, OperationId, Overlapped,
        Request, Status,
    },
    sync::now,
};

impl Port {
    /// When the connection came for whose first bytes this operation, a [`Request::AcceptReceive`], waits now: for whoever ends
    /// those whose peers connect and send nothing. None: no connection has come, or the operation has ended; then
    /// [`Overlapped::arrived_at`] tells.
    pub fn arrived_at(&self, id: OperationId) -> Option<Instant> {
        let table = &self.handles.table;
        let place = table.lock(id.handle)?.arrivals().find(id.sequence)?;
        let mut arrival = table.lock(place)?;
        let operation = arrival.side(Direction::Read).head()?;
        // SAFETY: what stands in a line is valid, and the handle is locked.
        let operation = unsafe { operation.as_ref() };
        // The place may be another's by now.
        (operation.id() == id).then(|| operation.arrived_at())?
    }
}

impl Handles {
    /// Judges an accept that is to receive, too: the operation, at the head of its listener's line, moves to the connection
    /// that it brought.
    pub(super) fn arrive(
        &self,
        mut listener: LockedEntry<'_>,
        ready: Ready,
        mut operation: NonNull<Overlapped>,
        (socket, peer): (Descriptor, Option<SocketAddr>),
        results: &mut impl Results,
    ) {
        let side = listener.side(Direction::Read);
        side.busy = false;
        side.pop();
        let mut follow_up = FollowUp::default();
        if side.enqueue() {
            follow_up.ready(ready);
        }
        // SAFETY: valid, and out of its line: ours.
        let is_cancelled = unsafe { operation.as_ref() }.status == Status::Cancelling;
        let cancelled = Status::Failed(codes::CANCELLED);
        let place = match is_cancelled {
            true => Err(cancelled),
            // Fails only when the port is closed, or has as many handles as it takes.
            false => {
                let place = self.table.insert(socket, listener.key, Kind::Stream);
                place.map_err(|error| match error.kind() {
                    io::ErrorKind::QuotaExceeded => Status::Full,
                    _ => cancelled,
                })
            }
        };
        match place {
            Ok(place) => self.settle_arrival(&mut listener, ready.handle, place, operation, peer),
            Err(status) => {
                // SAFETY: as above.
                unsafe { operation.as_mut() }.status = status;
                follow_up.end(listener.account(operation));
            }
        }
        self.let_go(listener, ready.handle);
        if let Ok(place) = place {
            results.make_room(2 * self.table.places_used());
            if let Err(error) = self.register(place) {
                self.fail_arrival(place, driver::number_of(&error), results);
            }
        }
        follow_up.tell(results);
    }

    /// Puts an operation into the line of the connection that it waits on.
    fn settle_arrival(
        &self,
        listener: &mut Entry,
        listener_handle: Handle,
        place: Handle,
        mut operation: NonNull<Overlapped>,
        peer: Option<SocketAddr>,
    ) {
        // SAFETY: valid, and out of its line: ours.
        let overlapped = unsafe { operation.as_mut() };
        if let Request::AcceptReceive(arrival) = &mut overlapped.request {
            arrival.arrived = Some((peer, now()));
        }
        let arrivals = &mut listener.rest_mut().arrivals;
        arrivals.add(overlapped.sequence, place);
        let mut entry = self.table.lock(place).expect("nobody else knows it");
        entry.rest_mut().arrivals = Arrivals::Of(listener_handle);
        entry.is_tcp = listener.is_tcp;
        // SAFETY: the operation is valid and in no line.
        unsafe { entry.side(Direction::Read).push(operation) };
    }

    /// The connection can't be registered, so its operation fails.
    fn fail_arrival(&self, place: Handle, error: Option<i32>, results: &mut impl Results) {
        let Some(mut entry) = self.table.lock(place) else {
            return;
        };
        let mut follow_up = FollowUp::default();
        let found = entry.side(Direction::Read).cancel(|_| true);
        if let Some(Found::Out(mut operation)) = found {
            let number = error.unwrap_or(codes::UNKNOWN);
            // SAFETY: it was in the line, so it is valid; out of it, it is ours.
            unsafe { operation.as_mut() }.status = Status::Failed(number);
            follow_up.end(entry.account(operation));
        }
        drop(entry);
        self.close(place, results);
        follow_up.tell(results);
    }

    /// Gives the connection to the operation, which has succeeded; its handle is given up.
    pub(super) fn depart(
        &self,
        mut entry: LockedEntry<'_>,
        place: Handle,
        mut operation: NonNull<Overlapped>,
    ) {
        let listener = entry.listener();
        entry.drop_rest();
        let socket = self.table.remove(entry).expect("a place in use");
        self.driver.forget(place.slot());
        // SAFETY: the descriptor is open: we have it.
        unsafe { self.driver.deregister(socket.number()) };
        // SAFETY: the operation is valid, and out of its line: ours.
        if let Request::AcceptReceive(arrival) = &mut unsafe { operation.as_mut() }.request {
            let peer = arrival.arrived.and_then(|(peer, _)| peer);
            arrival.accepted = Some(Accepted { socket, peer });
        }
        self.table.release(place);
        self.remove(listener, place);
    }

    /// Takes a place off its listener's list, if it is on one.
    pub(super) fn remove(&self, listener: Option<Handle>, place: Handle) {
        let listener = listener.and_then(|listener| self.table.lock(listener));
        if let Some(mut entry) = listener {
            if let Arrivals::At(list) = &mut entry.rest_mut().arrivals {
                list.retain(|(_, handle)| *handle != place);
            }
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use std::{
        io::ErrorKind,
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    use rustix::io::Errno;

    use super::*;
    use crate::raw::{AcceptReceive, Answer, Options, Port, RawBuffer};

    #[test]
    fn what_can_not_be_registered_says_what_to_raise() {
        let receive = AcceptReceive::new(RawBuffer::EMPTY);
        let mut operation = Overlapped::new(0, Request::AcceptReceive(Box::new(receive)));
        operation.status = Status::Failed(Errno::NOSPC.raw_os_error());
        let error = operation.error().expect("it has failed");
        assert!(error.to_string().contains("max_user_watches"), "{error}");
        assert_eq!(driver::number_of(&error), Some(Errno::NOSPC.raw_os_error()));
    }

    #[test]
    fn an_accept_whose_connection_has_no_place_says_what_ran_out() {
        let port = Port::new(&Options::default()).expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        listener.set_nonblocking(true).expect("a mode");
        let address = listener.local_addr().expect("an address");
        let listener = port.associate(listener, 7, Kind::Listener);
        let listener = listener.expect("an association");
        let mut memory = [0; 8];
        let buffer = RawBuffer {
            start: memory.as_mut_ptr(),
            len: memory.len(),
        };
        let request = Request::AcceptReceive(Box::new(AcceptReceive::new(buffer)));
        let mut operation = Overlapped::new(42, request);
        port.handles.table.use_up();
        // SAFETY: operation and memory stay in place, untouched, until the packet is here.
        unsafe { port.start(listener, NonNull::from(&mut operation)) }.expect("a start");
        let _peer = TcpStream::connect(address).expect("a connection");
        let answer = port.wait(Some(Duration::from_secs(20)));
        let Answer::Packet(packet) = answer.expect("a wait") else {
            port.close();
            panic!("a packet is due");
        };
        assert_eq!((packet.key, packet.token), (7, 42));
        let error = packet.error.expect("there is no place for it");
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        assert!(error.to_string().contains("second port"), "{error}");
        assert!(operation.take_accepted().is_none());
    }
}
