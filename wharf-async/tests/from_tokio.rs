//! What the manual's page "from tokio" says: what works as it is, what panics for want of tokio's context, and what a runtime of
//! the program's own beside this one does about that. What the feature `tokio` does: `tokio_context.rs`.

#![allow(missing_docs)]

use std::{
    cell::Cell,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch},
};
use tokio_util::{
    codec::{Framed, LinesCodec},
    sync::CancellationToken,
};
use wharf_async::{
    Builder, Runtime,
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn builder() -> Builder {
    let builder = Runtime::builder().concurrency(2).threads(2..=32);
    #[cfg(feature = "tokio")]
    let builder = builder.tokio_context(false);
    builder
}

fn runtime() -> Runtime {
    builder().build().expect("a runtime")
}

/// Runs a future as a task, and gives what it comes to.
fn in_a_task<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = runtime();
    let task = runtime.spawn(future);
    let output = runtime.block_on(async { timeout(PATIENCE, task).await });
    output.expect("in time").expect("no panic")
}

/// Both ends of a connection.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()).await?;
    let (far, _) = listener.accept().await?;
    Ok((near, far))
}

#[test]
fn channels() {
    in_a_task(async {
        let (numbers, mut received) = mpsc::channel(1);
        let sends = wharf_async::spawn(async move {
            for number in 0..1_000 {
                numbers.send(number).await.expect("a receiver");
            }
        });
        let mut sum = 0;
        while let Some(number) = received.recv().await {
            sum += number;
        }
        sends.await.expect("no panic");
        assert_eq!(sum, 499_500);

        let (answers, answer) = oneshot::channel();
        wharf_async::spawn(async move { answers.send(42) }).detach();
        assert_eq!(answer.await, Ok(42));

        let (news, mut heard) = broadcast::channel(1);
        wharf_async::spawn(async move { news.send("ahoy") }).detach();
        assert_eq!(heard.recv().await, Ok("ahoy"));

        let (states, mut state) = watch::channel(0);
        wharf_async::spawn(async move { states.send(1) }).detach();
        state.changed().await.expect("a sender");
        assert_eq!(*state.borrow(), 1);
    });
}

#[test]
fn locks() {
    in_a_task(async {
        let count = Arc::new((Mutex::new(0), RwLock::new(0), Semaphore::new(1)));
        let both = Arc::new((Barrier::new(2), Notify::new()));
        let (theirs, there) = (count.clone(), both.clone());
        let other = wharf_async::spawn(async move {
            for _ in 0..100 {
                let _permit = theirs.2.acquire().await.expect("it is open");
                *theirs.0.lock().await += 1;
                *theirs.1.write().await += 1;
            }
            there.0.wait().await;
            there.1.notify_one();
        });
        for _ in 0..100 {
            let _permit = count.2.acquire().await.expect("it is open");
            *count.0.lock().await += 1;
            *count.1.write().await += 1;
        }
        both.0.wait().await;
        both.1.notified().await;
        other.await.expect("no panic");
        assert_eq!((*count.0.lock().await, *count.1.read().await), (200, 200));
        let once = OnceCell::new();
        assert_eq!(*once.get_or_init(|| async { 7 }).await, 7);
    });
}

#[test]
fn select_and_join() {
    in_a_task(async {
        let (sender, receiver) = oneshot::channel::<()>();
        let first = tokio::select! {
            () = sleep(PATIENCE) => "the sleep",
            () = async { drop(sender); let _ = receiver.await; } => "the channel",
        };
        assert_eq!(first, "the channel");
        let both = tokio::join!(
            async {
                sleep(Duration::from_millis(1)).await;
                1
            },
            async { 2 },
        );
        assert_eq!(both, (1, 2));
        let failed: Result<((), ()), &str> =
            tokio::try_join!(async { Ok(()) }, async { Err("no") });
        assert_eq!(failed, Err("no"));
        let mut pinned = 0;
        let counts = async { pinned += 1 };
        tokio::pin!(counts);
        counts.await;
        assert_eq!(pinned, 1);
    });
}

