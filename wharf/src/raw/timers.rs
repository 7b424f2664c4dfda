//! Timers in the order of their deadlines. The clock is the caller's, so that it can be a simulated one.
//!
//! They are in a heap, each node of which has up to four children, and each timer has a place that tells where in the heap it
//! is: so it can be taken out of the middle. To set a timer that is due after all the others, and to take it back, costs a few
//! instructions, however many there are.
//!
//! A hierarchical timer wheel was measured beside it. It takes timers back in half the time where a million are set, and gives
//! out ten thousand that are due at one instant in a quarter of it. But a million timers of up to a minute, when their part of
//! the wheel comes, stop everything for ten milliseconds, where the heap's longest step is a twentieth of one; and what is to
//! come in order has to be sorted in the end.

use std::{
    mem,
    ops::Range,
    ptr::NonNull,
    time::{Duration, Instant},
};

use super::{Completed, Handle, OperationId, Overlapped, Status};
use crate::{driver::codes, sync::now};

/// The children of a node: two more are compared on a level, and there are half as many levels, than in a binary heap.
const CHILDREN: usize = 4;

/// So many entries are kept when timers go; more memory than that goes back when three quarters of it are unused.
const KEPT: usize = 1024;

/// No place.
const NONE: u32 = u32::MAX;

/// Names a timer: its place, from 1 on, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerId {
    place: u32,
    number: u64,
}

/// Timers by their deadlines; `T` is the value that a timer gives back.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// Each is due no earlier than its parent.
    heap: Vec<Node>,
    /// In use or free. They stay until no timer is left: each is known by its index.
    places: Vec<Place<T>>,
    /// The first of the free places, each of which has the next as its index; after the last comes [`NONE`].
    free: u32,
    /// Empty; the memory is kept for those that are due at once.
    due: Vec<Node>,
    /// The number of the last timer that was set.
    last: u64,
    /// Deadlines are counted from here.
    origin: Instant,
    /// When the caller comes to look, if it is to; no later than the earliest deadline. It may come for a timer that is gone:
    /// then it looks in vain, which costs less than to tell it each time.
    alarm: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    due: Due,
    place: u32,
}

/// Whose turn it is: by deadline, then in the order in which they were set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// Nanoseconds from the origin on.
    at: i64,
    number: u64,
}

