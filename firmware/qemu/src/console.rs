//! The serial line, where the device says what it does, and the last words of a program that cannot go on.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::machine::{UART, power_off};

/// Status of qemu after a panic or a trap.
const CRASHED: u8 = 3;

/// The serial line. Writing waits for the line; it has no buffer that could be full.
pub(crate) struct Console;

impl Console {
    /// Line status register; its bit 5 says that a byte may be written.
    const STATUS: usize = 5;
    const READY: u8 = 1 << 5;

    fn byte(byte: u8) {
        // SAFETY: both are registers of the serial line.
        unsafe {
            while UART.add(Self::STATUS).read_volatile() & Self::READY == 0 {}
            UART.write_volatile(byte);
        }
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(Self::byte);
        Ok(())
    }
}

/// Writes one line.
macro_rules! say {
    ($($words:tt)*) => {{
        use core::fmt::Write as _;
        // The serial line never fails.
        let _ = writeln!($crate::console::Console, $($words)*);
    }};
}
pub(crate) use say;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say!("{info}");
    power_off(CRASHED)
}

/// A trap that nobody expects: a defect, told as precisely as the processor knows it.
#[unsafe(export_name = "ExceptionHandler")]
fn exception(_: &riscv_rt::TrapFrame) -> ! {
    let cause = riscv::register::mcause::read().bits();
    let at = riscv::register::mepc::read();
    let value = riscv::register::mtval::read();
    say!("trap {cause} at {at:#010x}, value {value:#010x}");
    power_off(CRASHED)
}
