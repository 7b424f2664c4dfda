//! Look-ups of names, on threads of their own.
//!
//! The system's look-up (`getaddrinfo`) blocks, for half a minute where no name server answers, and can't be cancelled. So a bounded
//! number of threads makes look-ups; those of the same name are one; a caller waits no longer than it wants, while the system's look-up
//! goes on; and the number of callers is bounded. One thread more than look-ups may be under way is there while anybody waits: it
//! makes none, so that all time-outs are kept when every look-up hangs. Threads end when there was nothing to do for some seconds.
//!
//! Nothing found is kept: the system has a cache where one is wanted (nscd, systemd-resolved), which knows how long names hold.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::Target;
use crate::{raw::deadline_after, user_code::contain};

/// A look-up may take so long, where nothing else is asked for.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Of the addresses of a name, so many count; the system's first ones.
pub const ADDRESSES_MAX: usize = 64;

/// A thread ends that had nothing to do for so long.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The limits of [`Names`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NamesLimits {
    /// The most look-ups that the system makes at once, each on a thread; at least 1. A name whose server does not answer
    /// occupies one for as long as the system waits, with the C library of GNU some 10 to 30 seconds.
    pub threads_max: usize,
    /// The most callers that may wait for a look-up; at least 1.
    pub callers_max: usize,
}

impl Default for NamesLimits {
    /// 8 look-ups at once, and 4,096 callers that wait.
    fn default() -> Self {
        NamesLimits {
            threads_max: 8,
            callers_max: 4_096,
        }
    }
}

/// Finds the addresses of names. Clones are the same. See [the module](super).
///
/// ```
/// use wharf::names::{Names, TIMEOUT, Target};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let target: Target = "localhost:80".parse()?;
/// let addresses = Names::shared().find(&target, TIMEOUT)?;
/// assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Names(Arc<Shared>);

type Find = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

struct Shared {
    limits: NamesLimits,
    find: Box<Find>,
    state: Mutex<State>,
    /// Notified when there is something to look up, or an earlier deadline.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: HashMap<String, Asked>,
    /// Names whose look-up has not begun, in order.
    queue: VecDeque<String>,
    callers: usize,
    threads: usize,
    /// How many of the threads make a look-up.
    busy: usize,
    last_number: u64,
}

/// A name that is looked up, or is to be.
#[derive(Default)]
struct Asked {
    is_begun: bool,
    callers: Vec<Caller>,
}

type Then = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

struct Caller {
    number: u64,
    deadline: Instant,
    timeout: Duration,
    port: u16,
    then: Then,
}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        formatter
            .debug_struct("Names")
            .field("limits", &self.0.limits)
            .field("callers", &state.callers)
            .field("busy", &state.busy)
            .finish_non_exhaustive()
    }
}

/// A look-up that is under way. If it is dropped, what it would have called is not called any more, unless it is being called.
#[must_use = "if it is dropped, its function is not called"]
pub struct LookUp {
    shared: Arc<Shared>,
    name: String,
    number: u64,
}

impl fmt::Debug for LookUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LookUp")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for LookUp {
    fn drop(&mut self) {
        let forgotten = self.shared.lock().forget(&self.name, self.number);
        // Not under the lock: it is code of the user's.
        drop(forgotten);
    }
}

