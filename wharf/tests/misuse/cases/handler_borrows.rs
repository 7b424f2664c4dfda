//! A handler borrows what is on the stack of the thread that starts the workers.
use wharf::{CompletionPort, Workers};

pub fn start(port: &CompletionPort<u64>) {
    let name = "one".to_owned();
    let _ = Workers::start(port, 2, |_, _| println!("{name}")); //~ E0373
    //= let _ = Workers::start(port, 2, move |_, _| println!("{name}"));
}
