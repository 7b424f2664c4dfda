//! Payloads that are not sent any more. Their drop may run code of the user's.

use wharf::{Payload, user_code::contain};

/// Dropped after what is locked is given back. Each goes by itself: a panic of one ends there, since behind it are the others, and the last
/// turn of their client.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Vec<Payload>);

impl Dropped {
    pub(crate) fn push(&mut self, payload: Payload) {
        self.0.push(payload);
    }
}

impl Extend<Payload> for Dropped {
    fn extend<I: IntoIterator<Item = Payload>>(&mut self, payloads: I) {
        self.0.extend(payloads);
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        for payload in self.0.drain(..) {
            contain("the drop of a payload that was not sent", || drop(payload));
        }
    }
}
