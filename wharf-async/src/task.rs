//! Tasks: a future that goes through the port as a packet, on a place that is reserved for it.
//!
//! This is the crate's one file with unsafe code: a task travels as a pointer.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    ptr::NonNull,
    sync::{Arc, PoisonError},
    task::{Context, Poll, ready},
};

use async_task::{Builder, FallibleTask, ScheduleInfo, WithInfo};
use pin_project_lite::pin_project;
use tracing::{Span, span};
use wharf::{
    raw::{PostPlace, Task, TaskFunctions},
    user_code,
};

use crate::{
    budget, console,
    context::{self, Current},
    local::Queue,
    polls,
    registry::{Id, Registry},
    sync::{Mutex, lock},
};

/// A task that is to be polled.
pub(crate) type Runnable = async_task::Runnable<Header>;

/// Where a task is listed.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    Runtime(Current),
    Local(Arc<Queue>),
}

impl Home {
    pub(crate) fn registry(&self) -> &Registry {
        match self {
            Home::Runtime(runtime) => &runtime.registry,
            Home::Local(queue) => queue.registry(),
        }
    }
}

/// What is known of a task to the thread that polls it.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) home: Home,
    id: Id,
    location: &'static Location<'static>,
    span: Option<span::Id>,
}

static FUNCTIONS: TaskFunctions = TaskFunctions {
    run: run_raw,
    discard: discard_raw,
};

/// # Safety
/// The pointer is that of a `Runnable` that was given up for it.
unsafe fn run_raw(pointer: NonNull<()>) {
    // SAFETY: passed on to the caller.
    run(unsafe { Runnable::from_raw(pointer) });
}

/// # Safety
/// As for [`run_raw`].
unsafe fn discard_raw(pointer: NonNull<()>) {
    // SAFETY: passed on to the caller.
    drop(unsafe { Runnable::from_raw(pointer) });
}

/// Polls a task on this thread.
pub(crate) fn run(task: Runnable) {
    let header = task.metadata();
    budget::refill();
    let _watched = polls::watch(header.id, header.location);
    task.run();
}

/// Posts a task that was woken, or has this worker run it next. `place` lies in the task's own memory, which is kept until this
/// returns.
fn schedule(task: Runnable, info: ScheduleInfo, runtime: &Current, place: &PostPlace) {
    console::woken(task.metadata().span.as_ref());
    // Woken in its poll, it has its turn behind those that are ready.
    let offered = match info.woken_while_running {
        true => Some(task),
        false => context::offer(task),
    };
    let Some(task) = offered else {
        return;
    };
    #[cfg(all(unix, feature = "simulated"))]
    if let Some(world) = &runtime.world {
        return world.push(task);
    }
    // SAFETY: the pointer is given up for the packet, and either function makes it a `Runnable` again, on any thread: the future
    // of a task that goes through the port is `Send`.
    let packet = unsafe { Task::new(&FUNCTIONS, task.into_raw()) };
    // If the port is closed, nothing polls the task any more: it is discarded, and its future is dropped here.
    drop(runtime.port.post_on_quietly(place, packet));
}

pin_project! {
    /// The future of a task. A panic of its poll is the result of the task, one of its drop is logged; a poll after an abort drops
    /// it. And when it is gone, the task is on the list no longer.
    struct Contained<F> {
        #[pin]
        future: Option<F>,
        span: Span,
        listed: Listed,
    }

    impl<F> PinnedDrop for Contained<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            drop_future(this.future);
            console::end(this.span);
        }
    }
}

/// A task's entry in the registry, until this is dropped.
struct Listed {
    home: Home,
    id: Id,
}

impl Listed {
    fn is_aborted(&self) -> bool {
        self.home.registry().is_aborted(self.id)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.home.registry().remove(self.id);
    }
}

fn drop_future<F>(mut future: Pin<&mut Option<F>>) {
    user_code::contain("the drop of a future", || future.set(None));
}

/// What a task has brought, until it is taken. If nobody takes it, it is dropped where a panic would end the process; so that is
/// contained.
struct Brought<T>(Option<Result<T, JoinError>>);

impl<T> Brought<T> {
    fn take(&mut self) -> Option<Result<T, JoinError>> {
        self.0.take()
    }
}

impl<T> Drop for Brought<T> {
    fn drop(&mut self) {
        if let Some(left) = self.0.take() {
            user_code::contain("the drop of a task's output", || drop(left));
        }
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Brought<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Asked in the poll, from whose beginning on a wake brings another: the wake of an abort that comes after this is not lost.
        if this.listed.is_aborted() {
            drop_future(this.future);
            return Poll::Ready(Brought(Some(Err(JoinError(Cause::Cancelled)))));
        }
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("a task is not polled after its end");
        let entered = console::enter(this.span);
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(context)));
        drop(entered);
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => {
                this.listed.home.registry().count_panic();
                Err(JoinError(Cause::Panicked(Box::new(Mutex::new(panic)))))
            }
        };
        // Before the result is there for others: what the future holds is gone by then.
        drop_future(this.future);
        Poll::Ready(Brought(Some(result)))
    }
}

/// Begins a task that any thread of the runtime may poll.
pub(crate) fn spawn<F>(
    runtime: &Current,
    location: &'static Location<'static>,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // Refused only by a port that is closed: as many operations may be under way on ours as memory has room for.
    let Ok(place) = runtime.port.reserve_post() else {
        return JoinHandle(None);
    };
    let (home, runtime) = (Home::Runtime(runtime.clone()), runtime.clone());
    begin(&home, "task", location, future, |header, future| {
        let wake = WithInfo(move |task, info| schedule(task, info, &runtime, &place));
        Builder::new().metadata(header).spawn(|_| future, wake)
    })
}

