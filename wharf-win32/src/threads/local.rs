//! Values that belong to a thread, by an index: `Tls*`, and `Fls*`, which call a function for what a thread leaves behind.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::number;
use crate::{TRUE, error, last_error};

/// As many indices as Windows has of each kind at least.
const TLS_COUNT: usize = 1088;
const FLS_COUNT: usize = 128;
const OUT_OF_INDEXES: u32 = u32::MAX;

/// How often each index was given out or back: odd while it is in use. A value counts if it was set since, so one that was
/// left behind is 0 for the next user.
static TURNS: [AtomicU32; TLS_COUNT] = [const { AtomicU32::new(0) }; TLS_COUNT];

thread_local! {
    /// Each value with the turn of its index in which it was set.
    static VALUES: RefCell<Vec<(u32, usize)>> = const { RefCell::new(Vec::new()) };
}

/// Has the values of the calling thread outlive what is used later.
pub(super) fn begin_of_thread() {
    let _ = VALUES.try_with(|_| ());
}

/// Gives an index out, at which each thread has a value of its own, 0 at first. 0xffffffff if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn TlsAlloc() -> u32 {
    let free = TURNS.iter().zip(0..).find(|(turn, _)| {
        let now = turn.load(Ordering::Relaxed);
        now % 2 == 0
            && turn
                .compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    });
    match free {
        Some((_, index)) => index,
        None => {
            last_error::set(error::NO_MORE_ITEMS);
            OUT_OF_INDEXES
        }
    }
}

/// Takes an index back. What the threads have there is forgotten.
#[unsafe(no_mangle)]
pub extern "C" fn TlsFree(index: u32) -> i32 {
    let freed = TURNS.get(index as usize).is_some_and(|turn| {
        let now = turn.load(Ordering::Relaxed);
        now % 2 == 1
            && turn
                .compare_exchange(
                    now,
                    now.wrapping_add(1),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
    });
    if freed {
        TRUE
    } else {
        last_error::fail(error::INVALID_PARAMETER)
    }
}

/// The calling thread's value at an index, with the last error 0; or 0, with error 87 for what is no index.
#[unsafe(no_mangle)]
pub extern "C" fn TlsGetValue(index: u32) -> usize {
    let Some(turn) = TURNS.get(index as usize) else {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    };
    last_error::set(0);
    let value = VALUES.try_with(|values| values.borrow().get(index as usize).copied());
    match value.ok().flatten() {
        Some((set_in, value)) if set_in == turn.load(Ordering::Relaxed) => value,
        _ => 0,
    }
}

/// Sets the calling thread's value at an index.
#[unsafe(no_mangle)]
pub extern "C" fn TlsSetValue(index: u32, value: usize) -> i32 {
    let Some(turn) = TURNS.get(index as usize) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    let index = index as usize;
    let set = VALUES.try_with(|values| {
        let mut values = values.borrow_mut();
        if values.len() <= index {
            values.resize(index + 1, (0, 0));
        }
        values[index] = (turn.load(Ordering::Relaxed), value);
    });
    // In a thread that is being torn down there is no place any more.
    if set.is_ok() {
        TRUE
    } else {
        last_error::fail(error::NOT_ENOUGH_MEMORY)
    }
}

/// A function for the values that are left at an index.
type Leftover = extern "C-unwind" fn(usize);

/// An index that is in use.
struct Slot {
    leftover: Option<Leftover>,
    /// By the number of the thread. None is 0.
    values: HashMap<u32, usize>,
}

static SLOTS: Mutex<Vec<Option<Slot>>> = Mutex::new(Vec::new());

fn slots() -> MutexGuard<'static, Vec<Option<Slot>>> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The calling thread ends, and leaves its values behind.
pub(super) fn end_of_thread() {
    let number = number();
    // The function may set other values, which are left then, too; but not for ever.
    for _ in 0..4 {
        let left: Vec<_> = (slots().iter_mut().flatten())
            .filter_map(|slot| Some((slot.leftover, slot.values.remove(&number)?)))
            .collect();
        if left.is_empty() {
            return;
        }
        for (leftover, value) in left {
            leftover.into_iter().for_each(|leftover| leftover(value));
        }
    }
}

/// Gives an index out, as [`TlsAlloc`] does. The function is called for each value that is not 0: when its thread ends, or the index
/// is taken back.
#[unsafe(no_mangle)]
pub extern "C" fn FlsAlloc(leftover: Option<Leftover>) -> u32 {
    let mut slots = slots();
    let free = slots
        .iter()
        .position(Option::is_none)
        .unwrap_or(slots.len());
    if free >= FLS_COUNT {
        last_error::set(error::NO_MORE_ITEMS);
        return OUT_OF_INDEXES;
    }
    if free == slots.len() {
        slots.push(None);
    }
    slots[free] = Some(Slot {
        leftover,
        values: HashMap::new(),
    });
    free as u32
}

/// Takes an index back, and calls its function for the values of all threads.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn FlsFree(index: u32) -> i32 {
    let slot = slots().get_mut(index as usize).and_then(Option::take);
    let Some(slot) = slot else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    for value in slot.values.into_values() {
        slot.leftover
            .into_iter()
            .for_each(|leftover| leftover(value));
    }
    TRUE
}

