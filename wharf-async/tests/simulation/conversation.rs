//! Conversations over simulated streams, whose tasks drop their futures at every await and try again. The other ends are threads of
//! the simulation that block.
//!
//! Where no connection can fail, every byte arrives, once and in its order, and every connection is accepted. Where one can, what
//! arrives is the beginning of what was sent.

use std::{
    io::{self, IoSlice, Read, Write},
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use fastrand::Rng;
use shuttle::thread;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wharf::{
    Buffer,
    simulated::{Kernel, Listener, Stream},
};
use wharf_async::{
    JoinHandle,
    net::{TcpListener, TcpStream},
};

use crate::few_polls::{Fate, FewPolls, insist};

/// The first byte of a connection: what the peer wants.
const ECHO: u8 = 0;
const BOTH_WAYS: u8 = 1;

/// What a task says of itself when its stream failed, or it has read everything.
type Told = io::Result<Vec<u8>>;

/// What all threads and tasks of a run know.
struct World {
    kernel: Kernel,
    may_fail: bool,
    accepted: AtomicUsize,
    /// The tasks that serve connections.
    served: Mutex<Vec<JoinHandle<Told>>>,
}

/// So many bytes that each tells its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|place| (place * 31 + place / 251) as u8)
        .collect()
}

fn any_length(random: &mut Rng) -> usize {
    match random.u8(..16) {
        0 => random.usize(..150_000),
        1..=4 => random.usize(..40_000),
        _ => random.usize(..2_000),
    }
}

/// Peers connect to a listener of the runtime's, and a task connects to one of a peer's.
pub fn live(kernel: &Kernel, random: &mut Rng, may_fail: bool) {
    let runtime = crate::runtime(kernel, random, 2);
    let world = Arc::new(World {
        kernel: kernel.clone(),
        may_fail,
        accepted: AtomicUsize::new(0),
        served: Mutex::default(),
    });
    let listener = kernel.listen();
    let address = listener.local_addr().expect("an address");
    let accepts = runtime.spawn(accept(world.clone(), listener, random.fork()));
    let connects = {
        let (world, random, handle) = (world.clone(), random.fork(), runtime.handle().clone());
        thread::spawn(move || be_connected_to(&world, &handle, random))
    };
    let peers: Vec<_> = (0..random.usize(1..4))
        .map(|_| {
            let (world, random) = (world.clone(), random.fork());
            thread::spawn(move || talk(&world, address, random))
        })
        .collect();
    let connected = peers.len();
    peers
        .into_iter()
        .for_each(|peer| peer.join().expect("no panic"));
    connects.join().expect("no panic");
    if !may_fail {
        assert_eq!(world.accepted.load(Ordering::SeqCst), connected);
    }
    accepts.abort();
    let ended = runtime.block_on(accepts).expect_err("it goes on for ever");
    assert!(ended.is_cancelled(), "{ended}");
    let served = std::mem::take(&mut *world.served.lock().expect("no panic"));
    for task in served {
        let told = runtime.block_on(task).expect("no panic");
        assert!(may_fail || told.is_ok(), "{told:?}");
    }
    assert_eq!(runtime.snapshot().tasks, 0);
    let handle = runtime.handle().clone();
    crate::stop(runtime);
    assert_eq!(handle.snapshot().port.operations, 0);
    assert_eq!(Arc::strong_count(&world), 1, "a future is left");
}

/// The bytes that arrived of those that were sent.
fn judge(world: &World, arrived: &[u8], sent: &[u8], what: &str) {
    if !world.may_fail {
        assert_eq!(arrived.len(), sent.len(), "{what}: bytes are missing");
    }
    assert!(
        sent.starts_with(arrived),
        "{what}: {} of {} bytes arrived, in another order",
        arrived.len(),
        sent.len()
    );
}

// The tasks.

/// Accepts until it is aborted.
async fn accept(world: Arc<World>, listener: Listener, mut random: Rng) {
    let listener = TcpListener::from_simulated(listener).expect("of this kernel");
    loop {
        match insist!(&mut random, listener.accept()) {
            Ok((stream, _)) => {
                world.accepted.fetch_add(1, Ordering::SeqCst);
                let task = wharf_async::spawn(serve(world.clone(), stream, random.fork()));
                world.served.lock().expect("no panic").push(task);
            }
            Err(error) => assert!(world.may_fail, "{error}"),
        }
    }
}

async fn serve(world: Arc<World>, mut stream: TcpStream, mut random: Rng) -> Told {
    let mut kind = [ECHO];
    if insist!(&mut random, stream.read(&mut kind))? == 0 {
        return Ok(Vec::new());
    }
    match kind[0] {
        BOTH_WAYS => both_ways(&world, stream, random).await,
        _ => echo(stream, world.may_fail, random).await,
    }
}

