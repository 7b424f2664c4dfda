//! What all peer servers have in common: their arguments, their listeners, their first line and the work protocol.
//!
//! What makes one runtime different from another stays in that peer's `main.rs`.

mod listen;
pub mod work;

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    panic,
    process::{self, ExitCode},
    sync::mpsc,
    thread,
};

use clap::{Parser, ValueEnum, error::ErrorKind};
use rustix::process::{Resource, getrlimit, setrlimit};

pub use self::listen::{cannot_listen, listen, listen_for_each, pause_after, set_backlog};

/// The bytes of the buffer into which a peer reads, one for each connection.
pub const BUFFER_BYTES: usize = 16 * 1024;

/// A server that Wharf is measured against: the arguments that every one of them takes.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// What to do with what clients send
    #[arg(long, value_enum, default_value_t = App::Echo)]
    pub app: App,

    /// Threads that serve
    #[arg(long, value_name = "N", default_value = "1")]
    pub threads: NonZeroUsize,
}

/// What a peer does with what clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum App {
    /// Send it back
    Echo,
    /// Take it as requests that ask for a service time
    Work,
}

/// The whole life of a peer: reads its arguments, prepares the process, serves, and tells why it could not.
pub fn run<A: Parser>(serve: impl FnOnce(A) -> io::Result<()>) -> ExitCode {
    let arguments = A::parse();
    end_with_any_thread();
    raise_limit(Resource::Nofile);
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Ends the process as for arguments that can't be parsed, for those that can but make no sense together.
pub fn refuse<A: Parser>(message: &str) -> ! {
    A::command()
        .error(ErrorKind::ArgumentConflict, message)
        .exit()
}

/// Prints the first line, the only one, by which the program that started the peer knows that it serves, and where.
pub fn announce(address: SocketAddr) {
    let mut output = io::stdout().lock();
    // The program that started the peer may not listen any more; that is no reason not to serve.
    let _ = writeln!(output, "listening on {address}").and_then(|()| output.flush());
}

/// Serves each listener on a thread of its own, until one of them fails: half a server would give half the figures.
pub fn serve_each<S>(listeners: Vec<TcpListener>, serve: S) -> io::Result<()>
where
    S: Fn(TcpListener) -> io::Result<()> + Clone + Send + 'static,
{
    let (ended, first_ended) = mpsc::channel();
    for listener in listeners {
        let (ended, serve) = (ended.clone(), serve.clone());
        thread::Builder::new().spawn(move || ended.send(serve(listener)))?;
    }
    first_ended.recv().map_err(io::Error::other)?
}

/// Raises the soft limit of a resource to the hard one.
pub fn raise_limit(resource: Resource) {
    let mut limit = getrlimit(resource);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(resource, limit) {
        complain(&format!(
            "warning: the limit {resource:?} can't be raised: {error}"
        ));
    }
}

/// Has a panic in any thread end the process. A peer that has lost a thread would give figures that mean nothing.
fn end_with_any_thread() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        process::abort();
    }));
}

/// Prints to standard error, which nobody may be reading.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}
