//! Memory: heaps, and pages of the process.
//!
//! A block of a heap is one of the C library with a head before it, which has the size that was asked for: `HeapSize` tells that
//! one, and what a block grows by can be zeroed. A heap of the program's own lists its blocks, for `HeapDestroy`.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::c_void,
    ptr::{self, NonNull},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap,
};

use crate::{
    FALSE, TRUE, error,
    handle::{self, Object},
    last_error,
};

const HEAP_ZERO_MEMORY: u32 = 8;
const HEAP_REALLOC_IN_PLACE_ONLY: u32 = 16;

/// What is before a block. As large as the alignment that the C library gives, which a block then has, too.
#[repr(C, align(16))]
struct Head {
    bytes: usize,
    /// [`Head::MARK`], as long as the block is one of a heap.
    mark: usize,
}

impl Head {
    const MARK: usize = 0x5768_6172_6648_6561;

    /// The head of a block. None for NULL.
    ///
    /// # Safety
    /// It is NULL, or what a heap gave out.
    unsafe fn of(block: *mut c_void) -> Option<NonNull<Head>> {
        let block = NonNull::new(block.cast::<Head>())?;
        // SAFETY: of the caller: there is one before it.
        let head = unsafe { block.sub(1) };
        // SAFETY: as above.
        (unsafe { head.as_ref() }.mark == Head::MARK).then_some(head)
    }
}

/// A heap that a program has made. That of the process has no list.
#[derive(Debug, Default)]
struct Heap {
    /// Addresses of heads. None for the process's heap.
    blocks: Option<Mutex<HashSet<usize>>>,
}

impl Object for Heap {}

impl Drop for Heap {
    fn drop(&mut self) {
        for head in self
            .blocks()
            .into_iter()
            .flat_map(|mut blocks| std::mem::take(&mut *blocks))
        {
            // SAFETY: it is listed, so it was allocated and not freed.
            unsafe { libc::free(head as *mut c_void) };
        }
    }
}

