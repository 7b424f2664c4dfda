//! Child processes, on Unix. The names are tokio's.
//!
//! No thread waits for a child or for its pipes: the port does. On a Linux older than 5.3, which has no descriptors of processes, a
//! task blocks for each child that is waited for.
//!
//! ```
//! use std::process::Stdio;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt}; // tokio's feature io-util
//! use wharf_async::{Runtime, process::Command};
//!
//! # fn main() -> std::io::Result<()> {
//! Runtime::new()?.block_on(async {
//!     let output = Command::new("echo").arg("ahoy").output().await?;
//!     assert_eq!(output.stdout, b"ahoy\n");
//!
//!     let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//!     let mut stdin = cat.stdin.take().expect("it is piped");
//!     stdin.write_all(b"ahoy").await?;
//!     drop(stdin);
//!     let mut text = String::new();
//!     cat.stdout.as_mut().expect("it is piped").read_to_string(&mut text).await?;
//!     assert_eq!(text, "ahoy");
//!     assert!(cat.wait().await?.success());
//!     Ok(())
//! })
//! # }
//! ```

mod child;
mod pipe;

use std::{
    ffi::OsStr,
    fmt,
    future::Future,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
};

pub use child::Child;
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};

use crate::context;

/// How a child process is started: as the standard library's type of that name.
pub struct Command {
    std: std::process::Command,
    kill_on_drop: bool,
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(formatter)
    }
}

impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Self {
        Command {
            std,
            kill_on_drop: false,
        }
    }
}

impl Command {
    /// A program, by its path, or by its name if it is in one of the folders of `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command::from(std::process::Command::new(program))
    }

    /// One more argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Command {
        self.std.arg(argument);
        self
    }

    /// More arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.std.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.std.env(name, value);
        self
    }

    /// Sets variables of its environment.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Command {
        self.std.envs(variables);
        self
    }

    /// Takes a variable from its environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.std.env_remove(name);
        self
    }

    /// Takes all variables from its environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// The folder that it works in.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Command {
        self.std.current_dir(folder);
        self
    }

    /// Its standard input: that of this process, unless set.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Command {
        self.std.stdin(from);
        self
    }

    /// Its standard output: that of this process, unless set.
    pub fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.std.stdout(to);
        self
    }

    /// Its standard error: that of this process, unless set.
    pub fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Command {
        self.std.stderr(to);
        self
    }

    /// Whether a [`Child`] that is dropped is killed (`SIGKILL`), if it has not ended. It is not, unless set.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// The standard library's command, for whatever else is to be set.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// Starts the program.
    ///
    /// # Errors
    /// The system's: there is no such program, for example; or it has no processes or descriptors to give.
    ///
    /// # Panics
    /// The thread works for no runtime.
    pub fn spawn(&mut self) -> io::Result<Child> {
        // Where there is no runtime, nothing is started.
        context::with_current(|runtime| {
            let program = PathBuf::from(self.std.get_program());
            let child = self.std.spawn().map_err(|error| {
                let text = format!("can't start {}: {error}", program.display());
                io::Error::new(error.kind(), text)
            })?;
            Child::new(runtime, child, self.kill_on_drop)
        })
    }

    /// Starts the program, at once, and waits for its end.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            // Else it may wait for somebody to read them.
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the program, at once, and waits for its end, and for all that it has written.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}
