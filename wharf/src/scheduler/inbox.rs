//! The queue of posted packets, in two halves: the [`Inbox`], to which threads post, and what a thread of the pool took
//! in from there ([`Posted`]), all at once, when it had served what was taken in before.
//!
//! The inbox has a lock of its own, so that threads that post seldom compete for a lock with threads that wait; the other half
//! is under the scheduler's lock. A post does not look at the state of the scheduler, unless it is *wanted*: a thread waits
//! that a packet would release. The visit that finds this notes it here, and is told whether a packet came before.
//!
//! A post needs *credit*: a share of the port's operations, which is granted from time to time. If each post and each wait
//! changed one counter instead, the two threads would spend their time on its cache line. A packet that is taken gives its
//! credit back. A post on a *reserved place* needs none: the place counts among the port's operations, and has one packet at a
//! time. So that such a post can't fail, both halves have memory for all reserved places at any time.

use std::{collections::VecDeque, mem};

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// So many packets must have been taken before a post looks at their number again.
const WORTHWHILE: usize = 256;

/// Where packets are posted. On cache lines of its own, since waiting threads write beside it all the time.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Inbox<P> {
    slots: Mutex<Slots<P>>,
    /// How many packets are here: a hint, to be read without the lock.
    len: AtomicUsize,
    /// How many packets that needed credit were ever taken. Written by waiting threads.
    taken: Apart<AtomicUsize>,
}

#[derive(Debug)]
struct Slots<P> {
    packets: VecDeque<P>,
    /// The packets that were posted on reserved places: their positions among the packets, in order.
    reserved: VecDeque<usize>,
    /// How many places are reserved.
    places: usize,
    /// Since when the first packet has stood here.
    since_ns: u64,
    /// So many more may be posted, not counting the credit of packets that were taken since.
    credit: usize,
    /// So many were taken when that was last looked at.
    taken: usize,
    /// The next post is to choose a thread to release.
    wanted: bool,
    closed: bool,
}

/// The packets that were taken in from the inbox. Under the scheduler's lock.
#[derive(Debug)]
pub(super) struct Posted<P> {
    packets: VecDeque<P>,
    /// As in [`Slots`], without the packets that were taken.
    reserved: VecDeque<usize>,
    since_ns: u64,
    /// How many entries of the line go before the first of the packets.
    ahead: usize,
    /// How many posted packets were ever taken: now, and at the time when the present packets came in.
    taken: usize,
    taken_before: usize,
    /// How many of them had reserved places.
    taken_reserved: usize,
    /// The inbox was told that a post is wanted, and no such post has visited since.
    wanted: bool,
}

/// On a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

/// Why a packet was not posted.
#[derive(Debug)]
pub(crate) enum Unposted<P> {
    /// The credit that was [granted](Inbox::grant) is used up.
    NoCredit(P),
    /// The port is closed.
    Closed(P),
}

impl<P> Inbox<P> {
    pub(super) fn new() -> Self {
        Inbox {
            slots: Mutex::new(Slots {
                packets: VecDeque::new(),
                reserved: VecDeque::new(),
                places: 0,
                since_ns: 0,
                credit: 0,
                taken: 0,
                wanted: false,
                closed: false,
            }),
            len: AtomicUsize::new(0),
            taken: Apart(AtomicUsize::new(0)),
        }
    }

