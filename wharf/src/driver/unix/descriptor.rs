//! What a port can be associated with, whichever kernel it is of; and what can be asked of it.

#[cfg(feature = "simulated")]
use std::fmt;
use std::{io, os::fd::OwnedFd, path::Path};

use rustix::{fd::AsRawFd, net::SocketAddrUnix};

/// How the system names a descriptor.
pub type RawDescriptor = i32;

/// What the system's sockets are, without their kind.
pub type SystemSocket = OwnedFd;

/// A socket or file that is open, and is closed when this is dropped. Made from the system's types by `into`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Descriptor {
    /// One of the system's.
    System(OwnedFd),
    /// One of the system's that stays its owner's, and is not closed.
    Borrowed(BorrowedDescriptor),
    /// One of a simulated kernel.
    #[cfg(feature = "simulated")]
    Simulated(Box<dyn Emulated>),
}

/// What is open on a kernel that is not the system's.
#[cfg(feature = "simulated")]
pub trait Emulated: fmt::Debug + Send + Sync {
    /// How its kernel names it.
    fn number(&self) -> RawDescriptor;

    /// Which of them its kernel is: an address.
    fn kernel(&self) -> usize;
}

/// One of the system's descriptors, for as long as its owner keeps it open.
#[derive(Debug)]
pub struct BorrowedDescriptor(RawDescriptor);

impl BorrowedDescriptor {
    /// # Safety
    /// It is open, and stays so for as long as this, or what it is given to, has a use for it.
    pub(crate) unsafe fn new(number: RawDescriptor) -> Self {
        BorrowedDescriptor(number)
    }
}

impl<T: Into<OwnedFd>> From<T> for Descriptor {
    fn from(descriptor: T) -> Self {
        Descriptor::System(descriptor.into())
    }
}

impl Descriptor {
    /// The system's descriptor.
    ///
    /// # Errors
    /// It is not one of the system's.
    pub fn into_system(self) -> io::Result<OwnedFd> {
        match self {
            Descriptor::System(descriptor) => Ok(descriptor),
            Descriptor::Borrowed(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the descriptor is borrowed, and stays its owner's; duplicate it",
            )),
            #[cfg(feature = "simulated")]
            Descriptor::Simulated(_) => Err(not_simulated("the system's types")),
        }
    }

    /// How the system names it.
    ///
    /// # Errors
    /// It is not one of the system's.
    pub(crate) fn system_number(&self) -> io::Result<RawDescriptor> {
        match self {
            Descriptor::System(_) | Descriptor::Borrowed(_) => Ok(self.number()),
            #[cfg(feature = "simulated")]
            Descriptor::Simulated(_) => Err(not_simulated("the system's descriptors")),
        }
    }

    /// Whether it stays open when this is dropped.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Descriptor::Borrowed(_))
    }

    /// How its kernel names it, for as long as it is open. Says nothing to another kernel: see
    /// [`Driver::knows`](crate::driver::Driver::knows).
    pub(crate) fn number(&self) -> i32 {
        match self {
            Descriptor::System(descriptor) => descriptor.as_raw_fd(),
            Descriptor::Borrowed(BorrowedDescriptor(number)) => *number,
            #[cfg(feature = "simulated")]
            Descriptor::Simulated(opened) => opened.number(),
        }
    }
}

/// The error of a descriptor that is of another kernel than the port that it is given to: its number would name something
/// else there, or nothing.
#[cfg(feature = "simulated")]
pub(in crate::driver) fn of_another_kernel(whose: &str, port_is_on: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "the descriptor is {whose}, and the port is on {port_is_on}; use it with a port on its own kernel"
        ),
    )
}

/// The error of a call that a simulated kernel does not have.
#[cfg(feature = "simulated")]
pub(in crate::driver) fn not_simulated(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("a simulated kernel has not {what}; use one of the system's drivers"),
    )
}

/// The address of a local (Unix) socket: a path in the file system.
#[derive(Debug)]
pub struct LocalAddress(pub(super) SocketAddrUnix);

impl LocalAddress {
    /// The address of the socket at `path`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): the path is longer than the system takes for a socket, or has a zero
    /// byte.
    pub fn new(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path).map_err(|error| {
            let path = path.display();
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{path} is no path for a local socket ({error}); use one without zero bytes and shorter than 108"
                ),
            )
        });
        address.map(LocalAddress)
    }
}
