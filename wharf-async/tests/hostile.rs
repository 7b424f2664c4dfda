//! What a program does that the runtime did not expect: executors of somebody else's, wakers that block, empty memory, wakes that
//! come late.

#[macro_use]
mod harness;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use harness::{builder, run, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf::{Buffer, DriverChoice};
use wharf_async::{
    net::{TcpListener, TcpStream},
    spawn,
};

macro_rules! suite {
    ($driver:expr) => {
        tests!($driver,
            an_executor_of_somebody_elses_is_not_starved
            an_executor_within_a_task_is_not_starved
            a_buffer_without_room_ends_no_stream
        );
    };
}
on_every_driver!(suite);

struct Unparks(thread::Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// As `futures::executor::block_on`.
fn foreign_block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

/// No poll of ours begins on its thread, so that nothing gave it a new share.
fn an_executor_of_somebody_elses_is_not_starved(driver: DriverChoice) {
    let runtime = builder(driver).build().expect("a runtime");
    let (sender, receiver) = mpsc::channel();
    let handle = runtime.handle().clone();
    thread::spawn(move || {
        for number in 0..1_000 {
            let joined = foreign_block_on(handle.spawn(async move { number }));
            assert_eq!(joined.expect("it does not panic"), number);
        }
        sender.send(())
    });
    soon(&receiver);
}

fn an_executor_within_a_task_is_not_starved(driver: DriverChoice) {
    let runtime = builder(driver).build().expect("a runtime");
    run(&runtime, async {
        for number in 0..1_000 {
            let joined = foreign_block_on(spawn(async move { number }));
            assert_eq!(joined.expect("it does not panic"), number);
        }
    });
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let one = TcpStream::connect(listener.local_addr()).await;
    let (other, _) = listener.accept().await.expect("a connection");
    (one.expect("a connection"), other)
}

fn a_buffer_without_room_ends_no_stream(driver: DriverChoice) {
    let runtime = builder(driver).build().expect("a runtime");
    run(&runtime, async {
        let (mut writes, mut reads) = pair().await;
        let (received, _) = reads.receive(Buffer::default()).await;
        assert_eq!(received.expect("no failure"), 0);
        writes.write_all(b"ahoy").await.expect("it is open");
        let mut bytes = [0; 4];
        let read = reads.read_exact(&mut bytes).await;
        assert_eq!(read.expect("the stream has not ended"), 4);
    });
}