#[test]
fn a_time_out_around_what_is_tokios() {
    in_a_task(async {
        let (_sender, receiver) = oneshot::channel::<()>();
        timeout(Duration::from_millis(5), receiver)
            .await
            .expect_err("nothing is sent");
    });
}

#[test]
fn task_locals_and_yields() {
    tokio::task_local! {
        static NUMBER: u32;
    }
    in_a_task(NUMBER.scope(3, async {
        tokio::task::yield_now().await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(NUMBER.get(), 3);
    }));
    // Without tokio's context nothing is counted.
    in_a_task(tokio::task::unconstrained(tokio::task::consume_budget()));
}

#[test]
fn cancellation_tokens() {
    in_a_task(async {
        let token = CancellationToken::new();
        let child = token.child_token();
        let waits = wharf_async::spawn(async move { child.cancelled().await });
        token.cancel();
        waits.await.expect("no panic");
    });
}

#[test]
fn codecs() {
    in_a_task(async {
        let (near, far) = pair().await.expect("a connection");
        let mut near = Framed::new(near, LinesCodec::new());
        let mut far = Framed::new(far, LinesCodec::new());
        for line in ["one", "two"] {
            near.send(line).await.expect("it is there");
            let received = far.next().await.expect("a line").expect("no failure");
            assert_eq!(received, line);
        }
        near.into_inner().shutdown().await.expect("it is there");
        assert!(far.next().await.is_none());
    });
}

#[test]
fn copies_both_ways() {
    in_a_task(async {
        let (mut client, mut from) = pair().await.expect("a connection");
        let (mut to, mut server) = pair().await.expect("a connection");
        let copies =
            wharf_async::spawn(
                async move { tokio::io::copy_bidirectional(&mut from, &mut to).await },
            );
        client.write_all(b"ahoy").await.expect("it is there");
        client.shutdown().await.expect("it is there");
        let mut text = String::new();
        server.read_to_string(&mut text).await.expect("it is there");
        assert_eq!(text, "ahoy");
        server.write_all(b"hi").await.expect("it is there");
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).await.expect("it is there");
        assert_eq!(text, "hi");
        assert_eq!(copies.await.expect("no panic").expect("no failure"), (4, 2));
    });
}

#[test]
fn readers_writers_and_pipes() {
    in_a_task(async {
        let (near, far) = pair().await.expect("a connection");
        let (_read, mut write) = tokio::io::split(near);
        write.write_all(b"one\ntwo\n").await.expect("it is there");
        write.shutdown().await.expect("it is there");
        let mut lines = BufReader::new(far).lines();
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.expect("no failure") {
            read.push(line);
        }
        assert_eq!(read, ["one", "two"]);

        let (mut near, mut far) = tokio::io::duplex(8);
        let writes = wharf_async::spawn(async move { near.write_all(&[7; 100]).await });
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.expect("no failure");
        writes.await.expect("no panic").expect("no failure");
        assert_eq!(bytes, [7; 100]);
    });
}

/// A `LocalSet` is polled by the future that it is run by.
#[test]
fn local_sets_within_block_on() {
    let number = runtime().block_on(tokio::task::LocalSet::new().run_until(async {
        let number = std::rc::Rc::new(Cell::new(0));
        let theirs = number.clone();
        let local = tokio::task::spawn_local(async move { theirs.set(1) });
        local.await.expect("no panic");
        number.get()
    }));
    assert_eq!(number, 1);
}

