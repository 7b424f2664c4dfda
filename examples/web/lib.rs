//! The examples are beside this file; the README of `examples` gives the order. What this file holds is what several of them do: to
//! serve a router until they are told to stop; and the messages of `19_grpc.rs`.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use axum::Router;
use wharf_async::{Runtime, net::TcpListener};

/// As long as what is left has to end, once the server has stopped.
const STOP: Duration = Duration::from_secs(10);

/// Serves a router until it is [told to stop](stopped), on a runtime of its own.
///
/// # Errors
/// The system's: the address is in use, say.
pub fn serve(listen: SocketAddr, router: Router) -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("listening on {}", listener.local_addr());
        wharf_axum::serve(listener, router)
            .with_graceful_shutdown(stopped())
            .await
    })?;
    // What is left by then, upgraded connections say, ends here.
    let report = runtime.stop(STOP);
    println!("stopped; {} tasks left", report.tasks_left.len());
    Ok(())
}

/// Ends when a line comes on standard input, or the end of it.
pub async fn stopped() {
    // It blocks its thread for as long as the server runs.
    let line = wharf_async::spawn(async { io::stdin().read_line(&mut String::new()) });
    let _ = line.await;
}

/// What is to be added.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Numbers {
    /// At most 1,000.
    #[prost(int64, repeated, tag = "1")]
    pub numbers: Vec<i64>,
}

/// What it comes to; or how far to count.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sum {
    /// The number.
    #[prost(int64, tag = "1")]
    pub sum: i64,
}
