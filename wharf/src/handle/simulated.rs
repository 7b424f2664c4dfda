//! Sockets and files of a simulated kernel, associated with a port.

use std::io;

use super::{Associate, DatagramSocket, Key, Socket};
use crate::{
    CompletionPort,
    simulated::{Datagrams, File, Listener, Stream},
};

impl Associate for Stream {
    type Associated<K> = Socket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<Socket<K>>
    where
        K: Key,
    {
        Socket::associate(self, port, key, Some(true))
    }
}

impl Associate for Listener {
    type Associated<K> = super::Listener<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<super::Listener<K>>
    where
        K: Key,
    {
        let local = self.local_addr()?;
        super::Listener::associate(self, local, port, key)
    }
}

impl Associate for Datagrams {
    type Associated<K> = DatagramSocket<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<DatagramSocket<K>>
    where
        K: Key,
    {
        DatagramSocket::associate(self, port, key)
    }
}

impl Associate for File {
    type Associated<K> = super::File<K>;

    fn associate_with<K>(self, port: &CompletionPort<K>, key: K) -> io::Result<super::File<K>>
    where
        K: Key,
    {
        super::File::associate(self, port, key)
    }
}
