//! tokio's mpsc channel: one consumer, which is a thread (`blocking_recv`, the documented way out of asynchronous code)
//! or a task of a runtime with as many workers as there are consumers.

use std::sync::{Mutex, PoisonError};

use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

use super::{MANY_MAX, Packet, Queue, Sink, take_all};

enum Sender {
    Bounded(mpsc::Sender<Packet>),
    Unbounded(mpsc::UnboundedSender<Packet>),
}

enum Receiver {
    Bounded(mpsc::Receiver<Packet>),
    Unbounded(mpsc::UnboundedReceiver<Packet>),
}

struct Channel {
    sender: Sender,
    /// Until the consumer has taken it.
    receiver: Mutex<Option<Receiver>>,
}

impl Channel {
    fn open(backlog_max: Option<usize>) -> Self {
        let (sender, receiver) = match backlog_max {
            Some(max) => {
                let (sender, receiver) = mpsc::channel(max);
                (Sender::Bounded(sender), Receiver::Bounded(receiver))
            }
            None => {
                let (sender, receiver) = mpsc::unbounded_channel();
                (Sender::Unbounded(sender), Receiver::Unbounded(receiver))
            }
        };
        Channel {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }

    fn offer(&self, packet: Packet) -> bool {
        match &self.sender {
            Sender::Bounded(sender) => sender.try_send(packet).is_ok(),
            Sender::Unbounded(sender) => sender.send(packet).is_ok(),
        }
    }

    fn receiver(&self) -> Receiver {
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.take().expect("there is one consumer")
    }
}

/// A runtime with a worker for each consumer.
pub fn runtime(consumers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(consumers)
        .build()
        .expect("the system gives a runtime")
}

/// A thread, one packet a receive.
pub struct Blocking(Channel);

/// A thread, up to 64 packets a receive.
pub struct BlockingMany(Channel);

/// A task, one packet a receive.
pub struct Task {
    channel: Channel,
    runtime: Runtime,
}

impl Queue for Blocking {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        Blocking(Channel::open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.offer(packet)
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        let mut receiver = self.0.receiver();
        let mut receive = || match &mut receiver {
            Receiver::Bounded(receiver) => receiver.blocking_recv(),
            Receiver::Unbounded(receiver) => receiver.blocking_recv(),
        };
        while let Some(packet) = receive() {
            if sink.take(packet).is_break() {
                break;
            }
        }
        sink
    }
}

impl Queue for BlockingMany {
    fn open(_consumers: usize, backlog_max: Option<usize>) -> Self {
        BlockingMany(Channel::open(backlog_max))
    }

    fn offer(&self, packet: Packet) -> bool {
        self.0.offer(packet)
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        let mut receiver = self.0.receiver();
        let mut taken = Vec::with_capacity(MANY_MAX);
        loop {
            let count = match &mut receiver {
                Receiver::Bounded(receiver) => receiver.blocking_recv_many(&mut taken, MANY_MAX),
                Receiver::Unbounded(receiver) => receiver.blocking_recv_many(&mut taken, MANY_MAX),
            };
            if count == 0 || take_all(self, &mut sink, taken.drain(..)).is_break() {
                return sink;
            }
        }
    }
}

impl Queue for Task {
    fn open(consumers: usize, backlog_max: Option<usize>) -> Self {
        Task {
            channel: Channel::open(backlog_max),
            runtime: runtime(consumers),
        }
    }

    fn offer(&self, packet: Packet) -> bool {
        self.channel.offer(packet)
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        let mut receiver = self.channel.receiver();
        let consumer = self.runtime.spawn(async move {
            loop {
                let packet = match &mut receiver {
                    Receiver::Bounded(receiver) => receiver.recv().await,
                    Receiver::Unbounded(receiver) => receiver.recv().await,
                };
                let Some(packet) = packet else { return sink };
                if sink.take(packet).is_break() {
                    return sink;
                }
            }
        });
        self.runtime
            .block_on(consumer)
            .expect("the task does not panic")
    }
}
