//! A buffer that an operation owns is read.
use wharf::{Buffer, Socket};

pub fn read(socket: &Socket<u64>, buffer: Buffer) -> usize {
    let bytes = &buffer[..];
    //= let bytes = b"others";
    let _ = socket.receive(buffer); //~ E0505
    bytes.len()
}