impl Names {
    /// Those of the process, which ask the system.
    pub fn shared() -> &'static Names {
        static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(NamesLimits::default()));
        &NAMES
    }

    /// With limits of their own; they ask the system.
    ///
    /// # Panics
    /// A limit is 0.
    pub fn new(limits: NamesLimits) -> Names {
        Names::by(limits, |name: &str| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.collect())
        })
    }

    /// With another look-up than the system's: `find` may block, and returns the addresses of a name; their ports do not matter.
    ///
    /// # Panics
    /// A limit is 0.
    pub fn by(
        limits: NamesLimits,
        find: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Names {
        assert!(limits.threads_max > 0, "threads_max is 0; allow at least 1");
        assert!(limits.callers_max > 0, "callers_max is 0; allow at least 1");
        Names(Arc::new(Shared {
            limits,
            find: Box::new(find),
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Looks a name up, and calls `then` on a thread of its own with the addresses, each with this port; never within this call.
    /// It should not wait there: the thread has other callers to serve. There is one address at least and
    /// [`ADDRESSES_MAX`] at most, each once, in the order in which they are to be tried: as the system has sorted them (RFC 6724), but
    /// those of IPv6 and IPv4 by turns (RFC 8305, section 4).
    ///
    /// What `then` gets for an error names the name: the system's error; or [`NotFound`](io::ErrorKind::NotFound), it has
    /// no address; or [`TimedOut`](io::ErrorKind::TimedOut).
    ///
    /// # Errors
    /// Too many callers wait ([`WouldBlock`](io::ErrorKind::WouldBlock)); or the system has no thread for it.
    pub fn look_up(
        &self,
        name: &str,
        port: u16,
        timeout: Duration,
        then: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
    ) -> io::Result<LookUp> {
        let deadline = deadline_after(timeout);
        let mut state = self.0.lock();
        if state.callers >= self.0.limits.callers_max {
            let text = format!(
                "{} callers wait for look-ups of names, the most that may; {name} is not looked up",
                self.0.limits.callers_max
            );
            return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
        }
        let is_new = !state.asked.contains_key(name);
        self.hire(&mut state, usize::from(is_new))
            .map_err(|error| {
                let text = format!("no thread to look {name} up: {error}");
                io::Error::new(error.kind(), text)
            })?;
        state.last_number += 1;
        let number = state.last_number;
        state.callers += 1;
        let asked = state.asked.entry(name.to_owned()).or_default();
        asked.callers.push(Caller {
            number,
            deadline,
            timeout,
            port,
            then: Box::new(then),
        });
        if is_new {
            state.queue.push_back(name.to_owned());
        }
        drop(state);
        self.0.changed.notify_all();
        Ok(LookUp {
            shared: self.0.clone(),
            name: name.to_owned(),
            number,
        })
    }

    /// Finds the addresses of a target, and waits for that. Where it is addresses, they are returned as they are.
    ///
    /// # Errors
    /// As for [`look_up`](Self::look_up), and what `then` gets there.
    pub fn find(&self, target: &Target, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
        let (name, port) = match target {
            Target::Addresses(addresses) => return Ok(addresses.clone()),
            Target::Name(name, port) => (name, *port),
        };
        let (sender, receiver) = mpsc::channel();
        let _look_up = self.look_up(name, port, timeout, move |found| {
            let _ = sender.send(found);
        })?;
        let lost = |_| Err(io::Error::other(format!("the look-up of {name} was lost")));
        receiver.recv().unwrap_or_else(lost)
    }

    /// Sees to it that there are threads for `more` look-ups, and the one that makes none.
    fn hire(&self, state: &mut State, more: usize) -> io::Result<()> {
        let wanted = state.busy + state.queue.len() + more;
        let wanted = wanted.min(self.0.limits.threads_max) + 1;
        while state.threads < wanted {
            let shared = self.0.clone();
            let started = thread::Builder::new()
                .name("wharf-names".to_owned())
                .spawn(move || shared.run());
            match started {
                Ok(_) => state.threads += 1,
                // Those that are there do it one after the other.
                Err(_) if state.threads >= 2 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the user's runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life.
    fn run(&self) {
        let mut state = self.lock();
        let mut idle_since = Instant::now();
        loop {
            let now = Instant::now();
            let over = state.take_over(now);
            if !over.is_empty() {
                drop(state);
                for (name, caller) in over {
                    caller.time_out(&name);
                }
                state = self.lock();
                continue;
            }
            if let Some(name) = state.begin_next() {
                drop(state);
                let found = contain("a look-up of names", || (self.find)(&name));
                let found = ordered(&name, found);
                let callers = self.lock().end(&name);
                for caller in callers {
                    caller.tell(copy(&found));
                }
                state = self.lock();
                idle_since = Instant::now();
                continue;
            }
            let idle_until = idle_since + IDLE_MAX;
            let is_keeper = state.threads == state.busy + 1;
            let is_needed = is_keeper && state.callers > 0;
            if now >= idle_until && !is_needed {
                state.threads -= 1;
                return;
            }
            let until = match (state.first_deadline(), is_needed) {
                (Some(first), true) => first,
                (Some(first), false) => first.min(idle_until),
                (None, _) => idle_until,
            };
            let wait = until.saturating_duration_since(now);
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// Takes the callers whose time is over.
    fn take_over(&mut self, now: Instant) -> Vec<(String, Caller)> {
        let mut over = Vec::new();
        if self.first_deadline().is_none_or(|first| first > now) {
            return over;
        }
        for (name, asked) in &mut self.asked {
            let mut place = 0;
            while let Some(caller) = asked.callers.get(place) {
                match caller.deadline > now {
                    true => place += 1,
                    false => over.push((name.clone(), asked.callers.swap_remove(place))),
                }
            }
        }
        self.callers -= over.len();
        for (name, _) in &over {
            self.forget_if_unwanted(name);
        }
        over
    }

    fn first_deadline(&self) -> Option<Instant> {
        let callers = self.asked.values().flat_map(|asked| &asked.callers);
        callers.map(|caller| caller.deadline).min()
    }

    /// Takes the next name to be looked up.
    fn begin_next(&mut self) -> Option<String> {
        // One thread begins none, and keeps the time-outs.
        if self.busy + 1 >= self.threads {
            return None;
        }
        let name = self.queue.pop_front()?;
        self.busy += 1;
        self.asked.entry(name.clone()).or_default().is_begun = true;
        Some(name)
    }

    /// A look-up has ended: takes its callers.
    fn end(&mut self, name: &str) -> Vec<Caller> {
        self.busy -= 1;
        let callers = self.asked.remove(name).unwrap_or_default().callers;
        self.callers -= callers.len();
        callers
    }

    /// Takes one caller, if it still waits.
    fn forget(&mut self, name: &str, number: u64) -> Option<Caller> {
        let callers = &mut self.asked.get_mut(name)?.callers;
        let place = callers.iter().position(|it| it.number == number)?;
        let caller = callers.swap_remove(place);
        self.callers -= 1;
        self.forget_if_unwanted(name);
        Some(caller)
    }

    /// A name that nobody waits for any more is not looked up, unless that has begun.
    fn forget_if_unwanted(&mut self, name: &str) {
        let is_unwanted = |asked: &Asked| !asked.is_begun && asked.callers.is_empty();
        if self.asked.get(name).is_some_and(is_unwanted) {
            self.asked.remove(name);
            self.queue.retain(|it| it != name);
        }
    }
}

impl Caller {
    fn tell(self, found: io::Result<Vec<SocketAddr>>) {
        let found = found.map(|mut addresses| {
            addresses.iter_mut().for_each(|it| it.set_port(self.port));
            addresses
        });
        let then = self.then;
        contain("what follows a look-up", || then(found));
    }

    fn time_out(self, name: &str) {
        let text = format!(
            "the addresses of {name} are not known: no answer within {:?}",
            self.timeout
        );
        self.tell(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
    }
}

/// What was found, as callers get it; `found` is none where the look-up has panicked.
fn ordered(name: &str, found: Option<io::Result<Vec<SocketAddr>>>) -> io::Result<Vec<SocketAddr>> {
    let found = found.unwrap_or_else(|| Err(io::Error::other("the look-up panicked")));
    let found = found.map_err(|error| {
        let text = format!("the addresses of {name} are not known: {error}");
        io::Error::new(error.kind(), text)
    })?;
    if found.is_empty() {
        let text = format!("{name} has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(by_turns(found))
}

/// Each address once; those of the two families by turns, beginning with that of the first; no more than count.
fn by_turns(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let mut families = [VecDeque::new(), VecDeque::new()];
    for mut address in found {
        address.set_port(0);
        let family = &mut families[usize::from(address.is_ipv6() != is_first_v6)];
        if !family.contains(&address) {
            family.push_back(address);
        }
    }
    let mut ordered = Vec::new();
    while ordered.len() < ADDRESSES_MAX {
        let before = ordered.len();
        ordered.extend(families.iter_mut().filter_map(VecDeque::pop_front));
        if ordered.len() == before {
            break;
        }
    }
    ordered
}

fn copy(found: &io::Result<Vec<SocketAddr>>) -> io::Result<Vec<SocketAddr>> {
    match found {
        Ok(addresses) => Ok(addresses.clone()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const GUARD: Duration = Duration::from_secs(30);

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 0))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 0))
    }

    fn limits(threads_max: usize, callers_max: usize) -> NamesLimits {
        NamesLimits {
            threads_max,
            callers_max,
        }
    }

    /// Look-ups that hang until something is sent for each; and how many have begun.
    fn hanging(limits: NamesLimits) -> (Names, mpsc::Sender<()>, mpsc::Receiver<String>) {
        let (go, going) = mpsc::channel();
        let (begun, beginning) = mpsc::channel();
        let (going, begun) = (Mutex::new(going), Mutex::new(begun));
        let names = Names::by(limits, move |name: &str| {
            let _ = begun.lock().unwrap().send(name.to_owned());
            let _ = going.lock().unwrap().recv();
            Ok(vec![v4(1)])
        });
        (names, go, beginning)
    }

    type Found = io::Result<Vec<SocketAddr>>;

    fn ask(names: &Names, name: &str, timeout: Duration) -> (LookUp, mpsc::Receiver<Found>) {
        let (sender, receiver) = mpsc::channel();
        let then = move |found| drop(sender.send(found));
        let look_up = names.look_up(name, 80, timeout, then);
        (look_up.expect("it is taken"), receiver)
    }

    #[test]
    fn the_families_come_by_turns_and_each_address_once() {
        let found = vec![v6(1), v6(2), v6(1), v6(3), v4(1), v4(2), v4(1)];
        assert_eq!(by_turns(found), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(by_turns(vec![v4(1), v6(1), v4(2)]), [v4(1), v6(1), v4(2)]);
        let many = (0..200).map(v6).collect();
        assert_eq!(by_turns(many).len(), ADDRESSES_MAX);
    }

    #[test]
    fn look_ups_of_one_name_are_one() {
        let (names, go, begun) = hanging(limits(4, 10));
        let first = ask(&names, "a", GUARD);
        assert_eq!(begun.recv_timeout(GUARD).unwrap(), "a");
        let second = ask(&names, "a", GUARD);
        go.send(()).unwrap();
        for (_look_up, found) in [first, second] {
            let found = found.recv_timeout(GUARD).unwrap().unwrap();
            assert_eq!(found, ["192.0.2.1:80".parse().unwrap()]);
        }
        assert!(begun.try_recv().is_err());
    }

    #[test]
    fn a_time_out_is_kept_while_every_thread_hangs_and_the_next_joins() {
        let (names, go, begun) = hanging(limits(1, 10));
        let (_first, found) = ask(&names, "a", Duration::from_millis(20));
        begun.recv_timeout(GUARD).unwrap();
        let (_second, queued) = ask(&names, "b", Duration::from_millis(30));
        for (found, name) in [(found, "of a "), (queued, "of b ")] {
            let error = found.recv_timeout(GUARD).unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(error.to_string().contains(name), "{error}");
        }
        // Nobody waits for `b` any more, and `a` is still under way.
        let (_again, found) = ask(&names, "a", GUARD);
        go.send(()).unwrap();
        assert!(found.recv_timeout(GUARD).unwrap().is_ok());
        assert!(begun.try_recv().is_err(), "`b` was not looked up");
        assert_eq!(names.0.lock().callers, 0);
    }

    #[test]
    fn no_more_look_ups_and_callers_than_the_limits_say() {
        let (names, go, begun) = hanging(limits(2, 3));
        let asked = ["a", "b", "c"].map(|name| ask(&names, name, GUARD));
        let began = [
            begun.recv_timeout(GUARD).unwrap(),
            begun.recv_timeout(GUARD).unwrap(),
        ];
        assert!(!began.contains(&"c".to_owned()));
        let refused = names.look_up("d", 80, GUARD, |_| unreachable!("it was refused"));
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(error.to_string().contains("3 callers"), "{error}");
        assert_eq!(names.0.lock().threads, 3);
        go.send(()).unwrap();
        assert_eq!(begun.recv_timeout(GUARD).unwrap(), "c");
        drop(asked);
        assert!(
            names.look_up("d", 80, GUARD, |_| {}).is_ok(),
            "there is room"
        );
        drop(go);
    }

    #[test]
    fn what_is_dropped_is_not_called_and_a_panic_is_an_error() {
        let (names, go, begun) = hanging(limits(1, 10));
        let (_first, found) = ask(&names, "a", GUARD);
        begun.recv_timeout(GUARD).unwrap();
        let (second, dropped) = ask(&names, "a", GUARD);
        drop(second);
        assert!(dropped.recv_timeout(GUARD).is_err());
        go.send(()).unwrap();
        assert!(found.recv_timeout(GUARD).unwrap().is_ok());

        let calls = AtomicUsize::new(0);
        let names = Names::by(NamesLimits::default(), move |_: &str| {
            match calls.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("as it was told"),
                _ => Ok(Vec::new()),
            }
        });
        for error in ["panicked", "it has no address"] {
            let target = Target::Name("it".to_owned(), 80);
            let found = names.find(&target, GUARD).unwrap_err();
            assert!(found.to_string().contains(error), "{found}");
        }
    }
}
