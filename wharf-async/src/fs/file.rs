//! A file: in turn, at a position of its own, or at offsets.

use std::{
    fs::{Metadata, Permissions},
    io::{self, IoSlice, Read, Seek, SeekFrom, Write},
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use wharf::{Buffer, Finished, OperationId, Payload};

use super::{OpenOptions, call, turn};
use crate::{
    budget, context,
    net::{Outcome, Slot},
    shared::Key,
    sync::{Mutex, lock},
};

/// One read asks for no more bytes: the task has other things to do.
const BYTES_MAX: usize = 2 << 20;

/// An open file.
///
/// Tokio's traits read and write it in turn, as the standard library does: at the position that it has (clones share it), straight from
/// and into the caller's memory, by calls that block. Bytes that a write has taken are the system's; a flush has nothing to do.
///
/// [`read_at`](Self::read_at) and [`write_at`](Self::write_at) are operations of the port of the runtime in which the first of them is
/// called. They leave the position alone.
#[derive(Debug)]
pub struct File {
    std: std::fs::File,
    /// A descriptor of its own, for operations at offsets; made with the first of them.
    at_offsets: Mutex<Option<wharf::File<Key>>>,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// The system's: there is none of that name, for example.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Makes a file to write it, or empties the one that is there.
    ///
    /// # Errors
    /// The system's.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Makes a file to read and write it.
    ///
    /// # Errors
    /// The system's; [`AlreadyExists`](io::ErrorKind::AlreadyExists).
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(path).await
    }

    /// Opens a file in any other way.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes a file of the standard library's.
    pub fn from_std(std: std::fs::File) -> File {
        File {
            std,
            at_offsets: Mutex::default(),
        }
    }

    /// The standard library's file. Operations that are under way go on.
    pub async fn into_std(self) -> std::fs::File {
        self.std
    }

    /// Reads from `offset` on, as much as the buffer holds; less only where the file ends, and 0 bytes at its end.
    ///
    /// If the future is dropped, its buffer is lost.
    ///
    /// # Errors
    /// In the first part of the result: the system's, such as `ESPIPE` where the file is not a regular one.
    ///
    /// # Panics
    /// It is the first operation of the file's at an offset, and the thread works for no runtime.
    pub async fn read_at(&self, buffer: Buffer, offset: u64) -> (io::Result<usize>, Buffer) {
        let file = match self.at_offsets() {
            Ok(file) => file,
            Err(error) => return (Err(error), buffer),
        };
        let slot = Slot::default();
        let operation = match file.with(slot.clone()).read_at(buffer, offset) {
            Ok(operation) => operation,
            Err(refused) => return (Err(refused.error), refused.given),
        };
        let _reading = Reading { file, operation };
        match outcome(&slot).await {
            (result, Finished::Read { buffer, .. }) => (result, buffer),
            (result, _) => (result, Buffer::default()),
        }
    }

    /// Writes all of the payload at `offset`; on Linux at the end, if the file was opened to append. The payload comes back.
    ///
    /// If the future is dropped, the payload is written all the same, unless the runtime stops before.
    ///
    /// # Errors
    /// In the first part of the result: as for [`read_at`](Self::read_at).
    ///
    /// # Panics
    /// As [`read_at`](Self::read_at).
    pub async fn write_at(
        &self,
        payload: impl Into<Payload>,
        offset: u64,
    ) -> (io::Result<usize>, Payload) {
        let payload = payload.into();
        let file = match self.at_offsets() {
            Ok(file) => file,
            Err(error) => return (Err(error), payload),
        };
        let slot = Slot::default();
        if let Err(refused) = file.with(slot.clone()).write_at(payload, offset) {
            return (Err(refused.error), refused.given);
        }
        match outcome(&slot).await {
            (result, Finished::Written { payload, .. }) => (result, payload),
            (result, _) => (result, Payload::from(&b""[..])),
        }
    }

    fn at_offsets(&self) -> io::Result<wharf::File<Key>> {
        let mut at_offsets = lock(&self.at_offsets);
        if let Some(file) = &*at_offsets {
            return Ok(file.clone());
        }
        let own = self.std.try_clone()?;
        let file = context::with_current(|shared| shared.port.associate(own, Key::Slot))?;
        *at_offsets = Some(file.clone());
        Ok(file)
    }

    /// Makes the disk keep what was written (fsync(2)). A write at an offset is covered if its future has ended.
    ///
    /// # Errors
    /// The system's. The failure of an earlier write to reach the disk may be reported here.
    pub async fn sync_all(&self) -> io::Result<()> {
        call(|| self.std.sync_all()).await
    }

    /// As [`sync_all`](Self::sync_all), without the metadata other than the length (fdatasync(2)).
    ///
    /// # Errors
    /// As there.
    pub async fn sync_data(&self) -> io::Result<()> {
        call(|| self.std.sync_data()).await
    }

    /// Truncates the file to this length, or extends it to this length with zeroes.
    ///
    /// # Errors
    /// The system's.
    pub async fn set_len(&self, bytes: u64) -> io::Result<()> {
        call(|| self.std.set_len(bytes)).await
    }

    /// The metadata of the file, such as its length.
    ///
    /// # Errors
    /// The system's.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        call(|| self.std.metadata()).await
    }

    /// Sets the permissions of the file.
    ///
    /// # Errors
    /// The system's.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        call(|| self.std.set_permissions(permissions)).await
    }

    /// A second handle to the file, with the same position.
    ///
    /// # Errors
    /// The system's: it has no descriptors.
    pub async fn try_clone(&self) -> io::Result<File> {
        turn().await;
        Ok(File::from_std(self.std.try_clone()?))
    }
}

impl From<std::fs::File> for File {
    fn from(std: std::fs::File) -> Self {
        File::from_std(std)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for File {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.std.as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsHandle for File {
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.std.as_handle()
    }
}

async fn outcome(slot: &Slot) -> Outcome {
    std::future::poll_fn(|context| {
        ready!(budget::poll_left(context));
        let outcome = ready!(slot.poll(context));
        budget::spend();
        Poll::Ready(outcome)
    })
    .await
}

/// A read that its future waits for: dropped, the future has it cancelled, unless it has begun.
struct Reading {
    file: wharf::File<Key>,
    operation: OperationId,
}

impl Drop for Reading {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.file.cancel(self.operation);
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(budget::poll_left(context));
        let memory = buffer.initialize_unfilled_to(buffer.remaining().min(BYTES_MAX));
        let read = until_it_ends(|| (&self.std).read(memory));
        budget::spend_for(&read);
        buffer.advance(read?);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_left(context));
        let written = until_it_ends(|| (&self.std).write_vectored(pieces));
        budget::spend_for(&written);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        (&self.std).seek(position).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        ready!(budget::poll_left(context));
        budget::spend();
        Poll::Ready((&self.std).stream_position())
    }
}

/// A call that a signal has interrupted is made again.
fn until_it_ends(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}
