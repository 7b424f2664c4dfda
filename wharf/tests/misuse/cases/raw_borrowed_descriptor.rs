//! The raw layer is lent a descriptor without a promise to keep it open.
use std::{io, os::fd::RawFd};
use wharf::raw::{Handle, Kind, Port};

pub fn associate(port: &Port, descriptor: RawFd) -> io::Result<Handle> {
    port.associate_borrowed(descriptor, 1, Kind::Stream) //~ E0133
    //= unsafe { port.associate_borrowed(descriptor, 1, Kind::Stream) }
}
