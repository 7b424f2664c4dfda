//! The limit of open files, which is the limit of clients.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many files, sockets among them, the process may have open; `u64::MAX` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// In force.
    pub soft: u64,
    /// As far as the process may raise it by itself.
    pub hard: u64,
}

impl OpenFiles {
    /// The limits as they are.
    pub fn current() -> Self {
        let limit = getrlimit(Resource::Nofile);
        OpenFiles {
            soft: limit.current.unwrap_or(u64::MAX),
            hard: limit.maximum.unwrap_or(u64::MAX),
        }
    }
}

/// Raises the soft limit of open files to the hard one, and returns what is then in force. The soft limit is low for
/// the sake of programs that use `select(2)`, which this is not.
///
/// # Errors
/// The system's; the limit is as it was.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(OpenFiles::current())
}