/// The same text for both: what is changed is the crate.
#[cfg(unix)]
macro_rules! program {
    ($name:ident, $tokio:ident) => {
        async fn $name(folder: std::path::PathBuf) -> io::Result<()> {
            use tokio::io::AsyncSeekExt;
            use $tokio::{
                fs,
                net::{UdpSocket, UnixDatagram, UnixListener, UnixStream, unix},
                process::{Child, Command},
                signal::unix::{SignalKind, signal},
            };

            fs::create_dir_all(folder.join("deep")).await?;
            let mut file = fs::File::create(folder.join("words")).await?;
            file.write_all(b"ahoy\n").await?;
            file.sync_all().await?;
            assert_eq!(fs::read_to_string(folder.join("words")).await?, "ahoy\n");
            let mut options = fs::OpenOptions::new();
            let mut file = options.read(true).open(folder.join("words")).await?;
            assert_eq!(file.seek(io::SeekFrom::End(-1)).await?, 4);
            let mut entries = fs::read_dir(&folder).await?;
            while let Some(entry) = entries.next_entry().await? {
                assert!(["deep", "words"].iter().any(|it| entry.file_name() == *it));
            }

            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            let peer = UdpSocket::bind("127.0.0.1:0").await?;
            peer.connect(socket.local_addr()?).await?;
            peer.send(b"ahoy").await?;
            let mut bytes = [0; 16];
            let (len, from) = socket.recv_from(&mut bytes).await?;
            assert_eq!((len, from), (4, peer.local_addr()?));

            let listener = UnixListener::bind(folder.join("socket"))?;
            let near = UnixStream::connect(folder.join("socket")).await?;
            let (mut far, _address) = listener.accept().await?;
            assert_eq!(near.peer_cred()?.uid(), far.peer_cred()?.uid());
            let (_reads, mut writes): (unix::OwnedReadHalf, unix::OwnedWriteHalf) =
                near.into_split();
            writes.write_all(b"ahoy").await?;
            drop(writes);
            let mut text = String::new();
            far.read_to_string(&mut text).await?;
            let (one, other) = UnixDatagram::pair()?;
            one.send(text.as_bytes()).await?;
            assert_eq!(other.recv(&mut bytes).await?, 4);

            let mut hangup = signal(SignalKind::hangup())?;
            let kills = format!("kill -HUP {}", std::process::id());
            let status = Command::new("sh").arg("-c").arg(kills).status().await?;
            assert!(status.success());
            assert_eq!(hangup.recv().await, Some(()));
            let output = Command::new("echo").arg("ahoy").output().await?;
            assert_eq!(output.stdout, b"ahoy\n");
            let mut child: Child = Command::new("sleep")
                .arg("600")
                .kill_on_drop(true)
                .spawn()?;
            child.kill().await?;
            fs::remove_dir_all(folder).await
        }
    };
}

#[cfg(unix)]
program!(as_it_was, tokio);
#[cfg(unix)]
program!(as_it_is_here, wharf_async);

#[cfg(unix)]
#[test]
fn sockets_files_signals_and_processes_have_the_names_of_tokios() {
    let folder = |name| {
        let name = format!("wharf-async-{name}-{}", std::process::id());
        std::env::temp_dir().join(name)
    };
    let mut tokio = tokio::runtime::Builder::new_current_thread();
    let tokio = tokio.enable_all().build().expect("a runtime of tokio's");
    tokio.block_on(as_it_was(folder("was"))).expect("it works");
    in_a_task(as_it_is_here(folder("is"))).expect("it works");
}

#[test]
fn block_in_place_just_runs() {
    assert_eq!(in_a_task(async { tokio::task::block_in_place(|| 5) }), 5);
}

/// What a task panics with.
fn panic_of<F>(future: F) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime();
    let task = runtime.spawn(future);
    let output = runtime.block_on(async { timeout(PATIENCE, task).await });
    let error = output.expect("in time").expect_err("it panics");
    let panic = error.try_into_panic().expect("a panic");
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.expect("a text")
}

/// Each panics with the same words.
fn all_panic<const N: usize>(panics: [(&str, String); N]) {
    for (what, panic) in panics {
        assert!(panic.contains("no reactor running"), "{what}: {panic}");
    }
}

#[test]
#[rustfmt::skip] // A line each.
fn tasks_and_timers_of_tokios_panic_without_its_context() {
    use tokio::{runtime::Handle, task::{JoinSet, spawn_blocking}, time};
    all_panic([
        ("spawn", panic_of(async { drop(tokio::spawn(async {}).await) })),
        ("spawn_blocking", panic_of(async { drop(spawn_blocking(|| ()).await) })),
        ("join set", panic_of(async { drop(JoinSet::new().spawn(async {})) })),
        ("handle", panic_of(async { drop(Handle::current()) })),
        ("sleep", panic_of(async { time::sleep(Duration::ZERO).await })),
        ("timeout", panic_of(async { drop(time::timeout(PATIENCE, async {}).await) })),
        ("interval", panic_of(async { drop(time::interval(PATIENCE)) })),
    ]);
}

