//! How much a task may do in one poll: a task whose peer is always ready would keep its worker for ever.

use std::{
    cell::Cell,
    io,
    task::{Context, Poll},
};

use crate::sync::thread_local;

/// So many times in one poll may a future of this crate be ready; fewer where they bring many bytes. tokio has the same number.
const READY_MAX: u8 = 128;

/// So many times a poll is told that it has had its share: one that goes on nevertheless is within an executor of somebody else's
/// (`futures::executor::block_on`), which polls again and never ends this poll. It begins anew then, as it would wait for ever.
const DENIED_MAX: u8 = 128;

thread_local! {
    static LEFT: Cell<u8> = const { Cell::new(READY_MAX) };
    static DENIED: Cell<u8> = const { Cell::new(0) };
    static DENIED_AT_MOST: Cell<u8> = const { Cell::new(DENIED_MAX) };
}

/// This thread polls tasks of another runtime's, which does not say when a poll begins: one in 128 results lets others go first.
#[cfg(feature = "tokio")]
pub(crate) fn belongs_to_another_executor() {
    DENIED_AT_MOST.with(|at_most| at_most.set(1));
}

/// A poll begins.
pub(crate) fn refill() {
    LEFT.with(|left| left.set(READY_MAX));
    DENIED.with(|denied| denied.set(0));
}

/// Pending, with the task woken, if the poll has had its share; to be asked before anything is done.
pub(crate) fn poll_left(context: &Context<'_>) -> Poll<()> {
    if LEFT.with(Cell::get) == 0 {
        let denied = DENIED.with(Cell::get);
        if denied < DENIED_AT_MOST.with(Cell::get) {
            DENIED.with(|it| it.set(denied + 1));
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        refill();
    }
    Poll::Ready(())
}

/// One thing was ready.
pub(crate) fn spend() {
    LEFT.with(|left| left.set(left.get().saturating_sub(1)));
}

/// So many bytes were read or written, or none for a failure: a task has more to do with many than with few, and so has the system.
pub(crate) fn spend_for(moved: &io::Result<usize>) {
    const BYTES_OF_ONE: usize = 2 << 10;
    let bytes = *moved.as_ref().unwrap_or(&0);
    let spent = u8::try_from(1 + bytes / BYTES_OF_ONE).unwrap_or(u8::MAX);
    LEFT.with(|left| left.set(left.get().saturating_sub(spent)));
}
