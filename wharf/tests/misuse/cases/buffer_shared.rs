//! One buffer is given to two operations.
use wharf::{Buffer, Socket};

pub fn share(from: &Socket<u64>, to: &Socket<u64>, buffer: Buffer) {
    let _ = from.receive(buffer);
    let _ = to.send(buffer); //~ E0382
    //= let _ = to.send(Buffer::with_capacity(1));
}
