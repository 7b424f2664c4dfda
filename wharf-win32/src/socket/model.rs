//! Model checks of a socket that moves between ports: a few threads, in every order in which they can run up to a bound on the number of
//! pre-emptions. `ci/model.sh` runs them.
//!
//! The ports are models; where the handle is, and whether it may be left, is the real code's to say.

use std::sync::Arc;

use loom::thread;

use super::seat::{Place, Seat};
use crate::sync::{Mutex, run};

const HIDDEN: u64 = 1;
const OWN: u64 = 2;

/// A handle of a port.
#[derive(Default)]
struct Handle {
    open: bool,
    started: u32,
}

/// A socket on the hidden port that was associated with another just now.
struct Moving {
    seat: Seat,
    /// What is made and left is so under this lock.
    rest: Mutex<()>,
    hidden: Mutex<Handle>,
    own: Mutex<Handle>,
}

impl Moving {
    fn new() -> Arc<Moving> {
        let moving = Moving {
            seat: Seat::new(),
            rest: Mutex::default(),
            hidden: Mutex::default(),
            own: Mutex::default(),
        };
        moving.hidden.lock().open = true;
        moving.seat.put(Place::Hidden, HIDDEN);
        Arc::new(moving)
    }

    fn handle(&self, place: Place, raw: u64) -> &Mutex<Handle> {
        match (place, raw) {
            (Place::Hidden, HIDDEN) => &self.hidden,
            (Place::Own, OWN) => &self.own,
            _ => panic!("{raw} at {place:?} is another socket's"),
        }
    }

    /// What `Socket::detach` does.
    fn detach(&self) {
        let _rest = self.rest.lock();
        let (place, raw) = self.seat.located();
        self.seat.clear();
        let mut handle = self.handle(place, raw).lock();
        assert_eq!(handle.started, 0, "somebody's operation is cancelled");
        handle.open = false;
    }

    /// What `Socket::attach` does.
    fn attach(&self) -> (Place, u64) {
        let (place, raw) = self.seat.settled();
        let moves = place == Place::Hidden && self.seat.leave_if_idle(|| self.detach());
        if !moves && place != Place::Nowhere {
            return (place, raw);
        }
        let _rest = self.rest.lock();
        if self.seat.place() == Place::Nowhere {
            self.own.lock().open = true;
            self.seat.put(Place::Own, OWN);
        }
        self.seat.located()
    }

    /// What `Socket::give` does, from count to start. Returns where it was started.
    fn start(&self) -> (Place, u64) {
        self.seat.begin();
        loop {
            let (place, raw) = self.attach();
            let mut handle = self.handle(place, raw).lock();
            if handle.open {
                handle.started += 1;
                return (place, raw);
            }
            assert_ne!(self.seat.located(), (place, raw), "refused for nothing");
        }
    }

    fn end(&self, (place, raw): (Place, u64)) {
        self.handle(place, raw).lock().started -= 1;
        self.seat.end();
    }
}

#[test]
fn a_move_cancels_nobodys_operation() {
    loom::model(|| {
        let socket = Moving::new();
        let own = socket.clone();
        run(2, move |_| {
            own.start();
        });
        let started = [&socket.hidden, &socket.own].map(|handle| handle.lock().started);
        assert_eq!(started.iter().sum::<u32>(), 2);
        assert_eq!(socket.seat.pending(), 2);
    });
}

#[test]
fn a_socket_moves_when_all_has_ended() {
    loom::model(|| {
        let socket = Moving::new();
        let own = socket.clone();
        run(2, move |_| {
            let started = own.start();
            own.end(started);
        });
        assert_eq!(socket.seat.pending(), 0);
        assert_eq!(socket.start(), (Place::Own, OWN));
    });
}

/// Who cancels, or asks, counts no operation, and looks at any time.
#[test]
fn a_handle_is_never_taken_for_another_ports() {
    loom::model(|| {
        let socket = Moving::new();
        let looker = {
            let socket = socket.clone();
            thread::spawn(move || {
                let (place, raw) = socket.seat.located();
                if place != Place::Nowhere {
                    socket.handle(place, raw);
                }
            })
        };
        socket.start();
        looker.join().unwrap();
    });
}
