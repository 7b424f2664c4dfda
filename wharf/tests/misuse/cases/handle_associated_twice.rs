//! A handle is associated with two ports.
use std::net::TcpStream;
use wharf::CompletionPort;

pub fn twice(one: &CompletionPort<u64>, two: &CompletionPort<u64>, stream: TcpStream, other: TcpStream) {
    let _ = one.associate(stream, 1);
    let _ = two.associate(stream, 2); //~ E0382
    //= let _ = two.associate(other, 2);
}