    /// Posts a packet. Returns whether it was wanted: if so, the caller has to choose a thread to release; no other thread
    /// will.
    #[inline]
    pub(super) fn post(&self, packet: P, clock: fn() -> u64) -> Result<bool, Unposted<P>> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(Unposted::Closed(packet));
        }
        if slots.credit == 0 {
            // Credit for a few packets is not fetched yet: each look takes the cache line from the waiting threads, so it
            // should bring a larger share.
            let taken = self.taken.0.load(Ordering::Relaxed);
            if taken.wrapping_sub(slots.taken) < WORTHWHILE {
                return Err(Unposted::NoCredit(packet));
            }
            slots.note_taken(taken);
        }
        slots.credit -= 1;
        if slots.packets.capacity() - slots.packets.len() <= slots.places {
            slots.grow();
        }
        Ok(self.put(&mut slots, packet, clock))
    }

    /// Posts a packet on a [reserved](Self::reserve) place. As [`post`](Self::post), but refused only when the port is closed.
    #[inline]
    pub(super) fn post_reserved(&self, packet: P, clock: fn() -> u64) -> Result<bool, P> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(packet);
        }
        debug_assert!(
            slots.reserved.len() < slots.places,
            "a place has one packet"
        );
        let number = slots.packets.len();
        slots.reserved.push_back(number);
        Ok(self.put(&mut slots, packet, clock))
    }

    #[inline]
    fn put(&self, slots: &mut Slots<P>, packet: P, clock: fn() -> u64) -> bool {
        if slots.packets.is_empty() {
            slots.since_ns = clock();
        }
        slots.packets.push_back(packet);
        self.len.store(slots.packets.len(), Ordering::Relaxed);
        mem::take(&mut slots.wanted)
    }

    /// How many packets were here a moment ago.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Moves all packets to the other half, if the packets that it took in before are served. They go behind
    /// `ahead` entries of the line. Returns whether any came.
    #[inline]
    pub(super) fn hand_over(&self, posted: &mut Posted<P>, ahead: usize) -> bool {
        // The length is a hint, which is enough: a post that it misses is wanted and visits, or is found by `want`. It
        // is read last, since posting threads write beside it.
        if !posted.is_empty() || self.len() == 0 {
            return false;
        }
        debug_assert!(posted.reserved.is_empty());
        let mut slots = self.slots.lock();
        mem::swap(&mut slots.packets, &mut posted.packets);
        if !slots.reserved.is_empty() {
            mem::swap(&mut slots.reserved, &mut posted.reserved);
        }
        self.len.store(0, Ordering::Relaxed);
        posted.since_ns = slots.since_ns;
        drop(slots);
        posted.ahead = ahead;
        posted.taken_before = posted.taken;
        !posted.is_empty()
    }

    /// Since when the first packet has stood here.
    pub(super) fn oldest_since_ns(&self) -> Option<u64> {
        let slots = self.slots.lock();
        (!slots.packets.is_empty()).then_some(slots.since_ns)
    }

    /// Notes that the next post is to choose a thread to release. Returns whether there is a packet already: then the caller
    /// has to choose.
    pub(super) fn want(&self, posted: &mut Posted<P>) -> bool {
        posted.wanted = true;
        let mut slots = self.slots.lock();
        slots.wanted = true;
        !slots.packets.is_empty()
    }

    /// Publishes how many packets were taken, which gives their credit back to posting threads.
    #[inline(always)]
    pub(super) fn show_taken(&self, posted: &Posted<P>) {
        let taken = posted.taken.wrapping_sub(posted.taken_reserved);
        self.taken.0.store(taken, Ordering::Relaxed);
    }

    /// Gives credit for so many more posts; returns how many may be made now. None: the port is closed and needs no credit.
    pub(super) fn grant(&self, credit: usize) -> Option<usize> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return None;
        }
        slots.credit += credit;
        slots.note_taken(self.taken.0.load(Ordering::Relaxed));
        Some(slots.credit)
    }

    /// The credit that can be used, with that of packets that were taken since.
    pub(super) fn credit(&self) -> usize {
        let slots = self.slots.lock();
        let taken = self.taken.0.load(Ordering::Relaxed);
        slots.credit + taken.wrapping_sub(slots.taken)
    }

    /// Takes back the credit that no packet uses.
    pub(super) fn take_credit(&self) -> usize {
        let mut slots = self.slots.lock();
        slots.note_taken(self.taken.0.load(Ordering::Relaxed));
        mem::take(&mut slots.credit)
    }

    /// Reserves memory for packets on so many reserved places at once, in both halves: they exchange their memory when packets
    /// are handed over.
    pub(super) fn reserve(&self, posted: &mut Posted<P>, places: usize) {
        let mut slots = self.slots.lock();
        if places <= slots.places {
            return;
        }
        slots.places = places;
        slots.packets.reserve(places);
        posted.packets.reserve(places);
        slots.reserved.reserve(places);
        posted.reserved.reserve(places);
    }

    pub(super) fn close(&self) {
        self.slots.lock().closed = true;
    }
}

impl<P> Slots<P> {
    fn note_taken(&mut self, taken: usize) {
        self.credit += taken.wrapping_sub(self.taken);
        self.taken = taken;
    }

    /// Gets memory for an ordinary packet, and for all reserved places beside it.
    #[cold]
    fn grow(&mut self) {
        self.packets.reserve(self.places + 1);
    }
}