/// Begins a task that this thread alone polls, out of a queue of its own.
pub(crate) fn spawn_local<F>(
    queue: &Arc<Queue>,
    location: &'static Location<'static>,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let ready = queue.clone();
    begin(
        &Home::Local(queue.clone()),
        "local",
        location,
        future,
        |header, future| {
            let wake = move |task: Runnable| {
                console::woken(task.metadata().span.as_ref());
                ready.push(task);
            };
            Builder::new()
                .metadata(header)
                .spawn_local(|_| future, wake)
        },
    )
}

/// Lists a task, makes it and schedules it.
fn begin<F: Future>(
    home: &Home,
    kind: &'static str,
    location: &'static Location<'static>,
    future: F,
    make: impl FnOnce(Header, Contained<F>) -> (Runnable, async_task::Task<Brought<F::Output>, Header>),
) -> JoinHandle<F::Output> {
    let number = home.registry().next_number();
    let span = console::span(kind, number, location);
    let span_id = span.id();
    let begun = home.registry().insert(number, location, |id| {
        let future = Contained {
            future: Some(future),
            span,
            listed: Listed {
                home: home.clone(),
                id,
            },
        };
        let header = Header {
            home: home.clone(),
            id,
            location,
            span: span_id,
        };
        let (task, handle) = make(header, future);
        (task.waker(), (id, task, handle))
    });
    let Some((id, task, handle)) = begun else {
        return JoinHandle(None);
    };
    let abort = AbortHandle(Some((home.clone(), id)));
    task.schedule();
    JoinHandle(Some((handle.fallible(), abort)))
}

/// A future that waits for the result of a task. If it is dropped, the task is detached, and goes on.
///
/// A result that is not taken is dropped by the runtime; if that panics, it is logged. One panic is not contained, that of a waker which
/// the task wakes: if an executor of the program's own awaits the handle with such a waker, the process ends.
#[must_use = "a handle that is dropped detaches the task; `abort` ends it"]
pub struct JoinHandle<T>(Option<(Joined<T>, AbortHandle)>);

/// A task with its result. None: its future was dropped before it had one.
type Joined<T> = FallibleTask<Brought<T>, Header>;

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("JoinHandle");
        debug.field("is_finished", &self.is_finished());
        debug.finish_non_exhaustive()
    }
}

impl<T> JoinHandle<T> {
    /// Ends the task at its next turn: its future is dropped by a worker, and the handle gives a
    /// [cancelled](JoinError::is_cancelled) result. A task that is in a poll, or blocks there, first comes to the end of
    /// the poll. Nothing changes if the task has ended.
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// A handle that can [abort](Self::abort) the task, and no more.
    pub fn abort_handle(&self) -> AbortHandle {
        let abort = self.0.as_ref().map(|(_, abort)| abort.clone());
        abort.unwrap_or(AbortHandle(None))
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(|(task, _)| task.is_finished())
    }

    /// Lets the task go on by itself: the same as dropping the handle, but explicit.
    pub fn detach(self) {}
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some((task, _)) = self.0.take() {
            task.detach();
        }
    }
}

impl<T> JoinHandle<T> {
    /// The result, whatever the poll has had.
    pub(crate) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let brought = match &mut self.0 {
            Some((task, _)) => ready!(Pin::new(task).poll(context)),
            None => None,
        };
        let result = brought.and_then(|mut brought| brought.take());
        Poll::Ready(result.unwrap_or(Err(JoinError(Cause::Cancelled))))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_left(context));
        let result = ready!(self.poll_ended(context));
        budget::spend();
        Poll::Ready(result)
    }
}

/// Aborts a task; see [`JoinHandle::abort_handle`].
#[derive(Debug, Clone)]
pub struct AbortHandle(Option<(Home, Id)>);

impl AbortHandle {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        if let Some((home, id)) = &self.0 {
            home.registry().abort(*id);
        }
    }
}

/// Why a task has no result.
#[derive(Debug)]
pub struct JoinError(Cause);

enum Cause {
    /// Under a lock, so that the error may be in any other (which has to be `Sync`).
    Panicked(Box<Mutex<Box<dyn Any + Send>>>),
    Cancelled,
}

impl fmt::Debug for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Panicked(panic) => {
                let panic = lock(panic);
                let message = user_code::panic_message(&**panic);
                write!(formatter, "Panicked({message:?})")
            }
            Cause::Cancelled => formatter.write_str("Cancelled"),
        }
    }
}

impl JoinError {
    /// Whether the task was aborted, or its runtime has stopped.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Cause::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panicked(_))
    }

    /// What the task panicked with, for [`resume_unwind`](std::panic::resume_unwind); else the error itself.
    ///
    /// # Errors
    /// The task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.0 {
            Cause::Panicked(panic) => {
                Ok(panic.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            Cause::Cancelled => Err(self),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Panicked(panic) => {
                let panic = lock(panic);
                let message = user_code::panic_message(&**panic);
                write!(formatter, "the task panicked: {message}")
            }
            Cause::Cancelled => formatter.write_str("the task was cancelled"),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        std::io::Error::other(error.to_string())
    }
}
