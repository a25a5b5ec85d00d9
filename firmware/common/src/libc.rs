//! The few functions of a C library that Mbed TLS calls: memory, and searching in texts.
//!
//! Memory comes from the global allocator, and how much is in use is counted here: as nothing of ours allocates, it
//! is what TLS costs. `memcpy` and its kin come from Rust's own library. Formatted output is only used by Mbed TLS's
//! debugging, which is not compiled in.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ffi::{c_char, c_int, c_void};
use core::mem::size_of;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// What TLS has of the heap, in bytes, with 4 bytes of ours for each allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapUse {
    /// Now.
    pub used: usize,
    /// The most at any time since the start or the last [`forget_peak`].
    pub peak: usize,
}

// Plain loads and stores: one core, and no interrupt handler uses TLS.
static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// How much of the heap TLS has.
#[must_use]
pub fn heap() -> HeapUse {
    HeapUse {
        used: USED.load(Ordering::Relaxed),
        peak: PEAK.load(Ordering::Relaxed),
    }
}

/// Lets the peak be found anew from here on.
pub fn forget_peak() {
    PEAK.store(USED.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// In front of each allocation: its length with this, because `free` is not told. A word and its alignment, as on the boards,
/// where esp-alloc does the same; no instruction of a riscv32imc processor wants more.
const HEADER: usize = 4;
const ALIGN: usize = 4;

/// C's `calloc`: zeroed memory for `count` things of `size` bytes, or null.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(layout) = count
        .checked_mul(size)
        .and_then(|len| len.checked_add(HEADER))
        .and_then(|len| Layout::from_size_align(len, ALIGN).ok())
    else {
        return ptr::null_mut();
    };
    // SAFETY: the layout's size is at least that of the header.
    let block = unsafe { alloc_zeroed(layout) };
    if block.is_null() {
        return ptr::null_mut();
    }
    let used = USED.load(Ordering::Relaxed).saturating_add(layout.size());
    USED.store(used, Ordering::Relaxed);
    PEAK.store(PEAK.load(Ordering::Relaxed).max(used), Ordering::Relaxed);
    // SAFETY: the block is as large as the header at least, and aligned for a length.
    unsafe {
        block.cast::<usize>().write(layout.size());
        block.add(HEADER).cast()
    }
}

/// C's `free`.
///
/// # Safety
/// `memory` is null or came from [`calloc`] and was not freed.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: `calloc` put the header in front of what it answered, and wrote into it the length of a layout that it
    // had made with this alignment.
    unsafe {
        let block = memory.cast::<u8>().sub(HEADER);
        let len = block.cast::<usize>().read();
        USED.store(
            USED.load(Ordering::Relaxed).saturating_sub(len),
            Ordering::Relaxed,
        );
        dealloc(block, Layout::from_size_align_unchecked(len, ALIGN));
    }
}

const _: () = assert!(size_of::<usize>() <= HEADER);

/// The characters of two texts side by side, with the end of either.
///
/// # Safety
/// Both texts end in a zero byte, or hold `limit` bytes at least.
unsafe fn compare(a: *const c_char, b: *const c_char, limit: usize) -> c_int {
    for at in 0..limit {
        // SAFETY: no zero byte came before, so both texts go on here.
        let (a, b) = unsafe { (a.add(at).cast::<u8>().read(), b.add(at).cast::<u8>().read()) };
        if a != b || a == 0 {
            return c_int::from(a).saturating_sub(c_int::from(b));
        }
    }
    0
}

/// C's `strcmp`.
///
/// # Safety
/// Both texts end in a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn strcmp(a: *const c_char, b: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { compare(a, b, usize::MAX) }
}

/// C's `strncmp`.
///
/// # Safety
/// Both texts end in a zero byte, or hold `limit` bytes at least.
#[unsafe(no_mangle)]
unsafe extern "C" fn strncmp(a: *const c_char, b: *const c_char, limit: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { compare(a, b, limit) }
}

/// C's `strchr`: where a character is first in a text (its end counts as a character), or null.
///
/// # Safety
/// The text ends in a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn strchr(text: *const c_char, wanted: c_int) -> *mut c_char {
    let mut at = text;
    loop {
        // SAFETY: no zero byte came before, so the text goes on here.
        let byte = unsafe { at.cast::<u8>().read() };
        // C compares after conversion to a character.
        if byte == wanted as u8 {
            return at.cast_mut();
        }
        if byte == 0 {
            return ptr::null_mut();
        }
        // SAFETY: as above.
        at = unsafe { at.add(1) };
    }
}

/// C's `strstr`: where a text is first in another, or null. PEM is searched with it.
///
/// # Safety
/// Both texts end in a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn strstr(text: *const c_char, wanted: *const c_char) -> *mut c_char {
    let mut len = 0_usize;
    // SAFETY: no zero byte came before, so the text goes on here.
    while unsafe { wanted.add(len).read() } != 0 {
        len = len.saturating_add(1);
    }
    let mut at = text;
    loop {
        // SAFETY: `wanted` holds `len` bytes, and `at` has its zero byte before it ends.
        if unsafe { compare(at, wanted, len) } == 0 {
            return at.cast_mut();
        }
        // SAFETY: as above.
        if unsafe { at.read() } == 0 {
            return ptr::null_mut();
        }
        // SAFETY: as above.
        at = unsafe { at.add(1) };
    }
}

/// C's `memchr`: where a byte is first in a block, or null.
///
/// # Safety
/// The block holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memchr(block: *const c_void, wanted: c_int, len: usize) -> *mut c_void {
    for at in 0..len {
        // SAFETY: `at` is within the block.
        let place = unsafe { block.cast::<u8>().add(at) };
        // SAFETY: as above.
        if unsafe { place.read() } == wanted as u8 {
            return place.cast_mut().cast();
        }
    }
    ptr::null_mut()
}
