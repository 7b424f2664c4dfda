//! How a file is opened.

use std::{io, path::Path};

use super::{File, call};

/// How a file is opened: as the standard library's type of that name, whose documentation says what goes with what.
#[derive(Debug, Clone)]
pub struct OpenOptions(std::fs::OpenOptions);

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> Self {
        OpenOptions(options)
    }
}

/// Makes methods that set an option.
macro_rules! options {
    ($($(#[$about:meta])* $name:ident: $kind:ty;)*) => {
        $(
            $(#[$about])*
            pub fn $name(&mut self, $name: $kind) -> &mut OpenOptions {
                self.0.$name($name);
                self
            }
        )*
    };
}

impl OpenOptions {
    /// Options of which none is set: they open no file.
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// Opens the file at this path.
    ///
    /// # Errors
    /// The system's; [`InvalidInput`](io::ErrorKind::InvalidInput): the options do not go together.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        call(move || self.0.open(path)).await.map(File::from_std)
    }

    options! {
        /// It is read.
        read: bool;
        /// It is written.
        write: bool;
        /// It is written at its end only.
        append: bool;
        /// It is emptied first.
        truncate: bool;
        /// It is made if it is not there.
        create: bool;
        /// It is made, and must not be there.
        create_new: bool;
    }
}

#[cfg(unix)]
impl OpenOptions {
    /// The permissions of a file that is made, without those that the process's mask (umask) takes away. 0o666 at first.
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.0, mode);
        self
    }

    /// More flags for open(2).
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.0, flags);
        self
    }
}
