//! What starts operations on a socket outlives the socket.
use wharf::{Buffer, Socket};

pub fn keep(socket: Socket<u64>) {
    let direct = socket.skip_port();
    drop(socket); //~ E0505
    //= drop(socket.clone());
    let _ = direct.receive(Buffer::default());
}
