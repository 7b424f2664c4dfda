//! Readiness from epoll, edge-triggered, harvested by any thread; transfers by plain system calls.
//!
//! One epoll set a port. Every thread that polls sits in `epoll_wait` on it; the kernel gives each event to one
//! of them, the one that came last first. A wake is an eventfd in the same set, and the next deadline a timerfd,
//! so that there is one place to wait and nothing that ticks.

use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::{
    event::{
        EventfdFlags, Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    fd::{BorrowedFd, OwnedFd},
    io::Errno,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create,
        timerfd_settime,
    },
};

use super::{calls, unregistered};
use crate::driver::{
    Descriptor, Driver, EVENTS_MAX, Event, Events, Promises, Query, Reply, TOKEN_MAX, Transfer,
};

const WAKE: u64 = TOKEN_MAX + 1;
const TIMER: u64 = TOKEN_MAX + 2;

/// A timerfd takes any delay, but a date past the end of the kernel's clock is an error; a century is for ever.
const DELAY_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A wait in epoll may end late by a part of its time-out: a thousandth, or a two-hundredth in a thread with a nice value,
/// but no more than a tenth of a second (`select_estimate_accuracy` in the kernel's fs/select.c). And by the thread's timer
/// slack (prctl(2), `PR_SET_TIMERSLACK`: 50 us unless set), which is more where the time-out is short. A thread under a
/// real-time policy has neither. Nothing turns the first off. A wait as short as this is late by a tenth of a millisecond.
const SHORT: Duration = Duration::from_millis(20);

/// Twice what the kernel may be late at most.
const LATE_MAX: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Readiness {
    epoll: OwnedFd,
    wake: OwnedFd,
    timer: OwnedFd,
}

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        // Edge-triggered, so neither is ever read: each write and each expiry is an event of its own.
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), edge)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), edge)?;
        Ok(Readiness { epoll, wake, timer })
    }
}

impl Driver for Readiness {
    fn name(&self) -> &'static str {
        "readiness"
    }

    /// Linux wakes the threads in `epoll_wait` last in, first out (`ep_poll` adds an exclusive waiter at the head of its list).
    fn promises(&self) -> Promises {
        Promises::ALL
    }

    fn late_max(&self, timeout: Duration) -> Duration {
        late_max(timeout)
    }

    fn descriptors(&self) -> usize {
        [&self.epoll, &self.wake, &self.timer].len()
    }

    fn batch_max(&self) -> usize {
        // Nothing is gained by handing over several at once.
        1
    }

    fn knows(&self, descriptor: &Descriptor) -> io::Result<()> {
        match descriptor {
            Descriptor::System(_) | Descriptor::Borrowed(_) => Ok(()),
            #[cfg(feature = "simulated")]
            Descriptor::Simulated(_) => Err(crate::driver::unix::descriptor::of_another_kernel(
                "a simulated kernel's",
                "the system's",
            )),
        }
    }

    fn stream_for(&self, peer: SocketAddr, local: Option<SocketAddr>) -> io::Result<Descriptor> {
        calls::stream_for(peer, local)
    }

    fn local_stream(&self) -> io::Result<Descriptor> {
        calls::local_stream()
    }

    unsafe fn ask(&self, descriptor: i32, query: Query) -> io::Result<Reply> {
        // SAFETY: passed on to the caller.
        unsafe { calls::ask(descriptor, query) }
    }

    unsafe fn register(&self, descriptor: i32, token: u64) -> io::Result<()> {
        debug_assert!(token <= TOKEN_MAX);
        // SAFETY: the caller promises that the descriptor is open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let flags =
            EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::PRI | EventFlags::ET;
        let added = epoll::add(&self.epoll, descriptor, EventData::new_u64(token), flags);
        added.map_err(|error| unregistered(error.raw_os_error()))
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.as_fd())
    }

    fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        events.woken = false;
        events.timer = false;
        let mut space = [MaybeUninit::uninit(); EVENTS_MAX];
        let ready = match wait_for(&self.epoll, &mut space, timeout) {
            Ok(ready) => ready,
            // A signal: nothing is ready, and the caller looks at its clock.
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready {
            // The structure is packed: its fields are copied out.
            let (data, flags) = (event.data, event.flags);
            match data.u64() {
                WAKE => events.woken = true,
                TIMER => events.timer = true,
                token => events.list.push(Event {
                    token,
                    readable: flags.intersects(
                        EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR,
                    ),
                    writable: flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR),
                    ended: flags.contains(EventFlags::RDHUP) && !flags.contains(EventFlags::ERR),
                    hangup: flags.intersects(EventFlags::HUP | EventFlags::ERR),
                    urgent: flags.contains(EventFlags::PRI),
                }),
            }
        }
        Ok(())
    }

    fn wake(&self) {
        // Fails only when the counter is full, after 2^64 wakes.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn arm(&self, delay: Option<Duration>) {
        // A delay of zero would disarm: a nanosecond is as soon.
        let value = delay.map_or(Duration::ZERO, |delay| {
            delay.clamp(Duration::from_nanos(1), DELAY_MAX)
        });
        let spec = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: timespec(value),
        };
        // Fails only for a bad descriptor or a value out of range (timerfd_settime(2)); neither can be.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec);
    }

    unsafe fn transfer(&self, transfers: &mut [Transfer]) {
        for transfer in transfers {
            // SAFETY: passed on to the caller.
            unsafe { calls::perform(transfer) };
        }
    }

    unsafe fn transfer_file(&self, transfer: &mut Transfer) {
        // SAFETY: passed on to the caller.
        unsafe { calls::perform(transfer) }
    }

    unsafe fn deregister(&self, descriptor: i32) {
        // SAFETY: the caller promises that the descriptor is open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        // Fails only for what is not registered.
        let _ = epoll::delete(&self.epoll, descriptor);
    }

    fn forget(&self, _slot: u32) {
        // Closing the descriptor ends its registration: it is never duplicated.
    }
}