/// The calling thread's value at an index, with the last error 0; or 0, with error 87 for what is no index.
#[unsafe(no_mangle)]
pub extern "C" fn FlsGetValue(index: u32) -> usize {
    let slots = slots();
    let Some(slot) = slots.get(index as usize).and_then(Option::as_ref) else {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    };
    last_error::set(0);
    slot.values.get(&number()).copied().unwrap_or(0)
}

/// Sets the calling thread's value at an index.
#[unsafe(no_mangle)]
pub extern "C" fn FlsSetValue(index: u32, value: usize) -> i32 {
    // So that its end is seen.
    drop(super::current());
    let mut slots = slots();
    let Some(slot) = slots.get_mut(index as usize).and_then(Option::as_mut) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    match value {
        0 => slot.values.remove(&number()),
        value => slot.values.insert(number(), value),
    };
    TRUE
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{
        super::calls::{GetCurrentThread, GetThreadId},
        *,
    };

    #[test]
    fn a_value_is_its_thread_s_and_not_the_next_user_s() {
        let index = TlsAlloc();
        assert_eq!((TlsGetValue(index), TlsSetValue(index, 7)), (0, TRUE));
        thread::spawn(move || {
            assert_eq!(TlsGetValue(index), 0);
            assert_eq!(TlsSetValue(index, 8), TRUE);
        })
        .join()
        .unwrap();
        assert_eq!(TlsGetValue(index), 7);
        assert_eq!((TlsFree(index), TlsFree(index)), (TRUE, 0));
        // Other tests may be given it; then another is as good.
        assert!(TlsGetValue(TlsAlloc()) == 0);
        assert_eq!((TlsSetValue(1088, 1), last_error::GetLastError()), (0, 87));
    }

    static LEFT: AtomicU32 = AtomicU32::new(0);

    extern "C-unwind" fn leave(value: usize) {
        // The thread is itself to the last, though it is being torn down.
        assert_eq!(GetThreadId(GetCurrentThread()), number());
        LEFT.fetch_add(value as u32, Ordering::Relaxed);
    }

    #[test]
    fn what_a_thread_leaves_behind_is_given_to_the_function() {
        let index = FlsAlloc(Some(leave));
        thread::spawn(move || assert_eq!(FlsSetValue(index, 5), TRUE))
            .join()
            .unwrap();
        assert_eq!(LEFT.load(Ordering::Relaxed), 5);
        assert_eq!(FlsSetValue(index, 20), TRUE);
        assert_eq!(FlsGetValue(index), 20);
        assert_eq!(FlsFree(index), TRUE);
        assert_eq!(LEFT.load(Ordering::Relaxed), 25);
        assert_eq!((FlsGetValue(index), last_error::GetLastError()), (0, 87));
    }
}
