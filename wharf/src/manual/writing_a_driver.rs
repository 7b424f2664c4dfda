//! Bringing Wharf to another system: what a driver provides, what it declares, and how the tests are pointed at it.
//!
//! This page is for work on the library itself; a program that uses it needs none of this. Names without a link are private, and
//! are given by file. `docs/architecture.md` in the repository tells how the parts fit together.
//!
//! # Which of two ways
//!
//! | the system | what to write | example |
//! |---|---|---|
//! | tells readiness: kqueue, event ports, poll | a *driver*: the trait `Driver` (`wharf/src/driver/contract.rs`). Queue, concurrency, order and timers above it are there | `wharf/src/driver/linux/epoll.rs`, a single file |
//! | has a completion port of its own, with a queue and a count of threads that run | a *shape of the port*: the traits in `wharf/src/raw/shape.rs` | `wharf/src/raw/windows` |
//!
//! The rest of this page is about the first way.
//!
//! # What a driver does
//!
//! A driver waits for readiness and carries out transfers. It knows nothing of packets, keys, threads or order. What every
//! driver must do:
//!
//! | method | what it owes |
//! |---|---|
//! | `register(descriptor, token)` | From now on every *change* to ready is reported once, to one of the threads that wait (edge-triggered). What is ready already is reported too. |
//! | `wait(events, timeout)` | Any thread may wait. It ends for events, a wake, the timer or the time-out. It may end early for no reason: the port looks at its clock. |
//! | `wake()` | Ends one wait, or the next one if no thread waits. A wake is never lost. |
//! | `arm(delay)` | A wait reports the timer after `delay`. A new delay replaces the one before. |
//! | `transfer(transfers)` | Tries each transfer once, and never blocks. Each gets its outcome: the number of bytes moved, not ready, or the system's number of the error. Bytes that it counts as received have been written: safe code reads them. |
//! | `transfer_file(transfer)` | The same for a file, for as long as that takes: a thread of the port's own calls it. |
//! | `deregister(descriptor)`, `forget(slot)` | Lets go of a descriptor that stays open, and of whatever is kept for a handle. |
//! | `ask`, `stream_for`, `local_stream`, `knows` | Addresses, options and new sockets, by the system's calls. |
//!
//! `wharf/src/driver/unix/calls.rs` has the transfers of Unix systems as plain calls, so that a driver need not write them again.
//!
//! # What a driver declares
//!
//! Some systems can do more than that, and the port makes use of it. A driver says so in `promises`:
//!
//! | promise | where it is not made |
//! |---|---|
//! | `wakes_last_first`: of several threads that wait in the kernel, the last to come is woken first | one thread at a time waits there, so that the order stays last in, first out |
//! | `waiters_max`: the most threads that may wait in the kernel at once | the others wait on locks of the port's own, and are released from there |
//! | `tells_blocked`: the system can tell that a thread is blocked | only [`blocking`](crate::blocking) reports it |
//!
//! and in three methods: `late_max` (how much later than asked a wait may end; long waits are then made in steps), `batch_max` (how
//! many transfers are worth handing over at once) and `descriptors` (how many it has open for itself).
//!
//! Declare what the system documents, or what its source shows, and say where. A promise that is made and not kept costs order or
//! concurrency. It loses no packet: the protocol in `wharf/src/scheduler/README.md` relies on none of the three.
//!
//! # The steps
//!
//! 1. **A folder** beside `wharf/src/driver/linux`, such as `bsd`, chosen by `target_os` in `wharf/src/driver/mod.rs`. The checklist
//!    at the top of that file has every name that the folder provides, and which calls of `unix` want another form there.
//! 2. **The driver**, and what stands beside it: `codes`, which errors end a connection; `Probe`, whether a thread sleeps; a clock that
//!    is cheap to read.
//! 3. **A name** in [`DriverInfo::name`](crate::DriverInfo::name). A new [`DriverChoice`](crate::DriverChoice) only if the
//!    system has several drivers to choose from.
//! 4. **The conformance suite.** In `wharf/tests/conformance/harness.rs`, add the driver to `Driver`, `Driver::ALL`, `options`,
//!    `builder` and `on_every_driver`, and let `Driver::here` say on which systems it is there. `platform.rs` beside it asks the system
//!    what the tests count: descriptors, threads, whether a thread sleeps. Then:
//!
//!    ```sh
//!    cargo test -p wharf-port --test conformance               # every statement on every driver, and the table
//!    cargo test -p wharf-port --test conformance -- kqueue     # those of one driver
//!    cargo test -p wharf-port --test conformance -- s20        # one statement
//!    ```
//!
//!    Each statement runs in a process of its own; threads and descriptors that are left behind are a failure. What the system
//!    can't be held to goes into `EXCEPTIONS` in `main.rs`, with the reason: it is shown in the table, and does not count as
//!    passed.
//! 5. **The other tests.** Those in `wharf/tests` that run on every driver share that file; `sequences` and `wharf-server/tests/harness`
//!    name their drivers themselves. `wharf/tests/faults` makes one system call after the other fail, with strace, and is for Linux.
//! 6. **The modules.** `wharf/tests/rooms` holds a list of which folder may use which, and `docs/architecture.md` has the same as a table.
//!    Calls of a kernel stand in `driver` alone.
//!
//! # What goes wrong most
//!
//! - **A readiness that is reported while a transfer finds nothing.** The port counts the reports, and believes "not ready" only if none
//!   came since the transfer began. So a driver may merge changes that no thread has taken yet, and must drop none that comes
//!   after.
//! - **A closed descriptor's number that the system gives out again.** Tokens carry a generation, so a late event is dropped. A
//!   driver must release in `forget` what it keeps by descriptor or by slot.
//! - **A reset that the system reports once.** The first call to see it takes it. The port keeps the error for the operations that
//!   follow, if `codes` says that it ends the connection.
//! - **A call that blocks.** `transfer` runs on workers and on the thread that finds blocked workers. A socket may have been set to
//!   blocking behind the port's back, so ask for each call not to wait (`MSG_DONTWAIT`), and do not rely on the descriptor's mode.
//! - **A child process.** Descriptors of a driver are not to be inherited, and a forked child must change nothing in the parent's driver.
//!
//! The simulated kernel (`wharf/src/driver/simulated`) is a driver as well. In every fourth seed or so it makes none of the three
//! promises (`promises_least` in `faults.rs`), so that the simulation tries the port on such a driver too.
