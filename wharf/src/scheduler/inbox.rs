//! The queue of posted packets, in two halves: the [`Inbox`], to which threads post, and what a thread of the pool took
//! in from there ([`Posted`]), all at once, when it had served what was taken in before.
//!
//! The inbox has a lock of its own, so that threads that post seldom compete for a lock with threads that wait; the other half
//! is under the scheduler's lock. A post does not look at the state of the scheduler, unless it is *wanted*: a thread waits
//! that a packet would release. The visit that finds this notes it here, and is told whether a packet came before.
//!
//! The first packets of the other half are in a [ring](crate::raw::ring::Ring), where a running thread claims them under no lock, as
//! long as nothing else goes before them.
//!
//! A post needs *credit*: a share of the port's operations, which is granted from time to time. If each post and each wait
//! changed one counter instead, the two threads would spend their time on its cache line. A packet that is taken gives its
//! credit back. A post on a *reserved place* needs none: the place counts among the port's operations, and has one packet at a
//! time. So that such a post can't fail, both halves have memory for all reserved places at any time.
//!
//! Packets leave in the order in which they were posted. So the number of packets that were taken says which they were, and
//! no other note is kept of what is taken.
//!
//! A *quiet* post is on the same queue, but if it is wanted, the release is *withheld*: the next post is wanted still, and the
//! packet is left to the thread that posted it, which comes back soon. The packet *stands* here until any thread takes the inbox's
//! packets in, or an ordinary post comes. The monitor watches meanwhile: a packet that stands at two of its looks is left to its
//! poster no longer.

use std::{collections::VecDeque, mem};

use crate::{
    raw::ring::{self, Filler, Ring},
    sync::{Arc, AtomicU64, AtomicUsize, Mutex, Ordering},
};

/// So many packets must have been taken before a post looks at their number again.
const WORTHWHILE: usize = 256;

/// In the number of packets that are here: they stand, left to the threads that posted them quietly.
const STAND: usize = 1 << (usize::BITS - 1);

/// Where packets are posted. On cache lines of its own, since waiting threads write beside it all the time.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Inbox<P> {
    slots: Mutex<Slots<P>>,
    /// How many packets are here, and whether they stand: a hint, to be read without the lock.
    len: AtomicUsize,
    /// Where threads claim the packets that were taken in.
    ring: Arc<Ring<P>>,
    /// How many packets were ever taken otherwise. Written under the scheduler's lock.
    taken: Apart<AtomicU64>,
}

#[derive(Debug)]
struct Slots<P> {
    packets: VecDeque<P>,
    /// The packets that were posted on reserved places and were not taken when that was last looked at: their numbers among all
    /// posts, in order.
    reserved: VecDeque<u64>,
    /// How many places are reserved.
    places: usize,
    /// How many packets were ever posted.
    posted: u64,
    /// Since when the first packet has been here.
    since_ns: u64,
    /// So many more may be posted, not counting the credit of packets that were taken since.
    credit: usize,
    /// So many were taken when that was last looked at.
    taken: u64,
    /// The next post is to choose a thread to release.
    wanted: bool,
    /// Whether a packet stands here. Only where a post is wanted.
    standing: Standing,
    /// A release was withheld since the monitor last looked.
    withheld: bool,
    /// The monitor looks often, for the packets that stand.
    watched: bool,
    closed: bool,
}

/// Whether a packet stands in the inbox: one that was wanted and posted quietly, and is left to the thread that posted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nothing,
    /// The monitor has not looked since the first of them came.
    New,
    /// It has.
    Seen,
}

/// The packets that were taken in from the inbox. Under the scheduler's lock.
#[derive(Debug)]
pub(super) struct Posted<P> {
    /// The first packets, before those in `packets`.
    ring: Filler<P>,
    packets: VecDeque<P>,
    /// How many entries of the line go before the first of `packets`.
    ahead: usize,
    /// How many packets visits have ever taken.
    handed_out: usize,
    /// How many packets were ever taken from `packets` itself, and how many were ever taken in.
    taken: u64,
    taken_in: u64,
    batches: VecDeque<Batch>,
    /// The inbox was told that a post is wanted, and no such post has visited since.
    wanted: bool,
}

