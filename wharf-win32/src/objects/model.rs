//! Model checks of the waits: a few threads, in every order in which they can run up to a bound on the number of pre-emptions.
//! `ci/model.sh` runs them.
//!
//! A wake that is lost leaves a thread asleep for ever, and so do locks that are taken in two orders: the checker reports the
//! deadlock. That nothing is taken twice, or lost, is counted at the end of each.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{End, Waitable, Waiter, What, mutex, wait::For, waitable::AllOf};
use crate::sync::run;

const TAKEN: End = End::Signalled {
    index: 0,
    abandoned: false,
};

/// What `objects::wait` does, but for the calls that are queued for a thread.
fn wait(on: &For, thread: u32) -> End {
    wait_unless(on, thread, |_| ())
}

/// The same, with something between lining up and sleep.
fn wait_unless(on: &For, thread: u32, meanwhile: impl FnOnce(&Arc<Waiter>)) -> End {
    let waiter = Arc::new(Waiter::new(thread));
    if let Some(end) = on.take_or_line_up(&waiter) {
        return end;
    }
    meanwhile(&waiter);
    let end = waiter.sleep(None);
    on.leave(&waiter);
    end
}

/// A wait whose time comes at any moment.
fn wait_a_while(on: &For, thread: u32) -> End {
    wait_unless(on, thread, |waiter| {
        waiter.tell(End::TimedOut);
    })
}

fn event(manual: bool, set: bool) -> Arc<Waitable> {
    Waitable::new(What::Event { manual, set })
}

fn put(event: &Waitable, to: bool) {
    event.change(|what| {
        let What::Event { set, .. } = what else {
            unreachable!()
        };
        *set = to;
    });
}

fn is_set(event: &Waitable) -> bool {
    event.look(|what| matches!(what, What::Event { set: true, .. }))
}

fn all_of(objects: &[&Arc<Waitable>]) -> AllOf {
    let objects: Vec<_> = objects.iter().map(|object| (*object).clone()).collect();
    AllOf::new(&objects).unwrap()
}

/// At most one thread at a time is between a take and the set that gives it back.
struct Alone(AtomicUsize);

