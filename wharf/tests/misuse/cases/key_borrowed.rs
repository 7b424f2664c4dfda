//! A key is borrowed.
use wharf::CompletionPort;

pub fn post() -> std::io::Result<()> {
    let name = "one".to_owned();
    let port = CompletionPort::new(1)?;
    port.post(&name, 0)?; //~ E0597
    //= port.post(name, 0)?;
    Ok(())
}
