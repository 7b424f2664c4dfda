//! Sends that are tried before there is an operation: the kernel takes all sends as operations, so there are none.

use std::ptr::NonNull;

use super::port::Port;
use crate::raw::{
    Handle, OperationId, Overlapped, RawBuffer,
    shape::{Sends, Tried},
};

/// No send is tried.
#[derive(Debug)]
pub(crate) enum BegunSend {}

impl Sends for Port {
    unsafe fn send_first(&self, _handle: Handle, _bytes: RawBuffer) -> Tried {
        Tried::Not
    }

    unsafe fn go_on_sending(
        &self,
        begun: BegunSend,
        _operation: NonNull<Overlapped>,
    ) -> OperationId {
        match begun {}
    }

    fn batches_sends(&self) -> bool {
        false
    }
}
