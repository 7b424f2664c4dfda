//! A port is made for keys that are not `Clone`.
use std::sync::Arc;
use wharf::CompletionPort;

pub struct Client;

pub fn make() {
    let _ = CompletionPort::<Client>::new(1); //~ E0277: use an `Arc`: `Arc<Client>`
    //= let _ = CompletionPort::<Arc<Client>>::new(1);
}
