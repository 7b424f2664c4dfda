//! From what a program gives to the service of one connection: a router, or a service that knows the peer.

use std::{convert::Infallible, fmt, future::Future, mem, net::SocketAddr};

use axum::{
    Router,
    extract::{
        Request,
        connect_info::{Connected, IntoMakeServiceWithConnectInfo},
    },
    response::Response,
    routing::{IntoMakeService, MethodRouter},
};
use tower_service::Service;
use wharf_async::net::TcpListener;
#[cfg(unix)]
use wharf_async::net::{UnixListener, unix};

use crate::listener::Listener;

/// A connection that was accepted, for [`ConnectInfo`](axum::extract::ConnectInfo): a type of a program's own implements
/// [`Connected`] for it, for each kind of listener that the program has. For TCP, [`SocketAddr`] implements it: the address of the peer; on
/// Unix so does the address of a local socket.
#[non_exhaustive]
pub struct Accepted<'a, L: Listener = TcpListener> {
    /// The connection. Under TLS, what is beneath; nothing was read of it yet.
    pub stream: &'a L::Stream,
    /// The address of the peer.
    pub peer: L::Address,
}

impl<L: Listener> fmt::Debug for Accepted<'_, L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Accepted");
        debug.field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connected<Accepted<'_, TcpListener>> for SocketAddr {
    fn connect_info(accepted: Accepted<'_, TcpListener>) -> Self {
        accepted.peer
    }
}

#[cfg(unix)]
impl Connected<Accepted<'_, UnixListener>> for unix::SocketAddr {
    fn connect_info(accepted: Accepted<'_, UnixListener>) -> Self {
        accepted.peer
    }
}

/// What [`serve`](crate::serve()) takes: a [`Router`], a [`MethodRouter`], or what their `into_make_service` and
/// `into_make_service_with_connect_info` make; for each kind of listener.
pub trait MakeService<L: Listener = TcpListener>: Send + 'static {
    /// The service of one connection.
    type Service: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static;

    /// Makes what all connections share: called once, when the server begins, for the listener that [`serve`](crate::serve()) was
    /// given. A router's layers are applied here, so that a limit of one, as tower's `concurrency_limit`, holds for all connections
    /// together.
    ///
    /// A type that has a router inside forwards the call, or has the router's `with_state(())`: else axum applies the layers for each
    /// request.
    fn prepare(&mut self) {}

    /// Makes the service of a connection.
    fn make(&mut self, accepted: Accepted<'_, L>) -> impl Future<Output = Self::Service> + Send;
}

impl<L: Listener> MakeService<L> for Router {
    type Service = Router;

    fn prepare(&mut self) {
        // Else axum would do it for each request.
        *self = mem::take(self).with_state(());
    }

    async fn make(&mut self, _accepted: Accepted<'_, L>) -> Router {
        self.clone()
    }
}

impl<L: Listener> MakeService<L> for MethodRouter {
    type Service = MethodRouter;

    fn prepare(&mut self) {
        *self = mem::take(self).with_state(());
    }

    async fn make(&mut self, _accepted: Accepted<'_, L>) -> MethodRouter {
        self.clone()
    }
}

impl<S, L: Listener> MakeService<L> for IntoMakeService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Service = S;

    fn make(&mut self, _accepted: Accepted<'_, L>) -> impl Future<Output = S> + Send {
        made(self.call(()))
    }
}

impl<S, C, L: Listener> MakeService<L> for IntoMakeServiceWithConnectInfo<S, C>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    C: for<'a> Connected<Accepted<'a, L>> + Sync,
{
    type Service = <Self as Service<Accepted<'static, L>>>::Response;

    fn make(&mut self, accepted: Accepted<'_, L>) -> impl Future<Output = Self::Service> + Send {
        made(self.call(accepted))
    }
}

async fn made<S>(making: impl Future<Output = Result<S, Infallible>> + Send) -> S {
    match making.await {
        Ok(service) => service,
        Err(never) => match never {},
    }
}