/// Packets that were taken in together, from this number on.
#[derive(Debug)]
struct Batch {
    first: u64,
    since_ns: u64,
}

/// On a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

/// What a post has to see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing: no thread waits that it would release, or another thread sees to that.
    Nothing,
    /// The caller has to choose a thread to release; no other thread will.
    Wanted,
    /// The release is withheld, and the packet stands. If it is not watched yet, the caller has to have that done.
    Withheld { watched: bool },
}

/// What the monitor finds when it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    /// A packet stands that came since the last look: what is here is left to its poster.
    pub leaves: bool,
    /// A release was withheld since the last look.
    pub withheld: bool,
}

/// Why a packet was not posted.
#[derive(Debug)]
pub(crate) enum Unposted<P> {
    /// The credit that was [granted](Inbox::grant) is used up.
    NoCredit(P),
    /// The port is closed.
    Closed(P),
}

impl<P> Inbox<P> {
    /// Both halves.
    pub(super) fn new() -> (Self, Posted<P>) {
        let posted = Posted {
            ring: Filler::new(),
            packets: VecDeque::new(),
            ahead: 0,
            handed_out: 0,
            taken: 0,
            taken_in: 0,
            // Each has a packet in the ring; but for the last, which has some in `packets`, and one that is taken in before
            // the first is found to be served.
            batches: VecDeque::with_capacity(ring::LEN + 2),
            wanted: false,
        };
        let inbox = Inbox {
            slots: Mutex::new(Slots {
                packets: VecDeque::new(),
                reserved: VecDeque::new(),
                places: 0,
                posted: 0,
                since_ns: 0,
                credit: 0,
                taken: 0,
                wanted: false,
                standing: Standing::Nothing,
                withheld: false,
                watched: false,
                closed: false,
            }),
            len: AtomicUsize::new(0),
            ring: posted.ring.ring().clone(),
            taken: Apart(AtomicU64::new(0)),
        };
        (inbox, posted)
    }

