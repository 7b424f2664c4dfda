//! From what a program gives to the service of one connection: a router, or a service that knows the peer.

use std::{convert::Infallible, future::Future, net::SocketAddr};

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
use wharf_async::net::TcpStream;

/// A connection that was accepted, for [`ConnectInfo`](axum::extract::ConnectInfo): a type of a program's own implements
/// [`Connected`] for it. [`SocketAddr`] does: it is the address of the peer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted<'a> {
    /// The connection.
    pub stream: &'a TcpStream,
    /// The address of the peer.
    pub peer: SocketAddr,
}

impl Connected<Accepted<'_>> for SocketAddr {
    fn connect_info(accepted: Accepted<'_>) -> Self {
        accepted.peer
    }
}

/// What [`serve`](crate::serve()) takes: a [`Router`], a [`MethodRouter`], or what their `into_make_service` and
/// `into_make_service_with_connect_info` make.
pub trait MakeService: Send + 'static {
    /// The service of one connection.
    type Service: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static;

    /// Makes the service of a connection.
    fn make(&mut self, accepted: Accepted<'_>) -> impl Future<Output = Self::Service> + Send;
}

impl MakeService for Router {
    type Service = Router;

    async fn make(&mut self, _accepted: Accepted<'_>) -> Router {
        self.clone()
    }
}

impl MakeService for MethodRouter {
    type Service = MethodRouter;

    async fn make(&mut self, _accepted: Accepted<'_>) -> MethodRouter {
        self.clone()
    }
}

impl<S> MakeService for IntoMakeService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Service = S;

    fn make(&mut self, _accepted: Accepted<'_>) -> impl Future<Output = S> + Send {
        made(self.call(()))
    }
}

impl<S, C> MakeService for IntoMakeServiceWithConnectInfo<S, C>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    C: for<'a> Connected<Accepted<'a>> + Sync,
{
    type Service = <Self as Service<Accepted<'static>>>::Response;

    fn make(&mut self, accepted: Accepted<'_>) -> impl Future<Output = Self::Service> + Send {
        made(self.call(accepted))
    }
}

async fn made<S>(making: impl Future<Output = Result<S, Infallible>> + Send) -> S {
    match making.await {
        Ok(service) => service,
        Err(never) => match never {},
    }
}
