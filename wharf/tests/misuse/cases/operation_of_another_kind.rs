//! An operation is started on a handle of another kind.
use wharf::{Listener, Socket};

pub fn start(socket: &Socket<u64>, listener: &Listener<u64>) {
    let _ = socket.accept(); //~ E0599
    //= let _ = listener.accept();
}
