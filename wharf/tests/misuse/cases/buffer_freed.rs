//! A buffer that an operation owns is freed.
use wharf::{Buffer, Socket};

pub fn free(socket: &Socket<u64>, buffer: Buffer) {
    let _ = socket.receive(buffer);
    drop(buffer); //~ E0382
    //= drop(socket);
}
