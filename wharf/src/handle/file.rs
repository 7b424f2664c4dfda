//! Files that are associated with a port, and start operations on it.

use std::{io, sync::Arc};

use super::{Associate, Association, Key, handle};
use crate::{CompletionPort, driver::Descriptor, raw::Kind};

/// A file, associated with a port: read and written at offsets, in parallel. Like a [`Socket`](crate::Socket), it stays open
/// for as long as a clone of it is held or an operation is under way.
///
/// Its operations are carried out by up to eight threads of the port's own, on every driver: these may wait for the disk, which
/// workers must not. Operations are begun in the order in which they were started, and end in any order.
///
/// ```
/// use std::fs;
/// use wharf::{Buffer, CompletionPort, Finished, Wait};
///
/// # fn main() -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("wharf-{}", std::process::id()));
/// fs::write(&path, "ahoy, sailor")?;
/// let port = CompletionPort::<()>::new(0)?;
/// let file = port.associate(fs::File::open(&path)?, ())?;
///
/// file.read_at(Buffer::with_capacity(64), 6)?;
/// let Wait::Completed(completion) = port.wait(None)? else { panic!("neither closed nor timed out") };
/// let Finished::Read { buffer, .. } = completion.what else { panic!("it was a read") };
/// assert_eq!(&buffer[..], b"sailor");
/// # fs::remove_file(path)
/// # }
/// ```
#[derive(Debug)]
pub struct File<K>(Arc<Association<K>>);

handle!(File);

impl Associate for std::fs::File {
    type Associated<K> = File<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<File<K>>
    where
        K: Key,
    {
        File::associate(self, port, key)
    }
}

impl<K> File<K> {
    pub(crate) fn associate(
        file: impl Into<Descriptor>,
        port: &CompletionPort<K>,
        key: K,
    ) -> io::Result<Self> {
        let association = Association::new(port, file, key, Kind::File)?;
        Ok(File(Arc::new(association)))
    }

    pub(crate) fn association(&self) -> &Association<K> {
        &self.0
    }

    /// The length of the file now, in bytes. The call asks the system, and may wait for the disk.
    ///
    /// # Errors
    /// The system's: the file is closed.
    pub fn length(&self) -> io::Result<u64> {
        self.0.raw().length(self.0.handle)
    }

    /// Closes the file: operations that have not begun complete as cancelled, operations that have begun complete with their
    /// results; the system's descriptor is closed after them. Returns whether the file was open.
    pub fn close(&self) -> bool {
        self.0.raw().close_handle(self.0.handle)
    }
}
