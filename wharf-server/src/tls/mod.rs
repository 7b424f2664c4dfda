//! TLS, by [rustls](https://docs.rs/rustls) with `ring`: for what a server [listens](crate::Settings::tls) on, and for what it
//! [dials](crate::Dial::tls). The [manual](crate::manual::tls) shows how it is used.
//!
//! A client's conversation is the same as without: it begins when the handshake is done, its handler gets what was opened, and what is
//! sent is sealed. [`Client::tls`](crate::Client::tls) tells what was agreed on.

mod client;
mod handshakes;
mod server;
mod session;

/// What [`Client::tls`](crate::Client::tls) tells.
#[doc(inline)]
pub use wharf_tls::Agreed;
#[doc(inline)]
pub use wharf_tls::{ClientCertificates, Error, Identity, Pem, Version};

pub use self::{
    client::{Client, ClientBuilder},
    handshakes::HandshakeCounts,
    server::{Server, ServerBuilder},
};
pub(crate) use self::{
    handshakes::{Handshake, Handshakes},
    session::{Pools, RECEIVE_BYTES, Session, Stands, UNOPENED_MAX},
};
