//! A handle that is associated is read without the port.
use std::{io::Read, net::TcpStream};
use wharf::CompletionPort;

pub fn read(port: &CompletionPort<u64>, stream: TcpStream, mut other: TcpStream) {
    let _ = port.associate(stream, 1);
    let _ = stream.peek(&mut [0; 4]); //~ E0382
    //= let _ = other.read(&mut [0; 4]);
}
