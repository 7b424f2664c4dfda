//! What a client is to be told in its turn: messages of other threads, and timers that are due.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use wharf::{OperationId, Refused};

/// One thing that the client is to be told.
#[derive(Debug)]
pub(crate) enum Mail<M> {
    Message(M),
    Timer { number: u64, token: u64 },
}

/// A timer of a client, to be [cancelled](crate::Client::cancel_timer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientTimer {
    pub(crate) client: u64,
    pub(crate) number: u64,
}

/// The number of a client's timer, which goes with the port's.
#[derive(Debug)]
pub(crate) struct DueTimer(pub(crate) u64);

/// One client's.
pub(crate) struct Mailbox<M> {
    /// None before there is anything.
    contents: Mutex<Option<Box<Contents<M>>>>,
}

pub(crate) struct Contents<M> {
    mail: VecDeque<Mail<M>>,
    timers: Vec<Timer>,
    /// So many of the mail are timers.
    due: usize,
    last_number: u64,
    /// The client is gone: nothing more is taken.
    is_closed: bool,
}

/// A timer that is not due yet.
struct Timer {
    number: u64,
    token: u64,
    operation: OperationId,
}

impl<M> Default for Mailbox<M> {
    fn default() -> Self {
        Mailbox {
            contents: Mutex::new(None),
        }
    }
}

impl<M> Default for Contents<M> {
    fn default() -> Self {
        Contents {
            mail: VecDeque::new(),
            timers: Vec::new(),
            due: 0,
            last_number: 0,
            is_closed: false,
        }
    }
}

impl<M> Mailbox<M> {
    fn contents(&self) -> MutexGuard<'_, Option<Box<Contents<M>>>> {
        // No code of the user's runs under the lock.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message behind the others, if there are fewer than `most`.
    pub(crate) fn push(&self, message: M, most: usize) -> Result<(), Refused<M>> {
        let mut contents = self.contents();
        let contents = contents.get_or_insert_default();
        if contents.is_closed {
            return Err(Refused::new(io::ErrorKind::NotConnected, message));
        }
        if contents.mail.len() - contents.due >= most {
            return Err(Refused::new(io::ErrorKind::WouldBlock, message));
        }
        contents.mail.push_back(Mail::Message(message));
        Ok(())
    }

    /// Takes the first.
    pub(crate) fn pop(&self) -> Option<Mail<M>> {
        let mut contents = self.contents();
        let contents = contents.as_mut()?;
        let mail = contents.mail.pop_front()?;
        contents.due -= usize::from(matches!(mail, Mail::Timer { .. }));
        Some(mail)
    }

    pub(crate) fn is_empty(&self) -> bool {
        let contents = self.contents();
        contents.as_ref().is_none_or(|it| it.mail.is_empty())
    }

    /// Sets a timer, if there are fewer than `most`. `start` starts it, with its number.
    pub(crate) fn set_timer(
        &self,
        token: u64,
        most: usize,
        start: impl FnOnce(u64) -> io::Result<OperationId>,
    ) -> io::Result<u64> {
        let mut contents = self.contents();
        let contents = contents.get_or_insert_default();
        if contents.is_closed {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if contents.timers.len() + contents.due >= most {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("the client has {most} timers, the most it may (timers_per_client)"),
            ));
        }
        let number = contents.last_number + 1;
        // Under the lock: if it is due at once, the worker that sees it waits for this.
        let operation = start(number)?;
        contents.last_number = number;
        contents.timers.push(Timer {
            number,
            token,
            operation,
        });
        Ok(number)
    }

    /// A timer is due: it becomes mail. Returns whether it was set.
    pub(crate) fn fire(&self, number: u64) -> bool {
        let mut contents = self.contents();
        let Some(contents) = &mut *contents else {
            return false;
        };
        let Some(timer) = contents.take_timer(number) else {
            return false;
        };
        let token = timer.token;
        contents.mail.push_back(Mail::Timer { number, token });
        contents.due += 1;
        true
    }

    /// The timer will not be told any more.
    pub(crate) fn cancel_timer(&self, number: u64) -> Cancelled {
        let mut contents = self.contents();
        let Some(contents) = &mut *contents else {
            return Cancelled::NotSet;
        };
        if let Some(timer) = contents.take_timer(number) {
            return Cancelled::Set(timer.operation);
        }
        let before = contents.mail.len();
        let is_it =
            |mail: &Mail<M>| matches!(mail, Mail::Timer { number: it, .. } if *it == number);
        contents.mail.retain(|mail| !is_it(mail));
        match contents.mail.len() < before {
            true => {
                contents.due -= 1;
                Cancelled::Due
            }
            false => Cancelled::NotSet,
        }
    }

    /// The client is gone: takes nothing more. Returns what it had, to be dropped, and the timers, to be cancelled.
    pub(crate) fn close(&self) -> (VecDeque<Mail<M>>, Vec<OperationId>) {
        let mut contents = self.contents();
        let contents = contents.get_or_insert_default();
        contents.is_closed = true;
        contents.due = 0;
        let timers = std::mem::take(&mut contents.timers);
        let timers = timers.into_iter().map(|timer| timer.operation).collect();
        (std::mem::take(&mut contents.mail), timers)
    }
}

/// What comes of cancelling a timer.
pub(crate) enum Cancelled {
    /// It was set; this is its operation.
    Set(OperationId),
    /// It was due, and not told yet.
    Due,
    NotSet,
}

impl<M> Contents<M> {
    fn take_timer(&mut self, number: u64) -> Option<Timer> {
        let at = self
            .timers
            .iter()
            .position(|timer| timer.number == number)?;
        Some(self.timers.swap_remove(at))
    }
}
