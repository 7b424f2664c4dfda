//! The table of handles: what a program has opened, by number.
//!
//! A number is a multiple of 4 from [`FIRST`] up, below 2^31, so that it survives being cut to 32 bits; sockets are no entries
//! here, their numbers are those of their descriptors. A number that was closed is not used again while any other is free.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

/// What a handle stands for.
pub(crate) trait Object: Any + Send + Sync {
    /// Its last handle was closed.
    fn closed(&self) {}
}

/// The lowest number of a handle.
pub(crate) const FIRST: usize = 0x4000_0000;
const STEP: usize = 4;
const MOST: usize = (0x8000_0000 - FIRST) / STEP;

/// What all handles of an object share. It is held by the table alone, so that the last one is known.
struct Opened(Arc<dyn Object>);

#[derive(Default)]
struct Table {
    entries: Vec<Option<Arc<Opened>>>,
    /// Free ones, the one that has been free longest first.
    free: VecDeque<usize>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The index of a number that may be one of ours. Its upper half may be missing or be the sign's.
fn index_of(handle: usize) -> Option<usize> {
    let offset = (handle & 0xffff_ffff).checked_sub(FIRST)?;
    (offset % STEP == 0).then_some(offset / STEP)
}

/// Lists an object. None if there are as many as there are numbers.
pub(crate) fn insert(object: Arc<dyn Object>) -> Option<usize> {
    insert_opened(&mut table(), Arc::new(Opened(object)))
}

fn insert_opened(table: &mut Table, opened: Arc<Opened>) -> Option<usize> {
    let index = match table.free.pop_front() {
        Some(index) => index,
        None if table.entries.len() < MOST => {
            table.entries.push(None);
            table.entries.len() - 1
        }
        None => return None,
    };
    table.entries[index] = Some(opened);
    Some(FIRST + index * STEP)
}

/// The object of a handle, of any type.
pub(crate) fn get_any(handle: usize) -> Option<Arc<dyn Object>> {
    let table = table();
    let opened = table.entries.get(index_of(handle)?)?.as_ref()?;
    Some(opened.0.clone())
}

/// The object of a handle, if it is one of that type.
pub(crate) fn get<T: Object>(handle: usize) -> Option<Arc<T>> {
    let object: Arc<dyn Any + Send + Sync> = get_any(handle)?;
    object.downcast().ok()
}

/// Lists another handle of the same object.
pub(crate) fn duplicate(handle: usize) -> Option<usize> {
    let mut table = table();
    let opened = table.entries.get(index_of(handle)?)?.clone()?;
    insert_opened(&mut table, opened)
}

/// Takes a handle off the list. False if it is none.
pub(crate) fn close(handle: usize) -> bool {
    let Some(index) = index_of(handle) else {
        return false;
    };
    let opened = {
        let mut table = table();
        let Some(opened) = table.entries.get_mut(index).and_then(Option::take) else {
            return false;
        };
        table.free.push_back(index);
        Arc::into_inner(opened)
    };
    // Under no lock: what ends with it may close others.
    if let Some(last) = opened {
        last.0.closed();
    }
    true
}
