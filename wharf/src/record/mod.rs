//! Operations that own what they need: where the safe API meets the raw one.
//!
//! A [`Record`] is an [`Overlapped`] with what it owns behind it: the socket that it was started on and the memory it
//! moves. A started record belongs to the port, which hands it out once; the operation starts with the field that
//! the port hands back, so the same address names the operation here and in the port, and no table is needed. Records are
//! used again: in the steady state an operation allocates nothing.

mod context;
mod spare;
mod time_out;

use std::{
    io,
    mem::MaybeUninit,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

pub use context::Context;
pub(crate) use time_out::TimeOut;

#[cfg(unix)]
use crate::raw::{Counted, IdleReceive};
use crate::{
    buffer::{Buffer, BufferPool, Payload, QueuePlace, Transmit, readable, writable},
    raw::{
        Buffers, Completed, ErasedKey, Handle, OnEnd, OperationId, Overlapped, Port, Provider,
        Queued, RawBuffer, Request, Started, Task, Tried, is_cancelled,
    },
    user_code::contain,
};
use spare::Spares;

/// The memory that an operation moves.
#[derive(Debug)]
pub(crate) enum Memory {
    None,
    Receive(Buffer),
    ReceiveVectored(Box<Vectored<Buffer>>),
    /// Until there is something to receive: where the buffer will come from, and perhaps a place in the line for it.
    ReceiveFrom(BufferPool, Option<Box<QueuePlace>>),
    /// After that: the buffer.
    ReceiveLent(Buffer),
    Send(Payload),
    SendVectored(Box<Vectored<Payload>>),
    Transmit(Box<Transmit>),
}

/// Several buffers, and the list of them for the kernel. Boxed, since every operation would be as large.
#[derive(Debug)]
pub(crate) struct Vectored<T> {
    pub buffers: Vec<T>,
    list: Vec<RawBuffer>,
}

// SAFETY: the raw buffers point into the buffers beside them, which are `Send`; they are lists for the kernel.
unsafe impl Send for Memory {}

impl Memory {
    pub(crate) fn receive_vectored(buffers: Vec<Buffer>) -> Self {
        Memory::ReceiveVectored(Vectored::new(buffers))
    }

    pub(crate) fn send_vectored(payloads: Vec<Payload>) -> Self {
        Memory::SendVectored(Vectored::new(payloads))
    }

    /// The request that moves it. The addresses are those of the heap, and stay when the memory's owner is moved.
    fn request(&mut self) -> Request {
        match self {
            Memory::None => Request::ReceiveNothing,
            Memory::Receive(buffer) => Request::Receive(Buffers::One(writable(buffer))),
            Memory::ReceiveVectored(many) => Request::Receive(many.list_with(writable)),
            // One size fits all keys: the provider finds what is owned through the record's own function.
            Memory::ReceiveFrom(..) | Memory::ReceiveLent(_) => {
                unreachable!("the record has its own request for it")
            }
            Memory::Send(payload) => Request::Send(Buffers::One(readable(payload))),
            Memory::SendVectored(many) => {
                Request::Send(many.list_with(|payload| readable(payload)))
            }
            Memory::Transmit(transmit) => Request::Transmit(Box::new(transmit.request())),
        }
    }

    /// Notes that an operation has written so many bytes to it, one buffer after the other.
    ///
    /// # Safety
    /// It has.
    unsafe fn assume_written(&mut self, transferred: usize) {
        let buffers = match self {
            Memory::Receive(buffer) | Memory::ReceiveLent(buffer) => std::slice::from_mut(buffer),
            Memory::ReceiveVectored(many) => &mut many.buffers[..],
            _ => return,
        };
        let mut rest = transferred;
        for buffer in buffers {
            let len = rest.min(buffer.capacity());
            // SAFETY: passed on to the caller.
            unsafe { buffer.space_mut().assume_written(len) };
            rest -= len;
        }
    }

    /// The buffer of a receive or a read.
    pub(crate) fn into_buffer(self) -> Option<Buffer> {
        match self {
            Memory::Receive(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// The buffers of a receive into several.
    pub(crate) fn into_buffers(self) -> Option<Vec<Buffer>> {
        match self {
            Memory::ReceiveVectored(many) => Some(many.buffers),
            _ => None,
        }
    }

    /// The payloads of a send of several.
    pub(crate) fn into_payloads(self) -> Option<Vec<Payload>> {
        match self {
            Memory::SendVectored(many) => Some(many.buffers),
            _ => None,
        }
    }

    /// What is transmitted.
    pub(crate) fn into_transmit(self) -> Option<Box<Transmit>> {
        match self {
            Memory::Transmit(transmit) => Some(transmit),
            _ => None,
        }
    }

    /// The payload of a send or a write.
    pub(crate) fn into_payload(self) -> Option<Payload> {
        match self {
            Memory::Send(payload) => Some(payload),
            _ => None,
        }
    }
}

impl<T> Vectored<T> {
    fn new(buffers: Vec<T>) -> Box<Self> {
        let list = Vec::with_capacity(buffers.len());
        Box::new(Vectored { buffers, list })
    }

    /// Lists them, and gives the list.
    fn list_with(&mut self, raw: impl FnMut(&mut T) -> RawBuffer) -> Buffers {
        self.list.extend(self.buffers.iter_mut().map(raw));
        Buffers::Many {
            first: self.list.as_ptr(),
            count: self.list.len(),
        }
    }
}

/// What an operation was started on, kept by it until it completes.
pub(crate) trait Source: Send + Sized + 'static {
    /// What a posted packet carries.
    type Key: Send;

    /// The part of a stream's source that all operations on the stream share.
    type Stream;

    fn on_stream(stream: Arc<Self::Stream>) -> Self;

    /// The source of the timer of a time-out.
    fn of_time_out(time_out: Arc<TimeOut>) -> Self;

    /// The time-out whose timer this is the source of, if it is one.
    fn time_out(&self) -> Option<&TimeOut>;

    /// The port that it belongs to. Asked only of what operations that move memory were started on.
    fn records(&self) -> &Arc<Records<Self>>;
}

/// How an operation is started, and how its end is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// By a packet.
    Reported,
    /// Only its failure is reported.
    Quiet,
    /// Likewise; and it is refused while a send is under way.
    QuietAlone,
}

/// What an operation carries.
#[derive(Debug)]
pub(crate) struct Owned<S> {
    pub source: S,
    pub memory: Memory,
    /// The caller's own, which comes back with the completion.
    pub context: Option<Context>,
}

impl<S: Source> Owned<S> {
    fn receive_from(stream: Arc<S::Stream>, pool: BufferPool) -> Self {
        Owned {
            source: S::on_stream(stream),
            memory: Memory::ReceiveFrom(pool, None),
            context: None,
        }
    }
}

impl<S> Owned<S> {
    pub(crate) fn without_memory(source: S, context: Option<Context>) -> Self {
        Owned {
            source,
            memory: Memory::None,
            context,
        }
    }
}

#[derive(Debug)]
#[repr(C)]
struct Record<S> {
    overlapped: Overlapped,
    owned: Owned<S>,
    /// It has not ended.
    #[cfg(shuttle)]
    is_in_use: bool,
}

// SAFETY: the addresses in the operation are those of memory that is owned beside it, which may be sent; the port uses
// them from one thread at a time.
unsafe impl<S: Send> Send for Record<S> {}

/// The token of the timer of a time-out. All other operations have 0.
const TIME_OUT: u64 = 1;

/// A completed record, taken apart.
#[derive(Debug)]
pub(crate) struct Returned<S> {
    pub owned: Owned<S>,
    pub operation: OperationId,
    pub transferred: usize,
    pub error: Option<io::Error>,
    pub request: Request,
}

/// A raw port on which every operation is a [`Record`].
#[derive(Debug)]
pub(crate) struct Records<S> {
    raw: Arc<Port>,
    spares: Spares<Record<S>>,
    /// A time-out was ever set.
    has_time_outs: AtomicBool,
}

impl<S> Records<S> {
    /// The port beneath.
    pub(crate) fn raw(&self) -> &Arc<Port> {
        &self.raw
    }
}

impl<S: Source> Records<S> {
    pub(crate) fn new(raw: Arc<Port>) -> Self {
        #[cfg(unix)]
        raw.make_receives_with(Record::<S>::make);
        Records {
            raw,
            spares: Spares::new(),
            has_time_outs: AtomicBool::new(false),
        }
    }

    /// The request that moves memory from or to a stream.
    pub(crate) fn request_for(memory: &mut Memory) -> Request {
        match memory {
            Memory::ReceiveFrom(..) => Request::ReceiveProvided(Self::PROVIDER),
            memory => memory.request(),
        }
    }

    /// Finds memory in the pool of [`Memory::ReceiveFrom`].
    pub(crate) const PROVIDER: &'static Provider = Record::<S>::PROVIDER;

    /// Starts an operation, and takes it apart at once if it ended within the call, well or not.
    pub(crate) fn start_skip_port(
        &self,
        handle: Handle,
        owned: Owned<S>,
        request: Request,
    ) -> Result<Result<Returned<S>, OperationId>, (io::Error, Owned<S>)> {
        let started = self.give_up(owned, request, Manner::Reported, |operation| {
            // SAFETY: as in `start`.
            let started = unsafe { self.raw.start_skip_port(handle, operation) }?;
            Ok((started, operation))
        });
        started.map(|(started, operation)| match started {
            Started::Completed(_) => Ok(self.finish(operation)),
            Started::Pending(id) => Err(id),
        })
    }

    /// Starts an operation.
    #[inline]
    pub(crate) fn start(
        &self,
        handle: Handle,
        owned: Owned<S>,
        request: Request,
        manner: Manner,
    ) -> Result<OperationId, (io::Error, Owned<S>)> {
        self.give_up(owned, request, manner, |operation| {
            match manner {
                // SAFETY: the record is on the heap and this is its only address; it is taken apart when its packet is
                // handed out and not before. The memory of its request belongs to what it owns, which lives as long.
                Manner::Reported | Manner::Quiet => unsafe { self.raw.start(handle, operation) },
                // SAFETY: likewise.
                Manner::QuietAlone => unsafe { self.raw.start_alone(handle, operation) },
            }
        })
    }

    /// Starts a receive from a pool. It needs no record before there is something to receive.
    pub(crate) fn receive_from(
        &self,
        handle: Handle,
        stream: Arc<S::Stream>,
        pool: BufferPool,
    ) -> Result<OperationId, (io::Error, Owned<S>)> {
        #[cfg(unix)]
        let (stream, pool) = {
            let receive = idle_receive(stream, pool);
            // SAFETY: the function that is set makes a record of it, on any thread.
            match unsafe { self.raw.start_idle(handle, receive) } {
                Ok(id) => return Ok(id),
                // SAFETY: it came back as it was made.
                Err(receive) => unsafe { taken_apart(receive) },
            }
        };
        let owned = Owned::receive_from(stream, pool);
        let request = Request::ReceiveProvided(Self::PROVIDER);
        self.start(handle, owned, request, Manner::Reported)
    }

    /// Sends a payload of which only a failure is reported. If the system takes all of it at once, no record is needed, and
    /// nothing of what it was started on.
    pub(crate) fn send_quietly(
        &self,
        handle: Handle,
        source: impl FnOnce() -> S,
        payload: Payload,
        context: Option<Context>,
        manner: Manner,
    ) -> Result<OperationId, (io::Error, Owned<S>)> {
        let bytes = readable(&payload);
        let own = |payload, context| Owned {
            source: source(),
            memory: Memory::Send(payload),
            context,
        };
        let request = Request::Send(Buffers::One(bytes));
        // SAFETY: the payload stays, and is not written, until this returns; or until the operation has ended that it is given to.
        match unsafe { self.raw.send_first(handle, bytes) } {
            Tried::Sent(id) => {
                drop_sent(payload, context);
                Ok(id)
            }
            Tried::Not => self.start(handle, own(payload, context), request, manner),
            Tried::Begun(begun) => {
                self.give_up(own(payload, context), request, manner, |operation| {
                    // SAFETY: as in `start`.
                    Ok(unsafe { self.raw.go_on_sending(begun, operation) })
                })
            }
        }
    }

    /// Sets a timer.
    pub(crate) fn start_timer(
        &self,
        deadline: Instant,
        owned: Owned<S>,
    ) -> Result<OperationId, (io::Error, Owned<S>)> {
        self.give_up(owned, Request::Timer, Manner::Reported, |operation| {
            // SAFETY: as in `start`.
            unsafe { self.raw.start_timer(deadline, 0, operation) }
        })
    }

    /// Whether ends of time-outs may be among the packets.
    #[inline]
    pub(crate) fn has_time_outs(&self) -> bool {
        self.has_time_outs.load(Ordering::Relaxed)
    }

    /// Sets the timer of a time-out: its packet is [passed](Self::pass_time_out), and no completion.
    pub(crate) fn start_time_out(
        &self,
        deadline: Instant,
        owned: Owned<S>,
    ) -> Result<OperationId, (io::Error, Owned<S>)> {
        self.has_time_outs.store(true, Ordering::Relaxed);
        self.give_up(owned, Request::Timer, Manner::Reported, |mut operation| {
            // SAFETY: it was made just now, and is ours.
            unsafe { operation.as_mut() }.token = TIME_OUT;
            // SAFETY: as in `start`.
            unsafe { self.raw.start_timer(deadline, 0, operation) }
        })
    }

    /// Whether a packet is the end of a time-out: if it is, its operation is cancelled, and nothing is left of the packet.
    #[inline(always)]
    pub(crate) fn pass_time_out(&self, packet: Queued) -> Option<Queued> {
        if let Queued::Operation(Completed(operation)) = packet {
            // SAFETY: its packet was handed out, so it is ours.
            if unsafe { operation.as_ref() }.token == TIME_OUT {
                self.strike(operation);
                return None;
            }
        }
        Some(packet)
    }

    #[cold]
    fn strike(&self, operation: NonNull<Overlapped>) {
        let Returned { owned, error, .. } = self.finish(operation);
        // It has an error if it was cancelled, as all timers are when the port closes.
        if error.is_none() {
            if let Some(time_out) = owned.source.time_out() {
                time_out.strike(&self.raw);
            }
        }
    }

    /// Cancels a timer without a packet; gives what it owned.
    pub(crate) fn cancel_timer_quietly(&self, id: OperationId) -> io::Result<Owned<S>> {
        let timer = self.raw.cancel_timer_quietly(id)?;
        // SAFETY: every operation on this port is a `Record<S>`, started here, and this one was handed out.
        let (record, memory) = unsafe { Record::<S>::take(timer) };
        self.spares.put(memory);
        Ok(record.owned)
    }

    /// Posts a packet. It needs no record: the key travels in the packet.
    pub(crate) fn post(&self, key: S::Key, transferred: usize) -> Result<(), (io::Error, S::Key)> {
        self.post_by(key, transferred, |packet| self.raw.post_packet(packet))
    }

    /// As [`post`](Self::post), quietly.
    pub(crate) fn post_quietly(
        &self,
        key: S::Key,
        transferred: usize,
    ) -> Result<(), (io::Error, S::Key)> {
        self.post_by(key, transferred, |packet| {
            self.raw.post_packet_quietly(packet)
        })
    }

    #[inline]
    fn post_by(
        &self,
        key: S::Key,
        transferred: usize,
        post: impl FnOnce(Queued) -> Result<(), (io::Error, Queued)>,
    ) -> Result<(), (io::Error, S::Key)> {
        let key = ErasedKey::pack(key);
        let posted = post(Queued::Carried { key, transferred });
        posted.map_err(|(error, packet)| match packet {
            // SAFETY: it was packed with a key above.
            Queued::Carried { key, .. } => (error, unsafe { key.unpack() }),
            _ => unreachable!("it comes back as it was given"),
        })
    }

    /// Posts a packet that carries more than a key.
    pub(crate) fn post_owned(
        &self,
        owned: Owned<S>,
        transferred: usize,
    ) -> Result<(), (io::Error, Owned<S>)> {
        self.give_up(owned, Request::Posted, Manner::Reported, |operation| {
            // SAFETY: as in `start`.
            unsafe { self.raw.post_overlapped(operation, transferred) }
        })
    }

    /// Makes a record and gives it to the port; takes it back if it is refused.
    #[inline(always)] // What it is given is large, and would be copied.
    fn give_up<T>(
        &self,
        owned: Owned<S>,
        request: Request,
        manner: Manner,
        start: impl FnOnce(NonNull<Overlapped>) -> io::Result<T>,
    ) -> Result<T, (io::Error, Owned<S>)> {
        let record = self.make(owned, request, manner);
        start(record).map_err(|error| {
            // SAFETY: it was refused, so it is still ours alone.
            let (record, memory) = unsafe { Record::<S>::take(record) };
            self.spares.put(memory);
            (error, record.owned)
        })
    }

    /// Makes a record.
    #[inline(always)] // What it is given is large, and would be copied.
    fn make(&self, owned: Owned<S>, request: Request, manner: Manner) -> NonNull<Overlapped> {
        let mut memory = self.spares.take();
        // Where an operation may end twice, its record is to be known by it still.
        #[cfg(shuttle)]
        if crate::planted::is_any() {
            std::mem::forget(std::mem::replace(&mut memory, Box::new_uninit()));
        }
        let mut overlapped = Overlapped::new(0, request);
        if !matches!(manner, Manner::Reported) {
            overlapped.on_end = OnEnd::NothingOnSuccess(Record::<S>::finish_quietly);
            overlapped.waits = Some(Record::<S>::set_aside);
        }
        memory.write(Record {
            overlapped,
            owned,
            #[cfg(shuttle)]
            is_in_use: true,
        });
        NonNull::from(Box::leak(memory)).cast()
    }

    /// Takes a packet of the port apart: a completed operation, the key and number of a posted one, or a task. In functions, not
    /// one value that may be either: a posted packet is small, and copying what a completed operation is costs more than
    /// posting it.
    #[inline]
    pub(crate) fn take<T>(
        &self,
        packet: Queued,
        completed: impl FnOnce(Returned<S>) -> T,
        posted: impl FnOnce(S::Key, usize) -> T,
        task: impl FnOnce(Task) -> T,
    ) -> T {
        match packet {
            Queued::Operation(Completed(operation)) => completed(self.finish(operation)),
            Queued::Carried { key, transferred } => {
                // SAFETY: every packet that is posted on this port is packed with a key, by `post_by`.
                posted(unsafe { key.unpack() }, transferred)
            }
            Queued::Task(given) => task(given),
            Queued::Posted { .. } => unreachable!("the port beneath is not handed out"),
        }
    }

    /// The key and the number of a posted packet, if it is one.
    #[inline(always)]
    pub(crate) fn take_carried(&self, packet: Queued) -> Result<(S::Key, usize), Queued> {
        match packet {
            Queued::Carried { key, transferred } => {
                // SAFETY: every packet that is posted on this port is packed with a key, by `post`.
                Ok((unsafe { key.unpack() }, transferred))
            }
            other => Err(other),
        }
    }

    #[inline(always)] // What it brings is large, and would be copied.
    fn finish(&self, operation: NonNull<Overlapped>) -> Returned<S> {
        // SAFETY: every operation on this port is a `Record<S>`, started here, and its packet was handed out.
        let (record, memory) = unsafe { Record::<S>::take(operation) };
        self.spares.put(memory);
        let Record {
            overlapped,
            mut owned,
            ..
        } = record;
        let transferred = overlapped.transferred;
        let mut error = overlapped.error();
        if owned.context.is_some() && self.end_time_out(&mut owned.context) {
            error = error.map(|error| match is_cancelled(&error) {
                true => io::ErrorKind::TimedOut.into(),
                false => error,
            });
        }
        // SAFETY: the memory of its request is owned by it, whole and in this order; what an operation that receives or reads has
        // transferred is in it, whether it failed in the end or not (`Request`).
        unsafe { owned.memory.assume_written(transferred) };
        Returned {
            owned,
            operation: overlapped.id(),
            transferred,
            error,
            request: overlapped.request,
        }
    }
}

impl<S: Source> Record<S> {
    const PROVIDER: &'static Provider = &Provider {
        provide: Self::provide,
        withdraw: Self::withdraw,
    };

    /// Makes the record of a receive from a pool.
    ///
    /// # Safety
    /// It was made by [`idle_receive`], for a source of this type, and is not used otherwise.
    #[cfg(unix)]
    unsafe fn make(receive: IdleReceive) -> NonNull<Overlapped> {
        // SAFETY: passed on to the caller.
        let (stream, pool) = unsafe { taken_apart(receive) };
        let owned = Owned::<S>::receive_from(stream, pool);
        // It is there as long as what was started on it, which goes into the record.
        let records: *const Records<S> = Arc::as_ptr(owned.source.records());
        let request = Request::ReceiveProvided(Self::PROVIDER);
        // SAFETY: as said.
        unsafe { &*records }.make(owned, request, Manner::Reported)
    }

    /// Takes a record out of its memory, which may be used again.
    ///
    /// # Safety
    /// `operation` is a leaked `Record<S>`, and not used by other code.
    #[inline(always)] // What it brings is large, and would be copied.
    unsafe fn take(operation: NonNull<Overlapped>) -> (Self, Box<MaybeUninit<Self>>) {
        let memory = operation.cast::<MaybeUninit<Self>>();
        #[cfg(shuttle)]
        {
            // SAFETY: passed on to the caller; one that has ended before is kept for the next operation.
            let is_in_use = unsafe { &mut (*memory.cast::<Self>().as_ptr()).is_in_use };
            assert!(std::mem::take(is_in_use), "an operation ends once");
        }
        // SAFETY: passed on to the caller. A record starts with its operation (`repr(C)`), so the address is the record's, and it
        // was leaked from a box. What is read is not used again from there.
        unsafe {
            let memory = Box::from_raw(memory.as_ptr());
            (memory.assume_init_read(), memory)
        }
    }

    /// # Safety
    /// `operation` is a `Record<S>` in transfer, by this thread; see [`Provider`].
    unsafe fn provide(operation: NonNull<Overlapped>) -> Option<RawBuffer> {
        let record = operation.cast::<Self>().as_ptr();
        // SAFETY: the record is valid, and its handle is not written while it is started.
        let handle = unsafe { (&raw const (*record).overlapped.handle).read() };
        // SAFETY: the record is valid, and what it owns is this thread's while it transfers.
        let Owned { source, memory, .. } = unsafe { &mut (*record).owned };
        let Memory::ReceiveFrom(pool, place) = std::mem::replace(memory, Memory::None) else {
            unreachable!("only receives from a pool have this provider");
        };
        match pool.lend_or_wait(place, source.records().raw(), handle) {
            Ok(mut buffer) => {
                let raw = writable(&mut buffer);
                *memory = Memory::ReceiveLent(buffer);
                Some(raw)
            }
            Err((pool, place)) => {
                *memory = Memory::ReceiveFrom(pool, Some(place));
                None
            }
        }
    }

    /// # Safety
    /// As for [`provide`](Self::provide).
    unsafe fn withdraw(operation: NonNull<Overlapped>) {
        let record = operation.cast::<Self>().as_ptr();
        // SAFETY: the record is valid, and what it owns is this thread's while it transfers.
        let Owned { memory, .. } = unsafe { &mut (*record).owned };
        let Memory::ReceiveLent(buffer) = memory else {
            return;
        };
        if let Some(pool) = buffer.pool().cloned() {
            // The buffer goes back; the next attempt finds another.
            *memory = Memory::ReceiveFrom(pool, None);
        }
    }

    /// A send has to wait: its bytes leave the pool that received them, which other receives need. A success is not reported,
    /// so the buffer itself need not come back.
    ///
    /// # Safety
    /// `operation` is a `Record<S>` in transfer, by this thread; see [`Overlapped::waits`].
    unsafe fn set_aside(operation: NonNull<Overlapped>) -> Option<RawBuffer> {
        let record = operation.cast::<Self>().as_ptr();
        // SAFETY: the record is valid, and what it owns is this thread's while it transfers.
        let owned = unsafe { &mut (*record).owned };
        let Memory::Send(payload) = &mut owned.memory else {
            return None;
        };
        payload.set_aside().then(|| readable(payload))
    }

    /// What becomes of a quiet operation that succeeded.
    ///
    /// # Safety
    /// `operation` is a leaked `Record<S>`, and not used by other code.
    unsafe fn finish_quietly(operation: NonNull<Overlapped>) {
        // SAFETY: passed on to the caller.
        let (record, spare) = unsafe { Self::take(operation) };
        let Owned {
            source,
            memory,
            context,
        } = record.owned;
        // The port may go with what was owned: not before the record is put away.
        source.records().spares.put(spare);
        // A key is the user's, too, and its drop may panic as those of the others may.
        drop_sent(memory, context);
        contain("the drop of a key", || drop(source));
    }
}

/// What a receive from a pool is to be made of, as the port keeps it.
#[cfg(unix)]
fn idle_receive<T>(stream: Arc<T>, pool: BufferPool) -> IdleReceive {
    let stream = Arc::into_raw(stream).cast_mut().cast();
    IdleReceive {
        source: NonNull::new(stream).expect("no address is 0"),
        pool: pool.into_share().into_raw(),
    }
}

/// # Safety
/// It was made by [`idle_receive`] of this type, and is not used again.
#[cfg(unix)]
unsafe fn taken_apart<T>(receive: IdleReceive) -> (Arc<T>, BufferPool) {
    let IdleReceive { source, pool } = receive;
    // SAFETY: passed on to the caller.
    unsafe {
        let stream = Arc::from_raw(source.cast::<T>().as_ptr().cast_const());
        let share = Counted::from_raw(pool);
        (stream, BufferPool::from_share(share))
    }
}

/// Drops a payload that was sent, and the context of its send. The owner of a payload is the user's, and so is a context: each by
/// itself, since either may panic.
#[inline]
fn drop_sent<T>(payload: T, context: Option<Context>) {
    contain("the drop of a payload that was sent", || drop(payload));
    if context.is_some() {
        contain("the drop of a context", || drop(context));
    }
}
