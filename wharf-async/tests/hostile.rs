//! What a program does that the runtime did not expect: executors of somebody else's, wakers that block, empty memory, wakes that
//! come late.

#[macro_use]
mod harness;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use harness::{builder, one_at_once, run, soon};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use wharf::{Buffer, DriverChoice};
use wharf_async::{
    net::{TcpListener, TcpStream, UdpSocket},
    spawn,
    time::{sleep, timeout},
};

macro_rules! suite {
    ($driver:expr) => {
        tests!($driver,
            an_executor_of_somebody_elses_is_not_starved
            an_executor_within_a_task_is_not_starved
            a_buffer_without_room_ends_no_stream
            an_accept_that_is_given_up_leaves_no_waker
            polls_from_ever_other_tasks_leave_few_wakers
            a_peer_that_reads_nothing_is_got_rid_of
            a_waker_may_block_on
            a_peer_that_sends_much_lets_others_go_first
            local_tasks_end_with_their_block_on_while_they_are_woken
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

/// Another thread has taken the wake for itself and not yet put the task on the queue, when the `block_on` ends.
fn local_tasks_end_with_their_block_on_while_they_are_woken(driver: DriverChoice) {
    struct Ends(Arc<AtomicBool>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let runtime = builder(driver).build().expect("a runtime");
    let (stop, held) = (AtomicBool::new(false), Mutex::new(None::<Waker>));
    let (stop, held) = (Arc::new(stop), Arc::new(held));
    let (stopping, wakes) = (stop.clone(), held.clone());
    let waking = thread::spawn(move || {
        while !stopping.load(Ordering::SeqCst) {
            let waker = wakes.lock().expect("no panic").take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    });
    let mut left = 0;
    for _ in 0..300_000 {
        let has_ended = Arc::new(AtomicBool::new(false));
        let (ends, held) = (Ends(has_ended.clone()), held.clone());
        runtime.block_on(async {
            let waits = poll_fn(move |context| {
                *held.lock().expect("no panic") = Some(context.waker().clone());
                Poll::<()>::Pending
            });
            wharf_async::spawn_local(async move {
                let _ends = ends;
                waits.await;
            })
            .detach();
            wharf_async::yield_now().await;
            wharf_async::yield_now().await;
        });
        left += usize::from(!has_ended.load(Ordering::SeqCst));
    }
    stop.store(true, Ordering::SeqCst);
    waking.join().expect("no panic");
    assert_eq!(left, 0, "local tasks that outlived their block_on");
}

/// What a peer sends may be a hundred thousand frames of nothing: the share of a poll is counted in bytes as well.
fn a_peer_that_sends_much_lets_others_go_first(driver: DriverChoice) {
    let runtime = builder(driver).build().expect("a runtime");
    let most = run(&runtime, async {
        let (mut writes, mut reads) = pair().await;
        spawn(async move { writes.write_all(&vec![0; 16 << 20]).await }).detach();
        let mut memory = vec![0; 64 << 10];
        let (mut in_poll, mut most) = (0, 0);
        // As much as the system holds is there at the first read, then.
        sleep(Duration::from_millis(100)).await;
        poll_fn(|context| {
            loop {
                let mut buffer = ReadBuf::new(&mut memory);
                let polled = Pin::new(&mut reads).poll_read(context, &mut buffer);
                if polled.is_pending() {
                    most = most.max(in_poll);
                    in_poll = 0;
                    return Poll::Pending;
                }
                in_poll += buffer.filled().len();
                if buffer.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
        most
    });
    assert!(most <= 512 << 10, "{most} bytes in one poll");
}

/// The worker that wakes it keeps the first task that is woken for itself: the very one that is waited for here.
fn a_waker_may_block_on(driver: DriverChoice) {
    struct BlocksOn(wharf_async::Handle, Mutex<Option<mpsc::Sender<u32>>>);
    impl Wake for BlocksOn {
        fn wake(self: Arc<Self>) {
            let sender = self.1.lock().expect("no panic").take();
            if let Some(sender) = sender {
                let joined = self.0.block_on(self.0.spawn(async { 42 }));
                let _ = sender.send(joined.expect("it does not panic"));
            }
        }
    }
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    let blocks_on = BlocksOn(runtime.handle().clone(), Mutex::new(Some(sender)));
    let waker = Waker::from(Arc::new(blocks_on));
    let mut sleeps = pin!(sleep(Duration::from_millis(20)));
    let polled = runtime.block_on(async { sleeps.as_mut().poll(&mut Context::from_waker(&waker)) });
    assert!(polled.is_pending());
    assert_eq!(soon(&receiver), 42);
}

fn a_peer_that_reads_nothing_is_got_rid_of(driver: DriverChoice) {
    let runtime = builder(driver).build().expect("a runtime");
    run(&runtime, async {
        let (mut writes, mut silent) = pair().await;
        let all = writes.write_all(&[0; 16 << 20]);
        let written = timeout(Duration::from_millis(200), all).await;
        assert!(written.is_err(), "it does not read");
        // More waits to be sent than the system takes.
        let small = async { while writes.write_all(&[0; 1_000]).await.is_ok() {} };
        let written = timeout(Duration::from_millis(200), small).await;
        assert!(written.is_err(), "it does not read");
        writes.set_linger(Some(Duration::ZERO)).expect("an option");
        drop(writes);
        // It is told so without having read anything.
        let told = async {
            while silent.write_all(b"x").await.is_ok() && silent.flush().await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let told = timeout(Duration::from_secs(2), told).await;
        told.expect("it is reset");
    });
}

/// Who has given up is not known; the last is woken all the same.
fn polls_from_ever_other_tasks_leave_few_wakers(driver: DriverChoice) {
    struct Tells(Arc<()>, mpsc::Sender<u32>, u32);
    impl Wake for Tells {
        fn wake(self: Arc<Self>) {
            let _ = (&self.0, self.1.send(self.2));
        }
    }
    let runtime = builder(driver).build().expect("a runtime");
    run(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let datagrams = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let to = datagrams.local_addr().expect("an address");
        let (wakes, woken) = mpsc::channel();
        let (counts, mut memory) = ([Arc::new(()), Arc::new(())], [0; 4]);
        for number in 0..1_000 {
            let waker =
                |of: &Arc<()>| Waker::from(Arc::new(Tells(of.clone(), wakes.clone(), number)));
            let [accepts, receives] = counts.each_ref().map(waker);
            let polled = listener.poll_accept(&mut Context::from_waker(&accepts));
            assert!(polled.is_pending());
            let mut buffer = ReadBuf::new(&mut memory);
            let polled = datagrams.poll_recv_from(&mut Context::from_waker(&receives), &mut buffer);
            assert!(polled.is_pending());
        }
        for count in &counts {
            assert!(
                Arc::strong_count(count) <= 65,
                "{}",
                Arc::strong_count(count)
            );
        }
        let _peer = TcpStream::connect(listener.local_addr()).await;
        while soon(&woken) != 999 {}
        datagrams.send_to(b"ahoy", to).await.expect("it goes");
        while soon(&woken) != 999 {}
    });
}

/// On a listener to which nobody connects: the wakers would pile up, each with the memory of its task.
fn an_accept_that_is_given_up_leaves_no_waker(driver: DriverChoice) {
    struct Counted(Arc<()>);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            let _ = &self.0;
        }
    }
    let runtime = builder(driver).build().expect("a runtime");
    run(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let count = Arc::new(());
        for _ in 0..100 {
            let waker = Waker::from(Arc::new(Counted(count.clone())));
            let mut accepts = pin!(listener.accept());
            let polled = accepts.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        assert_eq!(Arc::strong_count(&count), 1);
        let one = TcpStream::connect(listener.local_addr()).await;
        listener.accept().await.expect("a connection");
        one.expect("a connection");
    });
}
