//! The service of `19_grpc.rs`, as `protoc` would have it made from this, which is said here in Rust so that nobody needs a `protoc`:
//!
//! ```proto
//! package wharf.sums;
//! service Sums {
//!     rpc Add (Numbers) returns (Sum);
//!     rpc Count (Sum) returns (stream Sum);
//! }
//! message Numbers { repeated int64 numbers = 1; }
//! message Sum { int64 sum = 1; }
//! ```

use tonic_build::manual::{Builder, Method, Service};

fn method(name: &str, route: &str, input: &str) -> tonic_build::manual::MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(input)
        .output_type("crate::Sum")
        .codec_path("tonic_prost::ProstCodec")
}

fn main() {
    let service = Service::builder()
        .name("Sums")
        .package("wharf.sums")
        .method(method("add", "Add", "crate::Numbers").build())
        .method(
            method("count", "Count", "crate::Sum")
                .server_streaming()
                .build(),
        )
        .build();
    Builder::new().compile(&[service]);
}