#[derive(Debug)]
struct Place<T> {
    /// Of the timer that has the place. No timer has 0, and no other timer ever has the same.
    number: u64,
    /// In the heap; of a free place, that of the next free one.
    index: u32,
    value: Option<T>,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers {
            heap: Vec::new(),
            places: Vec::new(),
            free: NONE,
            due: Vec::new(),
            last: 0,
            origin: now(),
            alarm: None,
        }
    }

    /// Sets a timer. Returns its name, and whether the alarm has to be set to its deadline, since it would come later or not at
    /// all: it is noted as set then.
    pub(crate) fn set(&mut self, deadline: Instant, value: T) -> (TimerId, bool) {
        self.last += 1;
        let number = self.last;
        let place = self.take_place(number, value);
        let at = self.at(deadline);
        let node = Node {
            due: Due { at, number },
            place,
        };
        let index = self.heap.len();
        self.heap.push(node);
        self.rise(index, node);
        let hurries = self.alarm.is_none_or(|alarm| deadline < alarm);
        if hurries {
            self.alarm = Some(deadline);
        }
        (TimerId { place, number }, hurries)
    }

    /// Takes a timer back, unless it was taken already.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let place = self.places.get(id.place as usize)?;
        if place.number != id.number {
            return None;
        }
        self.remove(self.index_of(id.place))
    }

    /// Takes all timers that are due, and gives them to `take`, in their order. Returns whether there were any.
    pub(crate) fn take_due(&mut self, now: Instant, mut take: impl FnMut(T)) -> bool {
        let now = self.at(now);
        let mut due = mem::take(&mut self.due);
        // The parent of one that is due is due as well.
        due.extend(self.heap.first().filter(|node| node.due.at <= now));
        let mut looked_at = 0;
        while let Some(node) = due.get(looked_at) {
            let children = &self.heap[self.children(self.index_of(node.place))];
            due.extend(children.iter().filter(|node| node.due.at <= now));
            looked_at += 1;
        }
        // From the last to the first, which is on top: what takes the place of one has only to go down, since all below is in
        // order, and is not due.
        for node in due.iter().rev() {
            self.cut(self.index_of(node.place));
        }
        due.sort_unstable_by_key(|node| node.due);
        let any = !due.is_empty();
        due.drain(..)
            .filter_map(|node| self.give_back(node.place))
            .for_each(&mut take);
        due.shrink_to(KEPT);
        self.due = due;
        self.release_memory();
        any
    }

    /// Takes any timer.
    pub(crate) fn take_any(&mut self) -> Option<T> {
        self.remove(self.heap.len().checked_sub(1)?)
    }

    /// The alarm has come, and what was due is taken: when it is to come again, if at all. It is noted as set.
    pub(crate) fn next_alarm(&mut self) -> Option<Instant> {
        self.alarm = self.heap.first().map(|node| self.instant(node.due.at));
        self.alarm
    }

    /// Has the alarm come at this time at the latest, for something else than a timer. Returns whether it has to be set to it: it
    /// is noted as set then.
    #[cfg(unix)]
    pub(crate) fn hurry(&mut self, deadline: Instant) -> bool {
        let hurries = self.alarm.is_none_or(|alarm| deadline < alarm);
        if hurries {
            self.alarm = Some(deadline);
        }
        hurries
    }

    /// When it is noted to come.
    #[cfg(unix)]
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.alarm
    }

    /// A deadline as the heap has it. One that is centuries away is brought nearer, to the end of what the number can count.
    fn at(&self, deadline: Instant) -> i64 {
        let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        match deadline.checked_duration_since(self.origin) {
            Some(after) => nanoseconds(after),
            None => -nanoseconds(self.origin.duration_since(deadline)),
        }
    }

    fn instant(&self, at: i64) -> Instant {
        let distance = Duration::from_nanos(at.unsigned_abs());
        let instant = match at < 0 {
            true => self.origin.checked_sub(distance),
            false => self.origin.checked_add(distance),
        };
        instant.unwrap_or(self.origin)
    }

    fn take_place(&mut self, number: u64, value: T) -> u32 {
        let taken = Place {
            number,
            index: NONE,
            value: Some(value),
        };
        if let Some(place) = self.places.get_mut(self.free as usize) {
            let free = mem::replace(&mut self.free, place.index);
            *place = taken;
            return free;
        }
        self.places.push(taken);
        let places = u32::try_from(self.places.len());
        places.expect("four thousand million timers have no room in memory") - 1
    }

    fn remove(&mut self, index: usize) -> Option<T> {
        let place = self.heap[index].place;
        self.cut(index);
        let value = self.give_back(place);
        self.release_memory();
        value
    }

    /// Takes a node out of the heap. The last takes its index, and goes up or down from there.
    fn cut(&mut self, index: usize) {
        let Some(last) = self.heap.pop() else { return };
        if index < self.heap.len() {
            match index > 0 && last.due < self.heap[parent(index)].due {
                true => self.rise(index, last),
                false => self.sink(index, last),
            }
        }
    }

    /// Gives back the place of a timer that is not in the heap any more.
    fn give_back(&mut self, number: u32) -> Option<T> {
        let place = &mut self.places[number as usize];
        place.number = 0;
        place.index = self.free;
        self.free = number;
        place.value.take()
    }

    fn release_memory(&mut self) {
        if self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to(KEPT.max(2 * self.heap.len()));
        }
        if self.heap.is_empty() {
            self.free = NONE;
            self.places.clear();
            self.places.shrink_to(KEPT);
        }
    }

    /// Puts a node where it belongs, from an index on upwards.
    fn rise(&mut self, mut index: usize, node: Node) {
        while index > 0 {
            let parent = parent(index);
            if self.heap[parent].due < node.due {
                break;
            }
            self.put(index, self.heap[parent]);
            index = parent;
        }
        self.put(index, node);
    }

    /// Puts a node where it belongs, from an index on downwards.
    fn sink(&mut self, mut index: usize, node: Node) {
        loop {
            let children = self.children(index);
            let Some(earliest) = children.min_by_key(|child| self.heap[*child].due) else {
                break;
            };
            if node.due < self.heap[earliest].due {
                break;
            }
            self.put(index, self.heap[earliest]);
            index = earliest;
        }
        self.put(index, node);
    }

    fn put(&mut self, index: usize, node: Node) {
        self.heap[index] = node;
        self.places[node.place as usize].index = index as u32;
    }

    fn index_of(&self, place: u32) -> usize {
        self.places[place as usize].index as usize
    }

    fn children(&self, index: usize) -> Range<usize> {
        let first = (index * CHILDREN + 1).min(self.heap.len());
        first..(first + CHILDREN).min(self.heap.len())
    }
}

fn parent(index: usize) -> usize {
    (index - 1) / CHILDREN
}

