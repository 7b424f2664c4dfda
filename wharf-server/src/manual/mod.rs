//! The manual of the toolkit: [a server in an afternoon](afternoon), step by step, and the [patterns] session, broadcast,
//! tick and stop; [outgoing connections](dialling). To run a server as a service: [listeners](listening), [proxies],
//! [draining], [metrics], and TLS with the feature `tls`. The manual of the port itself is `wharf::manual`.

pub mod afternoon;
pub mod dialling;
pub mod draining;
pub mod listening;
pub mod metrics;
pub mod patterns;
pub mod proxies;
#[cfg(feature = "tls")]
pub mod tls;