/// How late a wait may end, as far as the port need care.
fn late_max(timeout: Duration) -> Duration {
    match timeout > SHORT {
        true => (timeout / 100).min(LATE_MAX),
        false => Duration::ZERO,
    }
}

/// As epoll_wait(2), with a time-out to the nanosecond where the kernel knows one (epoll_pwait2(2), Linux 5.11, unless a
/// container forbids it): else each wait for a time would be up to a millisecond longer than asked.
fn wait_for<'a>(
    epoll: &OwnedFd,
    space: &'a mut [MaybeUninit<epoll::Event>],
    timeout: Option<Duration>,
) -> Result<&'a mut [epoll::Event], Errno> {
    static IS_COARSE: AtomicBool = AtomicBool::new(false);
    let needs_exact = |timeout: &Duration| {
        timeout.subsec_nanos() % 1_000_000 != 0 && !IS_COARSE.load(Ordering::Relaxed)
    };
    if let Some(exact) = timeout.filter(needs_exact) {
        match wait_exactly(epoll, space, exact) {
            Err(Errno::NOSYS | Errno::PERM) => IS_COARSE.store(true, Ordering::Relaxed),
            Err(error) => return Err(error),
            Ok(count) => {
                let filled = &raw mut space[..count] as *mut [epoll::Event];
                // SAFETY: so many were filled in by the kernel.
                return Ok(unsafe { &mut *filled });
            }
        }
    }
    let timeout = timeout.map(round_up);
    epoll::wait(epoll, space, timeout.as_ref()).map(|(ready, _)| ready)
}

/// Says how many events the kernel filled in, from the first on.
fn wait_exactly(
    epoll: &OwnedFd,
    space: &mut [MaybeUninit<epoll::Event>],
    timeout: Duration,
) -> Result<usize, Errno> {
    /// The kernel's, which has 64 bits for each on every platform.
    #[repr(C)]
    struct KernelTimespec {
        seconds: i64,
        nanoseconds: i64,
    }
    let timeout = timeout.min(DELAY_MAX);
    let timeout = KernelTimespec {
        seconds: timeout.as_secs() as i64,
        nanoseconds: timeout.subsec_nanos().into(),
    };
    // SAFETY: the kernel writes up to so many events, which are laid out as it knows them, reads one time, and no
    // signal mask.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            space.as_mut_ptr(),
            space.len() as libc::c_int,
            &raw const timeout,
            ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    };
    usize::try_from(count).map_err(|_| {
        let error = io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
    })
}

/// Whole milliseconds, rounded up: all that `epoll_wait` takes, and never shorter than asked.
fn round_up(timeout: Duration) -> Timespec {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    timespec(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(DELAY_MAX))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: duration.subsec_nanos().into(),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// How late the kernel may be, in a thread whose nice value makes it as late as it gets; apart from the timer slack.
    fn late(timeout: Duration) -> Duration {
        (timeout / 200).min(Duration::from_millis(100))
    }

    #[test]
    fn a_long_wait_comes_to_its_end_in_a_few_steps_none_of_which_is_too_late() {
        let step_of = |remaining: Duration| remaining - late_max(remaining);
        const DAY: u64 = 24 * 60 * 60;
        let millis = (0..1_000).chain((1..100).map(|tenth| tenth * 100));
        let seconds = (0..1_000).chain([DAY, 100 * 365 * DAY]);
        let all = millis
            .map(Duration::from_millis)
            .chain(seconds.map(Duration::from_secs))
            .chain([Duration::MAX, SHORT + Duration::from_nanos(1)]);
        for timeout in all {
            for is_late in [false, true] {
                let (mut remaining, mut steps) = (timeout, 0);
                while remaining > SHORT {
                    let step = step_of(remaining);
                    assert!(step + late(step) < remaining, "{step:?} of {remaining:?}");
                    remaining -= step + if is_late { late(step) } else { Duration::ZERO };
                    steps += 1;
                }
                assert!(steps <= 2, "{steps} before the last of {timeout:?}");
                assert_eq!(
                    step_of(remaining),
                    remaining,
                    "the last is as long as what is left"
                );
                assert!(late(remaining) <= Duration::from_micros(100));
            }
        }
    }
}
