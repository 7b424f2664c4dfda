//! What the runtime promises of child processes, on every driver of the system.

#![cfg(unix)]

#[macro_use]
mod harness;

use std::{
    future::{Future, poll_fn},
    io,
    os::unix::process::ExitStatusExt,
    process::Stdio,
    task::Poll,
    time::Duration,
};

use harness::{one_at_once, run, sleep_until_idle};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use wharf::DriverChoice;
use wharf_async::{
    process::{Child, Command},
    spawn,
    time::{sleep, timeout},
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            output_and_status_are_told
            a_child_that_cannot_be_started_is_named
            what_is_written_comes_back_through_both_pipes
            a_writer_waits_while_its_child_does_not_read
            a_read_and_a_wait_that_are_dropped_lose_nothing
            children_and_pipes_that_are_waited_for_hold_no_thread
            a_wait_closes_what_the_child_reads
            a_child_is_killed_and_its_end_is_told_again
            a_child_that_is_dropped_runs_on_and_is_forgotten_after_its_end
            a_child_is_killed_when_it_is_dropped_if_that_is_asked_for
            a_pipe_goes_from_one_child_to_another
            a_write_to_a_child_that_has_ended_fails
        }
    };
}

on_every_driver!(suite);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// A child that ends when it is killed, with what `more` sets.
fn sleeper(more: impl FnOnce(&mut Command) -> &mut Command) -> Child {
    more(Command::new("sleep").arg("600"))
        .spawn()
        .expect("it starts")
}

/// The promise is made in a process of its own, whose descriptors can be used up.
const ALONE: &str = "WHARF_ASYNC_OUT_OF_DESCRIPTORS";

#[test]
fn what_is_open_is_waited_for_though_no_descriptor_is_left() {
    let name = "what_is_open_is_waited_for_though_no_descriptor_is_left";
    if std::env::var_os(ALONE).is_none() {
        let mut alone = std::process::Command::new("sh");
        alone.args(["-c", "ulimit -n 100; exec \"$@\"", "sh"]);
        alone.arg(std::env::current_exe().expect("a program"));
        let status = alone.args([name, "--exact"]).env(ALONE, "").status();
        assert!(status.expect("it starts").success());
        return;
    }
    let runtime = one_at_once(DriverChoice::default());
    run(&runtime, async {
        let mut command = shell("read word; echo $word");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut all = Vec::new();
        let full = loop {
            match std::fs::File::open("/dev/null") {
                Ok(file) => all.push(file),
                Err(error) => break error,
            }
        };
        let none_left = rustix::io::Errno::MFILE.raw_os_error();
        assert_eq!(full.raw_os_error(), Some(none_left));
        let mut text = String::new();
        {
            let mut reads = Box::pin(stdout.read_to_string(&mut text));
            let polled = poll_fn(|context| Poll::Ready(reads.as_mut().poll(context).is_pending()));
            assert!(polled.await, "the child waits for a word");
            stdin.write_all(b"ahoy\n").await.expect("it is taken");
            reads.await.expect("it ends");
        }
        assert_eq!(text, "ahoy\n");
        assert!(child.wait().await.expect("it ends").success());
        drop(all);
    });
}

fn output_and_status_are_told(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut command = shell("echo $WORD; pwd; echo no >&2; exit 3");
        let command = command.env("WORD", "ahoy").current_dir("/");
        let output = command.output().await.expect("it ends");
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"ahoy\n/\n");
        assert_eq!(output.stderr, b"no\n");
        let status = shell("kill -TERM $$").status().await.expect("it ends");
        assert_eq!(status.signal(), Some(15));
        // More than a pipe holds, of both kinds at once.
        let script = "i=0; while [ $i -lt 3000 ]; do \
            echo 01234567890123456789012345678901234567890123456789; \
            echo 01234567890123456789012345678901234567890123456789 >&2; i=$((i+1)); done";
        let output = shell(script).output().await.expect("it ends");
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (153_000, 153_000)
        );
    });
    sleep_until_idle(&runtime);
}

fn a_child_that_cannot_be_started_is_named(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let error = Command::new("/nowhere/at-all").status().await;
        let error = error.expect_err("there is none");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nowhere/at-all"), "{error}");
    });
}

fn what_is_written_comes_back_through_both_pipes(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut cat = Command::new("cat");
        let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.spawn().expect("it starts");
        let mut stdin = cat.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(cat.stdout.take().expect("it is piped"));
        // A word at a time.
        for word in ["ahoy\n", "sailor\n"] {
            stdin.write_all(word.as_bytes()).await.expect("it goes");
            let mut line = String::new();
            stdout.read_line(&mut line).await.expect("it comes");
            assert_eq!(line, word);
        }
        // And much, both ways at once.
        let much: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
        let sent = much.clone();
        let writes = spawn(async move {
            stdin.write_all(&sent).await.expect("it goes");
            stdin.shutdown().await.expect("it ends");
            let error = stdin.write_all(b"more").await.expect_err("it has ended");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).await.expect("it comes");
        assert!(all == much, "bytes came otherwise");
        writes.await.expect("it ends");
        assert!(cat.wait().await.expect("it ends").success());
    });
    sleep_until_idle(&runtime);
}

