//! An intrusive queue: each operation holds the pointer to the next. A line needs no memory of its own, so joining it can't
//! fail.

use std::ptr::NonNull;

use super::Overlapped;

/// A line of operations: first in, first out (FIFO).
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The last of the line, whose next is the first: an empty line costs one pointer.
    tail: Option<NonNull<Overlapped>>,
}

// SAFETY: the operations in the line were given to the port until their packets are handed out, on any thread;
// each line is behind a lock, or used by one thread only.
unsafe impl Send for Line {}

/// What [`Line::search`] is to do with an operation.
pub(super) enum Found {
    /// Leave it, and look at the next.
    No,
    /// Take it out.
    TakeOut,
    /// Leave it; the search is over.
    #[cfg(any(unix, test))]
    Stop,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.tail.is_none()
    }

    pub(super) fn head(&self) -> Option<NonNull<Overlapped>> {
        // SAFETY: the operations in the line are valid, and are touched under the line's lock only.
        unsafe { self.tail?.as_ref() }.next
    }

    /// Puts an operation at the end.
    ///
    /// # Safety
    /// The operation is valid, in no line, and stays valid until it is taken out.
    pub(super) unsafe fn push(&mut self, mut operation: NonNull<Overlapped>) {
        let next = match self.tail {
            None => operation,
            Some(mut tail) => {
                // SAFETY: as in `head`.
                let last = unsafe { tail.as_mut() };
                last.next
                    .replace(operation)
                    .expect("in a line, each has a next")
            }
        };
        // SAFETY: valid by the caller's promise; in no line, so no other thread looks at it.
        unsafe { operation.as_mut() }.next = Some(next);
        self.tail = Some(operation);
    }

    /// Puts an operation at the front.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[cfg(all(unix, feature = "safe"))]
    pub(super) unsafe fn push_front(&mut self, operation: NonNull<Overlapped>) {
        let tail = self.tail;
        // SAFETY: passed on to the caller.
        unsafe { self.push(operation) };
        // It stands behind the last, and before the first: where the line ends makes it the one or the other.
        if tail.is_some() {
            self.tail = tail;
        }
    }

    /// Takes the head out.
    pub(super) fn pop(&mut self) -> Option<NonNull<Overlapped>> {
        let tail = self.tail?;
        Some(self.take_behind(tail))
    }

    /// Takes out the operation behind `previous`, which is in the line; the one behind the last is the first.
    fn take_behind(&mut self, mut previous: NonNull<Overlapped>) -> NonNull<Overlapped> {
        // SAFETY: as in `head`.
        let taken = unsafe { previous.as_ref() }
            .next
            .expect("in a line, each has a next");
        if taken == previous {
            self.tail = None;
            return taken;
        }
        // SAFETY: as in `head`; it is not `previous`.
        let next = unsafe { taken.as_ref() }.next;
        // SAFETY: as in `head`.
        unsafe { previous.as_mut() }.next = next;
        if self.tail == Some(taken) {
            self.tail = Some(previous);
        }
        taken
    }

    /// Shows the operations to `look`, from the head on, with whether it is the head, until it finds one.
    pub(super) fn search(
        &mut self,
        mut look: impl FnMut(&mut Overlapped, bool) -> Found,
    ) -> Option<NonNull<Overlapped>> {
        let tail = self.tail?;
        let mut previous = tail;
        loop {
            // SAFETY: as in `head`.
            let mut current = unsafe { previous.as_ref() }.next?;
            // SAFETY: as in `head`; where a thread transfers for the head meanwhile, it reads the operation's buffers and
            // writes none of the fields that are looked at here.
            let found = look(unsafe { current.as_mut() }, previous == tail);
            match found {
                Found::No if current == tail => return None,
                Found::No => previous = current,
                Found::TakeOut => return Some(self.take_behind(previous)),
                #[cfg(any(unix, test))]
                Found::Stop => return None,
            }
        }
    }

    /// Takes out the first that `which` accepts.
    #[cfg(any(windows, test))]
    pub(super) fn take_first(
        &mut self,
        which: impl Fn(&Overlapped) -> bool,
    ) -> Option<NonNull<Overlapped>> {
        self.search(|operation, _| match which(operation) {
            true => Found::TakeOut,
            false => Found::No,
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::raw::Request;

    /// Operations with the tokens 0, 1, 2, ..., and a line of them.
    fn line_of(count: u64) -> (Vec<Overlapped>, Line) {
        let new = |token| Overlapped::new(token, Request::Posted);
        let mut operations: Vec<_> = (0..count).map(new).collect();
        let mut line = Line::default();
        let first = operations.as_mut_ptr();
        for place in 0..operations.len() {
            // SAFETY: there are as many, and they stay there for as long as the line.
            unsafe { line.push(NonNull::new_unchecked(first.add(place))) };
        }
        (operations, line)
    }

    fn token(operation: NonNull<Overlapped>) -> u64 {
        // SAFETY: the tests keep the operations.
        unsafe { operation.as_ref() }.token
    }

    fn rest(mut line: Line) -> Vec<u64> {
        std::iter::from_fn(|| line.pop()).map(token).collect()
    }

    #[test]
    fn operations_leave_in_the_order_in_which_they_came() {
        let (_operations, line) = line_of(4);
        assert_eq!(line.head().map(token), Some(0));
        assert_eq!(rest(line), [0, 1, 2, 3]);
    }

    #[test]
    fn any_of_them_can_be_taken_out() {
        for taken in 0..4 {
            let (_operations, mut line) = line_of(4);
            let found = line.take_first(|operation| operation.token == taken);
            assert_eq!(found.map(token), Some(taken));
            let expected: Vec<_> = (0..4).filter(|other| *other != taken).collect();
            assert_eq!(rest(line), expected);
        }
        let (_operations, mut line) = line_of(1);
        assert!(line.take_first(|_| false).is_none());
        assert!(line.take_first(|_| true).is_some());
        assert!(line.is_empty());
    }

    #[test]
    fn a_search_tells_the_head_and_can_be_stopped() {
        let (_operations, mut line) = line_of(3);
        let mut seen = Vec::new();
        let stopped = line.search(|operation, is_head| {
            seen.push((operation.token, is_head));
            match operation.token {
                1 => Found::Stop,
                _ => Found::No,
            }
        });
        assert!(stopped.is_none());
        assert_eq!(seen, [(0, true), (1, false)]);
        assert_eq!(rest(line), [0, 1, 2]);
    }
}