    /// Posts a packet. `leaves` is asked, under the lock, if the packet is wanted: whether it may be left to the calling thread.
    /// Returns what the caller has to see to.
    #[inline]
    pub(super) fn post(
        &self,
        packet: P,
        leaves: impl FnOnce() -> bool,
        clock: fn() -> u64,
    ) -> Result<Told, Unposted<P>> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(Unposted::Closed(packet));
        }
        if slots.credit == 0 {
            // Credit for a few packets is not fetched yet: each look takes the cache line from the waiting threads, so it
            // should bring a larger share.
            let taken = self.taken();
            if taken - slots.taken < WORTHWHILE as u64 {
                return Err(Unposted::NoCredit(packet));
            }
            slots.note_taken(taken);
            if slots.credit == 0 {
                return Err(Unposted::NoCredit(packet));
            }
        }
        slots.credit -= 1;
        if slots.packets.capacity() - slots.packets.len() <= slots.places {
            slots.grow();
        }
        Ok(self.put(&mut slots, packet, leaves, clock))
    }

    /// Posts a packet on a [reserved](Self::reserve) place. As [`post`](Self::post), but refused only when the port is closed.
    #[inline]
    pub(super) fn post_reserved(
        &self,
        packet: P,
        leaves: impl FnOnce() -> bool,
        clock: fn() -> u64,
    ) -> Result<Told, P> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(packet);
        }
        if slots.reserved.len() >= slots.places {
            // One of them was taken, and was this place's packet.
            slots.note_taken(self.taken());
        }
        debug_assert!(
            slots.reserved.len() < slots.places,
            "a place has one packet"
        );
        let number = slots.posted;
        slots.reserved.push_back(number);
        Ok(self.put(&mut slots, packet, leaves, clock))
    }

    #[inline]
    fn put(
        &self,
        slots: &mut Slots<P>,
        packet: P,
        leaves: impl FnOnce() -> bool,
        clock: fn() -> u64,
    ) -> Told {
        if slots.packets.is_empty() {
            slots.since_ns = clock();
        }
        slots.packets.push_back(packet);
        slots.posted += 1;
        let len = slots.packets.len();
        if slots.wanted && leaves() {
            self.len.store(len | STAND, Ordering::Relaxed);
            return slots.withhold();
        }
        self.len.store(len, Ordering::Relaxed);
        match slots.take_wanted() {
            true => Told::Wanted,
            false => Told::Nothing,
        }
    }

    /// Claims the first packet that was taken in, unless something else goes before it.
    #[inline(always)]
    pub(super) fn claim(&self) -> Option<P> {
        self.ring.claim()
    }

    /// How many packets were ever taken.
    fn taken(&self) -> u64 {
        self.ring.claimed() + self.taken.0.load(Ordering::Relaxed)
    }

    /// How many packets were ever claimed.
    pub(super) fn claimed(&self) -> u64 {
        self.ring.claimed()
    }

    /// How many packets were here a moment ago.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) & !STAND
    }

    /// Whether there was a packet a moment ago, here or where packets are claimed; but for those that stand here.
    pub(super) fn seems_filled(&self) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        (len > 0 && len & STAND == 0) || self.ring.seems_filled()
    }

    /// Moves all packets to the other half, if those that it took in before are served, or can be claimed. They go behind
    /// `ahead` entries of the line. Returns whether any came.
    #[inline]
    pub(super) fn hand_over(&self, posted: &mut Posted<P>, ahead: usize) -> bool {
        // The length is a hint, which is enough: a post that it misses is wanted and visits, or is found by `want`. It
        // is read last, since posting threads write beside it.
        if !posted.packets.is_empty() || self.len() == 0 {
            return false;
        }
        // So it is filled from the front of its memory, which stays in the cache.
        posted.packets.clear();
        let mut slots = self.slots.lock();
        mem::swap(&mut slots.packets, &mut posted.packets);
        self.len.store(0, Ordering::Relaxed);
        slots.standing = Standing::Nothing;
        let since_ns = slots.since_ns;
        drop(slots);
        posted.ahead = ahead;
        posted.note_batch(since_ns);
        !posted.packets.is_empty()
    }

    /// Since when the first packet has been here.
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

    /// No post would release a thread now: none is wanted any more, unless one is on its way to choose.
    pub(super) fn unwant(&self, posted: &mut Posted<P>) {
        let mut slots = self.slots.lock();
        if slots.take_wanted() {
            posted.wanted = false;
            self.len.store(slots.packets.len(), Ordering::Relaxed);
        }
    }

    /// The monitor is to look for packets that stand. Returns whether it has to be called for that.
    ///
    /// It takes this up at its next look, and gives it up some looks later: also if it has seen the packet meanwhile, for which this
    /// is called, and does not look for such any more.
    pub(super) fn begin_watch(&self) -> bool {
        let mut slots = self.slots.lock();
        slots.withheld = true;
        !mem::replace(&mut slots.watched, true)
    }

    /// The monitor looks for packets that stand. What it finds a second time is not left to its poster.
    pub(super) fn look(&self) -> Looked {
        let mut slots = self.slots.lock();
        let looked = Looked {
            leaves: slots.standing == Standing::New,
            withheld: mem::take(&mut slots.withheld),
        };
        if looked.leaves {
            slots.standing = Standing::Seen;
        }
        looked
    }

    /// The monitor looks no longer, unless a release was withheld since its last look. Returns whether it may stop.
    pub(super) fn end_watch(&self) -> bool {
        let mut slots = self.slots.lock();
        slots.watched = slots.withheld;
        !slots.watched
    }

    /// There is no monitor to look.
    pub(super) fn break_watch(&self) {
        self.slots.lock().watched = false;
    }

    /// Publishes how many packets were taken, which gives their credit back to posting threads. Claims are known without it.
    #[inline(always)]
    pub(super) fn show_taken(&self, posted: &Posted<P>) {
        self.taken.0.store(posted.taken, Ordering::Relaxed);
    }

    /// Gives credit for so many more posts; returns how many may be made now. None: the port is closed and needs no credit.
    pub(super) fn grant(&self, credit: usize) -> Option<usize> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return None;
        }
        slots.credit += credit;
        slots.note_taken(self.taken());
        Some(slots.credit)
    }

    /// The credit that can be used, with that of packets that were taken since.
    pub(super) fn credit(&self) -> usize {
        let mut slots = self.slots.lock();
        slots.note_taken(self.taken());
        slots.credit
    }

    /// Takes back the credit that no packet uses.
    pub(super) fn take_credit(&self) -> usize {
        let mut slots = self.slots.lock();
        slots.note_taken(self.taken());
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
        let more = places - slots.reserved.len();
        slots.reserved.reserve(more);
    }

    pub(super) fn close(&self) {
        self.slots.lock().closed = true;
    }

    /// Takes all packets that were taken in. Returns how many of them had reserved places. The port is closed, and claims are
    /// shut out.
    pub(super) fn drain(&self, posted: &mut Posted<P>, into: &mut Vec<P>) -> usize {
        let mut slots = self.slots.lock();
        slots.note_taken(self.taken());
        let before = into.len();
        posted.take_from_ring(into, usize::MAX);
        posted.take_from_rest(into, usize::MAX);
        self.show_taken(posted);
        // These are handed out, but their credit is not given back: the port counts them when it is told of them.
        slots.taken += (into.len() - before) as u64;
        let taken = slots.taken;
        slots.note_reserved(taken)
    }
}

