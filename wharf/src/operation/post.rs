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

    /// Posts a packet as [`post`](Self::post) does, from a handler that ends soon, so that its thread goes on with the packet: no
    /// other thread is released for it at first. That spares the wake of a thread, and what the handler has in its processor's
    /// caches is there for the next one.
    ///
    /// The packet is on the queue like any other: first in, first out. Any thread that comes to wait takes it in its turn. Of the
    /// threads that wait already, one is released for it
    ///
    /// - when the calling thread comes back for its next packet, or waits elsewhere, or ends, and leaves this one behind;
    /// - at once, when the handler posts another packet, in either way, or says that it will [block](crate::blocking);
    /// - within 2.5 ms, while the handler goes on, even if it computes: by the port's own thread (`wharf-monitor`), as far as the
    ///   system lets that run.
    ///
    /// It is an ordinary post outside of a handler of this port; where the thread has posted quietly since its last wait already; and
    /// where no quiet post came for some milliseconds before. On Windows it always is one: the kernel has the queue there, and releases
    /// a thread as it does.
    ///
    /// The price: where quiet posts come often, the port's own thread looks for those that were left, once a millisecond, until none
    /// came for 4 ms. `cargo bench -p wharf-port --bench posts` measures what is gained and what it costs.
    ///
    /// ```
    /// use wharf::{CompletionPort, Workers};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let port = CompletionPort::<u32>::new(2)?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let stages = port.clone();
    /// let workers = Workers::start(&port, 2, move |_, completion| match completion.key {
    ///     // The last act of the handler: its thread does the next stage itself, as a rule.
    ///     stage @ 0..3 => stages.post_quietly(stage + 1, 0).expect("the port is open"),
    ///     stage => sender.send(stage).expect("the receiver is there"),
    /// })?;
    /// port.post(0, 0)?;
    /// assert_eq!(receiver.recv(), Ok(3));
    /// # port.close();
    /// # workers.join();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    pub fn post_quietly(&self, key: K, number: usize) -> Result<(), Refused<K>>
    where
        K: Key,
    {
        let posted = self.records().post_quietly(key, number);
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

    /// As [`PostPlace::post_quietly`], for a caller that has the port at hand: the place need not look for it, which would write to a
    /// cache line that all processors share.
    ///
    /// # Errors
    /// As there.
    pub fn post_on_quietly(&self, place: &PostPlace, task: Task) -> Result<(), Task> {
        self.records().raw().post_on_quietly(place, task)
    }
}

impl<K: Key> With<'_, CompletionPort<K>> {
    /// As [`CompletionPort::post`].
    ///
    /// # Errors
    /// As there; the key and the context come back.
    pub fn post(self, key: K, number: usize) -> Result<(), Refused<K>> {
        if self.timeout.is_some() {
            return Err(self.refuse_time_out(key));
        }
        let owned = Owned::without_memory(Origin::Own(key), self.context);
        let posted = self.on.records().post_owned(owned, number);
        posted.map_err(|(error, owned)| match owned.source {
            Origin::Own(key) => Refused::of(error, key, owned.context),
            _ => unreachable!("it comes back as it was given"),
        })
    }
}