impl<P> Posted<P> {
    pub(super) fn new() -> Self {
        Posted {
            packets: VecDeque::new(),
            reserved: VecDeque::new(),
            since_ns: 0,
            ahead: 0,
            taken: 0,
            taken_before: 0,
            taken_reserved: 0,
            wanted: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many posted packets were taken, ever.
    #[inline]
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Whether there is a packet, and no entry of the line goes before it.
    #[inline(always)]
    pub(super) fn is_next(&self) -> bool {
        self.ahead == 0 && !self.packets.is_empty()
    }

    /// The head of the line was taken.
    #[inline]
    pub(super) fn move_up(&mut self) {
        self.ahead = self.ahead.saturating_sub(1);
    }

    /// Takes the first packet, if no entry of the line goes before it.
    #[inline(always)]
    pub(super) fn take_next(&mut self) -> Option<P> {
        if self.ahead > 0 {
            return None;
        }
        let packet = self.packets.pop_front()?;
        self.note_taken(1);
        Some(packet)
    }

    /// Moves up to `packets_max` packets to `into`, if no entry of the line goes before them.
    pub(super) fn take_into(&mut self, into: &mut Vec<P>, packets_max: usize) {
        if self.is_next() {
            let count = self.packets.len().min(packets_max);
            into.extend(self.packets.drain(..count));
            self.note_taken(count);
        }
    }

    #[inline(always)]
    fn note_taken(&mut self, count: usize) {
        self.taken = self.taken.wrapping_add(count);
        if !self.reserved.is_empty() {
            self.note_taken_reserved();
        }
    }

    fn note_taken_reserved(&mut self) {
        let taken = self.taken.wrapping_sub(self.taken_before);
        while self.reserved.front().is_some_and(|it| *it < taken) {
            self.reserved.pop_front();
            self.taken_reserved = self.taken_reserved.wrapping_add(1);
        }
    }

    /// Since when the first packet has waited.
    pub(super) fn oldest_since_ns(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.since_ns)
    }

    /// Whether a wanted post is expected, which has not visited yet.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The wanted post visits.
    pub(super) fn wanted_came(&mut self) {
        self.wanted = false;
    }

    /// Takes all packets, of a closed port. Returns how many of them had reserved places.
    pub(super) fn drain(&mut self, into: &mut Vec<P>) -> usize {
        into.extend(self.packets.drain(..));
        self.reserved.drain(..).len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn clock() -> u64 {
        0
    }

    /// Both halves, with credit for one packet and one reserved place.
    fn inbox() -> (Inbox<u32>, Posted<u32>) {
        let (inbox, mut posted) = (Inbox::new(), Posted::new());
        assert_eq!(inbox.grant(1), Some(1));
        inbox.reserve(&mut posted, 1);
        (inbox, posted)
    }

    fn post(inbox: &Inbox<u32>, packet: u32) {
        let wanted = inbox.post(packet, clock);
        assert!(matches!(wanted, Ok(false)), "{wanted:?}");
    }

    fn post_reserved(inbox: &Inbox<u32>, packet: u32) {
        assert_eq!(inbox.post_reserved(packet, clock), Ok(false));
    }

    fn take_all(inbox: &Inbox<u32>, posted: &mut Posted<u32>) -> Vec<u32> {
        inbox.hand_over(posted, 0);
        let taken: Vec<u32> = std::iter::from_fn(|| posted.take_next()).collect();
        inbox.show_taken(posted);
        taken
    }

    #[test]
    fn packets_are_handed_over_once_those_before_are_served() {
        let (inbox, mut posted) = inbox();
        post(&inbox, 1);
        assert!(inbox.hand_over(&mut posted, 0));
        post_reserved(&inbox, 2);
        assert!(!inbox.hand_over(&mut posted, 0));
        assert_eq!((inbox.len(), posted.len()), (1, 1));
        assert_eq!(posted.take_next(), Some(1));
        assert!(inbox.hand_over(&mut posted, 0));
        assert_eq!(posted.take_next(), Some(2));
        assert!(!inbox.hand_over(&mut posted, 0));
    }

    #[test]
    fn packets_wait_for_the_entries_of_the_line_before_them() {
        let (inbox, mut posted) = inbox();
        post(&inbox, 1);
        assert!(inbox.hand_over(&mut posted, 1));
        assert!(!posted.is_next());
        assert_eq!(posted.take_next(), None);
        let mut taken = Vec::new();
        posted.take_into(&mut taken, 9);
        assert_eq!(taken, []);
        posted.move_up();
        assert!(posted.is_next());
        posted.take_into(&mut taken, 9);
        assert_eq!(taken, [1]);
    }

    #[test]
    fn a_packet_that_is_taken_gives_its_credit_back() {
        let (inbox, mut posted) = inbox();
        post(&inbox, 1);
        assert!(matches!(inbox.post(2, clock), Err(Unposted::NoCredit(2))));
        assert_eq!(inbox.credit(), 0);
        assert_eq!(take_all(&inbox, &mut posted), [1]);
        assert_eq!(inbox.credit(), 1);
        assert_eq!(inbox.take_credit(), 1);
        assert_eq!((inbox.credit(), inbox.take_credit()), (0, 0));
    }

    #[test]
    fn a_reserved_packet_needs_no_credit_and_gives_none() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 2);
        for round in 0..1_000 {
            post_reserved(&inbox, 1);
            post(&inbox, 2);
            post_reserved(&inbox, 3);
            assert_eq!(inbox.credit(), 0, "round {round}");
            assert_eq!(take_all(&inbox, &mut posted), [1, 2, 3]);
            assert_eq!(inbox.grant(0), Some(1), "round {round}");
        }
    }

