//! Folders: what is in them, and how they are made.

use std::{
    ffi::OsString,
    fs::{FileType, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{call, turn};

/// The entries of a folder, in no order.
///
/// # Errors
/// The system's.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    call(move || std::fs::read_dir(path)).await.map(ReadDir)
}

/// The entries of a folder; see [`read_dir`].
#[derive(Debug)]
pub struct ReadDir(std::fs::ReadDir);

impl ReadDir {
    /// The next file or folder; none after the last.
    ///
    /// # Errors
    /// The system's.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        turn().await;
        Ok(self.0.next().transpose()?.map(DirEntry))
    }
}

/// A file or folder in a folder.
#[derive(Debug)]
pub struct DirEntry(std::fs::DirEntry);

impl DirEntry {
    /// Its path: that of the folder, and its name.
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// Its name.
    pub fn file_name(&self) -> OsString {
        self.0.file_name()
    }

    /// Its metadata; for a link, that of the link itself.
    ///
    /// # Errors
    /// The system's.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        call(|| self.0.metadata()).await
    }

    /// Whether it is a file, a folder or a link.
    ///
    /// # Errors
    /// The system's.
    pub async fn file_type(&self) -> io::Result<FileType> {
        call(|| self.0.file_type()).await
    }
}

/// How a folder is made: as the standard library's type of that name.
#[derive(Debug)]
pub struct DirBuilder(std::fs::DirBuilder);

impl Default for DirBuilder {
    fn default() -> Self {
        DirBuilder::new()
    }
}

impl DirBuilder {
    /// One folder.
    pub fn new() -> DirBuilder {
        DirBuilder(std::fs::DirBuilder::new())
    }

    /// Makes the folders above it as well; the folder may be there already.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.0.recursive(recursive);
        self
    }

    /// Its permissions, without those that the process's mask (umask) takes away. 0o777 at first.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        std::os::unix::fs::DirBuilderExt::mode(&mut self.0, mode);
        self
    }

    /// Makes the folder at this path.
    ///
    /// # Errors
    /// The system's.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        call(move || self.0.create(path)).await
    }
}
