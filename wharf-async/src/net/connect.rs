//! Connecting: by address or by name, in the way of [`wharf::names`].

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use wharf::{
    Finished, OperationId,
    names::{Attempts, Names, TIMEOUT},
};

use super::{Slot, StreamState, Target, TcpStream, slot::Outcome, stream::Inner};
use crate::{
    context,
    shared::{Key, Shared},
    sync::{Mutex, lock, register},
    time::{self, sleep_until},
};

/// What a look-up has found, for the future that waits for it.
#[derive(Debug, Default)]
struct Found {
    addresses: Option<io::Result<Vec<SocketAddr>>>,
    waker: Option<Waker>,
}

/// Finds the addresses of a name. Threads of their own do that, since it may take long.
pub(super) async fn resolve(target: Target) -> io::Result<Vec<SocketAddr>> {
    let (name, port) = match target {
        Target::Addresses(addresses) => return Ok(addresses),
        Target::Name(name, port) => (name, port),
        target => return Err(io::Error::other(format!("{target} is of no known kind"))),
    };
    #[cfg(all(unix, feature = "simulated"))]
    if let Some(addresses) = context::with_current(|runtime| {
        let world = runtime.world.as_ref();
        world.map(|world| world.resolve(&name, port))
    }) {
        return addresses;
    }
    let found = Arc::new(Mutex::new(Found::default()));
    let told = found.clone();
    // If this future is dropped, nothing more is told.
    let _look_up = Names::shared().look_up(&name, port, TIMEOUT, move |addresses| {
        let mut told = lock(&told);
        told.addresses = Some(addresses);
        let waker = told.waker.take();
        drop(told);
        if let Some(waker) = waker {
            waker.wake();
        }
    })?;
    poll_fn(|context| {
        let mut found = lock(&found);
        match found.addresses.take() {
            Some(addresses) => Poll::Ready(addresses),
            None => {
                register(found, |found| &mut found.waker, context.waker());
                Poll::Pending
            }
        }
    })
    .await
}

/// Connects to the first address that can be connected to.
pub(super) async fn connect(target: Target) -> io::Result<TcpStream> {
    let name = target.to_string();
    let addresses = resolve(target).await?;
    // How long is the caller's to say: see `connect_timeout`.
    let mut attempts = Attempts::new(name, addresses, Duration::MAX, time::now());
    loop {
        // What is given up ends as it is dropped.
        drop(attempts.step(time::now(), |_, address| Connecting::begin(address)));
        if attempts.is_over() {
            return Err(attempts.into_error().into());
        }
        let ended = match attempts.next_step() {
            None => poll_fn(|context| poll_any(&attempts, context)).await,
            Some(next) => {
                let mut sleep = pin!(sleep_until(next));
                let ended = poll_fn(|context| match poll_any(&attempts, context) {
                    Poll::Pending => sleep.as_mut().poll(context).map(|()| None),
                    Poll::Ready(ended) => Poll::Ready(Some(ended)),
                });
                match ended.await {
                    Some(ended) => ended,
                    None => continue,
                }
            }
        };
        match ended {
            (_, Ok(stream)) => return Ok(stream),
            (number, Err(error)) => attempts.failed(number, error),
        }
    }
}

/// The first of the attempts that has ended, with its number.
fn poll_any(
    attempts: &Attempts<Connecting>,
    context: &Context<'_>,
) -> Poll<(u32, io::Result<TcpStream>)> {
    for (number, connecting) in attempts.under_way() {
        if let Poll::Ready(outcome) = connecting.slot.poll(context) {
            return Poll::Ready((number, connecting.stream(outcome)));
        }
    }
    Poll::Pending
}

/// An attempt to connect, which ends when this is dropped.
struct Connecting {
    shared: Arc<Shared>,
    state: Arc<StreamState>,
    slot: Slot,
    operation: OperationId,
}

impl Drop for Connecting {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.shared.port.cancel(self.operation);
    }
}

impl Connecting {
    fn begin(address: SocketAddr) -> io::Result<Connecting> {
        let (slot, state) = (Slot::default(), Arc::new(StreamState::default()));
        context::with_current(|shared| {
            let key = Key::Stream(state.clone());
            let operation = shared.port.with(slot.clone()).connect(address, key)?;
            Ok(Connecting {
                shared: Arc::clone(shared),
                state,
                slot,
                operation,
            })
        })
    }

    fn stream(&self, (result, what): Outcome) -> io::Result<TcpStream> {
        result?;
        match what {
            Finished::Connected { socket } => Ok(TcpStream::new(Inner::new(
                &self.shared,
                socket,
                self.state.clone(),
            ))),
            _ => Err(io::Error::other("the operation connected no socket")),
        }
    }
}
