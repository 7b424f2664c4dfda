//! Errors of the system's with advice: what was refused, the error itself, and what to do about it.

use std::{fmt, io};

/// An error of the system's, whole, with what to do about it.
#[derive(Debug)]
pub(crate) struct Advised {
    pub(super) what: &'static str,
    pub(super) error: io::Error,
    pub(super) remedy: &'static str,
}

impl fmt::Display for Advised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advised {
            what,
            error,
            remedy,
        } = self;
        write!(formatter, "{what} ({error}): {remedy}")
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Advised> for io::Error {
    fn from(advised: Advised) -> Self {
        io::Error::new(advised.error.kind(), advised)
    }
}

/// The system's number of an error, with advice or without.
pub(crate) fn number_of(error: &io::Error) -> Option<i32> {
    let inside = error
        .get_ref()
        .and_then(|inside| inside.downcast_ref::<Advised>());
    inside
        .map_or(error, |advised| &advised.error)
        .raw_os_error()
}
