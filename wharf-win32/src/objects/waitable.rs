//! What can be waited for: one type for all kinds of objects, with a lock of its own and a line of those who wait.
//!
//! - A change of an object (an event is set, a mutex released) serves the line in its order, within the same lock: each waiter that
//!   the object is free to is told, and takes what it waited for. So an event that resets itself releases exactly one, and nobody
//!   who comes later overtakes one who waits.
//! - A waiter in the lines of several objects is told by one of them; the others find it told, and pass over it. It takes itself
//!   out of the lines when it runs.
//! - One who waits for *all* of several is told in the moment in which all are free to it, and takes all. For that the locks of all
//!   are held at once, in the order of their addresses. Who enters such a waiter into lines, or takes it out, or changes an object
//!   that has one in its line, holds [`ALL`] first: so the lines that must be locked together can't change while they are looked
//!   up. Objects that nobody waits for so never meet that lock.
//! - Who was told is woken after all locks are released.

use std::{collections::VecDeque, sync::Arc};

use super::waiter::{End, Waiter};
use crate::sync::{Mutex, MutexGuard};

/// What an object is like, and whether it is free to a thread that waits for it.
#[derive(Debug)]
pub(crate) enum What {
    /// An event; also a thread, a timer, a socket. `manual`: whoever waits leaves it set.
    Event {
        manual: bool,
        set: bool,
    },
    Semaphore {
        count: u32,
        most: u32,
    },
    /// A mutex, which its owner may take again.
    Mutex {
        owner: Option<u32>,
        times: u32,
        abandoned: bool,
    },
}

impl What {
    fn is_free_to(&self, thread: u32) -> bool {
        match self {
            What::Event { set, .. } => *set,
            What::Semaphore { count, .. } => *count > 0,
            What::Mutex { owner, times, .. } => match owner {
                None => true,
                Some(owner) => *owner == thread && *times < u32::MAX,
            },
        }
    }

    fn is_abandoned(&self) -> bool {
        matches!(
            self,
            What::Mutex {
                abandoned: true,
                ..
            }
        )
    }

    /// The thread gets what it waited for. The object must be free to it.
    fn take(&mut self, thread: u32) {
        match self {
            What::Event { manual, set } => *set = *manual,
            What::Semaphore { count, .. } => *count -= 1,
            What::Mutex {
                owner,
                times,
                abandoned,
            } => {
                *owner = Some(thread);
                *times += 1;
                *abandoned = false;
            }
        }
    }
}

/// Held by who lists those who wait for all, or changes an object that has one in its line.
#[cfg(not(loom))]
static ALL: Mutex<()> = Mutex::new(());
#[cfg(loom)]
loom::lazy_static! {
    static ref ALL: Mutex<()> = Mutex::new(());
}

/// An object that can be waited for.
#[derive(Debug)]
pub(crate) struct Waitable {
    state: Mutex<State>,
    /// It is a mutex, and has an owner.
    is_mutex: bool,
}

#[derive(Debug)]
struct State {
    what: What,
    /// Those who wait, the first in front. Some of them may have been told already.
    line: VecDeque<Entry>,
    /// So many of them wait for all of several objects.
    for_all: usize,
}

#[derive(Debug)]
struct Entry {
    waiter: Arc<Waiter>,
    /// The place of this object among those that it waits for.
    index: u32,
    /// If it waits for all: these, in the order of their addresses.
    all: Option<Arc<[Arc<Waitable>]>>,
}

impl State {
    fn remove(&mut self, at: usize) {
        if let Some(Entry { all: Some(_), .. }) = self.line.remove(at) {
            self.for_all -= 1;
        }
    }

    fn remove_waiter(&mut self, waiter: &Arc<Waiter>) {
        while let Some(at) = (self.line.iter()).position(|entry| Arc::ptr_eq(&entry.waiter, waiter))
        {
            self.remove(at);
        }
    }

    /// Takes the object for a thread, if it is free to it.
    fn try_take(&mut self, thread: u32, index: u32) -> Option<End> {
        if !self.what.is_free_to(thread) {
            return None;
        }
        let abandoned = self.what.is_abandoned();
        self.what.take(thread);
        Some(End::Signalled { index, abandoned })
    }
}

