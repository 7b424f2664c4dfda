//! A handler, which all workers call at once, counts without a lock.
use std::{cell::Cell, sync::atomic::{AtomicU64, Ordering}};
use wharf::{CompletionPort, Workers};

pub fn start(port: &CompletionPort<u64>) {
    let (cell, count) = (Cell::new(0), AtomicU64::new(0));
    let _ = Workers::start(port, 2, move |_, _| cell.set(1)); //~ E0277: cannot be shared between threads safely
    //= let _ = Workers::start(port, 2, move |_, _| count.store(1, Ordering::Relaxed));
}
