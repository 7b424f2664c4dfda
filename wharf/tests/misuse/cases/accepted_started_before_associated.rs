//! An operation is started on a connection that was accepted, and is not associated with a port.
use wharf::{CompletionPort, Connection};

pub fn start(port: &CompletionPort<u64>, connection: Connection) -> std::io::Result<()> {
    connection.send(b"welcome")?; //~ E0599
    //= port.associate(connection, 1)?.send(b"welcome")?;
    Ok(())
}