impl Waitable {
    pub(crate) fn new(what: What) -> Arc<Waitable> {
        Arc::new(Waitable {
            is_mutex: matches!(what, What::Mutex { .. }),
            state: Mutex::new(State {
                what,
                line: VecDeque::new(),
                for_all: 0,
            }),
        })
    }

    pub(super) fn is_mutex(&self) -> bool {
        self.is_mutex
    }

    /// Looks at the object.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&What) -> R) -> R {
        look(&self.state.lock().what)
    }

    /// Changes the object, and serves those who wait for it.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut What) -> R) -> R {
        self.change_for_a_moment(change, |_| ())
    }

    /// Sets or resets an event; leaves another object alone.
    pub(crate) fn set_to(&self, to: bool) {
        self.change(|what| {
            if let What::Event { set, .. } = what {
                *set = to;
            }
        });
    }

    /// Changes the object, serves those who wait for it now, and changes it again, in one step.
    pub(crate) fn change_for_a_moment<R>(
        &self,
        change: impl FnOnce(&mut What) -> R,
        again: impl FnOnce(&mut What),
    ) -> R {
        let mut told = Vec::new();
        let mut state = self.state.lock();
        let result = if state.for_all == 0 {
            let result = change(&mut state.what);
            if state.line.is_empty() {
                again(&mut state.what);
            } else {
                Together::alone(self, state).serve(self, &mut told, again);
            }
            result
        } else {
            drop(state);
            let _all = ALL.lock();
            let objects = self.all_to_lock();
            let mut together = Together::new(&objects, self);
            let result = change(&mut together.state(self).what);
            together.serve(self, &mut told, again);
            result
        };
        for waiter in told {
            waiter.wake();
        }
        result
    }

    /// All that those wait for who wait for this and others. [`ALL`] is held.
    fn all_to_lock(&self) -> Vec<Arc<Waitable>> {
        let state = self.state.lock();
        (state.line.iter().filter_map(|entry| entry.all.as_ref()))
            .flat_map(|all| all.iter().cloned())
            .collect()
    }

    /// Takes the object for that thread, if it is free.
    pub(super) fn try_take(&self, thread: u32) -> Option<End> {
        self.state.lock().try_take(thread, 0)
    }

    /// Takes the object for the waiter's thread, if it is free; else lists the waiter.
    pub(super) fn take_or_line_up(&self, waiter: &Arc<Waiter>) -> Option<End> {
        let mut state = self.state.lock();
        let end = state.try_take(waiter.thread, 0);
        if end.is_none() {
            state.line.push_back(Entry {
                waiter: waiter.clone(),
                index: 0,
                all: None,
            });
        }
        end
    }

    /// Takes the waiter off the line, if it is in it, and did not line up for all of several.
    pub(super) fn leave(&self, waiter: &Arc<Waiter>) {
        self.state.lock().remove_waiter(waiter);
    }
}

/// Takes the first of the objects that is free to the thread.
pub(super) fn try_take_any(objects: &[Arc<Waitable>], thread: u32) -> Option<End> {
    let mut together = Together::of(objects);
    together.take_any(objects, thread)
}

/// Takes the first of the objects that is free to the waiter's thread; if none is, lists the waiter with each.
pub(super) fn take_any_or_line_up(objects: &[Arc<Waitable>], waiter: &Arc<Waiter>) -> Option<End> {
    let mut together = Together::of(objects);
    let end = together.take_any(objects, waiter.thread);
    if end.is_none() {
        for (object, index) in objects.iter().zip(0..) {
            together.state(object).line.push_back(Entry {
                waiter: waiter.clone(),
                index,
                all: None,
            });
        }
    }
    end
}

/// Objects to be waited for all at once, none twice, in the order of their addresses.
pub(crate) struct AllOf(Arc<[Arc<Waitable>]>);

impl AllOf {
    /// None if an object is there twice.
    pub(super) fn new(objects: &[Arc<Waitable>]) -> Option<AllOf> {
        let mut sorted = objects.to_vec();
        sorted.sort_by_key(Arc::as_ptr);
        let twice = sorted
            .windows(2)
            .any(|pair| Arc::ptr_eq(&pair[0], &pair[1]));
        (!twice).then(|| AllOf(sorted.into()))
    }

