//! A port that is closed while its watcher makes a transfer: a send that a handler has put off for a batch, and that no
//! worker comes for. Whatever the port is closed in the middle of, closing it ends, and gives back what was under way.

use std::time::Duration;

use fastrand::Rng;
use shuttle::thread;
use wharf::{CompletionPort, Wait, simulated::Kernel, sync};

/// Longer than it takes the watcher to find that nobody comes for the send.
const HELD: Duration = Duration::from_millis(2);

/// More than one: the others wait while it is handled, and so the send waits for a batch, and stands with them.
const POSTED: usize = 3;

/// A close that does not end is a deadlock, which the simulation finds.
pub fn live(kernel: &Kernel, random: &mut Rng) {
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

/// Waits until the watcher has taken the send off the queue, where that happens; or for a while.
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
