//! A counted reference to a value, as an `Arc` is, without weak references and with a count of 32 bits: what each connection has
//! one of is smaller for it.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    process,
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

/// More references than these at once are a leak.
const COUNT_MAX: u32 = i32::MAX as u32;

pub(crate) struct Counted<T> {
    inner: NonNull<Inner<T>>,
    owns: PhantomData<Inner<T>>,
}

struct Inner<T> {
    count: AtomicU32,
    value: T,
}

// SAFETY: it gives shared references to the value on any thread, and the last thread to have one drops the value.
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: likewise.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Counted<T> {
    pub(crate) fn new(value: T) -> Self {
        let count = AtomicU32::new(1);
        let inner = Box::new(Inner { count, value });
        Counted::of(NonNull::from(Box::leak(inner)))
    }

    fn of(inner: NonNull<Inner<T>>) -> Self {
        Counted {
            inner,
            owns: PhantomData,
        }
    }

    /// Tells it apart from others, as long as it lives.
    pub(crate) fn address(&self) -> usize {
        self.inner.as_ptr().addr()
    }

    /// Its address, which stands for the reference: it is counted until [`from_raw`](Self::from_raw) takes it back.
    #[cfg(unix)]
    pub(crate) fn into_raw(self) -> NonNull<()> {
        let inner = self.inner;
        std::mem::forget(self);
        inner.cast()
    }

    /// # Safety
    /// It came from [`into_raw`](Self::into_raw) of this type, and is not used again.
    #[cfg(unix)]
    pub(crate) unsafe fn from_raw(address: NonNull<()>) -> Self {
        Counted::of(address.cast())
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: it is there until the last reference is dropped, and this is one.
        unsafe { self.inner.as_ref() }
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Clone for Counted<T> {
    #[inline]
    fn clone(&self) -> Self {
        // There is one reference, so no other thread can have dropped the last.
        let before = self.inner().count.fetch_add(1, Ordering::Relaxed);
        if before > COUNT_MAX {
            // Further on it would come to 0, with references left.
            process::abort();
        }
        Counted::of(self.inner)
    }
}

impl<T> Drop for Counted<T> {
    #[inline]
    fn drop(&mut self) {
        if self.inner().count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // What the others did with the value comes before its drop. A load, and not a fence, which the thread sanitizer does not know.
        self.inner().count.load(Ordering::Acquire);
        // SAFETY: this was the last reference, and the address is that of a leaked box.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

impl<T: fmt::Debug> fmt::Debug for Counted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn the_value_is_dropped_with_the_last_reference_and_once() {
        let value = Arc::new(());
        let first = Counted::new(value.clone());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mine = first.clone();
                thread::spawn(move || (0..100).for_each(|_| drop(mine.clone())))
            })
            .collect();
        drop(first);
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[cfg(unix)]
    #[test]
    fn an_address_stands_for_a_reference() {
        let value = Arc::new(());
        let first = Counted::new(value.clone());
        let address = first.clone().into_raw();
        drop(first);
        assert_eq!(Arc::strong_count(&value), 2);
        // SAFETY: it came from there.
        drop(unsafe { Counted::<Arc<()>>::from_raw(address) });
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn it_takes_less_than_an_arc() {
        assert_eq!(size_of::<Inner<(u64, u32, u32)>>(), 24);
    }
}
