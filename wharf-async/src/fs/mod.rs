//! Files: read and written in turn with tokio's I/O traits, and at offsets as operations of the port; folders and whole files by calls
//! that block.
//!
//! The names are tokio's. Here a task may block, so most of these functions do: they call the standard library, and give the worker's place
//! away meanwhile ([`wharf::blocking`]). A call is made when its future is first polled, so no time-out ends it; other futures of the
//! task (`join!`, `select!`) wait meanwhile, as for any call. After many calls in one poll other tasks go first: at that point a
//! loop of calls can be aborted or timed out. [`File::read_at`] and [`File::write_at`] wait in the port.
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt}; // tokio's feature io-util
//! use wharf_async::{Buffer, Runtime, fs};
//!
//! # fn main() -> std::io::Result<()> {
//! Runtime::new()?.block_on(async {
//!     let folder = std::env::temp_dir().join(format!("wharf-async-fs-{}", std::process::id()));
//!     fs::create_dir_all(&folder).await?;
//!     let mut file = fs::File::create_new(folder.join("words")).await?;
//!     file.write_all(b"ahoy, sailor").await?;
//!     file.sync_all().await?;
//!     drop(file);
//!
//!     let mut file = fs::File::open(folder.join("words")).await?;
//!     let (len, buffer) = file.read_at(Buffer::with_capacity(64), 6).await;
//!     assert_eq!((len?, &buffer[..]), (6, &b"sailor"[..]));
//!     let mut text = String::new();
//!     file.read_to_string(&mut text).await?;
//!     assert_eq!(text, "ahoy, sailor");
//!     drop(file); // Windows removes no file that is open
//!     fs::remove_dir_all(&folder).await
//! })
//! # }
//! ```

mod file;
mod folder;
mod open_options;

use std::{
    fs::{Metadata, Permissions},
    future::poll_fn,
    io,
    path::{Path, PathBuf},
};

use crate::budget;

pub use file::File;
pub use folder::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use open_options::OpenOptions;

/// Waits until the task has a share left in its poll, and takes one: each call of this module begins with it.
async fn turn() {
    poll_fn(|context| budget::poll_left(context)).await;
    budget::spend();
}

/// Makes a call that may block.
async fn call<T>(call: impl FnOnce() -> T) -> T {
    turn().await;
    wharf::blocking(call)
}

/// Makes functions of those of the same names in the standard library.
macro_rules! calls {
    ($($(#[$about:meta])* $($of:ident)::+: $name:ident($($given:ident: $kind:ty),*) -> $output:ty;)*) => {
        $(
            $(#[$about])*
            ///
            /// # Errors
            /// The system's.
            pub async fn $name($($given: $kind),*) -> io::Result<$output> {
                call(move || $($of)::+::$name($($given),*)).await
            }
        )*
    };
}

calls! {
    /// Reads a whole file.
    std::fs: read(path: impl AsRef<Path>) -> Vec<u8>;

    /// Reads a whole file as text, which must be UTF-8 ([`InvalidData`](io::ErrorKind::InvalidData)).
    std::fs: read_to_string(path: impl AsRef<Path>) -> String;

    /// Writes a whole file: makes it, or replaces what is in it.
    std::fs: write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> ();

    /// Copies a file, with its permissions. Returns how many bytes it has.
    std::fs: copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> u64;

    /// Renames a file or a folder, and replaces what had the new name.
    std::fs: rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> ();

    /// Removes a file.
    std::fs: remove_file(path: impl AsRef<Path>) -> ();

    /// The metadata of a file or a folder; for a link, that of its target.
    std::fs: metadata(path: impl AsRef<Path>) -> Metadata;

    /// As [`metadata`]; for a link, that of the link itself.
    std::fs: symlink_metadata(path: impl AsRef<Path>) -> Metadata;

    /// Sets the permissions of a file or a folder.
    std::fs: set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> ();

    /// Makes a folder.
    std::fs: create_dir(path: impl AsRef<Path>) -> ();

    /// Makes a folder, and those above it that are not there.
    std::fs: create_dir_all(path: impl AsRef<Path>) -> ();

    /// Removes an empty folder.
    std::fs: remove_dir(path: impl AsRef<Path>) -> ();

    /// Removes a folder with all that is in it. It follows no links.
    std::fs: remove_dir_all(path: impl AsRef<Path>) -> ();

    /// The full path, with no link in it.
    std::fs: canonicalize(path: impl AsRef<Path>) -> PathBuf;

    /// The target of a link.
    std::fs: read_link(path: impl AsRef<Path>) -> PathBuf;

    /// Gives a file a second name.
    std::fs: hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();
}

/// Whether the path exists; a link without a target does not.
///
/// # Errors
/// The system's: it does not say.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    call(move || path.as_ref().try_exists()).await
}

#[cfg(unix)]
calls! {
    /// Makes a link.
    std::os::unix::fs: symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();
}

#[cfg(windows)]
calls! {
    /// Makes a link to a file.
    std::os::windows::fs: symlink_file(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();

    /// Makes a link to a folder.
    std::os::windows::fs: symlink_dir(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();
}
