//! What was started and what came of it, to be compared when all is at rest.

use std::collections::{HashMap, HashSet};

use shuttle::sync::{Condvar, Mutex};
use wharf::{Buffer, Completion, Finished, OperationId, simulated::Kernel};

/// How large the pool's buffers are, and no others.
pub const POOLED: usize = 64;

/// What an operation was to do.
#[derive(Debug, Clone)]
pub enum Note {
    /// The receive with this place in the order of a socket's receives.
    /// `asks`: it takes nothing, so to bring nothing is no end.
    Receive {
        socket: usize,
        place: usize,
        asks: bool,
    },
    /// A send, likewise. `quiet`: it may end without a packet.
    Send {
        socket: usize,
        place: usize,
        bytes: Vec<u8>,
        quiet: bool,
    },
    /// The end behind the sends.
    End,
    Other,
}

/// How an operation ended.
#[derive(Debug, Clone)]
struct Ending {
    succeeded: bool,
    transferred: usize,
    /// What was received, by a receive.
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Operation {
    note: Option<Note>,
    ending: Option<Ending>,
}

#[derive(Debug, Default)]
struct Accounts {
    operations: HashMap<OperationId, Operation>,
    refused: usize,
    /// By number: whether it came.
    posts: HashMap<usize, bool>,
    /// What each peer wrote, and read.
    written: HashMap<usize, Vec<u8>>,
    read: HashMap<usize, Vec<u8>>,
    /// What happened, in order: the same for the same seed.
    trace: Vec<u64>,
}

/// The ledger of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Mutex<Accounts>,
    changed: Condvar,
}

impl Operation {
    /// Whether it has ended, or may have without a packet. One that ended and was not noted yet is about to be.
    fn is_settled(&self) -> bool {
        let may_be_quiet = matches!(self.note, Some(Note::Send { quiet: true, .. }));
        self.note.is_some() && (self.ending.is_some() || may_be_quiet)
    }
}

impl Accounts {
    fn is_settled(&self) -> bool {
        self.operations.values().all(Operation::is_settled) && self.posts.values().all(|came| *came)
    }
}

impl Ledger {
    fn with<T>(&self, with: impl FnOnce(&mut Accounts) -> T) -> T {
        let result = with(&mut self.accounts.lock().expect("no panic"));
        self.changed.notify_all();
        result
    }

    /// An operation was started, or refused. Its completion may have been here before.
    pub fn note<E>(&self, started: Result<OperationId, E>, note: Note) -> Option<OperationId> {
        self.with(|accounts| {
            let Ok(id) = started else {
                accounts.refused += 1;
                return None;
            };
            let operation = accounts.operations.entry(id).or_default();
            assert!(operation.note.is_none(), "{id:?} was started before");
            operation.note = Some(note);
            Some(id)
        })
    }

    pub fn note_post(&self, number: usize, posted: bool) {
        self.with(|accounts| {
            if posted {
                accounts.posts.entry(number).or_insert(false);
            } else {
                accounts.refused += 1;
            }
        });
    }

    /// A completion was handed out. Gives the buffer that it brought, if it brought one from the pool.
    pub fn ends(&self, kernel: &Kernel, mut completion: Completion<u32>) -> Option<Buffer> {
        let id = completion.operation;
        let mut bytes = Vec::new();
        look_into(&mut completion, |memory, received| {
            assert!(
                !kernel.uses(memory),
                "{id:?} is complete, and its memory is in use"
            );
            bytes.extend_from_slice(received);
        });
        let ending = Ending {
            succeeded: completion.result.is_ok(),
            transferred: completion.transferred,
            bytes,
        };
        let number = completion.transferred;
        let is_post = matches!(completion.what, Finished::Posted);
        // What goes with it goes before others are told.
        let buffer = match completion.what {
            Finished::Received { buffer, .. } if buffer.capacity() == POOLED => Some(buffer),
            _ => None,
        };
        self.with(|accounts| {
            accounts.trace.push(number as u64);
            if is_post {
                let came = accounts.posts.insert(number, true);
                assert!(came != Some(true), "packet {number} came before");
                return;
            }
            let operation = accounts.operations.entry(id).or_default();
            assert!(
                operation.ending.is_none(),
                "{id:?} ended before: {ending:?}"
            );
            operation.ending = Some(ending);
        });
        buffer
    }

    /// A timer was cancelled quietly: it has ended, and never has a packet.
    pub fn ends_without_a_packet(&self, id: OperationId) {
        self.with(|accounts| {
            accounts.trace.push(u64::MAX);
            let operation = accounts.operations.entry(id).or_default();
            let ending = operation.ending.replace(Ending {
                succeeded: false,
                transferred: 0,
                bytes: Vec::new(),
            });
            assert!(ending.is_none(), "{id:?} ended before: {ending:?}");
        });
    }