impl Heap {
    fn blocks(&self) -> Option<MutexGuard<'_, HashSet<usize>>> {
        let blocks = self.blocks.as_ref()?;
        Some(blocks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The handle of the process's heap.
static PROCESS_HEAP: LazyLock<usize> =
    LazyLock::new(|| handle::insert(Arc::new(Heap::default())).unwrap_or(0));

/// The heap of the process.
#[unsafe(no_mangle)]
pub extern "C" fn GetProcessHeap() -> usize {
    *PROCESS_HEAP
}

/// Makes a heap. It grows as far as there is memory, whatever the sizes say.
#[unsafe(no_mangle)]
pub extern "C" fn HeapCreate(_flags: u32, _first_bytes: usize, _most_bytes: usize) -> usize {
    let made = handle::insert(Arc::new(Heap {
        blocks: Some(Mutex::default()),
    }));
    made.unwrap_or_else(|| {
        last_error::set(error::NOT_ENOUGH_MEMORY);
        0
    })
}

/// Frees a heap with all its blocks.
#[unsafe(no_mangle)]
pub extern "C" fn HeapDestroy(heap_handle: usize) -> i32 {
    let own = handle::get_or_fail::<Heap>(heap_handle).is_some_and(|heap| heap.blocks.is_some());
    if own && handle::close(heap_handle) {
        TRUE
    } else {
        last_error::fail(error::INVALID_HANDLE)
    }
}

/// Allocates a block, aligned to 16 bytes; with the flag 8, of zeros. NULL if there is no memory.
#[unsafe(no_mangle)]
pub extern "C" fn HeapAlloc(heap_handle: usize, flags: u32, bytes: usize) -> *mut c_void {
    let Some(heap) = handle::get_or_fail::<Heap>(heap_handle) else {
        return ptr::null_mut();
    };
    let Some(whole) = bytes.checked_add(size_of::<Head>()) else {
        return refused();
    };
    // SAFETY: of the C library.
    let head = unsafe {
        if flags & HEAP_ZERO_MEMORY != 0 {
            libc::calloc(1, whole)
        } else {
            libc::malloc(whole)
        }
    };
    let Some(head) = NonNull::new(head.cast::<Head>()) else {
        return refused();
    };
    // SAFETY: it was just allocated, and has a head and so many bytes more.
    unsafe {
        head.write(Head {
            bytes,
            mark: Head::MARK,
        })
    };
    if let Some(mut blocks) = heap.blocks() {
        blocks.insert(head.addr().get());
    }
    // SAFETY: as above.
    unsafe { head.add(1) }.as_ptr().cast()
}

fn refused() -> *mut c_void {
    last_error::set(error::NOT_ENOUGH_MEMORY);
    ptr::null_mut()
}

/// Gives a block another size, and mostly another place. With the flag 8, what it grows by is zeros. NULL if there is no memory; then
/// the block is as before.
///
/// # Safety
/// The block is one of this heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn HeapReAlloc(
    heap_handle: usize,
    flags: u32,
    block: *mut c_void,
    bytes: usize,
) -> *mut c_void {
    let Some(heap) = handle::get_or_fail::<Heap>(heap_handle) else {
        return ptr::null_mut();
    };
    // SAFETY: of the caller.
    let Some(mut head) = (unsafe { Head::of(block) }) else {
        last_error::set(error::INVALID_PARAMETER);
        return ptr::null_mut();
    };
    // SAFETY: it is a head.
    let before = unsafe { head.as_ref() }.bytes;
    if flags & HEAP_REALLOC_IN_PLACE_ONLY != 0 && bytes > before {
        return refused();
    }
    let Some(whole) = bytes.checked_add(size_of::<Head>()) else {
        return refused();
    };
    let mut blocks = heap.blocks();
    // SAFETY: it is a block of the C library, and the caller's.
    let moved = unsafe { libc::realloc(head.as_ptr().cast(), whole) };
    let Some(moved) = NonNull::new(moved.cast::<Head>()) else {
        return refused();
    };
    if let Some(blocks) = &mut blocks {
        blocks.remove(&head.addr().get());
        blocks.insert(moved.addr().get());
    }
    head = moved;
    // SAFETY: it has a head and so many bytes more.
    unsafe {
        head.as_mut().bytes = bytes;
        let block = head.add(1).as_ptr().cast::<u8>();
        if flags & HEAP_ZERO_MEMORY != 0 && bytes > before {
            block.add(before).write_bytes(0, bytes - before);
        }
        block.cast()
    }
}

/// Frees a block. NULL is none, and TRUE.
///
/// # Safety
/// The block is one of this heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn HeapFree(heap_handle: usize, _flags: u32, block: *mut c_void) -> i32 {
    let Some(heap) = handle::get_or_fail::<Heap>(heap_handle) else {
        return FALSE;
    };
    if block.is_null() {
        return TRUE;
    }
    // SAFETY: of the caller.
    let Some(mut head) = (unsafe { Head::of(block) }) else {
        return last_error::fail(error::INVALID_PARAMETER);
    };
    if let Some(mut blocks) = heap.blocks() {
        blocks.remove(&head.addr().get());
    }
    // SAFETY: it is a head, and freed once.
    unsafe {
        head.as_mut().mark = 0;
        libc::free(head.as_ptr().cast());
    }
    TRUE
}

/// The size of a block in bytes, as it was asked for; `usize::MAX` for what is none.
///
/// # Safety
/// The block is one of this heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn HeapSize(_heap: usize, _flags: u32, block: *mut c_void) -> usize {
    // SAFETY: of the caller.
    unsafe { Head::of(block).map_or(usize::MAX, |head| head.as_ref().bytes) }
}

const MEM_COMMIT: u32 = 0x1000;
const MEM_RESERVE: u32 = 0x2000;
const MEM_DECOMMIT: u32 = 0x4000;
const MEM_RELEASE: u32 = 0x8000;

/// Regions begin at multiples of this.
pub(crate) const GRANULARITY: usize = 0x10000;

/// The size of a page. By the C library, for the reason in `time.rs`.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: it may be called at any time.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// The regions that are reserved: where each begins, and how long it is.
static REGIONS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

fn regions() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    REGIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the protections of pages are here, reading, writing and executing. None for what is none.
fn protection(pages: u32) -> Option<MprotectFlags> {
    let (read, write, execute) = (
        MprotectFlags::READ,
        MprotectFlags::WRITE,
        MprotectFlags::EXEC,
    );
    Some(match pages & 0xff {
        0x01 => MprotectFlags::empty(),
        0x02 => read,
        0x04 | 0x08 => read | write,
        0x10 => execute,
        0x20 => read | execute,
        0x40 | 0x80 => read | write | execute,
        _ => return None,
    })
}

