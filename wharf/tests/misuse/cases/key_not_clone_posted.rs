//! A packet is posted under a key that is not `Clone`.
use std::sync::Arc;
use wharf::CompletionPort;

pub struct Client;

pub fn post(port: &CompletionPort<Client>) {
    //= pub fn post(port: &CompletionPort<Arc<Client>>) {
    let client = Client.into();
    let _ = port.post(client, 1); //~ E0277: use an `Arc`: `Arc<Client>`
}
