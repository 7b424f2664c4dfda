//! A port is made for keys that must stay on their thread.
use std::{rc::Rc, sync::Arc};
use wharf::CompletionPort;

pub fn make() {
    let _ = CompletionPort::<Rc<u64>>::new(1); //~ E0277: if threads can't share it
    //= let _ = CompletionPort::<Arc<u64>>::new(1);
}