#[test]
#[rustfmt::skip] // A line each.
fn sockets_and_files_of_tokios_panic_without_its_context() {
    use tokio::{fs, net};
    all_panic([
        ("listener", panic_of(async { drop(net::TcpListener::bind("127.0.0.1:0").await) })),
        ("connect", panic_of(async { drop(net::TcpStream::connect("127.0.0.1:1").await) })),
        ("lookup", panic_of(async { drop(net::lookup_host("localhost:1").await) })),
        ("fs", panic_of(async { drop(fs::metadata(".").await) })),
        ("stdin", panic_of(async { drop(tokio::io::stdin().read(&mut [0]).await) })),
        ("stdout", panic_of(async { drop(tokio::io::stdout().write_all(b"\n").await) })),
    ]);
}

#[cfg(unix)]
#[test]
#[rustfmt::skip] // A line each.
fn signals_and_processes_of_tokios_panic_without_its_context() {
    use tokio::{process::Command, signal};
    all_panic([
        ("signal", panic_of(async { drop(signal::ctrl_c().await) })),
        ("process", panic_of(async { drop(Command::new("true").output().await) })),
    ]);
}

/// A runtime with one of tokio's beside it, whose context each worker has.
fn with_tokio() -> (Runtime, tokio::runtime::Runtime) {
    let mut tokio = tokio::runtime::Builder::new_multi_thread();
    let tokio = tokio.worker_threads(1).thread_name("tokio");
    let tokio = tokio.enable_all().build().expect("a runtime of tokio's");
    let handle = tokio.handle().clone();
    let ours = builder().around(move |life| {
        let _context = handle.enter();
        life();
    });
    (ours.build().expect("a runtime"), tokio)
}

/// What is spawned there is outside of our runtime, but for what is taken along.
#[test]
fn tasks_of_tokios_are_outside() {
    let (runtime, tokio) = with_tokio();
    let handle = runtime.handle().clone();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("an address");
    let address = listener.local_addr();
    let accepts = runtime.spawn(async move { listener.accept().await });
    let stream = runtime.block_on(TcpStream::connect(address));
    let mut stream = stream.expect("a connection");
    let (mut far, _) = runtime.block_on(accepts).expect("no panic").expect("one");
    tokio.block_on(async {
        let spawns = tokio::spawn(async { wharf_async::spawn(async {}).detach() });
        assert!(spawns.await.expect_err("no runtime").is_panic());
        // Long, or it may have ended before its first poll.
        let sleeps = tokio::spawn(sleep(Duration::from_secs(600)));
        assert!(sleeps.await.expect_err("no runtime").is_panic());
        let taken = tokio::spawn(async move { handle.spawn(async { 3 }).await });
        assert_eq!(taken.await.expect("no panic").expect("no panic"), 3);
        // A stream has its runtime with it.
        let echoes = tokio::spawn(async move {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await?;
            stream.write_all(&bytes).await
        });
        far.write_all(b"ahoy").await.expect("it is there");
        let mut bytes = [0; 4];
        far.read_exact(&mut bytes).await.expect("it is there");
        assert_eq!(&bytes, b"ahoy");
        echoes.await.expect("no panic").expect("no failure");
    });
}

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn with_a_runtime_of_tokios_beside_it_works() {
    let (runtime, _tokio) = with_tokio();
    let task = runtime.spawn(async {
        assert!(thread_name().starts_with("wharf-"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(thread_name().starts_with("wharf-"), "it goes on on ours");
        let spawned = tokio::spawn(async { thread_name() }).await;
        assert_eq!(spawned.expect("no panic"), "tokio", "it runs there");
        let called = tokio::task::spawn_blocking(|| 6).await;
        assert_eq!(called.expect("no panic"), 6);
        tokio::fs::metadata(".").await.expect("a folder");

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("an address");
        let address = listener.local_addr().expect("an address");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut near, mut far) = (near.expect("connected"), far.expect("accepted").0);
        far.write_all(b"ahoy").await.expect("it is there");
        let mut bytes = [0; 4];
        near.read_exact(&mut bytes).await.expect("it is there");
        assert_eq!(&bytes, b"ahoy");

        // To enter a runtime is not to be driven by it.
        let current = tokio::runtime::Handle::current();
        let blocked = current.block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            8
        });
        assert_eq!(blocked, 8);
        assert_eq!(tokio::task::block_in_place(|| 9), 9);
    });
    runtime.block_on(task).expect("no panic");
}

