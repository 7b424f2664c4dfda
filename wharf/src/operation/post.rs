//! Posting packets of the program's own.

use super::{Refused, With};
use crate::{
    CompletionPort,
    handle::{Key, Origin},
    raw::{PostPlace, Task},
    record::Owned,
};

impl<K> CompletionPort<K> {
    /// Posts a packet: a completion of the caller's own, with `key` and a `number` as its result, for any thread that waits
    /// (`PostQueuedCompletionStatus` on Windows). Packets that one thread posts leave the queue in the order in which they were
    /// posted: first in, first out (FIFO).
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes; the key comes back.
    #[doc(alias = "PostQueuedCompletionStatus")]
    pub fn post(&self, key: K, number: usize) -> Result<(), Refused<K>>
    where
        K: Key,
    {
        let posted = self.records().post(key, number);
        posted.map_err(|(error, given)| Refused::new(error, given))
    }
}

impl<K: Key> CompletionPort<K> {
    /// Posts a [task](crate::raw#tasks), which a thread that waits runs instead of a handler: the threads of
    /// [`Workers`](crate::Workers) do so by themselves, and any other thread gets [`Wait::Task`](crate::Wait::Task) from its
    /// [`wait`](Self::wait). For layers that are built on the port, such as an executor.
    ///
    /// # Errors
    /// As for [`post`](Self::post); the task comes back.
    pub fn post_task(&self, task: Task) -> Result<(), Refused<Task>> {
        let posted = self.records().raw().post_task(task);
        posted.map_err(|(error, given)| Refused::new(error, given))
    }

    /// Reserves a place for posts of tasks that can't fail while the port is open. It counts as an operation that is under way.
    ///
    /// # Errors
    /// The port is closed, or as many operations are under way as it takes.
    pub fn reserve_post(&self) -> std::io::Result<PostPlace> {
        self.records().raw().reserve_post()
    }
}

impl<K: Key> With<'_, CompletionPort<K>> {
    /// As [`CompletionPort::post`].
    ///
    /// # Errors
    /// As there; the key and the context come back.
    pub fn post(self, key: K, number: usize) -> Result<(), Refused<K>> {
        let owned = Owned::without_memory(Origin::Own(key), self.context);
        let posted = self.on.records().post_owned(owned, number);
        posted.map_err(|(error, owned)| match owned.source {
            Origin::Own(key) => Refused::of(error, key, owned.context),
            _ => unreachable!("it comes back as it was given"),
        })
    }
}
