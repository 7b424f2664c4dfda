//! Statement 31: ending a connection and keeping its socket for another.

use std::{
    io::{ErrorKind, Read},
    thread,
};

use wharf::{Buffer, BufferPool, Finished};

use crate::harness::*;

pub fn s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent(driver: Driver) {
    let port = port(driver, 1);
    let (socket, mut peer) = narrow_pair(&port, "key");
    let receives = [
        socket.receive(Buffer::with_capacity(8)).expect("a start"),
        socket.receive_from(&BufferPool::new(8)).expect("a start"),
    ];
    let send = socket.send(pattern(BIG)).expect("a start");
    let disconnect = socket.disconnect().expect("a start");
    for receive in receives {
        let completion = next(&port);
        assert_eq!(completion.operation, receive);
        assert!(completion.is_cancelled(), "{completion:?}");
    }
    let refused = socket.send(b"late").expect_err("a refusal");
    assert_eq!(refused.error.kind(), ErrorKind::NotConnected);
    let refused = socket.receive(Buffer::with_capacity(8));
    let error = refused.expect_err("a refusal").error;
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    let again = socket.disconnect().expect_err("a refusal");
    assert_eq!(again.kind(), ErrorKind::NotConnected);

    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("all of it, and the end");
        all
    });
    let completion = next(&port);
    assert_eq!(
        (completion.operation, completion.result.ok()),
        (send, Some(BIG))
    );
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("key", disconnect));
    assert_eq!(completion.result.expect("success"), 0);
    let Finished::Disconnected { socket } = completion.what else {
        panic!("it was a disconnect");
    };
    assert!(reader.join().expect("it ends well") == pattern(BIG));
    // It is no connection now, and still a socket that is open.
    let refused = socket.send(b"late").expect_err("a refusal");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    expect_nothing(&port);
    assert!(socket.close());
}

pub fn s31_a_disconnected_socket_can_be_connected_again(driver: Driver) {
    let port = port(driver, 1);
    let listener = Listening::on(driver);
    let (socket, peer) = pair(&port, "key");
    let refused = socket.connect_again(listener.address());
    let error = refused.expect_err("it is connected");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    socket.disconnect().expect("a start");
    drop(peer);
    assert_eq!(next(&port).result.expect("success"), 0);
    let operation = socket.connect_again(listener.address()).expect("a start");
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("key", operation));
    assert_eq!(completion.result.expect("success"), 0);
    let Finished::Connected { socket: again } = completion.what else {
        panic!("it was a connect");
    };
    assert!(again == socket);

    let (mut peer, _) = listener.accept();
    socket.send(b"ahoy").expect("a start");
    sent(&port);
    peer.read_exact(&mut [0; 4]).expect("bytes");
}
