//! The limit of open files, which limits the number of clients.

use std::io;

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many files, sockets among them, the process may have open; `u64::MAX` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenFiles {
    /// In force.
    pub soft: u64,
    /// The value to which the process may raise it by itself.
    pub hard: u64,
}

impl OpenFiles {
    /// The limits as they are. Windows has none.
    #[cfg(windows)]
    pub fn current() -> Self {
        OpenFiles {
            soft: u64::MAX,
            hard: u64::MAX,
        }
    }

    /// The limits as they are. Windows has none.
    #[cfg(unix)]
    pub fn current() -> Self {
        let limit = getrlimit(Resource::Nofile);
        OpenFiles {
            soft: limit.current.unwrap_or(u64::MAX),
            hard: limit.maximum.unwrap_or(u64::MAX),
        }
    }
}

/// Raises the soft limit of open files to the hard one, and returns the one in force then. The soft limit is low for
/// programs that use `select(2)`, which this crate does not.
///
/// # Errors
/// The system's; the limit is as it was.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    #[cfg(unix)]
    raise()?;
    Ok(OpenFiles::current())
}

#[cfg(unix)]
fn raise() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(())
}