impl Alone {
    fn check(&self) {
        assert_eq!(self.0.fetch_add(1, Ordering::Relaxed), 0);
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_set_event_wakes() {
    loom::model(|| {
        let (one, other) = (event(false, false), event(true, false));
        let waiter = {
            let (one, other) = (one.clone(), other.clone());
            thread::spawn(move || {
                assert_eq!(wait(&For::One(&one), 1), TAKEN);
                let any = [one, other];
                assert_eq!(
                    wait(&For::Any(&any), 1),
                    End::Signalled {
                        index: 1,
                        abandoned: false
                    }
                );
            })
        };
        put(&one, true);
        put(&other, true);
        waiter.join().unwrap();
        assert!(!is_set(&one) && is_set(&other));
    });
}

#[test]
fn an_event_that_resets_itself_releases_one() {
    loom::model(|| {
        let event = event(false, true);
        let (own, alone) = (event.clone(), Alone(AtomicUsize::new(0)));
        run(2, move |number| {
            assert_eq!(wait(&For::One(&own), number), TAKEN);
            alone.check();
            put(&own, true);
        });
        assert!(is_set(&event));
    });
}

/// Where the time comes, or a call, an event is taken or is left set: never both, nor neither.
#[test]
fn an_end_of_a_wait_loses_no_event() {
    loom::model(|| {
        let (first, second) = (event(false, false), event(false, false));
        let waiter = {
            let objects = [first.clone(), second.clone()];
            thread::spawn(move || wait_a_while(&For::Any(&objects), 1))
        };
        put(&first, true);
        put(&second, true);
        let taken = usize::from(waiter.join().unwrap() != End::TimedOut);
        assert_eq!(
            taken + usize::from(is_set(&first)) + usize::from(is_set(&second)),
            2
        );
    });
}

#[test]
fn all_wakes_whichever_comes_last() {
    loom::model(|| {
        let (first, second) = (event(false, false), event(true, false));
        let waiter = {
            let all = all_of(&[&second, &first]);
            thread::spawn(move || wait(&For::All(&all), 1))
        };
        let setter = {
            let first = first.clone();
            thread::spawn(move || put(&first, true))
        };
        put(&second, true);
        setter.join().unwrap();
        assert_eq!(waiter.join().unwrap(), TAKEN);
        assert!(!is_set(&first) && is_set(&second));
    });
}

#[test]
fn all_takes_all_or_none() {
    loom::model(|| {
        let (first, second) = (event(false, false), event(false, false));
        let for_both = {
            let all = all_of(&[&first, &second]);
            thread::spawn(move || wait_a_while(&For::All(&all), 1))
        };
        let for_one = {
            let second = second.clone();
            thread::spawn(move || wait_a_while(&For::One(&second), 2))
        };
        put(&first, true);
        put(&second, true);
        let both = for_both.join().unwrap() == TAKEN;
        let one = for_one.join().unwrap() == TAKEN;
        assert!(!(both && one));
        assert_eq!(is_set(&first), !both);
        assert_eq!(is_set(&second), !both && !one);
    });
}

#[test]
fn those_who_take_all_do_not_hold_each_other_up() {
    loom::model(|| {
        let (first, second) = (event(false, true), event(false, true));
        let own = [first.clone(), second.clone()];
        let alone = Alone(AtomicUsize::new(0));
        run(2, move |number| {
            let mut events = own.clone();
            if number == 2 {
                events.reverse();
            }
            let all = AllOf::new(&events).unwrap();
            assert_eq!(wait(&For::All(&all), number), TAKEN);
            alone.check();
            put(&events[0], true);
            put(&events[1], true);
        });
        assert!(is_set(&first) && is_set(&second));
    });
}

/// A change that is to serve one who waits for all, while another lines up for others of them.
#[test]
fn a_change_serves_whoever_lines_up_for_all_meanwhile() {
    loom::model(|| {
        let (shared, first, second) = (event(true, false), event(true, false), event(true, false));
        let threads: Vec<_> = [&first, &second]
            .into_iter()
            .zip(1..)
            .map(|(own, number)| {
                let all = all_of(&[&shared, own]);
                thread::spawn(move || wait(&For::All(&all), number))
            })
            .collect();
        put(&shared, true);
        put(&first, true);
        put(&second, true);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), TAKEN);
        }
    });
}

#[test]
fn a_pulse_reaches_who_waits_and_leaves_nothing() {
    loom::model(|| {
        let (pulsed, other) = (event(true, false), event(false, true));
        let lined_up = event(false, false);
        let waiter = {
            let all = all_of(&[&pulsed, &other]);
            let lined_up = lined_up.clone();
            thread::spawn(move || wait_unless(&For::All(&all), 1, |_| put(&lined_up, true)))
        };
        assert_eq!(wait(&For::One(&lined_up), 2), TAKEN);
        let put = |what: &mut What, to| {
            let What::Event { set, .. } = what else {
                unreachable!()
            };
            *set = to;
        };
        pulsed.change_for_a_moment(|what| put(what, true), |what| put(what, false));
        assert!(
            !is_set(&pulsed) && !is_set(&other),
            "taken within the pulse"
        );
        assert_eq!(waiter.join().unwrap(), TAKEN);
    });
}

#[test]
fn an_abandoned_mutex_goes_to_one_who_is_told() {
    loom::model(|| {
        let free = Waitable::new(What::Mutex {
            owner: None,
            times: 0,
            abandoned: false,
        });
        let owner = {
            let mutex = free.clone();
            thread::spawn(move || {
                let end = wait(&For::One(&mutex), 1);
                mutex::abandon(&mutex, 1);
                end
            })
        };
        let end = wait(&For::One(&free), 2);
        mutex::abandon(&free, 2);
        let ends = [end, owner.join().unwrap()];
        let told = ends.iter().filter(|end| {
            matches!(
                end,
                End::Signalled {
                    abandoned: true,
                    ..
                }
            )
        });
        assert_eq!(told.count(), 1, "whoever was second: {ends:?}");
    });
}
