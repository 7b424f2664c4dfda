//! What the threads of a run tell the main thread.

use std::sync::mpsc;

/// What the main thread waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// A thread has its connections.
    Connected,
    /// A thread has ended.
    Done,
    /// Told to end by a signal.
    Signal,
}

/// Says that a thread has ended, however it did.
#[derive(Debug)]
pub(super) struct Done(pub(super) mpsc::Sender<Event>);

impl Drop for Done {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Done);
    }
}
