//! A value of any type, in two words: in the first itself if it fits there, else the address of its box.
//!
//! Numbers, `Arc`s and boxes fit. Unlike an [`ErasedKey`](super::ErasedKey) it knows what is in it, and drops it.

use std::{
    any::TypeId,
    cell::UnsafeCell,
    mem::{ManuallyDrop, MaybeUninit},
};

type Word = MaybeUninit<*mut ()>;

pub(crate) struct Erased {
    /// In a cell: a value that stands in it may change while it is shared, as an atomic does.
    word: UnsafeCell<Word>,
    kind: &'static Kind,
}

/// What is known of the type of a value.
struct Kind {
    type_id: fn() -> TypeId,
    /// Drops the value.
    ///
    /// # Safety
    /// The word holds one of this kind, which is not used any more.
    drop: unsafe fn(*mut Word),
}

// SAFETY: only values that may be sent are put in.
unsafe impl Send for Erased {}

// SAFETY: a shared reference leads to the value only as a type that may be shared, by `get`.
unsafe impl Sync for Erased {}

impl Erased {
    pub(crate) fn new<T: Send + 'static>(value: T) -> Self {
        let mut word = Word::uninit();
        if fits::<T>() {
            // SAFETY: the word is as large and as strictly aligned as the value needs.
            unsafe { word.as_mut_ptr().cast::<T>().write(value) };
        } else {
            word.write(Box::into_raw(Box::new(value)).cast());
        }
        let kind = const {
            &Kind {
                type_id: TypeId::of::<T>,
                drop: drop_as::<T>,
            }
        };
        let word = UnsafeCell::new(word);
        Erased { word, kind }
    }

    /// The value, if it is of this type.
    pub(crate) fn get<T: Sync + 'static>(&self) -> Option<&T> {
        let is_one = (self.kind.type_id)() == TypeId::of::<T>();
        // SAFETY: it holds a `T`, which stays where it is for as long as this is borrowed.
        is_one.then(|| unsafe { get_as(self.word.get()) })
    }

    /// The value, if it is of this type; else it comes back.
    pub(crate) fn take<T: 'static>(self) -> Result<T, Self> {
        if (self.kind.type_id)() != TypeId::of::<T>() {
            return Err(self);
        }
        let gone = ManuallyDrop::new(self);
        // SAFETY: it holds a `T`, and goes without dropping it.
        Ok(unsafe { take_as(gone.word.get()) })
    }
}

impl Drop for Erased {
    fn drop(&mut self) {
        // SAFETY: it holds a value of its kind, and nobody has it after this.
        unsafe { (self.kind.drop)(self.word.get()) };
    }
}

/// # Safety
/// As for [`take_as`].
unsafe fn drop_as<T>(word: *mut Word) {
    if fits::<T>() {
        // SAFETY: the word holds the value, which is not used any more.
        unsafe { word.cast::<T>().drop_in_place() };
    } else {
        // Where it stands: the stack may have no room for it.
        // SAFETY: the word is the address of a box of it.
        drop(unsafe { Box::<T>::from_raw(word.read().assume_init().cast()) });
    }
}

/// # Safety
/// The word holds a `T`, which is not used any more.
unsafe fn take_as<T>(word: *mut Word) -> T {
    if fits::<T>() {
        // SAFETY: the word holds the value, which is moved out.
        unsafe { word.cast::<T>().read() }
    } else {
        // SAFETY: the word is the address of a box of it.
        unsafe { *Box::from_raw(word.read().assume_init().cast()) }
    }
}

/// # Safety
/// The word holds a `T`, and stays there, unmoved, for `'a`.
unsafe fn get_as<'a, T>(word: *const Word) -> &'a T {
    if fits::<T>() {
        // SAFETY: the word holds the value, and is in a cell, so that the value may change.
        unsafe { &*word.cast::<T>() }
    } else {
        // SAFETY: the word is the address of a box of it, which is there as long as the word.
        unsafe { &*word.read().assume_init().cast::<T>() }
    }
}

const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Word>() && align_of::<T>() <= align_of::<Word>()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[track_caller]
    fn comes_back<T: Send + Sync + Clone + PartialEq + std::fmt::Debug + 'static>(
        value: T,
        fitting: bool,
    ) {
        assert_eq!(fits::<T>(), fitting);
        let erased = Erased::new(value.clone());
        assert_eq!(erased.get::<T>(), Some(&value));
        assert!(erased.get::<[u8; 3]>().is_none());
        let erased = erased.take::<[u8; 3]>().expect_err("another type");
        assert_eq!(erased.take::<T>().ok(), Some(value));
    }

    #[test]
    fn what_is_put_in_comes_back_as_its_own_type_only() {
        comes_back((), true);
        comes_back(7_u8, true);
        comes_back("a reference", false);
        comes_back(Some(Box::new(7)), true);
        comes_back(Arc::new(String::from("shared")), true);
        comes_back(String::from("of three words"), false);
        comes_back(u128::MAX, false);
        comes_back([7_u8; 1000], false);
    }

    #[test]
    fn it_has_two_words_and_none_costs_nothing() {
        assert_eq!(size_of::<Option<Erased>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn a_value_may_change_while_it_is_shared() {
        let small = Erased::new(AtomicUsize::new(5));
        let large = Erased::new([const { AtomicUsize::new(5) }; 3]);
        for counter in [
            small.get::<AtomicUsize>().expect("its type"),
            &large.get::<[AtomicUsize; 3]>().expect("its type")[1],
        ] {
            assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 5);
            assert_eq!(counter.load(Ordering::Relaxed), 6);
        }
        let counter = small.take::<AtomicUsize>().ok().expect("its type");
        assert_eq!(counter.into_inner(), 6);
    }

    #[test]
    fn a_value_is_dropped_once() {
        let value = Arc::new(());
        let small = Erased::new(value.clone());
        let large = Erased::new((value.clone(), [0_usize; 2]));
        assert_eq!(Arc::strong_count(&value), 3);
        drop(small);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(large.take::<(Arc<()>, [usize; 2])>().ok());
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
