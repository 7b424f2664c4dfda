//! Tasks: a function and a pointer that go through the port as a packet, for a layer on the port that runs code of its own on
//! the port's threads; and places that are reserved for their posts.

use std::{
    io, mem,
    ptr::NonNull,
    sync::{Arc, Weak},
};

use super::{Port, Queued, closed, shape::Packets};
use crate::sync::Mutex;

/// The two possible ends of a task. One of the two is called, once, on any thread; neither if the task is leaked
/// ([`mem::forget`]).
#[derive(Debug)]
pub struct TaskFunctions {
    /// Runs it. It may panic if the thread that runs it allows for that (the threads of `Workers` do).
    pub run: unsafe fn(NonNull<()>),
    /// Frees what the pointer points to: the task was dropped without being run. It should not panic.
    pub discard: unsafe fn(NonNull<()>),
}

/// A packet that is a function and a pointer, and runs on the thread that took it out of the port.
///
/// A task that is dropped without being [run](Self::run) is discarded, by its second function, which frees what the pointer
/// points to. Only a leaked task is neither run nor discarded.
#[derive(Debug)]
#[must_use = "a task that is dropped is discarded and not run"]
pub struct Task {
    functions: &'static TaskFunctions,
    pointer: NonNull<()>,
}

// SAFETY: the caller of `Task::new` promises that the functions may be called with the pointer on any thread.
unsafe impl Send for Task {}

impl Task {
    /// Makes a task.
    ///
    /// # Safety
    /// Either of the functions may be called with `pointer`, once, on any thread and at any time: what it points to is valid
    /// until then. Nothing may be unsound if neither is called.
    pub const unsafe fn new(functions: &'static TaskFunctions, pointer: NonNull<()>) -> Task {
        Task { functions, pointer }
    }

    /// The pointer, by which its owner recognises it.
    pub fn pointer(&self) -> NonNull<()> {
        self.pointer
    }

    /// Runs it, on this thread. To be called by the thread that took it out of a wait, which counts as running meanwhile, as
    /// in a handler.
    ///
    /// # Panics
    /// If its function does.
    pub fn run(self) {
        let (functions, pointer) = self.into_parts();
        // SAFETY: as `new` was promised; the task is gone, so this is the one call.
        unsafe { (functions.run)(pointer) };
    }

    pub(super) fn into_parts(self) -> (&'static TaskFunctions, NonNull<()>) {
        let parts = (self.functions, self.pointer);
        mem::forget(self);
        parts
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: as `new` was promised; it was not run, since that takes it.
        unsafe { (self.functions.discard)(self.pointer) };
    }
}

/// How many places are reserved on a port: each is counted among its operations, until it is given back or the port closes.
#[derive(Debug)]
pub(super) struct Places(Mutex<Held>);

#[derive(Debug)]
struct Held {
    count: usize,
    /// There is memory for so many.
    reserved: usize,
    closed: bool,
}

impl Places {
    pub(super) fn new() -> Self {
        Places(Mutex::new(Held {
            count: 0,
            reserved: 0,
            closed: false,
        }))
    }

    /// Counts one more place, and sees to it that there is memory for all there are then. Returns whether the port is still open.
    fn take(&self, reserve: impl FnOnce(usize)) -> bool {
        let mut held = self.0.lock();
        if held.closed {
            return false;
        }
        held.count += 1;
        if held.count > held.reserved {
            // For some more as well: to reserve takes locks that those who post and wait need.
            held.reserved = held.count.next_power_of_two();
            reserve(held.reserved);
        }
        true
    }

    /// A place is given back. Returns whether it was still counted.
    fn give_back(&self) -> bool {
        let mut held = self.0.lock();
        if !held.closed {
            held.count -= 1;
        }
        !held.closed
    }

    /// The port closes. Returns how many places there were: they count as its operations no longer, even if their owners keep
    /// them.
    pub(super) fn close(&self) -> usize {
        let mut held = self.0.lock();
        held.closed = true;
        mem::take(&mut held.count)
    }
}

/// A place on a port's queue, on which one task at a time can be posted again and again. Such a post never fails because too
/// many operations are under way or because memory is short.
///
/// It counts as one of the port's operations until it is dropped or the port is closed, whether a task is posted on it or not.
/// It does not keep the port open.
#[derive(Debug)]
pub struct PostPlace {
    port: Weak<Port>,
}

impl PostPlace {
    /// Posts a task on this place. It has its turn like any other packet: first in, first out.
    ///
    /// A wait must have handed out the task that was posted on this place before, and the place must not be dropped before this
    /// task is handed out. Else the queue may have to allocate memory for it, or panics in a build with debug assertions: under
    /// a lock, in which the task is discarded.
    ///
    /// On Windows, where the kernel has the queue, this waits while the system has no memory for the packet.
    ///
    /// # Errors
    /// The port is closed or gone. The task is given back, and is not among what [`Port::close`] returns.
    pub fn post(&self, task: Task) -> Result<(), Task> {
        match self.port.upgrade() {
            Some(port) => port.post_on_place(task),
            None => Err(task),
        }
    }

    /// Posts a task as [`post`](Self::post) does, but in a handler of the port (a task's run is one) without another thread being
    /// released for it at first: [`CompletionPort::post_quietly`](crate::CompletionPort::post_quietly) tells when one is. For an
    /// executor: a task that wakes another and then returns.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    pub fn post_quietly(&self, task: Task) -> Result<(), Task> {
        match self.port.upgrade() {
            Some(port) => port.post_on_place_quietly(task),
            None => Err(task),
        }
    }
}

impl Drop for PostPlace {
    fn drop(&mut self) {
        let Some(port) = self.port.upgrade() else {
            return;
        };
        if port.places().give_back() {
            port.dismiss(1);
        }
    }
}

impl Port {
    /// Queues a task. The wait that takes it brings it as [the packet's task](super::Packet::task), and its caller runs it.
    ///
    /// # Errors
    /// As for [`post`](Self::post); the task is given back.
    pub fn post_task(&self, task: Task) -> Result<(), (io::Error, Task)> {
        Packets::post_packet(self, Queued::Task(task)).map_err(|(error, packet)| match packet {
            Queued::Task(task) => (error, task),
            _ => unreachable!("it comes back as it was given"),
        })
    }

    /// Reserves a place for posts that can't fail while the port is open: memory is found for it now.
    ///
    /// # Errors
    /// The port is closed, or too many packets and operations are under way ([`QuotaExceeded`](io::ErrorKind::QuotaExceeded)).
    pub fn reserve_post(self: &Arc<Self>) -> io::Result<PostPlace> {
        self.admit()?;
        if !self.places().take(|places| self.reserve_posts(places)) {
            self.dismiss(1);
            return Err(closed());
        }
        Ok(PostPlace {
            port: Arc::downgrade(self),
        })
    }

    /// As [`PostPlace::post_quietly`], for a caller that has the port at hand: the place need not look for it, which would write to a
    /// cache line that all processors share.
    ///
    /// # Errors
    /// As there.
    pub fn post_on_quietly(self: &Arc<Self>, place: &PostPlace, task: Task) -> Result<(), Task> {
        match std::ptr::eq(place.port.as_ptr(), Arc::as_ptr(self)) {
            true => self.post_on_place_quietly(task),
            false => place.post_quietly(task),
        }
    }
}
