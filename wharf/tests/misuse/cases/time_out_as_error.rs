//! A time-out is looked for among the errors of a wait.
use wharf::{CompletionPort, Wait};

pub fn is_over(port: &CompletionPort<u64>) -> bool {
    matches!(port.wait(None), Err(Wait::TimedOut)) //~ E0308
    //= matches!(port.wait(None), Ok(Wait::TimedOut))
}
