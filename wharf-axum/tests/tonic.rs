//! Services of tonic's on `serve`, and its client beside them. What is generated from a `.proto` comes to the same calls; here they are
//! made by hand, for messages that are texts.

#![allow(missing_docs)]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    http::{Request, Response, uri::PathAndQuery},
    routing::get,
};
use bytes::{Buf, BufMut};
use futures_util::{StreamExt, future::BoxFuture, stream};
use tonic::{
    Code, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{NamedService, ServerStreamingService, UnaryService},
    service::Routes,
    transport::Channel,
};
use tower::Service;
use wharf_async::{Runtime, net::TcpListener};

const PATIENCE: Duration = Duration::from_secs(20);

/// Messages that are texts.
#[derive(Clone, Copy, Default)]
struct Texts;

impl Codec for Texts {
    type Encode = String;
    type Decode = String;
    type Encoder = Texts;
    type Decoder = Texts;

    fn encoder(&mut self) -> Texts {
        Texts
    }

    fn decoder(&mut self) -> Texts {
        Texts
    }
}

impl Encoder for Texts {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Texts {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

/// The service, as it would be generated.
#[derive(Clone)]
struct Shouter {
    /// `Block` waits for it.
    release: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl NamedService for Shouter {
    const NAME: &'static str = "test.Shouter";
}

impl UnaryService<String> for Shouter {
    type Response = String;
    type Future = BoxFuture<'static, Result<tonic::Response<String>, Status>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        let release = self.release.clone();
        Box::pin(async move {
            match request.into_inner() {
                text if text.is_empty() => Err(Status::invalid_argument("nothing to shout")),
                text if text == "block" => {
                    let released = release.lock().unwrap().recv_timeout(PATIENCE);
                    released.map_err(|error| Status::internal(error.to_string()))?;
                    Ok(tonic::Response::new("released".to_owned()))
                }
                text => Ok(tonic::Response::new(text.to_uppercase())),
            }
        })
    }
}

/// A message for each letter.
impl ServerStreamingService<String> for Shouter {
    type Response = String;
    type ResponseStream = stream::BoxStream<'static, Result<String, Status>>;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        Box::pin(async move {
            let letters: Vec<_> = request.into_inner().chars().map(String::from).collect();
            let letters = stream::iter(letters.into_iter().map(Ok)).boxed();
            Ok(tonic::Response::new(letters))
        })
    }
}

impl Service<Request<Body>> for Shouter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Texts);
            Ok(match request.uri().path() {
                "/test.Shouter/Spell" => grpc.server_streaming(service, request).await,
                _ => grpc.unary(service, request).await,
            })
        })
    }
}

type Client = tonic::client::Grpc<Channel>;

async fn shout(mut client: Client, text: &str) -> Result<String, Status> {
    let ready = client.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/test.Shouter/Shout");
    let request = tonic::Request::new(text.to_owned());
    let answer = client.unary(request, path, Texts).await?;
    Ok(answer.into_inner())
}

/// A server of HTTP/1.1 and gRPC, one worker of which runs at a time. What is sent releases a call that blocks.
fn serve() -> (Runtime, SocketAddr, mpsc::Sender<()>) {
    let (sender, release) = mpsc::channel();
    let release = Arc::new(Mutex::new(release));
    let builder = Runtime::builder().concurrency(1).threads(1..=8);
    let runtime = builder.build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr();
    let app = Routes::new(Shouter { release }).into_axum_router();
    let app = app.route("/", get(|| async { "no gRPC" }));
    let serving = async move { wharf_axum::serve(listener, app).await };
    runtime.spawn(serving).detach();
    (runtime, address, sender)
}

#[test]
fn services_answer_tonics_client_while_one_blocks() {
    let (runtime, address, release) = serve();
    let task = runtime.spawn(async move {
        // Its connection is a task of the side runtime.
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.timeout(PATIENCE).connect().await.unwrap();
        let client = Client::new(channel);
        let blocks = client.clone();
        let blocked = wharf_async::spawn(async move { shout(blocks, "block").await });
        assert_eq!(shout(client.clone(), "ahoy").await.unwrap(), "AHOY");
        let refused = shout(client.clone(), "").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.message(), "nothing to shout");
        release.send(()).unwrap();
        assert_eq!(blocked.await.unwrap().unwrap(), "released");

        let mut client = client;
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/test.Shouter/Spell");
        let request = tonic::Request::new("abc".to_owned());
        let answer = client.server_streaming(request, path, Texts).await.unwrap();
        let letters: Vec<_> = answer.into_inner().map(Result::unwrap).collect().await;
        assert_eq!(letters, ["a", "b", "c"]);
    });
    runtime.block_on(task).unwrap();
}