/// The pages that a range touches: where they begin, and how many bytes they are.
fn pages_of(address: usize, bytes: usize) -> Option<(usize, usize)> {
    let page = page_bytes();
    let start = address - address % page;
    let end = address.checked_add(bytes)?.checked_next_multiple_of(page)?;
    (end > start).then_some((start, end - start))
}

/// Whether the range is within one region.
fn is_reserved(start: usize, bytes: usize) -> bool {
    (regions().range(..=start).next_back())
        .is_some_and(|(region, len)| start - region + bytes <= *len)
}

/// Reserves address space, at that address or at one of the system's choice, and lists it.
fn reserve(address: usize, bytes: usize) -> Option<usize> {
    let bytes = bytes.checked_next_multiple_of(page_bytes())?;
    let (start, bytes) = if address == 0 {
        (map_anywhere(bytes)?, bytes)
    } else {
        let before = address % GRANULARITY;
        let bytes = bytes.checked_add(before)?;
        (map_at(address - before, bytes)?, bytes)
    };
    regions().insert(start, bytes);
    Some(start)
}

/// Maps pages that can't be used yet, at a place where there is nothing.
fn map_at(start: usize, bytes: usize) -> Option<usize> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED_NOREPLACE;
    // SAFETY: it fails where there is something.
    unsafe { mmap_anonymous(start as *mut c_void, bytes, ProtFlags::empty(), flags) }.ok()?;
    Some(start)
}

/// Maps pages that can't be used yet, at a multiple of [`GRANULARITY`].
fn map_anywhere(bytes: usize) -> Option<usize> {
    // More than is needed, and what is around it is given back: the system knows no such multiples.
    let whole = bytes.checked_add(GRANULARITY)?;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a mapping at an address of the system's choice touches no other.
    let mapped = unsafe { mmap_anonymous(ptr::null_mut(), whole, ProtFlags::empty(), flags) };
    let mapped = mapped.ok()?;
    let start = mapped.addr().next_multiple_of(GRANULARITY);
    let before = start - mapped.addr();
    let after = whole - before - bytes;
    // SAFETY: nobody knows these parts of the new mapping.
    unsafe {
        if before > 0 {
            let _ = munmap(mapped, before);
        }
        if after > 0 {
            let _ = munmap(mapped.byte_add(before + bytes), after);
        }
    }
    Some(start)
}

/// Reserves pages (0x2000), commits them (0x1000), or both, with that protection. Returns where they begin, a multiple of 64 KiB if
/// they are new; NULL if that can't be. A page that is committed is zeros and costs no memory until it is touched.
#[unsafe(no_mangle)]
pub extern "C" fn VirtualAlloc(address: usize, bytes: usize, kind: u32, pages: u32) -> usize {
    let Some(protection) = protection(pages).filter(|_| bytes > 0) else {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    };
    let reserves = kind & MEM_RESERVE != 0 || (kind & MEM_COMMIT != 0 && address == 0);
    if !reserves && kind & MEM_COMMIT == 0 {
        last_error::set(error::INVALID_PARAMETER);
        return 0;
    }
    let start = if reserves {
        reserve(address, bytes)
    } else {
        Some(address)
    };
    let Some(start) = start else {
        last_error::set(if address == 0 {
            error::NOT_ENOUGH_MEMORY
        } else {
            error::INVALID_ADDRESS
        });
        return 0;
    };
    let Some((first, len)) =
        pages_of(address.max(start), bytes).filter(|(first, len)| is_reserved(*first, *len))
    else {
        last_error::set(error::INVALID_ADDRESS);
        return 0;
    };
    // SAFETY: the pages are in a region of the program's, which asks for it.
    let failed = kind & MEM_COMMIT != 0
        && unsafe { mprotect(first as *mut c_void, len, protection) }.is_err();
    if failed {
        if reserves {
            release(start);
        }
        last_error::set(error::NOT_ENOUGH_MEMORY);
        return 0;
    }
    if reserves { start } else { first }
}

/// Gives a whole region back. False if none begins there.
fn release(start: usize) -> bool {
    let Some(bytes) = regions().remove(&start) else {
        return false;
    };
    // SAFETY: it was mapped for the program, which says that it is done with it.
    unsafe { munmap(start as *mut c_void, bytes) }.is_ok()
}