impl<P> Slots<P> {
    /// A post is wanted, and is a quiet one.
    #[inline]
    fn withhold(&mut self) -> Told {
        if self.standing == Standing::Nothing {
            self.standing = Standing::New;
        }
        self.withheld = true;
        Told::Withheld {
            watched: self.watched,
        }
    }

    /// Whether a post is wanted. If so, it is no longer, and nothing stands: the caller sees to what is here.
    #[inline]
    fn take_wanted(&mut self) -> bool {
        if self.wanted {
            self.standing = Standing::Nothing;
        }
        mem::take(&mut self.wanted)
    }

    fn note_taken(&mut self, taken: u64) {
        let reserved = self.note_reserved(taken);
        self.credit += (taken - self.taken) as usize - reserved;
        self.taken = taken;
    }

    /// Forgets the packets of reserved places that were taken, now that so many packets were; returns how many they were.
    fn note_reserved(&mut self, taken: u64) -> usize {
        let mut count = 0;
        while self.reserved.front().is_some_and(|it| *it < taken) {
            self.reserved.pop_front();
            count += 1;
        }
        count
    }

    /// Gets memory for an ordinary packet, and for all reserved places beside it.
    #[cold]
    fn grow(&mut self) {
        self.packets.reserve(self.places + 1);
    }
}

impl<P> Posted<P> {
    /// How many packets can be claimed, unless something goes before them.
    #[inline]
    pub(super) fn len_of_ring(&mut self) -> usize {
        self.ring.len()
    }

    /// How many packets are behind those.
    #[inline]
    pub(super) fn len_of_rest(&self) -> usize {
        self.packets.len()
    }

    /// How many packets visits have ever taken.
    #[inline]
    pub(super) fn handed_out(&self) -> usize {
        self.handed_out
    }

    /// Whether there is a packet, and no entry of the line goes before it.
    #[inline(always)]
    pub(super) fn is_next(&mut self) -> bool {
        self.ring.len() > 0 || (self.ahead == 0 && !self.packets.is_empty())
    }

    /// How many entries of the line go before the packets that were taken in.
    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// An entry of the line that went before was taken.
    #[inline]
    pub(super) fn move_up(&mut self) {
        self.ahead = self.ahead.saturating_sub(1);
    }

    /// Moves up to `packets_max` packets to `into`, if no entry of the line goes before them; returns how many.
    #[inline]
    pub(super) fn take_into(&mut self, into: &mut Vec<P>, packets_max: usize) -> usize {
        let before = into.len();
        self.take_from_ring(into, packets_max);
        if self.ahead == 0 {
            let more = packets_max - (into.len() - before);
            self.take_from_rest(into, more);
        }
        let count = into.len() - before;
        self.handed_out = self.handed_out.wrapping_add(count);
        count
    }

    #[inline]
    fn take_from_ring(&mut self, into: &mut Vec<P>, packets_max: usize) {
        self.ring.take(packets_max, |packet| into.push(packet));
    }

