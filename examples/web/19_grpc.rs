//! gRPC: a service of tonic's, whose methods may block, served by `wharf_axum::serve` (in `lib.rs`) over HTTP/2 without TLS.
//!
//! `cargo run -p wharf-examples-web --example grpc -- --listen 127.0.0.1:21019`, which is the default. `build.rs` has the service, as a
//! `.proto` file would. A line on its standard input, or the end of it, stops it.

use std::{error::Error, pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status, service::Routes};
use wharf_async::time::sleep;
use wharf_examples_web::{Numbers, Sum};

#[allow(clippy::too_many_lines, reason = "it is generated")]
mod sums {
    tonic::include_proto!("wharf.sums.Sums");
}

/// No more numbers are added, and no further is counted.
const NUMBERS_MAX: usize = 1_000;

#[derive(Debug)]
struct Sums;

#[tonic::async_trait]
impl sums::sums_server::Sums for Sums {
    /// Adds slowly, and blocks its thread meanwhile: others are served.
    async fn add(&self, request: Request<Numbers>) -> Result<Response<Sum>, Status> {
        let numbers = request.into_inner().numbers;
        if numbers.len() > NUMBERS_MAX {
            let text = format!(
                "{} numbers are too many: at most {NUMBERS_MAX}",
                numbers.len()
            );
            return Err(Status::invalid_argument(text));
        }
        std::thread::sleep(Duration::from_millis(numbers.len() as u64));
        let add = |sum: i64, number: &i64| sum.checked_add(*number);
        match numbers.iter().try_fold(0, add) {
            Some(sum) => Ok(Response::new(Sum { sum })),
            None => Err(Status::out_of_range("the sum has more than 64 bits")),
        }
    }

    type CountStream = Pin<Box<dyn Stream<Item = Result<Sum, Status>> + Send>>;

    /// Counts, a number each 10 ms.
    async fn count(&self, request: Request<Sum>) -> Result<Response<Self::CountStream>, Status> {
        let to = request.into_inner().sum;
        if !(0..=NUMBERS_MAX as i64).contains(&to) {
            let text = format!("to {to}? From 0 to {NUMBERS_MAX}");
            return Err(Status::invalid_argument(text));
        }
        let numbers = stream::unfold(0, move |last| async move {
            if last == to {
                return None;
            }
            sleep(Duration::from_millis(10)).await;
            let sum = last + 1;
            Some((Ok(Sum { sum }), sum))
        });
        Ok(Response::new(Box::pin(numbers)))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = wharf_examples::address("--listen", "127.0.0.1:21019")?;
    let routes = Routes::new(sums::sums_server::SumsServer::new(Sums));
    wharf_examples_web::serve(listen, routes.into_axum_router())
}