/// The thread that calls `block_on` is no worker.
#[test]
fn the_thread_of_block_on_enters_by_itself() {
    let (runtime, tokio) = with_tokio();
    let sleeps = || async { tokio::time::sleep(Duration::from_millis(1)).await };
    let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(sleeps())));
    assert!(caught.is_err(), "without the context");
    let _context = tokio.enter();
    runtime.block_on(sleeps());
}

/// As with `anyhow`.
#[test]
fn a_join_error_goes_into_any_error() {
    async fn fails() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        wharf_async::spawn(async { panic!("ahoy") }).await?;
        Ok(())
    }
    let error = in_a_task(fails()).expect_err("it panics");
    assert!(error.to_string().contains("ahoy"), "{error}");
}

#[test]
fn a_handle_that_is_dropped_detaches() {
    in_a_task(async {
        let (sender, receiver) = oneshot::channel();
        drop(wharf_async::spawn(async move {
            sleep(Duration::from_millis(5)).await;
            sender.send(()).expect("a receiver");
        }));
        receiver.await.expect("it was sent");
    });
}

/// Ours takes turns only with futures of its own: a ready channel of tokio's is not counted outside of tokio's runtime.
#[test]
fn the_budget_counts_our_futures() {
    in_a_task(async {
        let polls = Arc::new(StdMutex::new(0));
        let counted = polls.clone();
        let mut inner = Box::pin(async {
            for _ in 0..1_000 {
                sleep(Duration::ZERO).await;
            }
        });
        std::future::poll_fn(move |context| {
            *counted.lock().expect("no panic") += 1;
            inner.as_mut().poll(context)
        })
        .await;
        assert_eq!(*polls.lock().expect("no panic"), 8, "1,000 / 128");

        let (sender, mut receiver) = mpsc::unbounded_channel();
        (0..1_000).for_each(|number| sender.send(number).expect("a receiver"));
        drop(sender);
        let polls = Arc::new(StdMutex::new(0));
        let counted = polls.clone();
        let mut inner = Box::pin(async move { while receiver.recv().await.is_some() {} });
        std::future::poll_fn(move |context| {
            *counted.lock().expect("no panic") += 1;
            inner.as_mut().poll(context)
        })
        .await;
        assert_eq!(*polls.lock().expect("no panic"), 1);
    });
}

#[test]
fn block_on_within_a_task_of_it_works() {
    let runtime = Runtime::builder().concurrency(1).threads(1..=8).build();
    let runtime = runtime.expect("a runtime");
    let handle = runtime.handle().clone();
    let task = runtime.spawn(async move {
        handle.block_on(async {
            sleep(Duration::from_millis(1)).await;
            wharf_async::spawn(async { 4 }).await.expect("no panic")
        })
    });
    assert_eq!(runtime.block_on(task).expect("no panic"), 4);
}

#[test]
fn an_abort_waits_for_the_end_of_the_poll() {
    let runtime = runtime();
    runtime.block_on(async {
        let (sender, receiver) = oneshot::channel();
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = ends.clone();
        let task = wharf_async::spawn(async move {
            let _ = sender.send(());
            thread::sleep(Duration::from_millis(50));
            ends.store(true, Ordering::SeqCst);
            sleep(PATIENCE).await;
        });
        receiver.await.expect("it was sent");
        task.abort();
        assert!(task.await.expect_err("it was aborted").is_cancelled());
        assert!(is_over.load(Ordering::SeqCst));
        let ended = wharf_async::spawn(async { 1 });
        while !ended.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        ended.abort();
        assert_eq!(ended.await.expect("it had ended"), 1);
    });
}

