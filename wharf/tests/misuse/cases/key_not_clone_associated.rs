//! A handle is associated under a key that is not `Clone`.
use std::{net::TcpStream, sync::Arc};
use wharf::CompletionPort;

pub struct Client;

pub fn associate(port: &CompletionPort<Client>, stream: TcpStream) {
    //= pub fn associate(port: &CompletionPort<Arc<Client>>, stream: TcpStream) {
    let client = Client.into();
    let _ = port.associate(stream, client); //~ E0277: use an `Arc`: `Arc<Client>`
}
