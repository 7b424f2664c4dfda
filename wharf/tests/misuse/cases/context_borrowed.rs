//! A context that is borrowed goes with an operation.
use wharf::{Buffer, Socket};

pub fn start(socket: &Socket<u64>) {
    let name = "one".to_owned();
    let _ = socket.with(&name).receive(Buffer::default()); //~ E0597
    //= let _ = socket.with(name).receive(Buffer::default());
}
