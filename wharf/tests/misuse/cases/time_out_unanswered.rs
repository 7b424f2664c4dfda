//! A loop forgets that a wait may time out.
use wharf::{CompletionPort, Wait};

pub fn take(port: &CompletionPort<u64>) -> std::io::Result<()> {
    match port.wait(None)? { //~ E0004: Wait::TimedOut
        Wait::Completed(_) | Wait::Closed => Ok(()),
        //= Wait::Completed(_) | Wait::Closed | Wait::TimedOut => Ok(()),
        Wait::Task(task) => Ok(task.run()),
    }
}
