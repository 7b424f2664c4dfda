//! A context that must stay on its thread goes with an operation.
use std::{rc::Rc, sync::Arc};
use wharf::{Buffer, Socket};

pub fn start(socket: &Socket<u64>) {
    let _ = socket.with(Rc::new(1)).receive(Buffer::default()); //~ E0277: cannot be sent between threads safely
    //= let _ = socket.with(Arc::new(1)).receive(Buffer::default());
}
