//! Placeholder of this branch alone, until the kernel objects are merged.
pub(crate) mod event;