/// Sends back what comes, in pieces of any size.
async fn echo(mut stream: TcpStream, may_fail: bool, mut random: Rng) -> Told {
    let mut all = Vec::new();
    loop {
        let bytes = gather(&mut stream, &mut random).await?;
        if bytes.is_empty() {
            break;
        }
        give(&mut stream, &bytes, may_fail, &mut random).await?;
        all.extend(bytes);
    }
    if random.bool() {
        insist!(&mut random, stream.shutdown())?;
    }
    // Else the drop of the stream ends it, behind all that was written.
    Ok(all)
}

/// Reads and writes in two tasks.
async fn both_ways(world: &Arc<World>, stream: TcpStream, mut random: Rng) -> Told {
    let (mut reads, mut writes) = stream.into_split();
    let mut other = random.fork();
    let writer = wharf_async::spawn(async move {
        let bytes = pattern(any_length(&mut other));
        write_plainly(&mut writes, &bytes, &mut other).await?;
        if other.bool() {
            insist!(&mut other, writes.shutdown())?;
        }
        io::Result::Ok(())
    });
    let mut all = Vec::new();
    let read = read_plainly(&mut reads, &mut all, &mut random).await;
    let written = writer.await.expect("no panic");
    read.and(written)?;
    judge(world, &all, &pattern(all.len()), "both ways");
    Ok(all)
}

async fn read_plainly(
    reads: &mut (impl AsyncRead + Unpin),
    all: &mut Vec<u8>,
    random: &mut Rng,
) -> io::Result<()> {
    loop {
        let mut memory = vec![0; any_length(random) + 1];
        match insist!(random, reads.read(&mut memory))? {
            0 => return Ok(()),
            len => all.extend_from_slice(&memory[..len]),
        }
    }
}

async fn write_plainly(
    writes: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    random: &mut Rng,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let some = bytes.len().min(any_length(random) + 1);
        let written = insist!(random, writes.write(&bytes[..some]))?;
        bytes = &bytes[written..];
        if random.bool() {
            insist!(random, writes.flush())?;
        }
    }
    Ok(())
}

/// Receives bytes, of which there are none at the end of the stream.
async fn gather(stream: &mut TcpStream, random: &mut Rng) -> Told {
    let (wanted, mut all) = (any_length(random) + 1, Vec::new());
    while all.len() < wanted {
        let some = match random.u8(..3) {
            0 => peek_and_read(stream, random).await?,
            1 => {
                let len = any_length(random) + 1;
                let (received, buffer) =
                    insist!(random, stream.receive(Buffer::with_capacity(len)));
                buffer[..received?].to_vec()
            }
            _ => {
                let mut memory = vec![0; any_length(random) + 1];
                let len = insist!(random, stream.read(&mut memory))?;
                memory.truncate(len);
                memory
            }
        };
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    Ok(all)
}

async fn peek_and_read(stream: &mut TcpStream, random: &mut Rng) -> Told {
    let mut peeked = vec![0; random.usize(1..100)];
    let len = insist!(random, stream.peek(&mut peeked))?;
    let mut memory = vec![0; random.usize(1..100)];
    let read = insist!(random, stream.read(&mut memory))?;
    assert_eq!(len == 0, read == 0, "the end is the same");
    let both = len.min(read);
    assert_eq!(peeked[..both], memory[..both], "a read after a look");
    memory.truncate(read);
    Ok(memory)
}

/// Sends all the bytes, in one way or another.
async fn give(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    may_fail: bool,
    random: &mut Rng,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let some = bytes.len().min(any_length(random) + 1);
        let len = match random.u8(..4) {
            0 => insist!(random, stream.write(bytes))?,
            1 => {
                let (one, other) = bytes[..some].split_at(random.usize(..=some));
                let pieces = [IoSlice::new(one), IoSlice::new(other)];
                insist!(random, stream.write_vectored(&pieces))?
            }
            2 => send(stream, &bytes[..some], may_fail, random).await?,
            _ => insist!(random, stream.write(&bytes[..some]))?,
        };
        bytes = &bytes[len..];
        if random.u8(..4) == 0 {
            insist!(random, stream.flush())?;
        }
    }
    Ok(())
}

