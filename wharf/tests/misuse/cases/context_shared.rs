//! A context that one thread at a time may use is lent to all that have the completion.
use std::cell::Cell;
use wharf::Completion;

pub fn look(mut completion: Completion<u64>) -> Option<u8> {
    completion.context::<Cell<u8>>().map(Cell::get) //~ E0277: cannot be shared between threads safely
    //= completion.take_context::<Cell<u8>>().map(Cell::into_inner)
}
