//! The emulated machine (`qemu-system-riscv32 -M virt`), as far as the programs need it: a way in, a line to print, a way
//! out, a counter of instructions, and a stack that shows how deep it was used.
#![no_std]

mod memory;

use core::arch::{asm, global_asm};
use core::fmt::{self, Write as _};
use core::hint::black_box;
use core::panic::PanicInfo;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

pub use memory::Memory;

/// The machine's serial line: what is written there appears.
const SERIAL: *mut u8 = 0x1000_0000 as *mut u8;

/// The machine's switch, and the value that switches it off.
const SWITCH: *mut u32 = 0x10_0000 as *mut u32;
const OFF: u32 = 0x5555;
const FAILED: u32 = 0x1_3333;

// Memory is zero when the machine starts, so there is nothing to clear.
global_asm!(
    ".section .text._start",
    ".globl _start",
    "_start:",
    "la sp, _stack_start",
    "call program",
    "1: j 1b",
);

unsafe extern "C" {
    static mut _stack_end: u32;
}

/// What the stack is painted with.
const PAINT: u32 = 0xA5A5_5A5A;

struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the machine's serial line; it takes bytes at any time.
            unsafe { SERIAL.write_volatile(byte) };
        }
        Ok(())
    }
}

/// Prints a figure: `name value`.
pub fn tell(name: &str, value: u32) {
    let _ = writeln!(Serial, "{name} {value}");
}

/// The end.
pub fn power_off() -> ! {
    // SAFETY: the machine's switch.
    unsafe { SWITCH.write_volatile(OFF) };
    loop {}
}

/// Instructions since the machine started. qemu counts them when it runs with `-icount shift=0`.
#[inline(always)]
pub fn instructions() -> u32 {
    let count: u32;
    // SAFETY: reads a counter.
    unsafe { asm!("csrr {}, minstret", out(reg) count) };
    count
}

/// Instructions of `work` for each of `count` times, without those of the loop's own start.
pub fn each(count: u32, mut work: impl FnMut()) -> u32 {
    // Once before, so that what happens only the first time is not counted.
    work();
    let before = instructions();
    for _ in 0..count {
        work();
    }
    instructions().wrapping_sub(before) / count
}

/// Bytes of stack that `work` used, its own frame and everything it called.
#[inline(never)]
pub fn stack_of(work: &mut dyn FnMut()) -> u32 {
    let pointer: usize;
    // SAFETY: reads the stack pointer.
    unsafe { asm!("mv {}, sp", out(reg) pointer) };
    let end = &raw mut _stack_end;
    let words = (pointer - end as usize) / 4;
    for at in 0..words {
        // SAFETY: below the stack pointer nothing is in use, and no interrupt is on.
        unsafe { end.add(at).write_volatile(PAINT) };
    }
    work();
    // SAFETY: the same words.
    let untouched = (0..words).take_while(|at| unsafe { end.add(*at).read_volatile() } == PAINT);
    ((words - untouched.count()) * 4) as u32
}

/// Polls until it is ready, which must be at once.
pub fn now<T>(future: Pin<&mut impl Future<Output = T>>) -> T {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it has nothing to wait for"),
    }
}

/// What is published and received: MQTT 5 has a length of properties that 3.1.1 has not.
pub const TOPIC: &str = "esp32/pub/temperature";
/// As long as a small reading in JSON.
pub const LEN: usize = 128;

/// A buffer that begins where a word does, as the buffers of all engines do here: copying costs half as much when both ends lie alike,
/// and without this the linker would decide for whom they do.
#[repr(align(4))]
pub struct Aligned<const N: usize>(pub [u8; N]);

/// Nothing decides where an application's payload and a packet in a transport lie within a word. So each figure is the mean over the
/// four places, which `work` is given one by one.
pub fn everywhere(mut work: impl FnMut(usize) -> u32) -> u32 {
    (0..4).map(|place| work(black_box(place))).sum::<u32>() / 4
}

/// A payload at that place.
pub fn payload(place: usize) -> &'static [u8] {
    static BYTES: Aligned<{ LEN + 4 }> = Aligned([b'x'; LEN + 4]);
    &BYTES.0[place..place + LEN]
}

/// The PUBLISH of [`TOPIC`] and a payload as a server sends it, at each of the four places.
pub struct Packets {
    packets: [Aligned<164>; 4],
    len: usize,
}

impl Packets {
    #[inline(never)]
    pub fn new(is_v5: bool) -> Self {
        let mut len = 0;
        let packets = [0, 1, 2, 3].map(|place| {
            let mut packet = Aligned([0; 164]);
            len = 0;
            let mut add = |bytes: &[u8]| {
                packet.0[place + len..place + len + bytes.len()].copy_from_slice(bytes);
                len += bytes.len();
            };
            let remaining = 2 + TOPIC.len() + usize::from(is_v5) + LEN;
            add(&[0x30, remaining as u8 | 0x80, (remaining >> 7) as u8, 0, TOPIC.len() as u8]);
            add(TOPIC.as_bytes());
            if is_v5 {
                add(&[0]);
            }
            add(payload(place));
            packet
        });
        Self { packets, len }
    }

    /// Bytes of the packet.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The packet at that place.
    pub fn at(&self, place: usize) -> &[u8] {
        &self.packets[place].0[place..place + self.len]
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Serial, "{info}");
    // SAFETY: the machine's switch.
    unsafe { SWITCH.write_volatile(FAILED) };
    loop {}
}
