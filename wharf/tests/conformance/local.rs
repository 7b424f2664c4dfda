//! Statement 36: local (Unix) sockets.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
};

use tempfile::TempDir;
use wharf::{Buffer, Finished};

use crate::harness::*;

/// A path for a socket, in a folder that goes with the test.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    (folder, path)
}

pub fn s36_local_sockets_carry_bytes_like_any_stream(driver: Driver) {
    let port = port(driver, 1);
    let (_folder, path) = place();
    let listener = UnixListener::bind(&path).expect("a listener");
    let listener = port
        .associate(listener, "listener")
        .expect("an association");
    listener.accept().expect("a start");
    let connect = port.connect_local(&path, "near").expect("a start");
    let (mut far, mut near) = (None, None);
    for _ in 0..2 {
        let completion = next(&port);
        completion.result.expect("success");
        match completion.what {
            Finished::AcceptedLocal { connection, .. } => {
                let connection = connection.expect("the accept succeeds");
                far = Some(port.associate(connection, "far").expect("an association"));
            }
            Finished::Connected { socket } => {
                assert_eq!((completion.key, completion.operation), ("near", connect));
                near = Some(socket);
            }
            other => panic!("one end or the other is due, it was {other:?}"),
        }
    }
    let (far, near) = (far.expect("one end"), near.expect("the other"));
    for (from, to) in [(&far, &near), (&near, &far)] {
        to.receive(Buffer::with_capacity(8)).expect("a start");
        expect_nothing(&port);
        from.send_quietly(b"ahoy").expect("a start");
        assert_eq!(received(&port)[..], *b"ahoy");
    }
    near.send(pattern(BIG)).expect("a start");
    let mut all = Vec::new();
    while all.len() < BIG {
        far.receive(Buffer::with_capacity(1 << 16))
            .expect("a start");
        loop {
            let completion = next(&port);
            if let Finished::Received { buffer, .. } = completion.what {
                all.extend_from_slice(&buffer);
                break;
            }
        }
    }
    assert!(all == pattern(BIG));
}

pub fn s36_a_local_peer_that_is_gone_is_an_end_or_a_failure(driver: Driver) {
    let port = port(driver, 1);
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    let socket = port.associate(ours, ()).expect("an association");
    socket.send(b"ahoy").expect("a start");
    sent(&port);
    peer.read_exact(&mut [0; 4]).expect("bytes");
    peer.write_all(b"bye").expect("a write");
    drop(peer);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert_eq!(received(&port)[..], *b"bye");
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    assert!(received(&port).is_empty());
    socket.send(b"ahoy").expect("a start");
    assert_eq!(failed(&next(&port)), ErrorKind::BrokenPipe);
}

pub fn s36_connecting_where_nobody_listens_fails(driver: Driver) {
    let port = port(driver, 1);
    let (_folder, path) = place();
    port.connect_local(&path, ()).expect("a start");
    assert_eq!(failed(&next(&port)), ErrorKind::NotFound);
    drop(UnixListener::bind(&path).expect("a listener"));
    port.connect_local(&path, ()).expect("a start");
    assert_eq!(failed(&next(&port)), ErrorKind::ConnectionRefused);
}

pub fn s36_too_long_a_path_is_refused(driver: Driver) {
    let port = port(driver, 1);
    let path = "x".repeat(200);
    let error = UnixListener::bind(&path).expect_err("a bind refuses it");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = port.connect_local(&path, ()).expect_err("a connect, too");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    expect_nothing(&port);
}

pub fn s36_a_backlog_that_is_full_refuses_and_does_not_hang(driver: Driver) {
    let port = port(driver, 1);
    let (_folder, path) = place();
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
    let listener = listener.expect("a socket");
    let address = socket2::SockAddr::unix(&path).expect("an address");
    listener.bind(&address).expect("an address");
    listener.listen(0).expect("a listener");
    // A backlog of 0 has room for one.
    port.connect_local(&path, ()).expect("a start");
    let first = next(&port);
    first.result.expect("success");
    port.connect_local(&path, ()).expect("a start");
    assert_eq!(failed(&next(&port)), ErrorKind::WouldBlock);
}

pub fn s36_local_sockets_know_their_addresses(driver: Driver) {
    let port = port(driver, 1);
    let (_folder, path) = place();
    let listener = UnixListener::bind(&path).expect("a listener");
    let listener = port.associate(listener, ()).expect("an association");
    let address = listener.local_addr().expect("an address");
    assert_eq!(address.as_pathname(), Some(&*path));
    listener.accept().expect("a start");
    let peer = UnixStream::connect(&path).expect("a connection");
    let Finished::AcceptedLocal { connection, .. } = next(&port).what else {
        panic!("an accept is due");
    };
    let connection = connection.expect("it succeeds");
    let address = connection.local_addr().expect("an address");
    assert_eq!(address.as_pathname(), Some(&*path));
    assert!(connection.peer_addr().expect("an address").is_unnamed());
    let socket = port.associate(connection, ()).expect("an association");
    let address = socket.local_addr_unix().expect("an address");
    assert_eq!(address.as_pathname(), Some(&*path));
    assert!(socket.peer_addr_unix().expect("an address").is_unnamed());
    let near = port.associate(peer, ()).expect("an association");
    let address = near.peer_addr_unix().expect("an address");
    assert_eq!(address.as_pathname(), Some(&*path));
    let (internet, _peer) = pair(&port, ());
    let error = internet.local_addr_unix().expect_err("it has none");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

#[cfg(target_os = "linux")]
pub fn s36_an_address_may_be_a_name_outside_of_the_file_system(driver: Driver) {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

    let port = port::<()>(driver, 1);
    let name = format!("wharf-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let listener = UnixListener::bind_addr(&address).expect("a listener");
    let listener = port.associate(listener, ()).expect("an association");
    let address = listener.local_addr().expect("an address");
    assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
}
