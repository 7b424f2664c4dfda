//! tokio's mpsc channel: one consumer, which is a thread (`blocking_recv`, the documented way out of asynchronous code)
//! or a task of a runtime with as many workers as there are consumers. And a runtime as programs have it, that sleeps as a
//! whole: a task of it is notified, or each packet is a task.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use super::{MANY_MAX, Packet, Queue, Sink, handler, take_all};

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

/// A task that is notified, of a runtime with as many workers as there are processors.
pub struct Notified {
    shared: Arc<(Mutex<VecDeque<Packet>>, Notify)>,
    runtime: Runtime,
}

/// A task for each packet, on a runtime with as many workers as there are processors.
pub struct Spawned {
    handle: OnceLock<Arc<dyn Fn(Packet) + Send + Sync>>,
    runtime: Runtime,
}

/// Waits for a task.
fn result_of<T>(runtime: &Runtime, task: JoinHandle<T>) -> T {
    runtime.block_on(task).expect("the task does not panic")
}

/// As `#[tokio::main]` makes it.
fn whole_runtime() -> Runtime {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime")
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
        result_of(&self.runtime, consumer)
    }
}

impl Queue for Notified {
    fn open(_consumers: usize, _backlog_max: Option<usize>) -> Self {
        Notified {
            shared: Arc::default(),
            runtime: whole_runtime(),
        }
    }

    fn offer(&self, packet: Packet) -> bool {
        let (queue, notify) = &*self.shared;
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(packet);
        notify.notify_one();
        true
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        let shared = self.shared.clone();
        let consumer = self.runtime.spawn(async move {
            let (queue, notify) = &*shared;
            let next = || {
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.pop_front()
            };
            loop {
                notify.notified().await;
                while let Some(packet) = next() {
                    if sink.take(packet).is_break() {
                        return sink;
                    }
                }
            }
        });
        result_of(&self.runtime, consumer)
    }
}

impl Queue for Spawned {
    fn open(_consumers: usize, _backlog_max: Option<usize>) -> Self {
        Spawned {
            handle: OnceLock::new(),
            runtime: whole_runtime(),
        }
    }

    fn offer(&self, packet: Packet) -> bool {
        // Before there is a consumer, there is nothing to run.
        let handle = self.handle.wait().clone();
        self.runtime.spawn(async move { handle(packet) });
        true
    }

    fn consume<S: Sink>(&self, sink: S) -> S {
        let (handle, full) = handler(sink);
        assert!(
            self.handle.set(Arc::new(handle)).is_ok(),
            "there is one consumer"
        );
        full.recv().expect("the tasks have it")
    }
}
