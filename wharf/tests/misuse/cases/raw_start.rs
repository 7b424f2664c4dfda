//! The raw layer is given an operation without a promise to keep it in place.
use std::{io, ptr::NonNull};
use wharf::raw::{Handle, OperationId, Overlapped, Port};

pub fn start(port: &Port, handle: Handle, operation: NonNull<Overlapped>) -> io::Result<OperationId> {
    port.start(handle, operation) //~ E0133
    //= unsafe { port.start(handle, operation) }
}
