//! Letting others go first.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Lets the tasks that are ready now go first: the calling task has its next turn after them.
pub async fn yield_now() {
    Yield { has_yielded: false }.await;
}

struct Yield {
    has_yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
