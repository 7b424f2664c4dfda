//! A synchronous database in the handlers of axum.
fn main() {}
