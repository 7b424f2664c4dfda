//! A port is made for keys that one thread at a time may use.
use std::cell::Cell;
use wharf::CompletionPort;

pub fn make() {
    let _ = CompletionPort::<Cell<u64>>::new(1); //~ E0277: if threads can't share it
    //= let _ = CompletionPort::<u64>::new(1);
}
