//! Memory that is only borrowed is sent.
use wharf::Socket;

pub fn send(socket: &Socket<u64>) {
    let bytes = [1, 2, 3];
    let _ = socket.send(&bytes[..]); //~ E0597
    //= let _ = socket.send(bytes.to_vec());
}