impl Timers<Completed> {
    /// Sets an operation as a timer, under a key; returns as [`set`](Self::set) does.
    ///
    /// # Safety
    /// The operation is valid, and not used by other code until it is taken out.
    pub(super) unsafe fn set_operation(
        &mut self,
        deadline: Instant,
        key: usize,
        mut operation: NonNull<Overlapped>,
    ) -> (OperationId, bool) {
        let (timer, hurries) = self.set(deadline, Completed(operation));
        let id = OperationId {
            handle: Handle::of_timer(timer.place),
            sequence: timer.number,
        };
        // SAFETY: passed on to the caller. It is taken out by nobody else meanwhile: the timers are borrowed.
        let overlapped = unsafe { operation.as_mut() };
        overlapped.key = key;
        overlapped.handle = id.handle;
        overlapped.sequence = id.sequence;
        (id, hurries)
    }

    /// Takes the timer of this name back, if it is a timer's and its time has not come, as cancelled.
    pub(super) fn cancel_operation(&mut self, id: OperationId) -> Option<Completed> {
        let timer = TimerId {
            place: id.handle.timer()?,
            number: id.sequence,
        };
        Some(self.cancel(timer)?.with(Status::Failed(codes::CANCELLED)))
    }
}

impl Completed {
    /// Notes how a timer ended that was taken out.
    pub(super) fn with(self, status: Status) -> Completed {
        let Completed(mut operation) = self;
        // SAFETY: it was among the timers, so it is valid; since it was taken out, no other code uses it.
        unsafe { operation.as_mut() }.status = status;
        self
    }
}

