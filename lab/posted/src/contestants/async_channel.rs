//! async-channel between tasks of a tokio runtime: what tokio's tutorial recommends for more than one consumer.

use async_channel::{Receiver, Sender, bounded, unbounded};
use tokio::runtime::Runtime;

use super::{Packet, Queue, Sink, tokio::runtime};

/// Each consumer is a task.
pub struct Task {
    sender: Sender<Packet>,
    receiver: Receiver<Packet>,
    runtime: Runtime,
}

impl Queue for Task {
    fn open(consumers: usize, backlog_max: Option<usize>) -> Self {
        let (sender, receiver) = backlog_max.map_or_else(unbounded, bounded);
        Task {
            sender,
            receiver,
            runtime: runtime(consumers),
        }
    }

    fn offer(&self, packet: Packet) -> bool {
        self.sender.try_send(packet).is_ok()
    }

    fn consume<S: Sink>(&self, mut sink: S) -> S {
        let receiver = self.receiver.clone();
        let consumer = self.runtime.spawn(async move {
            while let Ok(packet) = receiver.recv().await {
                if sink.take(packet).is_break() {
                    break;
                }
            }
            sink
        });
        self.runtime
            .block_on(consumer)
            .expect("the task does not panic")
    }
}
