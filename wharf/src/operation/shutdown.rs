//! Ending the sending side of a stream.

use std::io;

use super::{OperationId, Refused, With};
use crate::{
    handle::{Key, Socket},
    raw::Request,
};

impl<K: Key> Socket<K> {
    /// Ends the sending side, once all sends that were started before are out. Receiving goes on; a send that is
    /// started after it is refused.
    ///
    /// # Errors
    /// The socket or its port is closed, the sending side is shut down already, the connection is known to have
    /// failed, or too many operations are under way.
    pub fn shutdown(&self) -> io::Result<OperationId> {
        Ok(self.plain().shutdown()?)
    }
}

impl<K: Key> With<'_, Socket<K>> {
    /// As [`Socket::shutdown`].
    ///
    /// # Errors
    /// As there; the context comes back.
    pub fn shutdown(self) -> Result<OperationId, Refused<()>> {
        self.start_request(Request::Shutdown)
    }
}
