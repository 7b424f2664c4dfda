//! A value on its way through the port, in a posted packet: in the packet itself if it fits, else in a box.
//!
//! Keys that are numbers, references or `Arc`s fit. What is in one is not dropped with it: the code that packed it has to
//! unpack it.

use std::{mem::MaybeUninit, ptr};

/// Two words, which may be an address, part of a value, or not written at all.
type Words = [MaybeUninit<*mut ()>; 2];

#[derive(Debug)]
pub(crate) struct ErasedKey(Words);

// SAFETY: only values that may be sent are packed.
unsafe impl Send for ErasedKey {}

impl ErasedKey {
    pub(crate) fn pack<T: Send>(value: T) -> Self {
        let mut words = [MaybeUninit::uninit(); 2];
        let start = words.as_mut_ptr();
        if fits::<T>() {
            // SAFETY: the words are as large and as strictly aligned as the value needs.
            unsafe { start.cast::<T>().write(value) };
        } else {
            words[0].write(Box::into_raw(Box::new(value)).cast());
        }
        ErasedKey(words)
    }

    /// # Safety
    /// It was packed with a `T`.
    pub(crate) unsafe fn unpack<T: Send>(self) -> T {
        if fits::<T>() {
            // SAFETY: the words hold a `T`, which is moved out.
            unsafe { ptr::from_ref(&self.0).cast::<T>().read() }
        } else {
            // SAFETY: the first word is the address of a box of a `T`.
            unsafe { *Box::from_raw(self.0[0].assume_init().cast()) }
        }
    }
}

const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Words>() && align_of::<T>() <= align_of::<Words>()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[track_caller]
    fn comes_back<T: Send + Clone + PartialEq + std::fmt::Debug>(value: T, fitting: bool) {
        assert_eq!(fits::<T>(), fitting);
        let erased_key = ErasedKey::pack(value.clone());
        // SAFETY: it was packed with one.
        assert_eq!(unsafe { erased_key.unpack::<T>() }, value);
    }

    #[test]
    fn what_is_packed_comes_back() {
        comes_back((), true);
        comes_back(7_u8, true);
        comes_back((7_u64, 8_u8), true);
        comes_back("a reference", true);
        comes_back(Some(Box::new(7)), true);
        comes_back(String::from("of three words"), false);
        comes_back(u128::MAX, false);
        comes_back([7_u8; 1000], false);
    }

    #[test]
    fn a_parcel_owns_what_is_in_it_until_it_is_unpacked() {
        let value = Arc::new(());
        let (small, large) = ((value.clone(),), (value.clone(), [0_usize; 2]));
        let (small, large) = (ErasedKey::pack(small), ErasedKey::pack(large));
        assert_eq!(Arc::strong_count(&value), 3);
        // SAFETY: it was packed with one.
        drop(unsafe { small.unpack::<(Arc<()>,)>() });
        assert_eq!(Arc::strong_count(&value), 2);
        // SAFETY: likewise.
        drop(unsafe { large.unpack::<(Arc<()>, [usize; 2])>() });
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
