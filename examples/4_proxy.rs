//! A TCP proxy on the bare port: two sockets, one session. How the bytes flow is in [`relay`](wharf_examples::relay), which is to
//! be read with this.
//!
//! `cargo run -p wharf-examples --example proxy -- --listen 127.0.0.1:21004 --target 127.0.0.1:21001`, which are the defaults; the
//! first example listens at that target. A line on its standard input, or the end of it, stops it.

use std::{error::Error, io, net::SocketAddr};

use wharf::{Completion, CompletionPort, Finished};
use wharf_examples::relay::{self, Key, Opening, Sessions, Side};

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21004")?;
    let target = wharf_examples::address("--target", "127.0.0.1:21001")?;
    relay::run(listen, Proxy { target })?;
    Ok(())
}

struct Proxy {
    target: SocketAddr,
}

impl Opening for Proxy {
    type State = ();

    fn begin(&self, port: &CompletionPort<Key>, _: &Sessions<()>, number: u64) -> io::Result<()> {
        port.connect(self.target, Key::Socket(number, Side::Target))?;
        Ok(())
    }

    fn step(
        &self,
        _: &CompletionPort<Key>,
        sessions: &Sessions<()>,
        number: u64,
        done: Completion<Key>,
    ) -> io::Result<()> {
        done.result?;
        match done.what {
            Finished::Connected { socket } => sessions.connected(number, socket, Vec::new()),
            _ => unreachable!("nothing else was started"),
        }
    }
}
