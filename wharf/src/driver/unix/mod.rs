//! What the drivers of Unix systems share: calls, descriptors, signals.

pub(super) mod calls;
pub(super) mod descriptor;
pub(super) mod signals;
