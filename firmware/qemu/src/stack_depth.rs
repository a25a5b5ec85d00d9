//! How deep the stack ever was: it is painted at the start and looked at later.

use core::ptr::addr_of;

const PAINT: u32 = 0x5AFE_57AC;

/// Not painted below the present depth, so that painting does not paint itself.
const MARGIN: usize = 512;

unsafe extern "C" {
    /// The lowest address of the stack (riscv-rt's linker script).
    static __estack: u32;
    /// The end of the stack, from where it grows downward.
    static __sstack: u32;
}

/// Paints what is unused. Call it first.
#[inline(never)]
pub(crate) fn paint() {
    let here = 0_u32;
    let end = (addr_of!(here) as usize).saturating_sub(MARGIN);
    let mut at = addr_of!(__estack) as usize;
    while at < end {
        // SAFETY: between the lowest address of the stack and its present depth lies nothing that is in use.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
}

/// The greatest depth so far, in bytes.
pub(crate) fn deepest() -> usize {
    let end = addr_of!(__sstack) as usize;
    let mut at = addr_of!(__estack) as usize;
    // SAFETY: words of the stack.
    while at < end && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    end - at
}
