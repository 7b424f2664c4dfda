//! How much a task may do in one poll: a task whose peer is always ready would keep its worker for ever.

use std::{
    cell::Cell,
    task::{Context, Poll},
};

use crate::sync::thread_local;

/// So many times in one poll may a future of this crate be ready. tokio has the same number.
const READY_MAX: u8 = 128;

thread_local! {
    static LEFT: Cell<u8> = const { Cell::new(READY_MAX) };
}

/// A poll begins.
pub(crate) fn refill() {
    LEFT.with(|left| left.set(READY_MAX));
}

/// Pending, with the task woken, if the poll has had its share; to be asked before anything is done.
pub(crate) fn poll_left(context: &Context<'_>) -> Poll<()> {
    if LEFT.with(Cell::get) == 0 {
        context.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// One thing was ready.
pub(crate) fn spend() {
    LEFT.with(|left| left.set(left.get().saturating_sub(1)));
}
