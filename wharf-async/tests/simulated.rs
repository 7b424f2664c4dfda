//! What a simulation promises: the same seed does the same, time takes no time, and what hangs says so.
#![cfg(unix)]

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf_async::{
    Handle, JoinSet,
    net::{TcpListener, TcpStream, UdpSocket},
    simulation::{Faults, Simulation},
    spawn, spawn_local,
    time::{self, interval, sleep, timeout},
    yield_now,
};

const HOUR: Duration = Duration::from_secs(3600);

/// What a panic says.
fn panic_of(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().expect("a message")).to_owned(),
    }
}

async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        spawn(async move {
            let (mut reads, mut writes) = stream.split();
            tokio::io::copy(&mut reads, &mut writes).await
        })
        .detach();
    }
}

/// Some clients of an echo, with all that may go wrong. Returns what happened, in its order.
fn story(seed: u64) -> Vec<String> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    let simulation = Simulation::new(seed).faults(Faults::from_seed(seed));
    simulation.run(async move {
        let began = time::now();
        let tell = move |client: u32, what: &dyn std::fmt::Debug| {
            let line = format!("{client} after {:?}: {what:?}", time::now() - began);
            tells.lock().unwrap().push(line);
        };
        let listener = TcpListener::bind("127.0.0.1:7").await.unwrap();
        spawn(async move {
            loop {
                // A failed accept is not the end of it.
                let Ok((mut stream, _)) = listener.accept().await else {
                    sleep(Duration::from_millis(3)).await;
                    continue;
                };
                spawn(async move {
                    let (mut reads, mut writes) = stream.split();
                    tokio::io::copy(&mut reads, &mut writes).await
                })
                .detach();
            }
        })
        .detach();
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let tell = tell.clone();
            clients.spawn(async move {
                sleep(Duration::from_millis(u64::from(client / 2))).await;
                let exchange = async {
                    let mut stream = TcpStream::connect("127.0.0.1:7").await?;
                    for _ in 0..4 {
                        let mut bytes = [7; 3000];
                        stream.write_all(&bytes).await?;
                        stream.read_exact(&mut bytes).await?;
                        tell(client, &"an echo");
                    }
                    io::Result::Ok(())
                };
                let result = timeout(Duration::from_secs(1), exchange).await;
                tell(client, &result.map(|it| it.map_err(|error| error.kind())));
            });
        }
        while clients.join_next().await.is_some() {}
    });
    let told = told.lock().unwrap();
    told.clone()
}

#[test]
fn the_same_seed_does_the_same_and_seeds_differ() {
    let mut stories = Vec::new();
    for seed in 0..60 {
        let first = story(seed);
        assert_eq!(first, story(seed), "seed {seed}");
        stories.push(first);
    }
    stories.sort();
    stories.dedup();
    assert!(stories.len() > 30, "{} stories", stories.len());
    let all = stories.concat().join("\n");
    for what in ["an echo", "Ok(Ok(()))", "ConnectionReset"] {
        assert!(all.contains(what), "no {what:?}");
    }
}

#[test]
fn tasks_that_are_ready_run_in_an_order_that_the_seed_decides() {
    let order = |seed| {
        Simulation::new(seed).run(async {
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = JoinSet::new();
            for task in 0..5 {
                let order = order.clone();
                tasks.spawn(async move {
                    yield_now().await;
                    order.lock().unwrap().push(task);
                });
            }
            while tasks.join_next().await.is_some() {}
            let order = order.lock().unwrap();
            order.clone()
        })
    };
    let mut orders: Vec<_> = (0..100).map(order).collect();
    assert_eq!(orders[7], order(7));
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 20, "{} of 120 orders", orders.len());
}

