//! A TCP proxy on `wharf-async`: a task for each session, and tokio's `copy_bidirectional` over streams of ours.
//!
//! `cargo run -p wharf-examples --example async_proxy -- --listen 127.0.0.1:21017 --target 127.0.0.1:21001`, which are the defaults; the
//! first example listens at that target. A line on its standard input, or the end of it, stops it.

use std::{error::Error, io, pin::pin, sync::Arc, time::Duration};

use tokio::io::copy_bidirectional;
use wharf_async::{
    Runtime,
    net::{TcpListener, TcpStream},
    spawn,
    time::{sleep, timeout},
};

/// Its `open` goes before its streams do: a client that is closed is of no session that is open.
async fn session(mut client: TcpStream, target: &str, open: Arc<()>) -> io::Result<()> {
    let _open = open;
    let mut server = timeout(Duration::from_secs(10), TcpStream::connect(target)).await??;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // The end of one direction is passed on; the other may go on.
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn proxy(listener: TcpListener, target: String) {
    let open = Arc::new(());
    let mut stop = pin!(spawn(async { io::stdin().read_line(&mut String::new()) }));
    for number in 1.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        let Ok((client, _)) = accepted else {
            // No descriptor or memory is left: sessions have to end first.
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let (target, open) = (target.clone(), open.clone());
        let session = async move {
            if let Err(error) = session(client, &target, open).await {
                eprintln!("session {number}: {error}");
            }
        };
        spawn(session).detach();
    }
    let open = Arc::strong_count(&open) - 1; // They end with the runtime.
    println!("stopped, {open} sessions were open");
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21017")?;
    let target = wharf_examples::address("--target", "127.0.0.1:21001")?;
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("listening on {}", listener.local_addr());
        proxy(listener, target.to_string()).await;
        Ok(())
    })
}