    pub fn peer_wrote(&self, socket: usize, bytes: &[u8]) {
        self.with(|accounts| {
            accounts.written.entry(socket).or_default().extend(bytes);
        });
    }

    pub fn peer_read(&self, socket: usize, bytes: &[u8]) {
        self.with(|accounts| accounts.read.entry(socket).or_default().extend(bytes));
    }

    /// Waits until everything that was started has ended.
    pub fn settle(&self) {
        let mut accounts = self.accounts.lock().expect("no panic");
        while !accounts.is_settled() {
            accounts = self.changed.wait(accounts).expect("no panic");
        }
    }

    /// What has not ended.
    pub fn unsettled(&self) -> Vec<(OperationId, Option<Note>)> {
        let accounts = self.accounts.lock().expect("no panic");
        let operations = accounts.operations.iter();
        let unsettled = operations.filter(|(_, operation)| !operation.is_settled());
        unsettled.map(|(id, it)| (*id, it.note.clone())).collect()
    }

    /// Whether an operation that has ended brought nothing: the end, or a failure.
    pub fn received_nothing(&self, id: OperationId) -> bool {
        self.with(|accounts| {
            let ending = accounts.operations[&id].ending.as_ref();
            ending.expect("it has ended").transferred == 0
        })
    }

    /// At rest: started is ended, and each stream's bytes are in order.
    pub fn balance(&self) -> Vec<u64> {
        let accounts = self.accounts.lock().expect("no panic");
        for (number, came) in &accounts.posts {
            assert!(came, "packet {number} never came");
        }
        let (mut received, mut sent) = (HashMap::new(), HashMap::new());
        // Sockets on which some receive found an orderly end.
        let mut ended_well = HashSet::new();
        for (id, operation) in &accounts.operations {
            let note = operation.note.as_ref();
            let note = note.unwrap_or_else(|| panic!("{id:?} ended and was never started"));
            let ending = operation.ending.as_ref();
            match note {
                Note::Send { quiet: true, .. } => {}
                _ => assert!(ending.is_some(), "{id:?} never ended: {note:?}"),
            }
            match note {
                Note::Receive {
                    socket,
                    place,
                    asks,
                } => {
                    if !asks && ending.is_some_and(|it| it.succeeded && it.transferred == 0) {
                        ended_well.insert(*socket);
                    }
                    let bytes = ending.map(|ending| ending.bytes.clone());
                    let places: &mut Vec<_> = received.entry(*socket).or_default();
                    places.push((*place, bytes.unwrap_or_default()));
                }
                Note::Send {
                    socket,
                    place,
                    bytes,
                    ..
                } => {
                    let moved = ending.map_or(bytes.len(), |ending| ending.transferred);
                    let places: &mut Vec<_> = sent.entry(*socket).or_default();
                    places.push((*place, bytes[..moved].to_vec()));
                }
                Note::End | Note::Other => {}
            }
        }
        for (socket, places) in received {
            let written = accounts.written.get(&socket);
            let written = written.map_or(&[][..], Vec::as_slice);
            let got = in_order(places);
            if ended_well.contains(&socket) {
                assert_eq!(
                    got.len(),
                    written.len(),
                    "socket {socket}: bytes are missing"
                );
            }
            assert!(
                written.starts_with(&got),
                "socket {socket}: {} bytes received, in another order than written",
                got.len()
            );
        }
        for (socket, read) in &accounts.read {
            let given = in_order(sent.remove(socket).unwrap_or_default());
            assert!(
                given.starts_with(read),
                "socket {socket}: {} bytes arrived, in another order than sent",
                read.len()
            );
        }
        accounts.trace.clone()
    }
}

fn in_order(mut places: Vec<(usize, Vec<u8>)>) -> Vec<u8> {
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// Shows all memory that a completion gives back, and what of it was received from a stream.
fn look_into(completion: &mut Completion<u32>, mut look: impl FnMut(&[u8], &[u8])) {
    match &mut completion.what {
        Finished::Received { buffer, .. } => {
            let received = buffer.to_vec();
            look(buffer.memory_mut(), &received);
        }
        Finished::ReceivedVectored { buffers, .. } => {
            for buffer in buffers {
                let received = buffer.to_vec();
                look(buffer.memory_mut(), &received);
            }
        }
        Finished::ReceivedDatagram { buffer, .. }
        | Finished::Read { buffer, .. }
        | Finished::AcceptedReceived { buffer, .. } => look(buffer.memory_mut(), &[]),
        Finished::Sent { payload, .. }
        | Finished::SentDatagram { payload, .. }
        | Finished::Written { payload, .. }
        | Finished::ConnectedSent { payload, .. } => look(payload, &[]),
        Finished::SentVectored { payloads, .. } => {
            payloads.iter().for_each(|payload| look(payload, &[]));
        }
        _ => {}
    }
}
