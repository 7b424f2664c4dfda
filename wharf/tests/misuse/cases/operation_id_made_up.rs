//! The name of an operation is made up.
use wharf::{CompletionPort, OperationId};

pub fn cancel(port: &CompletionPort<u64>, id: OperationId) {
    let id = OperationId { sequence: 1, ..id }; //~ E0451
    //= let id = id;
    let _ = port.cancel(id);
}
