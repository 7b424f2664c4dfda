//! The one who waits: a thread in one wait, and how that wait ended.

use std::time::Instant;

use crate::sync::Verdict;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// An object was signalled: the one of that index, or all of them. `abandoned`: it is a mutex whose owner ended, or one of
    /// them is.
    Signalled { index: u32, abandoned: bool },
    /// The time had come.
    TimedOut,
    /// There is an asynchronous procedure call to run.
    Alerted,
    /// The thread was told to end.
    Terminated,
}

const TIMED_OUT: u32 = 1;
const ALERTED: u32 = 2;
const TERMINATED: u32 = 3;
const SIGNALLED: u32 = 0x100;
const ABANDONED: u32 = 0x80;

impl End {
    fn code(self) -> u32 {
        match self {
            End::Signalled { index, abandoned } => {
                SIGNALLED | index | if abandoned { ABANDONED } else { 0 }
            }
            End::TimedOut => TIMED_OUT,
            End::Alerted => ALERTED,
            End::Terminated => TERMINATED,
        }
    }

    fn from_code(code: u32) -> End {
        match code {
            TIMED_OUT => End::TimedOut,
            ALERTED => End::Alerted,
            TERMINATED => End::Terminated,
            _ => End::Signalled {
                index: code & (ABANDONED - 1),
                abandoned: code & ABANDONED != 0,
            },
        }
    }
}

/// A thread in a wait. It is told once how the wait ends, by whoever comes first: an object that is signalled, a call that is
/// queued for the thread, or the thread itself when its time has come.
#[derive(Debug)]
pub(crate) struct Waiter {
    verdict: Verdict,
    /// The thread, as the owner of a mutex.
    pub(super) thread: u32,
}

impl Waiter {
    pub(crate) fn new(thread: u32) -> Self {
        Waiter {
            verdict: Verdict::default(),
            thread,
        }
    }

    /// Ends the wait so, if nobody else has ended it. [`wake`](Self::wake) it then, under no lock.
    pub(crate) fn tell(&self, end: End) -> bool {
        self.verdict.set(end.code())
    }

    /// Wakes the thread, which was told.
    pub(crate) fn wake(&self) {
        self.verdict.wake();
    }

    /// Sleeps until it is told, or until its time has come. The thread's place in its completion port is another's meanwhile.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> End {
        let mut code = wharf::blocking(|| self.verdict.sleep(deadline));
        if code == 0 {
            // Somebody may just have been faster.
            self.tell(End::TimedOut);
            code = self.verdict.sleep(None);
        }
        End::from_code(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_number_and_back() {
        for end in [
            End::TimedOut,
            End::Alerted,
            End::Terminated,
            End::Signalled {
                index: 0,
                abandoned: false,
            },
            End::Signalled {
                index: 63,
                abandoned: true,
            },
        ] {
            assert_ne!(end.code(), 0);
            assert_eq!(End::from_code(end.code()), end);
        }
    }
}
