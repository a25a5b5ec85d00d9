//! Embassy's clock on the machine's timer, and the date from its wall clock.

use core::cell::RefCell;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use riscv::interrupt::Interrupt;

use crate::machine::{MTIME, MTIMECMP, RTC};

struct Clock {
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Driver for Clock {
    fn now(&self) -> u64 {
        loop {
            // SAFETY: both halves are registers; the high one is read again in case the low one ran over in between.
            let (high, low, again) = unsafe {
                (
                    MTIME.add(1).read_volatile(),
                    MTIME.read_volatile(),
                    MTIME.add(1).read_volatile(),
                )
            };
            if high == again {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            if self.queue.borrow_ref_mut(cs).schedule_wake(at, waker) {
                self.set_alarm(cs);
            }
        });
    }
}

impl Clock {
    /// Wakes what is due and sets the timer to what is due next. A moment that has passed interrupts at once.
    fn set_alarm(&self, cs: CriticalSection<'_>) {
        let next = self.queue.borrow_ref_mut(cs).next_expiration(self.now());
        let [a, b, c, d, e, f, g, h] = next.to_le_bytes();
        // SAFETY: the timer's registers. The high half is out of reach while the low one changes, so that no
        // moment in between interrupts.
        unsafe {
            MTIMECMP.add(1).write_volatile(u32::MAX);
            MTIMECMP.write_volatile(u32::from_le_bytes([a, b, c, d]));
            MTIMECMP
                .add(1)
                .write_volatile(u32::from_le_bytes([e, f, g, h]));
        }
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn timer() {
    critical_section::with(|cs| CLOCK.set_alarm(cs));
}

/// Lets the timer interrupt, from far in the future on.
pub(crate) fn start() {
    critical_section::with(|cs| CLOCK.set_alarm(cs));
    // SAFETY: its handler is above.
    unsafe { riscv::register::mie::set_mtimer() };
}

/// Unix time in seconds, as the machine's wall clock has it; 0 when it is not set.
pub(crate) fn wall_clock() -> u64 {
    // SAFETY: the wall clock's registers; reading the low half keeps the high half that belongs to it.
    let (low, high) = unsafe { (RTC.read_volatile(), RTC.add(1).read_volatile()) };
    (u64::from(high) << 32 | u64::from(low)) / 1_000_000_000
}
