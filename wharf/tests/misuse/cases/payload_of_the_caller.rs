//! Memory is sent that the caller has lent for the call.
use wharf::Socket;

pub fn send(socket: &Socket<u64>, bytes: &[u8]) {
    let _ = socket.send(bytes); //~ E0521
    //= let _ = socket.send(bytes.to_vec());
}
