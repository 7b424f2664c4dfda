//! Memory of records that have ended, for the next operations: a few of them with each thread, so that most operations take no
//! lock for their record; the rest with the port.
//!
//! A thread may start what another ends, so that one runs out where the other has too many. Then half of what a thread may
//! keep is exchanged with the port's list: one lock for many operations, and in the steady state nothing is allocated.

use std::{
    alloc::{Layout, dealloc},
    cell::Cell,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use crate::sync::{Mutex, thread_local};

/// As many are kept with each thread.
const OF_A_THREAD_MAX: usize = 32;

/// As many are kept with a port; the rest go back to the allocator.
const OF_A_PORT_MAX: usize = 4096;

/// A thread that serves ports with records of two sizes keeps those of one, and goes over to the other after so many of it.
const OTHERS_MAX: usize = 64;

/// What a thread keeps: the memory of boxes of one size.
struct Kept {
    layout: Cell<Layout>,
    /// How many of another size were asked for since one of this was.
    others: Cell<usize>,
    count: Cell<usize>,
    boxes: [Cell<*mut u8>; OF_A_THREAD_MAX],
}

thread_local! {
    static KEPT: Kept = const { Kept {
        layout: Cell::new(Layout::new::<()>()),
        others: Cell::new(0),
        count: Cell::new(0),
        boxes: [const { Cell::new(ptr::null_mut()) }; OF_A_THREAD_MAX],
    } };
}

impl Kept {
    #[inline]
    fn is_of(&self, layout: Layout) -> bool {
        self.layout.get() == layout
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let left = self.count.get().checked_sub(1)?;
        self.count.set(left);
        self.others.set(0);
        NonNull::new(self.boxes[left].get())
    }

    /// Returns whether there was room.
    #[inline]
    fn push(&self, memory: NonNull<u8>) -> bool {
        let count = self.count.get();
        let has_room = count < OF_A_THREAD_MAX;
        if has_room {
            self.boxes[count].set(memory.as_ptr());
            self.count.set(count + 1);
        }
        has_room
    }

    /// Whether it is of this layout, or is from now on.
    fn goes_over_to(&self, layout: Layout) -> bool {
        if !self.is_of(layout) {
            self.others.set(self.others.get() + 1);
            if self.count.get() > 0 && self.others.get() <= OTHERS_MAX {
                return false;
            }
            self.clear();
            self.layout.set(layout);
        }
        self.others.set(0);
        true
    }

    fn clear(&self) {
        while let Some(memory) = self.pop() {
            // SAFETY: it was the memory of a box of a type of this layout, and has no owner but this list.
            unsafe { dealloc(memory.as_ptr(), self.layout.get()) };
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The spare memory of a port's records.
#[derive(Debug)]
pub(super) struct Spares<T>(Mutex<Vec<Box<MaybeUninit<T>>>>);

impl<T> Spares<T> {
    const LAYOUT: Layout = Layout::new::<T>();

    pub(super) fn new() -> Self {
        Spares(Mutex::new(Vec::new()))
    }

    /// Memory for a value.
    #[inline]
    pub(super) fn take(&self) -> Box<MaybeUninit<T>> {
        let spare = KEPT.try_with(|kept| match kept.is_of(Self::LAYOUT) {
            true => kept.pop(),
            false => None,
        });
        match spare {
            // SAFETY: what is in the list was leaked from a box of a type of this layout, and is in no other list. Nothing is said
            // of what it holds.
            Ok(Some(spare)) => unsafe { Box::from_raw(spare.cast().as_ptr()) },
            _ => self.take_from_all(),
        }
    }

    /// Keeps the memory of a value, which is not dropped, for the next operation.
    #[inline]
    pub(super) fn put(&self, spare: Box<MaybeUninit<T>>) {
        let memory = NonNull::from(Box::leak(spare)).cast();
        let kept = KEPT.try_with(|kept| kept.is_of(Self::LAYOUT) && kept.push(memory));
        if kept != Ok(true) {
            // SAFETY: it was leaked just now, and is in no list.
            self.put_to_all(unsafe { Box::from_raw(memory.cast().as_ptr()) });
        }
    }

    /// From the port's list, half of what a thread may keep beside; or new memory.
    #[cold]
    fn take_from_all(&self) -> Box<MaybeUninit<T>> {
        let mut all = self.0.lock();
        let spare = all.pop();
        let from = all.len().saturating_sub(OF_A_THREAD_MAX / 2);
        let _ = KEPT.try_with(|kept| {
            if !kept.goes_over_to(Self::LAYOUT) {
                return;
            }
            for spare in all.drain(from..) {
                kept.push(NonNull::from(Box::leak(spare)).cast());
            }
        });
        drop(all);
        spare.unwrap_or_else(Box::new_uninit)
    }

    /// To the port's list, with half of what the thread keeps.
    #[cold]
    fn put_to_all(&self, spare: Box<MaybeUninit<T>>) {
        let mut all = self.0.lock();
        let room = OF_A_PORT_MAX.saturating_sub(all.len());
        let _ = KEPT.try_with(|kept| {
            if !kept.is_of(Self::LAYOUT) {
                return;
            }
            for _ in 0..room.min(OF_A_THREAD_MAX / 2) {
                let Some(spare) = kept.pop() else { break };
                // SAFETY: as in `take`.
                all.push(unsafe { Box::from_raw(spare.cast().as_ptr()) });
            }
        });
        if all.len() < OF_A_PORT_MAX {
            all.push(spare);
        }
    }
}
