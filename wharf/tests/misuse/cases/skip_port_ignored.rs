//! What skips the port is looked for on the port.
#![deny(unused_must_use)]
use wharf::Socket;

pub fn send(socket: &Socket<u64>) -> std::io::Result<()> {
    socket.skip_port().send(b"one")?; //~ unused_must_use: comes back here, and nowhere else
    //= socket.send(b"one")?;
    Ok(())
}