#[test]
fn a_stop_names_what_is_left() {
    let runtime = runtime();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let line = line!() + 1;
    let task = runtime.spawn(async move {
        begun.send(()).expect("a receiver");
        receiver.recv()
    });
    begins.recv().expect("it begins");
    let report = runtime.stop(Duration::from_millis(50));
    assert_eq!(report.tasks_left.len(), 1);
    assert_eq!(report.tasks_left[0].line(), line);
    assert_eq!(report.workers_left.len(), 1, "{:?}", report.workers_left);
    drop((sender, task));
}

#[test]
fn a_runtime_that_is_dropped_leaves_what_blocks() {
    let runtime = runtime();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let task = runtime.spawn(async move {
        begun.send(()).expect("a receiver");
        receiver.recv()
    });
    begins.recv().expect("it begins");
    let dropped = Instant::now();
    drop(runtime);
    assert!(dropped.elapsed() < PATIENCE, "it does not wait for it");
    drop((sender, task));
}

#[test]
fn a_linger_that_would_wait_is_refused() {
    in_a_task(async {
        let (near, _far) = pair().await.expect("a connection");
        let refused = near.set_linger(Some(Duration::from_secs(1)));
        let kind = refused.expect_err("it would block").kind();
        assert_eq!(kind, io::ErrorKind::InvalidInput);
        near.set_linger(Some(Duration::ZERO)).expect("it resets");
        near.set_linger(None).expect("as it was");
    });
}

/// A write is done when the runtime has the bytes; what failed after that comes with a later call.
#[test]
fn a_failure_comes_with_a_later_call() {
    in_a_task(async {
        let (mut near, far) = pair().await.expect("a connection");
        far.set_linger(Some(Duration::ZERO)).expect("an option");
        drop(far);
        let mut told = None;
        for _ in 0..1_000 {
            if let Err(error) = near.write_all(b"ahoy").await {
                told = Some(error);
                break;
            }
            sleep(Duration::from_millis(1)).await;
        }
        told.expect("the connection is reset");
    });
}

/// More than may run at once compute, and a task that only passes by does not wait for their end.
#[test]
fn what_computes_in_spawn_blocking_shares_the_processors() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let runtime = builder()
        .concurrency(1)
        .threads(1..=8)
        .build()
        .expect("a runtime");
    let is_over = std::sync::Arc::new(AtomicBool::new(false));
    let computes = |_| {
        let is_over = is_over.clone();
        let task = async move {
            let computing = move || while !is_over.load(Ordering::Relaxed) {};
            wharf_async::spawn_blocking(computing).await
        };
        runtime.spawn(task)
    };
    let computing: Vec<_> = (0..3).map(computes).collect();
    // It would wait for ever, were it to wait for one of them.
    runtime
        .block_on(runtime.spawn(async { wharf_async::yield_now().await }))
        .expect("no panic");
    is_over.store(true, Ordering::Relaxed);
    for task in computing {
        runtime.block_on(task).expect("no panic").expect("no panic");
    }
}

/// What the table of crates says is checked is there to check it.
#[test]
fn each_crate_of_the_table_has_its_test() {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = include_str!("../src/manual/from_tokio.rs");
    let table = page.split("# Which crates work").nth(1).expect("the table");
    let table = table.split("# What to change").next().expect("its end");
    let rows = table.lines().filter(|line| line.starts_with("//! | "));
    let rows: Vec<_> = rows.skip(1).collect();
    assert!(rows.len() > 15, "{} rows", rows.len());
    for row in rows {
        let checks = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .expect("a cell");
        let mut file = None;
        for check in checks.split('`').skip(1).step_by(2) {
            if check.contains('/') {
                let text = std::fs::read_to_string(repository.join(check));
                file = Some(text.unwrap_or_else(|error| panic!("{check}: {error}")));
                continue;
            }
            let text = file.as_deref().unwrap_or_else(|| panic!("no file: {row}"));
            let is_there = text.contains(&format!("fn {check}("));
            assert!(is_there, "no test {check}: {row}");
        }
        assert!(file.is_some(), "nothing checks it: {row}");
    }
}