fn a_writer_waits_while_its_child_does_not_read(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut child = sleeper(|command| command.stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().expect("it is piped");
        let much = vec![7; 1 << 20];
        let early = timeout(Duration::from_millis(20), stdin.write_all(&much)).await;
        early.expect_err("it waits");
        child.kill().await.expect("it ends");
        let error = stdin.write_all(&[7; 100]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
    sleep_until_idle(&runtime);
}

fn a_read_and_a_wait_that_are_dropped_lose_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut cat = Command::new("cat");
        let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.spawn().expect("it starts");
        let mut stdin = cat.stdin.take().expect("it is piped");
        let mut stdout = cat.stdout.take().expect("it is piped");
        for number in 0..20_u8 {
            let mut bytes = [0; 4];
            let early = timeout(Duration::ZERO, stdout.read(&mut bytes)).await;
            assert!(early.is_err(), "nothing was written");
            let early = timeout(Duration::ZERO, cat.wait()).await;
            assert!(early.is_err(), "it reads");
            stdin.write_all(&[number]).await.expect("it goes");
            assert_eq!(stdout.read_u8().await.expect("it comes"), number);
        }
        drop(stdin);
        assert!(cat.wait().await.expect("it ends").success());
        assert_eq!(stdout.read(&mut [0; 4]).await.expect("the end"), 0);
    });
    sleep_until_idle(&runtime);
}

/// More of them than there may be threads.
fn children_and_pipes_that_are_waited_for_hold_no_thread(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let children = (0..12).map(|_| {
            let mut child = sleeper(|command| command.stdout(Stdio::piped()));
            let mut stdout = child.stdout.take().expect("it is piped");
            let (stop, stopped) = tokio::sync::oneshot::channel();
            let reads = spawn(async move { stdout.read(&mut [0; 4]).await });
            let waits = spawn(async move {
                let early = tokio::select! {
                    ended = child.wait() => Some(ended),
                    _ = stopped => None,
                };
                assert!(early.is_none(), "it sleeps");
                child.kill().await
            });
            (stop, reads, waits)
        });
        let children: Vec<_> = children.collect();
        // All of them wait, and this task has a thread.
        sleep(Duration::from_millis(5)).await;
        for (stop, reads, waits) in children {
            stop.send(()).expect("it waits");
            waits.await.expect("it ends").expect("it is killed");
            assert_eq!(reads.await.expect("it ends").expect("the end"), 0);
        }
    });
    sleep_until_idle(&runtime);
}

fn a_wait_closes_what_the_child_reads(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut cat = Command::new("cat");
        let mut cat = cat.stdin(Stdio::piped()).spawn().expect("it starts");
        assert!(cat.wait().await.expect("it ends").success());
    });
}

fn a_child_is_killed_and_its_end_is_told_again(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut child = sleeper(|command| command);
        assert!(child.id().is_some());
        assert_eq!(child.try_wait().expect("it tells"), None);
        child.kill().await.expect("it ends");
        let status = child.wait().await.expect("told again");
        assert_eq!(status.signal(), Some(9));
        assert_eq!(child.try_wait().expect("told again"), Some(status));
        assert_eq!(child.id(), None);
    });
    sleep_until_idle(&runtime);
}

/// Whether the system knows a process of that number.
fn is_known(process: u32) -> bool {
    let process = i32::try_from(process).expect("a number");
    let process = rustix::process::Pid::from_raw(process).expect("no zero");
    rustix::process::test_kill_process(process).is_ok()
}

fn a_child_that_is_dropped_runs_on_and_is_forgotten_after_its_end(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let id = run(&runtime, async {
        let mut cat = Command::new("cat");
        let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.spawn().expect("it starts");
        let (stdin, stdout) = (cat.stdin.take(), cat.stdout.take());
        let (mut stdin, mut stdout) = (stdin.expect("piped"), stdout.expect("piped"));
        let id = cat.id().expect("it runs");
        drop(cat);
        stdin.write_all(b"ahoy").await.expect("it goes");
        stdout.read_exact(&mut [0; 4]).await.expect("it runs");
        assert!(is_known(id));
        id
    });
    // What it reads is closed.
    sleep_until_idle(&runtime);
    assert!(!is_known(id), "it is still on the system's list");
}

/// Each reads what the test holds open: if it is not killed, it ends with the test, which fails, and holds up nobody.
fn a_child_is_killed_when_it_is_dropped_if_that_is_asked_for(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let reads = run(&runtime, async {
        let kills = || {
            let mut command = Command::new("cat");
            let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.kill_on_drop(true).spawn().expect("it starts");
            let stdin = child.stdin.take().expect("it is piped");
            (child, stdin)
        };
        let (mut child, stdin) = kills();
        let mut stdout = child.stdout.take().expect("it is piped");
        drop(child);
        assert_eq!(stdout.read(&mut [0; 4]).await.expect("the end"), 0);
        drop(stdin);
        // Also with a future.
        let (child, stdin) = kills();
        let mut output = Box::pin(child.wait_with_output());
        let polled = poll_fn(|context| Poll::Ready(output.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        stdin
    });
    // A task waits for the child's end.
    sleep_until_idle(&runtime);
    drop(reads);
}

fn a_pipe_goes_from_one_child_to_another(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut echo = Command::new("echo");
        let mut echo = echo.arg("ahoy").stdout(Stdio::piped()).spawn().expect("it");
        let words: Stdio = echo
            .stdout
            .take()
            .expect("it is piped")
            .try_into()
            .expect("a pipe");
        let output = Command::new("cat").stdin(words).output().await;
        assert_eq!(output.expect("it ends").stdout, b"ahoy\n");
        assert!(echo.wait().await.expect("it ends").success());
    });
}

fn a_write_to_a_child_that_has_ended_fails(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let mut ends = Command::new("true");
        let mut ends = ends.stdin(Stdio::piped()).spawn().expect("it starts");
        let mut stdin = ends.stdin.take().expect("it is piped");
        ends.wait().await.expect("it ends");
        // A child of another test has our descriptors between its fork and its exec.
        let error = loop {
            match stdin.write_all(b"ahoy").await {
                Ok(()) => sleep(Duration::from_millis(1)).await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
    sleep_until_idle(&runtime);
}
