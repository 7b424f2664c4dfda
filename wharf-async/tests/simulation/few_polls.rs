//! Futures that are polled a few times and dropped before they are ready, as `select!` and time-outs do.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use fastrand::Rng;

/// What becomes of a future.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// So many times it is polled at most.
    pub polls: u32,
    /// It is dropped right after its last poll, and not when it is woken for another.
    pub at_once: bool,
}

impl Fate {
    pub fn drawn(random: &mut Rng) -> Fate {
        let polls = match random.u8(..8) {
            0 => 0,
            1..=3 => 1,
            4 => 2,
            _ => u32::MAX,
        };
        let at_once = random.bool();
        Fate { polls, at_once }
    }
}

/// Polls a future as its fate is. None: it was not ready, and is to be dropped.
pub struct FewPolls<'a, F> {
    pub future: Pin<&'a mut F>,
    pub fate: Fate,
}

impl<F: Future> Future for FewPolls<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.fate.polls == 0 {
            return Poll::Ready(None);
        }
        self.fate.polls -= 1;
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if self.fate.polls == 0 && self.fate.at_once {
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

/// Makes a future, polls it a few times and drops it; again and again, until one is ready.
macro_rules! insist {
    ($random:expr, $future:expr) => {
        loop {
            let fate = $crate::few_polls::Fate::drawn($random);
            let future = std::pin::pin!($future);
            if let Some(output) = ($crate::few_polls::FewPolls { future, fate }).await {
                break output;
            }
        }
    };
}
pub(crate) use insist;