#[test]
fn time_is_simulated_and_is_that_of_each_timer_in_its_order() {
    let began = Instant::now();
    Simulation::new(1).time_max(HOUR * 48).run(async {
        let start = time::now();
        let fired = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for hours in [3, 1, 2] {
            let fired = fired.clone();
            tasks.spawn(async move {
                sleep(HOUR * hours).await;
                fired.lock().unwrap().push((hours, time::now() - start));
            });
        }
        while tasks.join_next().await.is_some() {}
        let expected = [(1, HOUR), (2, HOUR * 2), (3, HOUR * 3)];
        assert_eq!(*fired.lock().unwrap(), expected);
        // A timer that is dropped holds nothing up, and no time passes for it.
        assert_eq!(timeout(HOUR, async { 5 }).await, Ok(5));
        assert_eq!(time::now() - start, HOUR * 3);
        let mut ticks = interval(HOUR);
        for tick in 3..9 {
            assert_eq!(ticks.tick().await - start, HOUR * tick);
        }
        let mut late = sleep(HOUR);
        late.reset(time::now() + HOUR * 5);
        late.await;
        assert_eq!(time::now() - start, HOUR * 13);
        assert_eq!(time::coarse_now(), time::now());
    });
    assert!(began.elapsed() < HOUR);
}

#[test]
fn a_test_that_hangs_says_which_tasks_wait() {
    let never = |seed| {
        panic_of(|| {
            Simulation::new(seed).run(async {
                spawn(std::future::pending::<()>()).detach();
                std::future::pending::<()>().await;
            });
        })
    };
    let line = line!() - 5;
    let message = never(5);
    assert!(message.contains("seed 5"), "{message}");
    let place = format!("tests/simulated.rs:{line}:");
    assert!(message.contains(&place), "no {place} in {message}");
    // One whose clock goes on for ever, too.
    let message = panic_of(|| {
        Simulation::new(6).time_max(HOUR).run(async {
            loop {
                sleep(Duration::from_secs(7)).await;
            }
        });
    });
    assert!(message.contains("time_max"), "{message}");
}

#[test]
fn a_panic_says_the_seed_which_the_environment_repeats() {
    const ONLY: &str = "WHARF_SIMULATION_TEST";
    if std::env::var_os(ONLY).is_some() {
        return Simulation::with_seeds(0..40, |simulation| {
            let seed = simulation.seed();
            println!("ran {seed}");
            assert_ne!(seed, 23, "it is unlucky");
        });
    }
    let run = |seed: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture"]);
        command.arg("a_panic_says_the_seed_which_the_environment_repeats");
        command.env(ONLY, "1").env_remove("WHARF_SEED");
        command.envs(seed.map(|seed| ("WHARF_SEED", seed)));
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (passed, text) = run(None);
    assert!(!passed && text.contains("with the seed 23: "), "{text}");
    assert!(text.contains("WHARF_SEED=23 runs it alone"), "{text}");
    assert!(
        text.contains("ran 22\n") && !text.contains("ran 24\n"),
        "{text}"
    );
    let (passed, text) = run(Some("24"));
    assert!(
        passed && text.contains("ran 24\n") && !text.contains("ran 23\n"),
        "{text}"
    );
    let (passed, text) = run(Some("many"));
    assert!(!passed && text.contains("\"many\""), "{text}");
}

#[test]
fn addresses_and_names_are_the_simulations_own() {
    let shop = "10.1.2.3".parse().unwrap();
    Simulation::new(3).host("shop", shop).run(async {
        let listener = TcpListener::bind("10.1.2.3:80").await.unwrap();
        let taken = TcpListener::bind("0.0.0.0:80").await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(taken.to_string().contains("0.0.0.0:80"), "{taken}");
        let free = TcpListener::bind("10.1.2.3:0").await.unwrap();
        assert_ne!(free.local_addr().port(), 0);
        spawn(echo(listener)).detach();
        let mut stream = TcpStream::connect("shop:80").await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), (shop, 80).into());
        stream.write_all(b"ahoy").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "ahoy");
        for (target, kind) in [
            ("localhost:81", io::ErrorKind::ConnectionRefused),
            ("10.9.9.9:80", io::ErrorKind::NetworkUnreachable),
            ("bakery:80", io::ErrorKind::NotFound),
        ] {
            let error = TcpStream::connect(target).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{target}: {error}");
        }
    });
}