/// Sends a payload. Its future, once it was polled, may be dropped: the payload goes out all the same. Where that may fail, and what is
/// behind it may not, its end has to be known.
async fn send(
    stream: &TcpStream,
    bytes: &[u8],
    may_fail: bool,
    random: &mut Rng,
) -> io::Result<usize> {
    loop {
        let mut fate = Fate::drawn(random);
        if may_fail && fate.polls > 0 {
            fate.polls = u32::MAX;
        }
        let future = pin!(stream.send(bytes.to_vec()));
        match (FewPolls { future, fate }).await {
            Some((sent, payload)) => {
                assert_eq!(&payload[..], bytes, "the payload comes back");
                assert_eq!(sent?, bytes.len(), "it is sent whole");
                return Ok(bytes.len());
            }
            None if fate.polls > 0 => return Ok(bytes.len()),
            None => {}
        }
    }
}

/// Connects to a peer, has its bytes sent back, and tells which came.
async fn connect(address: SocketAddr, sent: Arc<Vec<u8>>, may_fail: bool, mut random: Rng) -> Told {
    let mut stream = insist!(&mut random, TcpStream::connect(address))?;
    give(&mut stream, &sent, may_fail, &mut random).await?;
    insist!(&mut random, stream.shutdown())?;
    let mut all = Vec::new();
    read_plainly(&mut stream, &mut all, &mut random).await?;
    Ok(all)
}

// The peers.

/// Connects, and reads and writes at once.
fn talk(world: &Arc<World>, address: SocketAddr, mut random: Rng) {
    let stream = match world.kernel.connect(address) {
        Ok(stream) => Arc::new(stream),
        Err(error) => return assert!(world.may_fail, "{error}"),
    };
    let narrow = random.bool().then(|| random.usize(1..2_000));
    let kind = [ECHO, BOTH_WAYS][random.usize(..2)];
    let sent = pattern(any_length(&mut random));
    if let Some(room) = narrow {
        // Not so narrow that a run takes millions of steps.
        let least = if kind == ECHO { sent.len() / 50 } else { 3_000 };
        stream.set_room(room + least);
    }
    let writer = {
        let (stream, sent) = (stream.clone(), sent.clone());
        thread::spawn(move || write_all(&stream, kind, &sent, random))
    };
    let mut read = Vec::new();
    let ended = (&*stream).read_to_end(&mut read);
    assert!(world.may_fail || ended.is_ok(), "{ended:?}");
    let written = writer.join().expect("no panic");
    assert!(world.may_fail || written.is_ok(), "{written:?}");
    match kind {
        ECHO => judge(world, &read, &sent, "echo"),
        _ => judge_as_pattern(&read),
    }
}

/// What came from a task that writes as much as it wants to.
fn judge_as_pattern(read: &[u8]) {
    assert!(pattern(read.len()) == read, "bytes came in another order");
}

fn write_all(mut stream: &Stream, kind: u8, bytes: &[u8], mut random: Rng) -> io::Result<()> {
    stream.write_all(&[kind])?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let some = rest.len().min(any_length(&mut random) + 1);
        let written = stream.write(&rest[..some])?;
        rest = &rest[written..];
        if random.bool() {
            thread::yield_now();
        }
    }
    stream.shutdown()
}

/// Listens, has a task connect, and sends back what it sends.
fn be_connected_to(world: &Arc<World>, runtime: &wharf_async::Handle, mut random: Rng) {
    let listener = world.kernel.listen();
    let address = listener.local_addr().expect("an address");
    let sent = Arc::new(pattern(random.usize(1..20_000)));
    let ended = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
    let peer = {
        let (ended, may_fail) = (ended.clone(), world.may_fail);
        thread::spawn(move || accept_and_echo(&listener, &ended.0, &ended.1, may_fail))
    };
    let task = runtime.spawn(connect(
        address,
        sent.clone(),
        world.may_fail,
        random.fork(),
    ));
    match runtime.block_on(task).expect("no panic") {
        Ok(arrived) => judge(world, &arrived, &sent, "connected"),
        Err(error) => assert!(world.may_fail, "{error}"),
    }
    // One more connection tells the peer to look; it may fail as others do.
    ended.0.store(true, Ordering::SeqCst);
    while !ended.1.load(Ordering::SeqCst) {
        drop(world.kernel.connect(address));
        thread::yield_now();
    }
    peer.join().expect("no panic");
}

/// Sends back what comes on each connection, one after the other. Those whose futures were dropped bring nothing.
fn accept_and_echo(listener: &Listener, is_over: &AtomicBool, ended: &AtomicBool, may_fail: bool) {
    while !is_over.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let echoed = io::copy(&mut &stream, &mut &stream);
                let echoed = echoed.and_then(|_| stream.shutdown());
                // One that was dropped while it was connecting is closed, and may answer with a reset.
                let _ = echoed;
            }
            Err(error) => assert!(may_fail, "{error}"),
        }
    }
    ended.store(true, Ordering::SeqCst);
}
