//! A context is given, and no operation started.
#![deny(unused_must_use)]
use wharf::Socket;

pub fn start(socket: &Socket<u64>) {
    socket.with(1_u8); //~ unused_must_use: nothing is started yet
    //= let _ = socket.with(1_u8).readable();
}