    /// Nothing is in the ring, so these are the first.
    #[inline]
    fn take_from_rest(&mut self, into: &mut Vec<P>, packets_max: usize) {
        let count = self.packets.len().min(packets_max);
        if count == 0 {
            return;
        }
        debug_assert_eq!(self.ring.len(), 0);
        into.extend(self.packets.drain(..count));
        self.taken += count as u64;
    }

    /// Lets running threads claim the packets that are next, or none.
    #[inline]
    pub(super) fn open(&mut self, open: bool) {
        if !open {
            // Where nothing is in the ring, nothing is claimed from it.
            if self.ring.len() > 0 {
                self.ring.set_shut(true);
            }
            return;
        }
        self.ring.set_shut(false);
        if self.ahead == 0 && !self.packets.is_empty() {
            self.ring.fill(&mut self.packets);
        }
    }

    fn note_batch(&mut self, since_ns: u64) {
        let first = self.taken_in;
        self.taken_in += self.packets.len() as u64;
        let taken = self.ring.ring().claimed() + self.taken;
        while self.batches.get(1).is_some_and(|next| next.first <= taken) {
            self.batches.pop_front();
        }
        self.batches.push_back(Batch { first, since_ns });
    }

    /// Since when the first packet has waited.
    pub(super) fn oldest_since_ns(&mut self) -> Option<u64> {
        let len = self.ring.len() + self.packets.len();
        let taken = self.taken_in - len as u64;
        let begun = |batch: &&Batch| batch.first <= taken;
        let batch = self.batches.iter().rev().find(begun);
        batch.filter(|_| len > 0).map(|batch| batch.since_ns)
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
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn clock() -> u64 {
        0
    }

    /// Both halves, with credit for one packet and one reserved place.
    fn inbox() -> (Inbox<u32>, Posted<u32>) {
        let (inbox, mut posted) = Inbox::new();
        assert_eq!(inbox.grant(1), Some(1));
        inbox.reserve(&mut posted, 1);
        (inbox, posted)
    }

    fn post(inbox: &Inbox<u32>, packet: u32) {
        let told = inbox.post(packet, || false, clock);
        assert!(matches!(told, Ok(Told::Nothing)), "{told:?}");
    }

    fn post_reserved(inbox: &Inbox<u32>, packet: u32) {
        let told = inbox.post_reserved(packet, || false, clock);
        assert_eq!(told, Ok(Told::Nothing));
    }

    fn take_all(inbox: &Inbox<u32>, posted: &mut Posted<u32>) -> Vec<u32> {
        inbox.hand_over(posted, 0);
        let mut taken = Vec::new();
        posted.take_into(&mut taken, usize::MAX);
        inbox.show_taken(posted);
        taken
    }

    fn take_one(inbox: &Inbox<u32>, posted: &mut Posted<u32>) -> Option<u32> {
        let mut taken = Vec::new();
        posted.take_into(&mut taken, 1);
        inbox.show_taken(posted);
        taken.pop()
    }

    #[test]
    fn packets_are_handed_over_once_those_before_are_served() {
        let (inbox, mut posted) = inbox();
        post(&inbox, 1);
        assert!(inbox.hand_over(&mut posted, 0));
        post_reserved(&inbox, 2);
        assert!(!inbox.hand_over(&mut posted, 0));
        assert_eq!((inbox.len(), posted.len_of_rest()), (1, 1));
        assert_eq!(take_one(&inbox, &mut posted), Some(1));
        assert!(inbox.hand_over(&mut posted, 0));
        assert_eq!(take_one(&inbox, &mut posted), Some(2));
        assert!(!inbox.hand_over(&mut posted, 0));
    }

    #[test]
    fn packets_are_claimed_in_order_while_nothing_goes_before_them() {
        let (inbox, mut posted) = inbox();
        assert_eq!(inbox.grant(ring::LEN * 2), Some(ring::LEN * 2 + 1));
        let last = ring::LEN as u32 + 1;
        (0..=last).for_each(|packet| post(&inbox, packet));
        assert!(inbox.hand_over(&mut posted, 1));
        posted.open(true);
        assert_eq!(inbox.claim(), None, "an entry of the line goes before");
        posted.move_up();
        posted.open(true);
        assert_eq!((posted.len_of_ring(), posted.len_of_rest()), (ring::LEN, 2));
        assert_eq!((inbox.claim(), inbox.claim()), (Some(0), Some(1)));
        posted.open(false);
        assert_eq!(inbox.claim(), None);
        assert!(inbox.seems_filled(), "it can be taken by a visit");
        assert_eq!(take_one(&inbox, &mut posted), Some(2));
        posted.open(true);
        (3..=last).for_each(|packet| assert_eq!(inbox.claim(), Some(packet)));
        assert_eq!(inbox.claim(), None);
    }

    #[test]
    fn a_packet_that_is_claimed_gives_its_credit_back_unless_its_place_was_reserved() {
        let (inbox, mut posted) = inbox();
        for round in 0..1_000 {
            post_reserved(&inbox, 1);
            post(&inbox, 2);
            assert!(inbox.hand_over(&mut posted, 0));
            posted.open(true);
            assert_eq!((inbox.claim(), inbox.credit()), (Some(1), 0));
            post_reserved(&inbox, 1);
            assert_eq!(inbox.claim(), Some(2), "round {round}");
            assert_eq!(inbox.credit(), 1);
            assert_eq!(take_all(&inbox, &mut posted), [1]);
        }
    }

    #[test]
    fn the_age_is_that_of_the_first_packet_that_is_left() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 3);
        assert_eq!(posted.oldest_since_ns(), None);
        for clock in [|| 10, || 20, || 30] {
            let told = inbox.post_reserved(1, || false, clock);
            assert_eq!(told, Ok(Told::Nothing));
            assert!(inbox.hand_over(&mut posted, 0));
            posted.open(true);
        }
        for since_ns in [10, 20, 30] {
            assert_eq!(posted.oldest_since_ns(), Some(since_ns));
            assert_eq!(inbox.claim(), Some(1));
        }
        assert_eq!(posted.oldest_since_ns(), None);
    }

    #[test]
    fn packets_wait_for_the_entries_of_the_line_before_them() {
        let (inbox, mut posted) = inbox();
        post(&inbox, 1);
        assert!(inbox.hand_over(&mut posted, 1));
        assert!(!posted.is_next());
        assert_eq!(take_one(&inbox, &mut posted), None);
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
        let refused = inbox.post(2, || false, clock);
        assert!(matches!(refused, Err(Unposted::NoCredit(2))));
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
            assert_eq!(take_one(&inbox, &mut posted), Some(packet));
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
        let told = inbox.post_reserved(1, || false, clock);
        assert_eq!(told, Ok(Told::Wanted));
        posted.wanted_came();
        assert!(inbox.want(&mut posted), "one came before");
        let told = inbox.post(2, || false, clock);
        assert!(matches!(told, Ok(Told::Wanted)));
        assert_eq!(take_all(&inbox, &mut posted), [1, 2]);
    }

    /// A quiet post. Returns whether the release was withheld, and whether the monitor watches then.
    fn post_quietly(inbox: &Inbox<u32>, packet: u32) -> (bool, bool) {
        match inbox.post_reserved(packet, || true, clock) {
            Ok(Told::Nothing) => (false, false),
            Ok(Told::Withheld { watched }) => (true, watched),
            other => panic!("it is quiet: {other:?}"),
        }
    }

    #[test]
    fn a_packet_stands_until_it_is_taken_in_or_an_ordinary_one_comes() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 3);
        assert_eq!(post_quietly(&inbox, 1), (false, false), "it is not wanted");
        assert!(inbox.seems_filled());
        assert!(inbox.want(&mut posted), "one came before");
        assert_eq!(post_quietly(&inbox, 2), (true, false));
        assert_eq!((inbox.len(), inbox.seems_filled()), (2, false));
        assert_eq!(take_all(&inbox, &mut posted), [1, 2]);
        assert_eq!(post_quietly(&inbox, 3), (true, false), "wanted still");
        let told = inbox.post_reserved(4, || false, clock);
        assert_eq!(told, Ok(Told::Wanted));
        assert!(inbox.seems_filled());
        assert_eq!(post_quietly(&inbox, 5), (false, false));
        let nothing_stands = Looked {
            leaves: false,
            withheld: true,
        };
        assert_eq!(inbox.look(), nothing_stands);
        assert_eq!(take_all(&inbox, &mut posted), [3, 4, 5]);
    }

    #[test]
    fn a_packet_is_left_to_its_poster_for_one_look() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 2);
        let looked = |leaves, withheld| Looked { leaves, withheld };
        assert!(!inbox.want(&mut posted));
        assert_eq!(post_quietly(&inbox, 1), (true, false));
        assert_eq!(inbox.look(), looked(true, true));
        assert_eq!(post_quietly(&inbox, 2), (true, false));
        assert_eq!(inbox.look(), looked(false, true), "the first was seen");
        assert_eq!(inbox.look(), looked(false, false));
        assert_eq!(take_all(&inbox, &mut posted), [1, 2]);
        assert_eq!(post_quietly(&inbox, 3), (true, false));
        assert_eq!(inbox.look(), looked(true, true), "another");
    }

    #[test]
    fn the_monitor_watches_from_when_it_is_called_until_nothing_is_withheld() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 4);
        assert!(!inbox.want(&mut posted));
        assert_eq!(post_quietly(&inbox, 1), (true, false));
        assert_eq!((inbox.begin_watch(), inbox.begin_watch()), (true, false));
        assert_eq!(post_quietly(&inbox, 2), (true, true));
        assert!(!inbox.end_watch(), "not looked at yet");
        let _ = inbox.look();
        assert!(inbox.end_watch());
        assert_eq!(post_quietly(&inbox, 3), (true, false));
        assert!(inbox.begin_watch());
        inbox.break_watch();
        assert_eq!(post_quietly(&inbox, 4), (true, false));
    }

    #[test]
    fn where_no_thread_would_be_released_nothing_stands() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 3);
        assert!(!inbox.want(&mut posted));
        assert_eq!(post_quietly(&inbox, 1), (true, false));
        inbox.unwant(&mut posted);
        assert!(!posted.is_wanted() && inbox.seems_filled());
        assert!(!inbox.look().leaves);
        assert_eq!(post_quietly(&inbox, 2), (false, false));
        // A post that is on its way to choose is not called back.
        assert!(inbox.want(&mut posted));
        let told = inbox.post_reserved(3, || false, clock);
        assert_eq!(told, Ok(Told::Wanted));
        inbox.unwant(&mut posted);
        assert!(posted.is_wanted());
    }

    #[test]
    fn a_watch_is_taken_up_by_the_next_look_however_late_it_is_begun() {
        let (inbox, _posted) = inbox();
        for _ in 0..2 {
            // The second time for a packet that the monitor has seen, and has given its watch up since.
            assert!(inbox.begin_watch());
            assert!(inbox.look().withheld);
            assert!(!inbox.begin_watch(), "it is on");
            assert!(inbox.look().withheld);
            assert!(!inbox.look().withheld);
            assert!(inbox.end_watch());
        }
    }

    #[test]
    fn a_closed_inbox_refuses_all_and_what_it_had_is_drained() {
        let (inbox, mut posted) = inbox();
        inbox.reserve(&mut posted, 2);
        post(&inbox, 1);
        post_reserved(&inbox, 2);
        inbox.close();
        let refused = inbox.post(3, || true, clock);
        assert!(matches!(refused, Err(Unposted::Closed(3))));
        assert_eq!(inbox.post_reserved(3, || true, clock), Err(3));
        assert_eq!(inbox.grant(1), None);
        assert!(inbox.hand_over(&mut posted, 0));
        let mut drained = Vec::new();
        assert_eq!(inbox.drain(&mut posted, &mut drained), 1);
        assert_eq!(drained, [1, 2]);
    }

    #[test]
    fn those_who_post_and_those_who_wait_write_to_lines_of_their_own() {
        type Some = Inbox<[u64; 8]>;
        assert_eq!(mem::offset_of!(Some, taken) % 128, 0);
        let posting = mem::offset_of!(Some, len);
        assert_eq!(posting / 128, mem::offset_of!(Some, slots) / 128);
        assert_eq!(mem::size_of::<Some>(), 384);
    }
}
