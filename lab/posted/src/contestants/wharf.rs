//! The port. It has no post that waits for room: one that would pass `operations_max` is refused, and the key comes
//! back, which is what a program with a bound would build on.

use std::time::Duration;

use wharf::{Completion, CompletionPort, Wait, Workers};

use super::{MANY_MAX, Packet, Queue, Sink, handler, take_all};

const FOR_EVER: Option<Duration> = None;

/// One packet a wait.
pub struct One(CompletionPort<u64>);

/// Up to 64 packets a wait.
pub struct Many(CompletionPort<u64>);

/// A pool of workers, called with each packet.
pub struct Pool(CompletionPort<u64>);

/// As many threads run as there are processors, which is the default.
fn open(backlog_max: Option<usize>) -> CompletionPort<u64> {
    let builder = CompletionPort::builder();
    match backlog_max {
        Some(max) => builder.operations_max(max),
        None => builder,
    }
    .build()
    .expect("the system gives a port")
}

fn packet(completion: Completion<u64>) -> Packet {
    Packet {
        key: completion.key,
        number: completion.transferred,
    }
}

impl Queue for One {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        One(open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.post(packet.key, packet.number).is_ok()
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        while let Ok(Wait::Completed(completion)) = self.0.wait(FOR_EVER) {
            if sink.take(packet(completion)).is_break() {
                break;
            }
        }
        sink
    }
}

impl Queue for Many {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        Many(open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.post(packet.key, packet.number).is_ok()
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        let mut taken = Vec::with_capacity(MANY_MAX);
        while let Ok(wharf::WaitMany::Packets(_)) = self.0.wait_many(&mut taken, MANY_MAX, FOR_EVER)
        {
            if take_all(self, &mut sink, taken.drain(..).map(packet)).is_break() {
                break;
            }
        }
        sink
    }
}

impl Queue for Pool {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        Pool(open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.post(packet.key, packet.number).is_ok()
    }

    fn consume<S: Sink>(&self, sink: S) -> S {
        let (handle, full) = handler(sink);
        let workers = Workers::start(&self.0, self.0.concurrency(), move |_, completion| {
            handle(packet(completion));
        })
        .expect("the system gives threads");
        let sink = full.recv().expect("the workers have it");
        self.0.close();
        workers.join();
        sink
    }
}