    #[test]
    fn credit_comes_back_with_the_packet_that_had_it_and_no_sooner() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 2);
        post_reserved(&inbox, 1);
        post(&inbox, 2);
        post_reserved(&inbox, 3);
        assert!(inbox.hand_over(&mut posted, 0));
        for (packet, credit) in [(1, 0), (2, 1), (3, 1)] {
            assert_eq!(posted.take_next(), Some(packet));
            inbox.show_taken(&posted);
            assert_eq!(inbox.credit(), credit, "after {packet}");
        }
    }

    #[test]
    fn many_that_are_taken_at_once_give_back_what_they_had() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 3);
        assert_eq!(inbox.grant(2), Some(3));
        for packet in [1, 3, 5] {
            post(&inbox, packet);
            post_reserved(&inbox, packet + 1);
        }
        assert!(inbox.hand_over(&mut posted, 0));
        for (credit, expected) in [(2, [1, 2, 3]), (3, [4, 5, 6])] {
            let mut taken = Vec::new();
            posted.take_into(&mut taken, 3);
            assert_eq!(taken, expected);
            inbox.show_taken(&posted);
            assert_eq!(inbox.credit(), credit);
        }
    }

    #[test]
    fn a_reserved_packet_finds_its_memory_however_many_others_were_posted() {
        const PLACES: usize = 5;
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, PLACES);
        assert_eq!(inbox.grant(10_000), Some(10_001));
        let memory = || {
            let slots = inbox.slots.lock();
            (slots.packets.capacity(), slots.reserved.capacity())
        };
        // Both halves have their turn, and what they have grows meanwhile.
        for others in (0..100).chain(0..100) {
            (0..others).for_each(|packet| post(&inbox, packet));
            let before = memory();
            (0..PLACES).for_each(|_| post_reserved(&inbox, 1));
            assert_eq!(memory(), before, "{others} others");
            take_all(&inbox, &mut posted);
        }
    }

    #[test]
    fn places_may_be_reserved_while_packets_stand_in_both_halves() {
        let (inbox, mut posted) = inbox();
        assert_eq!(inbox.grant(99), Some(100));
        (0..8).for_each(|packet| post(&inbox, packet));
        assert!(inbox.hand_over(&mut posted, 0));
        (0..8).for_each(|packet| post(&inbox, packet));
        inbox.reserve(&mut posted, 100);
        inbox.reserve(&mut posted, 0);
        let slots = inbox.slots.lock();
        assert!(slots.packets.capacity() - slots.packets.len() >= 100);
        assert!(posted.packets.capacity() >= 100);
    }

    #[test]
    fn one_post_is_wanted_whichever_kind_it_is() {
        let (inbox, mut posted) = inbox();
        assert!(!inbox.want(&mut posted), "nothing came before");
        assert!(posted.is_wanted());
        assert_eq!(inbox.post_reserved(1, clock), Ok(true));
        posted.wanted_came();
        assert!(inbox.want(&mut posted), "one came before");
        assert!(matches!(inbox.post(2, clock), Ok(true)));
        assert_eq!(take_all(&inbox, &mut posted), [1, 2]);
    }

    #[test]
    fn a_closed_inbox_refuses_all_and_what_it_had_is_drained() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 2);
        post(&inbox, 1);
        post_reserved(&inbox, 2);
        inbox.close();
        assert!(matches!(inbox.post(3, clock), Err(Unposted::Closed(3))));
        assert_eq!(inbox.post_reserved(3, clock), Err(3));
        assert_eq!(inbox.grant(1), None);
        assert!(inbox.hand_over(&mut posted, 0));
        let mut drained = Vec::new();
        assert_eq!(posted.drain(&mut drained), 1);
        assert_eq!(drained, [1, 2]);
    }

    #[test]
    fn those_who_post_and_those_who_wait_write_to_lines_of_their_own() {
        let offset = mem::offset_of!(Inbox<[u64; 8]>, taken);
        assert_eq!(offset % 128, 0);
        assert_eq!(mem::size_of::<Inbox<[u64; 8]>>(), 256);
    }
}
