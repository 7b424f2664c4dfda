//! What a packet of the kernel's queue carries beside an address: what it is.

/// What a packet of the kernel's queue is: all but the first are our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Key {
    /// A call has ended.
    Operation,
    /// An operation has, and is to be handed out.
    Ended,
    /// A box of what was posted.
    Posted,
    /// Memory is to be found for an operation.
    Provide,
    /// A call that waited has ended.
    Errand,
    /// Nothing: whoever takes it is to look again.
    Wake,
}

impl Key {
    pub(super) fn of(number: usize) -> Key {
        [
            Key::Operation,
            Key::Ended,
            Key::Posted,
            Key::Provide,
            Key::Errand,
        ]
        .into_iter()
        .find(|key| *key as usize == number)
        .unwrap_or(Key::Wake)
    }
}
