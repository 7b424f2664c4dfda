//! A child process, and its end.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    os::fd::OwnedFd,
    panic::Location,
    pin::{Pin, pin},
    process::{ExitStatus, Output},
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::{JoinHandle, context::Current, task, time::sleep, watch::Side};

/// How long a wait pauses that nobody hears of, after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A child process.
///
/// A child that is dropped runs on, unless [`kill_on_drop`](super::Command::kill_on_drop) says otherwise. Then a task of the runtime waits
/// for its end, so that it does not stay as a zombie. If the runtime stops before that, an ended child stays a zombie until this process
/// ends.
pub struct Child {
    /// The child's standard input, if it is piped.
    pub stdin: Option<ChildStdin>,
    /// The child's standard output, if it is piped.
    pub stdout: Option<ChildStdout>,
    /// The child's standard error, if it is piped.
    pub stderr: Option<ChildStderr>,
    /// There until this is dropped.
    process: Option<Process>,
    kill_on_drop: bool,
}

impl fmt::Debug for Child {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Child");
        debug.field("id", &self.id());
        debug.finish_non_exhaustive()
    }
}

impl Child {
    pub(super) fn new(
        runtime: &Current,
        mut std: std::process::Child,
        kill_on_drop: bool,
    ) -> io::Result<Child> {
        let (stdin, stdout, stderr) = (std.stdin.take(), std.stdout.take(), std.stderr.take());
        // If a pipe fails, the child is dropped in order.
        let mut child = Child {
            stdin: None,
            stdout: None,
            stderr: None,
            process: Some(Process::new(runtime, std)),
            kill_on_drop,
        };
        child.stdin = stdin.map(|it| ChildStdin::new(runtime, it)).transpose()?;
        child.stdout = stdout.map(|it| ChildStdout::new(runtime, it)).transpose()?;
        child.stderr = stderr.map(|it| ChildStderr::new(runtime, it)).transpose()?;
        Ok(child)
    }

    /// The id of the process (PID); none once its end was reported, since the id may be that of another process then.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    /// Waits for the end of the process. Its standard input is closed before, if it is piped and was not taken: else the child may
    /// wait for more. Pipes that it writes to are best read at the same time, or it waits when they are full:
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// Cancel-safe: a future that is dropped loses nothing. Once the end was reported, later calls report it again.
    ///
    /// # Errors
    /// The system's: another part of the program has waited for this child, for example. The runtime has stopped.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|context| self.process().poll_end(context)).await
    }

    /// The end of the process, if it has come.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process().try_wait()
    }

    /// Waits for the end of the process, and reads its pipes up to their ends, which may come later if it has children of its
    /// own.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait); a pipe can't be read.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr) = both(read_all(stdout), read_all(stderr)).await;
        Ok(Output {
            status: self.wait().await?,
            stdout: stdout?,
            stderr: stderr?,
        })
    }

    /// Kills the process (`SIGKILL`), and does not wait for its end.
    ///
    /// # Errors
    /// The system's: it is another user's now, for example.
    pub fn start_kill(&mut self) -> io::Result<()> {
        self.process().std.kill()
    }

    /// Kills the process (`SIGKILL`), and waits for its end.
    ///
    /// # Errors
    /// As for [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is there until the end")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        if self.kill_on_drop && process.id().is_some() {
            // It may have ended just now.
            let _ = process.std.kill();
        }
        if let Ok(None) = process.try_wait() {
            let runtime = process.runtime.clone();
            task::spawn(&runtime, Location::caller(), process.forget()).detach();
        }
    }
}

/// A process, and what tells its end.
struct Process {
    std: std::process::Child,
    has_ended: bool,
    teller: Teller,
    runtime: Current,
}

enum Teller {
    /// It is ready when the process has ended.
    Descriptor(OwnedFd, Side),
    /// It ends when the process has ended.
    Task(Option<JoinHandle<()>>),
}

impl Process {
    fn new(runtime: &Current, std: std::process::Child) -> Process {
        // Linux has such descriptors since 5.3. Where it can't give one, a thread does instead.
        let opened = pidfd_open(Pid::from_child(&std), PidfdFlags::empty());
        let teller = match opened {
            Ok(descriptor) => Teller::Descriptor(descriptor, Side::read()),
            Err(_) => Teller::Task(None),
        };
        Process {
            std,
            has_ended: false,
            teller,
            runtime: runtime.clone(),
        }
    }

    fn id(&self) -> Option<u32> {
        (!self.has_ended).then(|| self.std.id())
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.std.try_wait()?;
        self.has_ended = status.is_some();
        Ok(status)
    }

    /// Waits for the end, so that the system forgets the process.
    async fn forget(mut self) {
        while poll_fn(|context| self.poll_end(context)).await.is_err() {
            // Descriptors have run out, say.
            sleep(PAUSE).await;
            if !matches!(self.try_wait(), Ok(None)) {
                return;
            }
        }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let status = ready!(self.poll_teller(context))?;
        self.has_ended = true;
        Poll::Ready(Ok(status))
    }

    fn poll_teller(&mut self, context: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let Process { std, runtime, .. } = self;
        match &mut self.teller {
            Teller::Descriptor(descriptor, side) => {
                let attempt = || std.try_wait()?.ok_or(io::ErrorKind::WouldBlock.into());
                side.poll(context, runtime, descriptor, attempt)
            }
            Teller::Task(waits) => loop {
                if let Some(task) = waits {
                    let ended = ready!(Pin::new(task).poll(context));
                    *waits = None;
                    ended.map_err(|_| io::Error::other("the runtime has stopped"))?;
                }
                if let Some(status) = std.try_wait()? {
                    return Poll::Ready(Ok(status));
                }
                let process = Pid::from_child(std);
                let ends = async move { wharf::blocking(|| wait_for(process)) };
                *waits = Some(task::spawn(runtime, Location::caller(), ends));
            },
        }
    }
}

/// Waits for the end of a child, and leaves its status to the next that asks: till then its number is no other one's.
fn wait_for(process: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(process), options) {}
}

async fn read_all(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Waits for two futures at once.
async fn both<T, U>(one: impl Future<Output = T>, other: impl Future<Output = U>) -> (T, U) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let mut ended = (None, None);
    poll_fn(|context| {
        if ended.0.is_none() {
            ended.0 = as_option(one.as_mut().poll(context));
        }
        if ended.1.is_none() {
            ended.1 = as_option(other.as_mut().poll(context));
        }
        match (ended.0.take(), ended.1.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            rest => {
                ended = rest;
                Poll::Pending
            }
        }
    })
    .await
}

fn as_option<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{Runtime, context, time::timeout};

    /// As on a Linux without descriptors of processes.
    #[test]
    fn a_task_tells_the_end_where_there_is_no_descriptor() {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut std = Command::new("sleep");
            let std = std.arg("600").spawn().expect("it starts");
            let child = context::with_current(|runtime| Child::new(runtime, std, false));
            let mut child = child.expect("a child");
            child.process().teller = Teller::Task(None);
            let early = timeout(Duration::from_millis(5), child.wait());
            early.await.expect_err("it sleeps");
            child.start_kill().expect("it is there");
            let status = child.wait().await.expect("it ends");
            assert!(!status.success());
            assert_eq!(child.wait().await.expect("told again"), status);
            assert_eq!(child.id(), None);
        });
    }
}
