//! An operation is started on a handle that is not associated with a port.
use std::net::TcpStream;
use wharf::{Buffer, CompletionPort};

pub fn start(port: &CompletionPort<u64>, stream: TcpStream) -> std::io::Result<()> {
    stream.receive(Buffer::with_capacity(4))?; //~ E0599
    //= port.associate(stream, 1)?.receive(Buffer::with_capacity(4))?;
    Ok(())
}
