//! Posting packets of one's own.

use super::{Context, Refused, With};
use crate::{CompletionPort, handle::Origin, record::Cargo};

impl<K: Clone + Send + Sync + 'static> CompletionPort<K> {
    /// Posts a packet: a completion of the caller's own, with `key` and the number `bytes`, for any thread that waits.
    /// Packets that one thread posts leave the queue in the order in which they were posted.
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes; the key comes back.
    pub fn post(&self, key: K, bytes: usize) -> Result<(), Refused<K>> {
        let posted = self.records().post(key, bytes);
        posted.map_err(|(error, given)| refused(error, given, None))
    }
}

impl<K: Clone + Send + Sync + 'static> With<'_, CompletionPort<K>> {
    /// As [`CompletionPort::post`].
    ///
    /// # Errors
    /// As there; the key and the context come back.
    pub fn post(self, key: K, bytes: usize) -> Result<(), Refused<K>> {
        let cargo = Cargo::without_memory(Origin::Own(key), self.context);
        let posted = self.on.records().post_cargo(cargo, bytes);
        posted.map_err(|(error, cargo)| match cargo.source {
            Origin::Own(key) => refused(error, key, cargo.context),
            _ => unreachable!("it comes back as it was given"),
        })
    }
}

fn refused<K>(error: std::io::Error, given: K, context: Option<Context>) -> Refused<K> {
    Refused {
        error,
        given,
        context,
    }
}
