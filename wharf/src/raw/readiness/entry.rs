//! The state of one handle.

#[cfg(feature = "safe")]
use super::idle::Waiting;
use super::side::Side;
use crate::raw::{Descriptor, Direction, Handle, Kind, Limits, Overlapped, RawDescriptor, Unsent};
use crate::snapshot::Traffic;

/// The state of one handle. There are as many as handles, most of which are idle: what few of them need is in [`Rest`].
#[derive(Debug)]
pub(in crate::raw) struct Entry {
    pub generation: u32,
    pub kind: Kind,
    /// Being closed: no operation is started any more, and the last thread that transfers frees the place.
    pub closing: bool,
    /// None while the place is free.
    pub descriptor: Option<Descriptor>,
    /// Its borrowed descriptor is registered for it. If not, the descriptor may be registered for another handle.
    pub registered: bool,
    /// Threads that use the descriptor other than for a transfer.
    pub holds: u32,
    pub key: usize,
    pub(super) sides: [Side; 2],
    /// The receive that is alone in its line, and is no operation yet.
    #[cfg(feature = "safe")]
    pub(super) idle: Option<Waiting>,
    /// Of a stream: it is TCP, where a transfer that moves less than was offered has exhausted the descriptor. Other kinds stop
    /// short elsewhere, too: a local socket behind descriptors that were passed, or where the writer changes (unix(7)),
    /// sctp(7) behind a message, Hyper-V's vsock behind a packet. They are exhausted once they say so. Of a listener: the
    /// connections that it accepts are TCP.
    pub is_tcp: bool,
    /// A short read does not mean that nothing is left: the peer has ended, or urgent data came.
    pub read_on: bool,
    /// The peer has ended its sending side in order: a receive found the end, or an event reported it.
    pub peer_ended: bool,
    /// A receive, or an attempt, found the end while a send was in transfer; the connection may be broken, and the send about to report it.
    pub end_in_doubt: bool,
    /// The error that broke the connection, if it isn't 0: what follows is no orderly end.
    pub broken: i32,
    /// The number of the last operation.
    pub sequence: u64,
    pub unsent: Unsent,
    pub traffic: Traffic,
    rest: Option<Box<Rest>>,
}

/// What few handles need.
#[derive(Debug)]
pub(super) struct Rest {
    /// Of a listener: the connections whose first bytes are awaited. Of such a connection: its listener.
    pub arrivals: Arrivals,
    limits: Limits,
}

impl Rest {
    const NONE: Rest = Rest {
        arrivals: Arrivals::None,
        limits: Limits::NONE,
    };
}

static NO_REST: Rest = Rest::NONE;

impl Entry {
    /// The state of a handle that was just associated.
    pub(in crate::raw) fn of(
        descriptor: Descriptor,
        key: usize,
        kind: Kind,
        generation: u32,
    ) -> Self {
        let mut entry = Entry {
            generation,
            kind,
            descriptor: Some(descriptor),
            key,
            ..Entry::free()
        };
        // Writing is worth trying at once; reading once there is an event.
        entry.sides[Direction::Write as usize].ready = true;
        entry
    }

    pub(in crate::raw) fn free() -> Self {
        Entry {
            generation: 1,
            kind: Kind::Stream,
            closing: false,
            descriptor: None,
            registered: false,
            holds: 0,
            key: 0,
            sides: [Side::default(), Side::default()],
            #[cfg(feature = "safe")]
            idle: None,
            is_tcp: false,
            read_on: false,
            peer_ended: false,
            end_in_doubt: false,
            broken: 0,
            sequence: 0,
            unsent: Unsent::default(),
            traffic: Traffic::default(),
            rest: None,
        }
    }

    fn rest(&self) -> &Rest {
        self.rest.as_deref().unwrap_or(&NO_REST)
    }

    /// The handle is gone.
    pub(super) fn drop_rest(&mut self) {
        self.rest = None;
    }

    pub(super) fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_with(|| Box::new(Rest::NONE))
    }

    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.rest().arrivals
    }

    /// How much may wait to be sent.
    #[inline]
    pub(in crate::raw) fn limits(&self) -> &Limits {
        &self.rest().limits
    }

    pub(in crate::raw) fn limits_mut(&mut self) -> &mut Limits {
        &mut self.rest_mut().limits
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction as usize]
    }

    /// Whether anything of a direction is under way.
    pub(in crate::raw) fn has_under_way(&self, direction: Direction) -> bool {
        !self.sides[direction as usize].is_empty()
    }

    /// The error number with which the start of an operation fails, if it isn't 0.
    pub(in crate::raw) fn failure_of(&self, operation: &Overlapped) -> i32 {
        self.sides[operation.direction() as usize].failure
    }

    /// Whether a handle has the place.
    pub(in crate::raw) fn is_in_use(&self) -> bool {
        self.descriptor.is_some()
    }

    /// The listener for which it waits for the first bytes, if it does.
    pub(super) fn listener(&self) -> Option<Handle> {
        match *self.arrivals() {
            Arrivals::Of(listener) => Some(listener),
            Arrivals::None | Arrivals::At(_) => None,
        }
    }

    /// Its descriptor, if that is borrowed.
    pub(super) fn borrowed(&self) -> Option<RawDescriptor> {
        let descriptor = self.descriptor.as_ref();
        descriptor
            .filter(|it| it.is_borrowed())
            .map(Descriptor::number)
    }

    /// Whether a thread uses the descriptor, so that it must stay open.
    pub(super) fn is_busy(&self) -> bool {
        self.holds > 0 || self.sides.iter().any(|side| side.busy)
    }
}

/// The part of a handle in arrivals.
#[derive(Debug)]
pub(super) enum Arrivals {
    None,
    /// It is a listener: by the number of each operation, where it waits.
    At(Vec<(u64, Handle)>),
    /// It is a connection, and waits for the first bytes on behalf of this listener.
    Of(Handle),
}

impl Arrivals {
    /// Where the operation with this number waits.
    pub(super) fn find(&self, sequence: u64) -> Option<Handle> {
        let Arrivals::At(list) = self else {
            return None;
        };
        let arrival = list.iter().find(|(number, _)| *number == sequence)?;
        Some(arrival.1)
    }

    /// Where all of them wait.
    pub(super) fn handles(&self) -> Vec<Handle> {
        match self {
            Arrivals::At(list) => list.iter().map(|(_, handle)| *handle).collect(),
            Arrivals::None | Arrivals::Of(_) => Vec::new(),
        }
    }

    pub(super) fn add(&mut self, sequence: u64, handle: Handle) {
        match self {
            Arrivals::At(list) => list.push((sequence, handle)),
            none => *none = Arrivals::At(vec![(sequence, handle)]),
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// An idle connection costs it: what few handles need belongs into [`Rest`].
    #[test]
    fn an_entry_is_as_small_as_it_can_be() {
        // In builds for tests the kernel may be a simulated one, whose descriptors are larger.
        let of_tests = size_of::<Option<Descriptor>>() - size_of::<u64>();
        assert_eq!(size_of::<Entry>(), 152 + of_tests);
    }
}
