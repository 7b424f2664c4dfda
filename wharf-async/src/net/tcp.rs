//! The halves of a [`TcpStream`](super::TcpStream), under tokio's path.

pub use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
