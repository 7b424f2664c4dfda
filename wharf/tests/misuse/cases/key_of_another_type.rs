//! A handle is associated under a key that is not of the port's type.
use wharf::CompletionPort;

pub fn associate(port: &CompletionPort<u64>, stream: std::net::TcpStream) {
    let _ = port.associate(stream, "one"); //~ E0308
    //= let _ = port.associate(stream, 1);
}
