//! What a thread keeps between two waits, in either shape of the port.

use super::Queued;

/// A thread's membership of a port.
pub(super) trait Membership: Sized {
    /// Keeps it until the thread's next wait.
    fn keep(self);

    /// The packets that its wait brought.
    fn delivered(&mut self) -> &mut Vec<Queued>;
}

/// Keeps a membership when this goes, also where code of the user's panics meanwhile.
pub(super) struct Keeping<M: Membership>(Option<M>);

impl<M: Membership> Keeping<M> {
    pub(super) fn new(member: M) -> Self {
        Keeping(Some(member))
    }

    pub(super) fn member(&mut self) -> &mut M {
        self.0.as_mut().expect("it goes with this")
    }
}

impl<M: Membership> Drop for Keeping<M> {
    fn drop(&mut self) {
        if let Some(member) = self.0.take() {
            member.keep();
        }
    }
}
