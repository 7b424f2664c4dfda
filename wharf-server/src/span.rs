//! The span of a client: what a handler logs belongs to its client, without naming it each time.
//!
//! It is made when the client comes, if the program's subscriber wants it then, and entered around each call of the handler. It ends
//! with the client, when the last clone of that is gone. The [manual](crate::manual::metrics#spans) says how it is turned on.

use std::fmt::Display;

use tracing::{Level, Span, field, level_filters::LevelFilter};
use wharf::user_code::log;

use crate::client::State;

/// Whether a subscriber may want it: a load and a comparison.
fn may_be_wanted() -> bool {
    Level::DEBUG <= tracing::level_filters::STATIC_MAX_LEVEL
        && Level::DEBUG <= LevelFilter::current()
}

/// Enters it. Not by a guard: where the subscriber panics, that is not the handler's fault.
pub(crate) fn enter(span: &Span) {
    log(|| {
        span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
    });
}

pub(crate) fn exit(span: &Span) {
    log(|| {
        span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
    });
}

impl<M> State<M> {
    /// A client has come: by this listener, or dialled to there.
    pub(crate) fn make_span(&self, listener: Option<&dyn Display>, dialled: Option<&dyn Display>) {
        if !may_be_wanted() {
            return;
        }
        log(|| {
            let span = tracing::debug_span!(
                target: "wharf_server::span",
                parent: None,
                "client",
                id = self.id(),
                peer = field::Empty,
                listener = listener.map(field::display),
                dialled = dialled.map(field::display),
            );
            if !span.is_disabled() {
                self.set_span(span);
            }
        });
    }

    /// Its own address is known from here on.
    pub(crate) fn record_peer(&self) {
        if let Some(span) = self.span() {
            log(|| {
                span.record("peer", field::display(self.peer()));
            });
        }
    }
}
