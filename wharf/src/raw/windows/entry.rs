//! The state of one handle.
//!
//! Each direction has a line of operations that have not begun, and a count of those that are under way in the kernel. The
//! kernel keeps the order of calls of one kind. An operation that *stands alone*, because it takes several calls or none, is
//! begun when no other of its direction is under way, and the operations behind it wait for it.

use std::ptr::NonNull;

use crate::{
    driver::windows::{self, codes},
    raw::{Descriptor, Direction, Kind, Limits, Overlapped, Request, Status, Unsent, line::Line},
    snapshot::Traffic,
};

/// The follow-ups of a turn under a handle's lock, to be done under none.
#[derive(Debug, Default)]
pub(in crate::raw) struct FollowUps {
    /// They have ended, and are to be handed out.
    pub ended: Line,
    /// Memory is to be found for it.
    pub provide: Option<NonNull<Overlapped>>,
}

/// One direction of a handle.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub line: Line,
    pub under_way: usize,
    /// The operation that is under way stands alone.
    pub alone: bool,
    /// Starting an operation fails with this error number, if it isn't 0.
    pub failure: i32,
}

/// The state of one handle.
#[derive(Debug)]
pub(in crate::raw) struct Entry {
    pub generation: u32,
    pub kind: Kind,
    pub in_use: bool,
    /// Nothing is started any more; the last operation to end frees the place.
    pub closing: bool,
    /// None while the place is free, or once the handle is closing.
    pub descriptor: Option<Descriptor>,
    pub key: usize,
    /// Its calls have a packet each, also those that end at once.
    pub(super) queues_all: bool,
    pub(super) sides: [Side; 2],
    /// The operations that the kernel has, or a thread that finds memory for them.
    pub under_way: Vec<NonNull<Overlapped>>,
    /// The one that found no memory.
    pub starved: Option<NonNull<Overlapped>>,
    /// Memory came back while a thread was looking for some.
    pub fed: bool,
    /// The number of the last operation.
    pub sequence: u64,
    pub unsent: Unsent,
    limits: Limits,
    pub traffic: Traffic,
    /// How much was received in all has been told: what ends from now on has received nothing.
    pub is_told: bool,
    /// The error that broke the connection, if it isn't 0: the operations in line fail with it.
    pub broken: i32,
    /// Receives that the kernel does not have are not begun.
    pub paused: bool,
    /// A receive found that the peer has ended its sending side.
    pub peer_ended: bool,
}

// SAFETY: the operations were given to the port until their packets are handed out, on any thread.
unsafe impl Send for Entry {}

impl Entry {
    pub(in crate::raw) fn free() -> Self {
        Entry {
            generation: 1,
            kind: Kind::Stream,
            in_use: false,
            closing: false,
            descriptor: None,
            key: 0,
            queues_all: false,
            sides: [Side::default(), Side::default()],
            under_way: Vec::new(),
            starved: None,
            fed: false,
            sequence: 0,
            unsent: Unsent::default(),
            limits: Limits::NONE,
            traffic: Traffic::default(),
            is_told: false,
            broken: 0,
            paused: false,
            peer_ended: false,
        }
    }

    pub(in crate::raw) fn of(
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
        generation: u32,
    ) -> Self {
        Entry {
            generation,
            kind,
            in_use: true,
            descriptor: Some(descriptor),
            key,
            ..Entry::free()
        }
    }

    /// How much may wait to be sent.
    pub(in crate::raw) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(in crate::raw) fn limits_mut(&mut self) -> &mut Limits {
        &mut self.limits
    }

    /// Whether a handle has the place.
    pub(in crate::raw) fn is_in_use(&self) -> bool {
        self.in_use
    }

    /// Whether anything of a direction is under way.
    pub(in crate::raw) fn has_under_way(&self, direction: Direction) -> bool {
        let side = &self.sides[direction as usize];
        side.under_way > 0 || !side.line.is_empty()
    }

    /// With which error number an operation fails to be started, if it isn't 0.
    pub(in crate::raw) fn failure_of(&self, operation: &Overlapped) -> i32 {
        match self.sides[operation.direction() as usize].failure {
            codes::SHUT_DOWN if operation.disconnects() => 0,
            failure => failure,
        }
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction as usize]
    }

    /// Whether anything was started that has not ended.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.sides.iter().all(|side| side.line.head().is_none())
    }

    /// Counts an operation as under way.
    pub(super) fn begun(&mut self, mut operation: NonNull<Overlapped>) {
        // SAFETY: it was in the line, so it is valid; out of it, it is ours.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.native.place = self.under_way.len();
        let alone = overlapped.stands_alone();
        let side = self.side(overlapped.direction());
        side.under_way += 1;
        side.alone = alone;
        self.under_way.push(operation);
    }

    /// Counts an operation as ended.
    pub(super) fn ended(&mut self, operation: NonNull<Overlapped>) {
        // SAFETY: what is under way is valid.
        let overlapped = unsafe { operation.as_ref() };
        let place = overlapped.native.place;
        let side = self.side(overlapped.direction());
        side.under_way -= 1;
        side.alone = false;
        self.under_way.swap_remove(place);
        if let Some(moved) = self.under_way.get_mut(place) {
            // SAFETY: what is under way is valid.
            unsafe { moved.as_mut() }.native.place = place;
        }
    }

    /// Notes that its connection is over, and that it may have another.
    pub(super) fn becomes_unconnected(&mut self) {
        self.kind = Kind::Unconnected;
        self.sides.iter_mut().for_each(|side| side.failure = 0);
    }

    /// Notes how an operation ended.
    pub(super) fn account(&mut self, overlapped: &Overlapped, unsent: usize) {
        self.unsent.end(overlapped, unsent);
        let moved = overlapped.transferred as u64;
        match overlapped.direction() {
            Direction::Read => self.traffic.received_bytes += moved,
            Direction::Write => self.traffic.sent_bytes += moved,
        }
        match overlapped.status {
            Status::Failed(code) if self.kind == Kind::Stream && windows::breaks_a_stream(code) => {
                self.broken = code;
                for side in &mut self.sides {
                    if side.failure == 0 {
                        side.failure = code;
                    }
                }
            }
            _ => {}
        }
    }
}

impl Overlapped {
    /// Whether it is begun when nothing else is under way in its direction, and nothing else is begun beside it.
    pub(super) fn stands_alone(&self) -> bool {
        let steps = matches!(
            self.request,
            Request::ReceiveAll(_)
                | Request::Shutdown
                | Request::Disconnect
                | Request::Transmit(_)
                | Request::Connect(_)
                | Request::ConnectSend(_)
        );
        steps || self.provider().is_some()
    }
}
