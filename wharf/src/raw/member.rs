//! What a thread keeps between two waits: which port it counts against, and its scratch memory.
//!
//! A thread counts against the port that it last waited on. When it waits on another, or ends, it gives its place
//! back there, and a waiter of that port is released in its stead.

use std::{
    cell::Cell,
    ptr,
    sync::{Arc, Weak},
};

use super::{Port, Queued, Ready, transfer::Pending};
use crate::{
    driver::{Events, Transfer},
    scheduler::{Parker, Standing, Visit},
    sync,
};

/// One thread's membership of a port. Boxed, so that taking it costs a pointer.
#[derive(Debug, Default)]
pub(super) struct Member {
    port: Weak<Port>,
    pub standing: Standing,
    pub parker: sync::Arc<Parker>,
    pub visit: Visit<Queued, Ready>,
    pub events: Events,
    pub pending: Vec<Pending>,
    pub transfers: Vec<Transfer>,
    /// It runs, and the last packet that it took was a posted one.
    pub took_posted: bool,
    /// Packets delivered since the kernel was last looked at.
    pub delivered: u32,
}

thread_local! {
    static MEMBER: Cell<Option<Box<Member>>> = const { Cell::new(None) };
    /// The port that this thread runs on, between a packet and the next wait.
    static RUNNING_ON: Cell<*const Port> = const { Cell::new(ptr::null()) };
}

impl Member {
    /// This thread's membership of `port`; it leaves any other port.
    pub(super) fn enter(port: &Arc<Port>) -> Box<Member> {
        RUNNING_ON.set(ptr::null());
        let mut member = MEMBER.take().unwrap_or_default();
        if !ptr::eq(member.port.as_ptr(), Arc::as_ptr(port)) {
            member.leave();
            member.port = Arc::downgrade(port);
        }
        member
    }

    /// Keeps the membership until the next wait.
    pub(super) fn keep(self: Box<Self>) {
        if self.standing == Standing::Running {
            RUNNING_ON.set(self.port.as_ptr());
        }
        MEMBER.set(Some(self));
    }

    fn leave(&mut self) {
        if self.standing == Standing::Away {
            return;
        }
        self.took_posted = false;
        if let Some(port) = self.port.upgrade() {
            let release = port.scheduler.leave(&mut self.standing, &self.parker);
            port.release(release);
        }
        self.standing = Standing::Away;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether this thread is in a handler: it took a packet of `port` and has not come back for the next.
pub(super) fn runs_on(port: &Port) -> bool {
    // The thread that is being torn down runs on nothing.
    RUNNING_ON
        .try_with(|running| ptr::eq(running.get(), port))
        .unwrap_or(false)
}
