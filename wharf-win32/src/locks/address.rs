//! Waits for a change of any address, of 1, 2, 4 or 8 bytes.
//!
//! Those who wait are listed by the address, behind one of a few locks. A look at the value and the entry into the list are one
//! step there, so a wake that comes after a change finds whoever saw the old value.

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
};

use crate::{
    TRUE, error, last_error,
    objects::{End, Patience, Waiter},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

const LISTS: usize = 64;

type List = Vec<(usize, Arc<Waiter>)>;

static WAITING: [Mutex<List>; LISTS] = [const { Mutex::new(Vec::new()) }; LISTS];

fn list(address: usize) -> MutexGuard<'static, List> {
    // Neighbours are in different lists.
    let number = (address >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
    WAITING[number % LISTS]
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// The value of so many bytes. None for another number.
///
/// # Safety
/// It can be read there, and is aligned.
unsafe fn value(address: *const c_void, bytes: usize) -> Option<u64> {
    // SAFETY: of the caller. Whoever changes it meanwhile does so in one step, or the program's own rules are broken.
    unsafe {
        Some(match bytes {
            1 => (*address.cast::<AtomicU8>()).load(Ordering::SeqCst).into(),
            2 => (*address.cast::<AtomicU16>()).load(Ordering::SeqCst).into(),
            4 => (*address.cast::<AtomicU32>()).load(Ordering::SeqCst).into(),
            8 => (*address.cast::<AtomicU64>()).load(Ordering::SeqCst),
            _ => return None,
        })
    }
}

/// # Safety
/// It can be read there.
unsafe fn unaligned_value(address: *const c_void, bytes: usize) -> u64 {
    let mut value = [0; 8];
    // SAFETY: of the caller; the number was checked.
    unsafe {
        address
            .cast::<u8>()
            .copy_to_nonoverlapping(value.as_mut_ptr(), bytes)
    };
    u64::from_le_bytes(value)
}

/// Sleeps as long as the value there is the same as the one to compare with, until a wake. FALSE, with error 1460, if the time came
/// first. May return TRUE for no reason.
///
/// # Safety
/// Both can be read, and the first is aligned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WaitOnAddress(
    address: *const c_void,
    compare: *const c_void,
    bytes: usize,
    milliseconds: u32,
) -> i32 {
    let patience = Patience::of(milliseconds);
    if !matches!(bytes, 1 | 2 | 4 | 8) {
        return last_error::fail(error::INVALID_PARAMETER);
    }
    // SAFETY: of the caller.
    let same = || unsafe { value(address, bytes) == Some(unaligned_value(compare, bytes)) };
    let waiter = Arc::new(Waiter::new(0));
    {
        let mut list = list(address as usize);
        if !same() {
            return TRUE;
        }
        if matches!(patience, Patience::None) {
            return last_error::fail(error::TIMEOUT);
        }
        list.push((address as usize, waiter.clone()));
    }
    if waiter.sleep(patience.deadline()) != End::TimedOut {
        return TRUE;
    }
    list(address as usize).retain(|(_, other)| !Arc::ptr_eq(other, &waiter));
    last_error::fail(error::TIMEOUT)
}

/// Wakes the first that waits there, if one does.
#[unsafe(no_mangle)]
pub extern "C" fn WakeByAddressSingle(address: *const c_void) {
    wake(address as usize, 1);
}

/// Wakes all that wait there.
#[unsafe(no_mangle)]
pub extern "C" fn WakeByAddressAll(address: *const c_void) {
    wake(address as usize, usize::MAX);
}

fn wake(address: usize, most: usize) {
    let mut told = Vec::new();
    {
        let mut list = list(address);
        list.retain(|(at, waiter)| {
            let listed = *at != address || told.len() >= most;
            if !listed
                && waiter.tell(End::Signalled {
                    index: 0,
                    abandoned: false,
                })
            {
                told.push(waiter.clone());
            }
            listed
        });
    }
    for waiter in told {
        waiter.wake();
    }
}
