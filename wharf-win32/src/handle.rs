//! The table of handles: what a program has opened, by number.
//!
//! A number is a multiple of 4 from [`FIRST`] up, below 2^31, so that it survives being cut to 32 bits; sockets are no entries
//! here, their numbers are those of their descriptors. A number that was closed is not used again while any other is free.
//!
//! Entries are in chunks that never move, each entry behind a lock of its own: a look-up waits for nobody who works with another
//! handle.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{error, last_error, objects::Waitable};

/// What a handle stands for.
pub(crate) trait Object: Any + Send + Sync {
    /// Its last handle was closed.
    fn closed(&self) {}

    /// What to wait on, if this can be waited for.
    fn waitable(self: Arc<Self>) -> Option<Arc<Waitable>> {
        None
    }
}

/// What is no handle where NULL is not the word for that.
pub(crate) const INVALID_HANDLE_VALUE: usize = usize::MAX;

/// The lowest number of a handle.
pub(crate) const FIRST: usize = 0x4000_0000;
const STEP: usize = 4;
const MOST: usize = (0x8000_0000 - FIRST) / STEP;

/// What all handles of an object share. It is held by the table alone, so that the last one is known.
struct Opened(Arc<dyn Object>);

type Entry = Mutex<Option<Arc<Opened>>>;

/// Each chunk has as many entries as all before it together; the first two have [`CHUNK`].
const CHUNK: usize = 64;
const CHUNKS: usize = (MOST / CHUNK).ilog2() as usize + 1;

static ENTRIES: [OnceLock<Box<[Entry]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];

struct Numbers {
    /// So many were ever given out.
    used: usize,
    /// Free ones, the one that has been free longest first.
    free: VecDeque<usize>,
}

static OUTLIVED: AtomicUsize = AtomicUsize::new(0);

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
    used: 0,
    free: VecDeque::new(),
});

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The index of a number that may be one of ours. Its upper half may be missing or be the sign's.
fn index_of(handle: usize) -> Option<usize> {
    let offset = (handle & 0xffff_ffff).checked_sub(FIRST)?;
    (offset % STEP == 0 && offset / STEP < MOST).then_some(offset / STEP)
}

/// The chunk of an index, and the place in it.
fn place(index: usize) -> (usize, usize) {
    match (index / CHUNK).checked_ilog2() {
        None => (0, index),
        Some(power) => (power as usize + 1, index - (CHUNK << power)),
    }
}

fn entry(handle: usize) -> Option<&'static Entry> {
    let (chunk, at) = place(index_of(handle)?);
    ENTRIES[chunk].get()?.get(at)
}

/// Lists an object. None if there are as many as there are numbers.
pub(crate) fn insert(object: Arc<dyn Object>) -> Option<usize> {
    insert_opened(Arc::new(Opened(object)))
}

fn insert_opened(opened: Arc<Opened>) -> Option<usize> {
    let index = {
        let mut numbers = lock(&NUMBERS);
        match numbers.free.pop_front() {
            Some(index) => index,
            None if numbers.used < MOST => {
                numbers.used += 1;
                numbers.used - 1
            }
            None => return None,
        }
    };
    let (chunk, at) = place(index);
    let entries = ENTRIES[chunk].get_or_init(|| {
        let len = if chunk == 0 {
            CHUNK
        } else {
            CHUNK << (chunk - 1)
        };
        (0..len).map(|_| Entry::default()).collect()
    });
    *lock(&entries[at]) = Some(opened);
    Some(FIRST + index * STEP)
}

/// The object of a handle, of any type.
pub(crate) fn get_any(handle: usize) -> Option<Arc<dyn Object>> {
    Some(lock(entry(handle)?).as_ref()?.0.clone())
}

/// The object of a handle, if it is one of that type.
pub(crate) fn get<T: Object>(handle: usize) -> Option<Arc<T>> {
    let object: Arc<dyn Any + Send + Sync> = get_any(handle)?;
    object.downcast().ok()
}

/// As [`get`]; if there is none, the last error says so.
pub(crate) fn get_or_fail<T: Object>(handle: usize) -> Option<Arc<T>> {
    let object = get(handle);
    if object.is_none() {
        last_error::set(error::INVALID_HANDLE);
    }
    object
}

/// Lists another handle of the same object.
pub(crate) fn duplicate(handle: usize) -> Option<usize> {
    let opened = lock(entry(handle)?).clone()?;
    insert_opened(opened)
}

/// Takes a handle off the list. False if it is none.
pub(crate) fn close(handle: usize) -> bool {
    let (Some(index), Some(entry)) = (index_of(handle), entry(handle)) else {
        return false;
    };
    let Some(opened) = lock(entry).take() else {
        return false;
    };
    lock(&NUMBERS).free.push_back(index);
    // Under no lock: what ends with it may close others.
    match Arc::into_inner(opened) {
        Some(last) => last.0.closed(),
        None => {
            OUTLIVED.fetch_add(1, Ordering::Release);
        }
    }
    true
}

/// Changes whenever a handle is closed whose object has others: who has looked an object up before, by its number, looks again.
pub(crate) fn outlived() -> usize {
    OUTLIVED.load(Ordering::Acquire)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Object for Counted {
        fn closed(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn places_are_each_index_s_own() {
        let mut seen = std::collections::HashSet::new();
        for index in 0..10_000 {
            let (chunk, at) = place(index);
            let len = if chunk == 0 {
                CHUNK
            } else {
                CHUNK << (chunk - 1)
            };
            assert!(at < len && seen.insert((chunk, at)), "{index}");
        }
        let (chunk, at) = place(MOST - 1);
        assert_eq!((chunk, at), (CHUNKS - 1, (CHUNK << (CHUNKS - 2)) - 1));
    }

    #[test]
    fn the_last_handle_of_an_object_closes_it() {
        let object = Arc::new(Counted::default());
        let handles: Vec<usize> = (0..200)
            .map(|at| match at {
                0 => insert(object.clone()).unwrap(),
                _ => duplicate(insert(object.clone()).unwrap()).unwrap(),
            })
            .collect();
        let closes = || object.0.load(Ordering::Relaxed);
        let first = handles[0];
        assert_eq!(first % 4, 0);
        assert!(get::<Counted>(first).is_some() && get::<Counted>(first | !0xffff_ffff).is_some());
        assert!(close(first) && !close(first));
        assert_eq!(closes(), 1);
        assert!(close(handles[1]));
        assert_eq!(closes(), 1, "the handle that it is a duplicate of is open");
    }

    #[test]
    fn garbage_is_no_handle() {
        for handle in [
            0,
            1,
            3,
            FIRST + 2,
            FIRST - 4,
            0x7fff_fffc,
            0x8000_0000,
            usize::MAX,
        ] {
            assert!(get_any(handle).is_none(), "{handle:x}");
            assert!(duplicate(handle).is_none() && !close(handle));
        }
    }
}
