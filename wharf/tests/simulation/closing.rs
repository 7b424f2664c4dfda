//! A port that is closed in the middle of something: closing it ends, gives back what was under way, and leaves no descriptor
//! open.

use std::{
    io::Read,
    sync::{Arc, OnceLock},
    time::Duration,
};

use fastrand::Rng;
use shuttle::thread;
use wharf::{Buffer, CompletionPort, Wait, simulated::Kernel, sync};

/// Longer than it takes the monitor to find that nobody comes for the send.
const HELD: Duration = Duration::from_millis(2);

/// More than a socket takes at once.
const SENT: usize = 3000;

/// More than one: the others wait while it is handled, and so the send waits for a batch, and stands with them.
const POSTED: usize = 3;

/// The monitor makes a transfer meanwhile: a send that a handler has put off for a batch, and that no worker comes for. A
/// close that does not end is a deadlock, which the simulation finds.
pub fn while_the_monitor_transfers(kernel: &Kernel, random: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    let port: CompletionPort<()> = builder.concurrency(1).build().expect("a port");
    let (ours, _peer) = kernel.streams();
    let socket = port.associate(ours, ()).expect("an association");
    (0..POSTED).for_each(|number| port.post((), number).expect("a post"));
    let worker = {
        let port = port.clone();
        thread::spawn(move || {
            let taken = port.wait(None).expect("a wait");
            let sent = socket.send(vec![7; 300]);
            sync::sleep(HELD);
            (
                usize::from(matches!(taken, Wait::Completed(_))),
                sent.is_ok(),
            )
        })
    };
    wait_for_transfer(&port, random);
    let rest = port.close();
    let (taken, sent) = worker.join().expect("no panic");
    assert_eq!(
        taken + rest.len(),
        POSTED + usize::from(sent),
        "each comes once"
    );
}

/// Waits until the monitor has taken the send off the queue, where that happens; or for a while.
fn wait_for_transfer(port: &CompletionPort<()>, random: &mut Rng) {
    let mut most = 0;
    for _ in 0..random.u32(1..500) {
        let queued = port.counts().queued;
        if queued < most && most == POSTED {
            return;
        }
        most = most.max(queued);
        thread::yield_now();
    }
}

/// A socket is associated meanwhile. Either it is refused, or closed with the rest; and with it what was started on it ends.
pub fn while_a_socket_is_associated(kernel: &Kernel, _: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    let port: CompletionPort<()> = builder.concurrency(1).build().expect("a port");
    // The place of one that is closed is used again, and one that is open stands behind it.
    let first = port
        .associate(kernel.streams().0, ())
        .expect("an association");
    let _second = port
        .associate(kernel.streams().0, ())
        .expect("an association");
    drop(first);
    let (ours, _peer) = kernel.streams();
    let newcomer = {
        let port = port.clone();
        thread::spawn(move || {
            let socket = port.associate(ours, ()).ok();
            let started = socket
                .as_ref()
                .map(|it| it.receive(Buffer::with_capacity(8)).is_ok());
            (socket, started == Some(true))
        })
    };
    let rest = port.close();
    let (_socket, started) = newcomer.join().expect("no panic");
    assert_eq!(rest.len(), usize::from(started), "it comes once");
    assert_eq!(kernel.open_count(), 1, "but for the peer, all is closed");
}

/// A thread sends quietly meanwhile. The send is refused, or goes out whole, or what was left of it comes back.
pub fn while_a_send_is_tried(kernel: &Kernel, _: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    let port: CompletionPort<()> = builder.concurrency(1).build().expect("a port");
    let (ours, mut peer) = kernel.streams();
    let socket = port.associate(ours, ()).expect("an association");
    let sends = thread::spawn(move || socket.send_quietly(vec![7; SENT]).is_ok());
    let rest = port.close();
    let started = sends.join().expect("no panic");
    let (mut arrived, mut memory) = (0, [0; SENT]);
    while let Ok(count @ 1..) = peer.read(&mut memory) {
        arrived += count;
    }
    let is_left = started && arrived < SENT;
    assert_eq!(rest.len(), usize::from(is_left), "{arrived} bytes arrived");
    assert!(rest.iter().all(|it| it.transferred == arrived));
    assert!(started || arrived == 0, "what is refused is not sent");
    assert_eq!(kernel.open_count(), 1, "but for the peer, all is closed");
}

/// A key that holds the port, which the user has let go of otherwise.
#[derive(Debug, Clone)]
struct Keeper(Arc<OnceLock<CompletionPort<Keeper>>>);

/// The last that holds the port is an operation under way, and it ends on the monitor, so that the monitor closes the port.
pub fn by_the_monitor(kernel: &Kernel, _: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    let port: CompletionPort<Keeper> = builder.concurrency(1).build().expect("a port");
    let keeper = Keeper(Arc::default());
    let (ours, _peer) = kernel.streams();
    let socket = port
        .associate(ours, keeper.clone())
        .expect("an association");
    assert!(keeper.0.set(port.clone()).is_ok(), "it is set once");
    let kept = Arc::downgrade(&keeper.0);
    for number in 0..POSTED {
        port.post(Keeper(Arc::default()), number).expect("a post");
    }
    drop(keeper);
    thread::spawn(move || {
        let taken = port.wait(None).expect("a wait");
        socket.send_quietly(vec![7; 300]).expect("a send");
        drop((taken, socket, port));
        sync::sleep(HELD);
    })
    .join()
    .expect("no panic");
    // Where a fault kept the send back, nobody comes for it any more.
    if let Some(port) = kept.upgrade().as_deref().and_then(OnceLock::get) {
        port.close();
    }
}
