//! Posting packets of one's own.

use super::Refused;
use crate::CompletionPort;

impl<K: Clone + Send + Sync + 'static> CompletionPort<K> {
    /// Posts a packet: a completion of the caller's own, with `key` and the number `bytes`, for any thread that waits.
    /// Packets that one thread posts leave the queue in the order in which they were posted.
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes; the key comes back.
    pub fn post(&self, key: K, bytes: usize) -> Result<(), Refused<K>> {
        let posted = self.records().post(key, bytes);
        posted.map_err(|(error, given)| Refused { error, given })
    }
}
