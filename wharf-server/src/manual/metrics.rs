//! Metrics and spans: what a server reports while it runs.
//!
//! With the feature `metrics`, a server counts and measures for the facade crate
//! [`metrics`](https://docs.rs/metrics): the program chooses the recorder (Prometheus, StatsD, ...), and installs it before it starts the
//! server. The server has to be asked to ([`Settings::metrics`](crate::Settings)), with a name that tells it from the program's other servers.
//! The name is the label `server` of each metric; with an empty name there is no label.
//!
#![cfg_attr(feature = "metrics", doc = "```no_run")]
#![cfg_attr(not(feature = "metrics"), doc = "```ignore")]
//! use wharf_server::Server;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The program's recorder: `PrometheusBuilder::new().install()?`, say.
//! let server = Server::builder()
//!     .metrics("game")
//!     .serve(|client, bytes| client.send(bytes))?;
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! `wharf serve --metrics 127.0.0.1:21002` does so, and serves them by HTTP in Prometheus' text format.
//!
//! | metric | kind | unit | labels | what it tells |
//! |---|---|---|---|---|
//! | `wharf_clients` | gauge | count | | clients that are there, accepted and dialled |
//! | `wharf_accepted_clients_total` | counter | count | | clients that were accepted |
//! | `wharf_dialled_clients_total` | counter | count | | clients that were dialled |
//! | `wharf_refused_clients_total` | counter | count | `reason`: `address`, `proxy_header`, `tls`, `unserved` | connections that were closed before their conversation began |
//! | `wharf_accept_pauses_total` | counter | count | `reason`: `clients_max`, `system` | how often accepting has paused; meanwhile connections wait in the backlog |
//! | `wharf_ended_clients_total` | counter | count | `reason`: `by_peer`, `by_server`, `failed`, `idle`, `stalled`, `silent`, `slow_frame`, `too_slow`, `bad_frame`, `not_begun`, `by_handler`, `panicked`, `aborted`, `cut`, `truncated` | clients that are gone: [`Ended`](crate::Ended) |
//! | `wharf_received_bytes_total` | counter | bytes | | bytes received from clients |
//! | `wharf_sent_bytes_total` | counter | bytes | | bytes sent to clients: taken by the system |
//! | `wharf_unsent_bytes` | gauge | bytes | | bytes that wait to be sent to clients |
//! | `wharf_dropped_sends_total` | counter | count | | sends that were [dropped](crate::SlowReader::DropOldest) since their clients read too slowly |
//! | `wharf_frames_total` | counter | count | | frames that were handed to the handler; without a codec, what each receive brought |
//! | `wharf_handler_seconds` | histogram | seconds | | how long the handler was at work for a client at a time: a call, or the calls for all frames of a turn |
//! | `wharf_workers` | gauge | count | `state`: `running`, `parked`, `blocked` | worker threads |
//! | `wharf_worker_releases_total` | counter | count | | how often a worker was found blocked in its handler, and its place was given away |
//! | `wharf_queue_length` | gauge | count | | packets and operations that wait for a worker |
//! | `wharf_queue_oldest_seconds` | gauge | seconds | | how long the oldest of them has waited; 0 if none waits |
//! | `wharf_dial_attempts_total` | counter | count | | attempts to connect |
//! | `wharf_dial_failures_total` | counter | count | | attempts to connect that have failed |
//! | `wharf_dial_reconnects_total` | counter | count | | clients that have ended and are to be connected again |
//! | `wharf_refused_dials_total` | counter | count | | dials that were refused, since there were as many as [may be](crate::Settings::dials_max) |
//! | `wharf_pool_clients` | gauge | count | `state`: `idle`, `taken`, `dialling` | clients of all [pools](crate::Pool) |
//! | `wharf_pool_waiting` | gauge | count | | how many wait for a client of a pool |
//! | `wharf_tls_handshakes_total` | counter | count | `result`: `done`, `failed`, `refused` | [TLS](super::tls) handshakes of accepted and dialled clients |
//! | `wharf_tls_handshakes_under_way` | gauge | count | | TLS handshakes that are under way |
//!
//! Which to look at:
//!
//! - **Is it overloaded?** `wharf_queue_oldest_seconds` is how long a client waits, apart from the network. If it grows while as many workers
//!   are `blocked` as there may be ([`workers_max`](crate::Settings::workers_max)), handlers wait for something else: allow more workers. If
//!   it grows and none is blocked, the processors are busy.
//! - **Are clients turned away?** `wharf_refused_clients_total`, and `wharf_accept_pauses_total`: at a limit, or out of descriptors.
//! - **Do clients fall behind?** `wharf_unsent_bytes`, `wharf_dropped_sends_total`, and the ends `stalled` and `too_slow`.
//!
//! A client that is refused because of its PROXY header or its handshake also counts as accepted, and as ended (`not_begun`). For a client
//! with TLS, the bytes are those on the wire.
//!
//! # What it costs
//!
//! All metric handles are made when the server starts: reporting takes no memory, unless the recorder needs some. The worker reports at once
//! what happens to a client, and how long its handler took; that is two looks at the clock and two calls of the recorder for each turn of a
//! client, so the recorder should be quick. A thread of the server's (`wharf-metrics`) reports the gauges, the bytes, drops and releases
//! four times a second, also while all workers are blocked; with very many clients less often, so that it takes no more than a twentieth
//! of a processor. The last figures are reported when the server has stopped. A recorder that panics is contained, and the log says so.
//!
//! A server without metrics looks at one flag of the client before each call of a handler and each frame without a codec.
//!
//! # Spans
//!
//! What a handler logs by `tracing` belongs to a client. Where the program's subscriber wants it, each client has a span,
//! `client`, with the fields `id`, `peer`, and `listener` (the address that it was accepted at) or `dialled` (what it was dialled to). The span
//! is entered around each call of the handler, so that an event within need not name the client; what other threads do for a client
//! is outside of it. The span begins with the client, and ends when the last clone of the client is gone.
//!
//! The span has the level `DEBUG` and the target `wharf_server::span`, of its own: with `EnvFilter` of `tracing-subscriber` it is turned on
//! by `info,wharf_server::span=debug`, beside events of level `INFO`. A client that comes while no subscriber wants the span has none, and
//! its calls cost no more.