    /// Takes all, if all are free to the thread.
    pub(super) fn try_take(&self, thread: u32) -> Option<End> {
        let mut together = Together::of(&self.0);
        together.take_all(&self.0, thread, |_| true)
    }

    /// Takes all, if all are free to the waiter's thread; else lists the waiter with each.
    pub(super) fn take_or_line_up(&self, waiter: &Arc<Waiter>) -> Option<End> {
        let _all = ALL.lock();
        let mut together = Together::of(&self.0);
        let end = together.take_all(&self.0, waiter.thread, |_| true);
        if end.is_none() {
            for object in &*self.0 {
                let state = together.state(object);
                state.for_all += 1;
                state.line.push_back(Entry {
                    waiter: waiter.clone(),
                    index: 0,
                    all: Some(self.0.clone()),
                });
            }
        }
        end
    }

    /// Takes the waiter off the lines.
    pub(super) fn leave(&self, waiter: &Arc<Waiter>) {
        let _all = ALL.lock();
        for object in &*self.0 {
            object.state.lock().remove_waiter(waiter);
        }
    }
}

/// The locks of several objects, held together, in the order of the objects' addresses.
struct Together<'a>(Vec<(*const Waitable, MutexGuard<'a, State>)>);

impl<'a> Together<'a> {
    fn alone(object: &'a Waitable, state: MutexGuard<'a, State>) -> Self {
        Together(vec![(object, state)])
    }

    fn of(objects: &'a [Arc<Waitable>]) -> Self {
        Together::lock(objects.iter().map(|object| &**object).collect())
    }

    fn new(objects: &'a [Arc<Waitable>], and: &'a Waitable) -> Self {
        let objects = objects.iter().map(|object| &**object);
        Together::lock(objects.chain([and]).collect())
    }

    fn lock(mut objects: Vec<&'a Waitable>) -> Self {
        objects.sort_by_key(|object| &raw const **object);
        objects.dedup_by_key(|object| &raw const **object);
        let locked = |object: &'a Waitable| (&raw const *object, object.state.lock());
        Together(objects.into_iter().map(locked).collect())
    }

    fn state(&mut self, object: &Waitable) -> &mut State {
        let at = self
            .0
            .binary_search_by_key(&&raw const *object, |(address, _)| *address);
        &mut self.0[at.expect("it was locked")].1
    }

    fn take_any(&mut self, objects: &[Arc<Waitable>], thread: u32) -> Option<End> {
        (objects.iter().zip(0..))
            .find_map(|(object, index)| self.state(object).try_take(thread, index))
    }

    /// Takes all of the objects for a thread, if all are free to it and it `may` have this end.
    fn take_all(
        &mut self,
        objects: &[Arc<Waitable>],
        thread: u32,
        may: impl FnOnce(End) -> bool,
    ) -> Option<End> {
        if !(objects.iter()).all(|object| self.state(object).what.is_free_to(thread)) {
            return None;
        }
        let abandoned = (objects.iter()).any(|object| self.state(object).what.is_abandoned());
        let end = End::Signalled {
            index: 0,
            abandoned,
        };
        if !may(end) {
            return None;
        }
        for object in objects {
            self.state(object).what.take(thread);
        }
        Some(end)
    }

    /// Serves the line of an object that was changed, and changes it again. Lists whom it told.
    fn serve(
        &mut self,
        object: &Waitable,
        told: &mut Vec<Arc<Waiter>>,
        again: impl FnOnce(&mut What),
    ) {
        let mut at = 0;
        loop {
            let state = self.state(object);
            let Some(entry) = state.line.get(at) else {
                break;
            };
            let (waiter, index) = (entry.waiter.clone(), entry.index);
            let Some(all) = entry.all.clone() else {
                if !state.what.is_free_to(waiter.thread) {
                    break;
                }
                state.remove(at);
                let abandoned = state.what.is_abandoned();
                if waiter.tell(End::Signalled { index, abandoned }) {
                    state.what.take(waiter.thread);
                    told.push(waiter);
                }
                continue;
            };
            match self.take_all(&all, waiter.thread, |end| waiter.tell(end)) {
                Some(_) => told.push(waiter),
                // It waits on, or was told to stop.
                None => at += 1,
            }
        }
        again(&mut self.state(object).what);
    }
}
