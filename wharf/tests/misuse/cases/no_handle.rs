//! What is no handle is associated.
use wharf::CompletionPort;

pub fn associate(port: &CompletionPort<u64>, stream: std::net::TcpStream) {
    let _ = port.associate(3, 1); //~ E0277
    //= let _ = port.associate(stream, 1);
}
