//! A port is made, with settings, for keys that are not `Clone`.
use std::sync::Arc;
use wharf::CompletionPort;

pub struct Client;

pub fn make() {
    let _ = CompletionPort::<Client>::builder().concurrency(2).build(); //~ E0277: use an `Arc`: `Arc<Client>`
    //= let _ = CompletionPort::<Arc<Client>>::builder().concurrency(2).build();
}