/// Clients of an echo, each with its bytes. If one of them waits for ever, the simulation says so.
async fn clients_of_an_echo() -> Vec<io::Result<usize>> {
    const LEN: usize = 5_000;
    let listener = TcpListener::bind("127.0.0.1:7").await.unwrap();
    spawn(echo(listener)).detach();
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(async {
            let mut stream = TcpStream::connect("127.0.0.1:7").await?;
            stream.write_all(&[7; LEN]).await?;
            stream.read_exact(&mut [0; LEN]).await
        });
    }
    clients.join_all().await
}

/// A call that is refused is tried again when an event follows, which may be at once: then nothing is on its way, and the clock stands.
#[test]
fn what_was_refused_goes_on_before_time_does() {
    Simulation::with_seeds(0..200, |simulation| {
        let mut faults = Faults::default();
        (faults.delays, faults.cuts, faults.refusals) = (500, 300, 200);
        simulation.faults(faults).run(async {
            // If nothing else could be done, it would be over.
            let began = time::now();
            let clients = timeout(HOUR / 2, clients_of_an_echo()).await;
            for client in clients.expect("no time passes") {
                client.expect("nothing is broken");
            }
            assert_eq!(time::now(), began);
        });
    });
}

/// A write has succeeded, and its bytes are then lost for want of memory: its task has gone on to read, and its peer waits for the bytes.
#[test]
fn bytes_that_are_lost_after_their_write_leave_nobody_waiting() {
    let (whole, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Simulation::with_seeds(0..100, |simulation| {
        let mut faults = Faults::default();
        (faults.delays, faults.cuts, faults.refusals) = (500, 300, 200);
        (faults.shortages, faults.batches) = (20, simulation.seed() % 2 == 0);
        for client in simulation.faults(faults).run(clients_of_an_echo()) {
            let ended = if client.is_ok() { &whole } else { &failed };
            ended.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (whole, failed) = (whole.into_inner(), failed.into_inner());
    assert!(whole > 0 && failed > 0, "{whole} whole, {failed} failed");
}

#[test]
fn datagrams_arrive_or_are_lost_as_the_seed_says() {
    let arrived = |seed, losses| {
        let mut faults = Faults::default();
        faults.losses = losses;
        Simulation::new(seed).faults(faults).run(async {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            let taken = UdpSocket::bind("127.0.0.1:53").await.unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
            let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            for number in 0..20 {
                peer.send_to(&[number], "127.0.0.1:53").await.unwrap();
            }
            let (mut arrived, mut bytes) = (Vec::new(), [0; 10]);
            let second = Duration::from_secs(1);
            while let Ok(received) = timeout(second, socket.recv_from(&mut bytes)).await {
                assert_eq!(received.unwrap(), (1, peer.local_addr().unwrap()));
                arrived.push(bytes[0]);
            }
            arrived
        })
    };
    assert_eq!(arrived(1, 0), (0..20).collect::<Vec<u8>>());
    let half = arrived(2, 500);
    assert!((1..20).contains(&half.len()), "{half:?}");
    assert_eq!(half, arrived(2, 500));
    assert_ne!(half, arrived(3, 500));
}

#[test]
fn what_blocks_on_a_future_within_a_task_has_the_others_go_on() {
    Simulation::new(8).run(async {
        let task = spawn(async {
            let handle = Handle::current().expect("it is in a simulation");
            handle.block_on(async {
                sleep(HOUR / 4).await;
                spawn(async { 4 }).await.unwrap()
            })
        });
        let local = spawn_local(async { 5 });
        assert_eq!((task.await.unwrap(), local.await.unwrap()), (4, 5));
    });
}

#[test]
fn what_is_left_ends_with_the_test_also_where_it_panics() {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let test = |panics: bool| {
        let counts = (0..3).map(|_| Counts(dropped.clone())).collect::<Vec<_>>();
        Simulation::new(9).run(async move {
            let listener = TcpListener::bind("127.0.0.1:7").await.unwrap();
            for count in counts {
                spawn(async move {
                    let _count = count;
                    let mut stream = TcpStream::connect("127.0.0.1:7").await.unwrap();
                    stream.read_u8().await
                })
                .detach();
            }
            listener.accept().await.unwrap();
            assert!(!panics, "as it is to");
        });
    };
    test(false);
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    assert!(panic_of(|| test(true)).contains("as it is to"));
    assert_eq!(dropped.load(Ordering::SeqCst), 6);
}