/// Gives a region back (0x8000, with the address where it begins, and 0 bytes), or lets pages of one be reserved only (0x4000).
///
/// # Safety
/// Nobody uses the pages any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VirtualFree(address: usize, bytes: usize, kind: u32) -> i32 {
    match kind {
        MEM_RELEASE if bytes != 0 => last_error::fail(error::INVALID_PARAMETER),
        MEM_RELEASE if release(address) => TRUE,
        MEM_DECOMMIT => {
            let whole = (bytes == 0)
                .then(|| regions().get(&address).copied())
                .flatten();
            let pages = pages_of(address, whole.unwrap_or(bytes));
            let Some((first, len)) = pages.filter(|(first, len)| is_reserved(*first, *len)) else {
                return last_error::fail(error::INVALID_ADDRESS);
            };
            // SAFETY: of the caller; they are in a region of the program's.
            let done = unsafe {
                madvise(first as *mut c_void, len, Advice::LinuxDontNeed)
                    .and_then(|()| mprotect(first as *mut c_void, len, MprotectFlags::empty()))
            };
            if done.is_ok() {
                TRUE
            } else {
                last_error::fail(error::INVALID_ADDRESS)
            }
        }
        MEM_RELEASE => last_error::fail(error::INVALID_ADDRESS),
        _ => last_error::fail(error::INVALID_PARAMETER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_size_that_was_asked_for_and_grows_by_zeros() {
        let heap = HeapCreate(0, 0, 0);
        let block = HeapAlloc(heap, HEAP_ZERO_MEMORY, 5);
        assert_eq!(block.addr() % 16, 0);
        // SAFETY: the block is the heap's, and as long as it says.
        unsafe {
            assert_eq!(HeapSize(heap, 0, block), 5);
            block.cast::<u8>().write_bytes(7, 5);
            let block = HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, 5000).cast::<u8>();
            assert_eq!(HeapSize(heap, 0, block.cast()), 5000);
            let bytes = std::slice::from_raw_parts(block, 5000);
            assert!(
                bytes[..5].iter().all(|byte| *byte == 7)
                    && bytes[5..].iter().all(|byte| *byte == 0)
            );
            assert_eq!(
                (
                    HeapFree(heap, 0, block.cast()),
                    HeapFree(heap, 0, ptr::null_mut())
                ),
                (1, 1)
            );
        }
        assert!(HeapAlloc(heap, 0, usize::MAX).is_null() && HeapAlloc(heap + 1, 0, 1).is_null());
        assert!(!HeapAlloc(heap, 0, 0).is_null(), "freed with the heap");
        assert_eq!(
            (
                HeapDestroy(heap),
                HeapDestroy(heap),
                HeapDestroy(GetProcessHeap())
            ),
            (1, 0, 0)
        );
    }

    #[test]
    fn pages_are_reserved_committed_and_given_back() {
        const BYTES: usize = 200_000;
        let region = VirtualAlloc(0, BYTES, MEM_RESERVE, 0x04);
        assert!(region != 0 && region % GRANULARITY == 0);
        let part = VirtualAlloc(region + 5000, 1, MEM_COMMIT, 0x04);
        assert_eq!(part, region + 4096);
        // SAFETY: the page is committed, and nobody else's.
        unsafe {
            let byte = part as *mut u8;
            assert_eq!(byte.read(), 0);
            byte.write(1);
            assert_eq!(VirtualFree(region, 0, MEM_DECOMMIT), 1);
            assert_eq!(VirtualAlloc(part, 1, MEM_COMMIT, 0x04), part);
            assert_eq!(byte.read(), 0);
            assert_eq!(VirtualFree(region, 1, MEM_RELEASE), 0);
            assert_eq!(VirtualFree(part, 0, MEM_RELEASE), 0);
            assert_eq!(
                (
                    VirtualFree(region, 0, MEM_RELEASE),
                    VirtualFree(region, 0, MEM_RELEASE)
                ),
                (1, 0)
            );
        }
        assert_eq!(
            VirtualAlloc(region, 1, MEM_COMMIT, 0x04),
            0,
            "it is not reserved any more"
        );
        assert_eq!(VirtualAlloc(0, 0, MEM_COMMIT, 0x04), 0);
    }
}
