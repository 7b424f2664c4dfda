//! What a wait answers is taken for a completion.
use wharf::{Completion, CompletionPort, Wait};

pub fn take(port: &CompletionPort<u64>) -> std::io::Result<Option<Completion<u64>>> {
    let completion = port.wait(None)?;
    //= let Wait::Completed(completion) = port.wait(None)? else { return Ok(None) };
    Ok(Some(completion)) //~ E0308
}