/// The deadline after this delay; if the delay is more than the clock can express, a century from now. All deadlines are made
/// with it, since `Instant::now() + delay` panics if it overflows.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let (soon, never) = (Duration::from_secs(1), Duration::MAX);
/// assert!(Instant::now() < wharf::raw::deadline_after(soon));
/// assert!(wharf::raw::deadline_after(soon) < wharf::raw::deadline_after(never));
/// ```
pub fn deadline_after(delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let now = now();
    now.checked_add(delay).unwrap_or_else(|| now + CENTURY)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn take_due<T>(timers: &mut Timers<T>, now: Instant) -> Vec<T> {
        let mut taken = Vec::new();
        let any = timers.take_due(now, |value| taken.push(value));
        assert_eq!(any, !taken.is_empty());
        taken
    }

    #[test]
    fn timers_come_in_the_order_of_their_deadlines() {
        let start = Instant::now();
        let mut timers = Timers::new();
        for (seconds, value) in [(3, 'c'), (1, 'a'), (2, 'b')] {
            timers.set(after(start, seconds), value);
        }
        assert_eq!(timers.next_alarm(), Some(after(start, 1)));
        assert_eq!(take_due(&mut timers, after(start, 9)), ['a', 'b', 'c']);
        assert_eq!(timers.next_alarm(), None);
    }

    #[test]
    fn a_timer_is_taken_when_it_is_due_and_not_before() {
        let start = Instant::now();
        let deadline = after(start, 1);
        let mut timers = Timers::new();
        timers.set(deadline, 'a');
        let early = deadline - Duration::from_nanos(1);
        for (now, expected) in [
            (start, &[][..]),
            (early, &[]),
            (deadline, &['a']),
            (deadline, &[]),
        ] {
            assert_eq!(take_due(&mut timers, now), expected);
        }
    }

    #[test]
    fn a_timer_is_cancelled_once() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let (first, _) = timers.set(after(start, 1), 'a');
        let (second, _) = timers.set(after(start, 1), 'b');
        assert_eq!(timers.cancel(first), Some('a'));
        assert_eq!(timers.cancel(first), None);
        assert_eq!(take_due(&mut timers, after(start, 1)), ['b']);
        assert_eq!(timers.cancel(second), None, "it was taken");
        let never = TimerId {
            place: second.place + 1,
            ..second
        };
        assert_eq!(timers.cancel(never), None, "it was never set");
    }

    #[test]
    fn a_name_is_never_used_again() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let (first, _) = timers.set(start, 'a');
        assert_eq!(take_due(&mut timers, start), ['a']);
        let (second, _) = timers.set(start, 'b');
        assert_ne!(first, second);
        assert_eq!(timers.cancel(first), None);
        assert_eq!(timers.cancel(second), Some('b'));
    }

    #[test]
    fn ten_thousand_at_one_instant_come_in_the_order_in_which_they_were_set() {
        let now = Instant::now();
        let mut timers = Timers::new();
        for value in 0..10_000 {
            timers.set(now, value);
        }
        let expected: Vec<_> = (0..10_000).collect();
        assert_eq!(take_due(&mut timers, now), expected);
    }

    #[test]
    fn what_is_left_can_be_taken_in_any_case() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let (name, _) = timers.set(after(start, 1_000_000), 'a');
        assert_eq!(timers.take_any(), Some('a'));
        assert_eq!(timers.take_any(), None);
        assert_eq!(timers.cancel(name), None);
    }

    /// Random acts, compared with a list that is searched.
    #[test]
    fn it_is_as_a_list_that_is_sorted() {
        // Later than the timers' own beginning: Windows takes two instants for one that are less than a tick apart, the earlier
        // one second.
        let start = Instant::now() + Duration::from_secs(1);
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut timers, mut model, mut names) = (Timers::new(), Vec::new(), Vec::new());
            let mut now = start;
            // Few instants, or many.
            let span = [3, 100, 100_000][random.usize(..3)];
            for number in 0..random.usize(..2000) {
                match random.u8(..10) {
                    0..5 => {
                        // Also before the first.
                        let deadline = now + Duration::from_nanos(random.u64(..span))
                            - Duration::from_nanos(2);
                        names.push(timers.set(deadline, number).0);
                        model.push((deadline, number));
                    }
                    5..8 => {
                        let Some(chosen) = random.choice(0..names.len()) else {
                            continue;
                        };
                        let value = timers.cancel(names.swap_remove(chosen));
                        let at = model.iter().position(|(_, number)| Some(*number) == value);
                        assert_eq!(at.is_some(), value.is_some(), "it was set and not due");
                        at.map(|at| model.remove(at));
                    }
                    _ => {
                        now += Duration::from_nanos(random.u64(..span));
                        model.sort();
                        let due = model.partition_point(|(deadline, _)| *deadline <= now);
                        let expected: Vec<_> = model.drain(..due).map(|it| it.1).collect();
                        assert_eq!(take_due(&mut timers, now), expected, "seed {seed}");
                    }
                }
                let earliest = model.iter().map(|(deadline, _)| *deadline).min();
                let comes_in_time =
                    earliest.is_none_or(|it| timers.alarm.is_some_and(|alarm| alarm <= it));
                assert!(comes_in_time, "{:?} is set, for {earliest:?}", timers.alarm);
                if random.bool() {
                    assert_eq!(timers.next_alarm(), earliest);
                }
            }
        }
    }

    #[test]
    fn the_alarm_is_set_for_what_is_due_first_and_for_nothing_else() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let mut set = |seconds| timers.set(after(start, seconds), seconds);
        let (_, first) = set(20);
        let (soon, earlier) = set(10);
        let (_, same) = set(10);
        let (_, later) = set(30);
        assert_eq!([first, earlier, same, later], [true, true, false, false]);
        timers.cancel(soon);
        assert_eq!(
            timers.alarm,
            Some(after(start, 10)),
            "it comes in vain at worst"
        );
        assert_eq!(take_due(&mut timers, after(start, 10)), [10]);
        assert_eq!(timers.next_alarm(), Some(after(start, 20)));
        assert_eq!(take_due(&mut timers, after(start, 40)), [20, 30]);
        assert_eq!(timers.next_alarm(), None);
        assert!(timers.set(after(start, 50), 50).1, "it is set to nothing");
    }

    #[test]
    fn deadlines_long_past_and_centuries_away_have_their_order() {
        let now = Instant::now();
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        let mut timers = Timers::new();
        timers.set(now + 200 * year, "far");
        timers.set(now, "now");
        let (far, farther) = (now.checked_add(900 * year), now.checked_add(1000 * year));
        far.map(|far| timers.set(far, "too far"));
        farther.map(|farther| timers.set(farther, "too far"));
        let past = now.checked_sub(Duration::from_secs(2)).unwrap_or(now);
        timers.set(past, "past");
        assert_eq!(take_due(&mut timers, now), ["past", "now"]);
        assert_eq!(take_due(&mut timers, now + 100 * year), [""; 0]);
        assert_eq!(take_due(&mut timers, now + 200 * year), ["far"]);
    }

    #[test]
    fn memory_goes_with_the_timers() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let names: Vec<_> = (0..100_000)
            .map(|number| timers.set(start, number).0)
            .collect();
        assert!(timers.heap.capacity() >= 100_000);
        let (first, others) = names.split_first().expect("they are many");
        for name in others {
            timers.cancel(*name).expect("it is set");
        }
        assert!(timers.heap.capacity() <= KEPT, "{}", timers.heap.capacity());
        timers.cancel(*first).expect("it is set");
        assert!(timers.places.capacity() <= KEPT);
        assert_eq!(timers.cancel(names[99_999]), None, "its place is no more");
        // Set and cancelled for ever, none leaves anything behind.
        timers.set(start, 0);
        for number in 0..100_000 {
            let (name, _) = timers.set(start, number);
            timers.cancel(name).expect("it is set");
        }
        assert!(timers.heap.capacity() <= KEPT && timers.places.capacity() <= KEPT);
        for number in 0..100_000 {
            timers.set(start, number);
        }
        assert_eq!(take_due(&mut timers, start).len(), 100_001);
        assert!(timers.due.capacity() <= KEPT && timers.heap.capacity() <= KEPT);
    }
}
