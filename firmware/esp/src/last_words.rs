//! What is known of the end of the last run: the reset's reason, and the words of a panic.
//!
//! A panic is written to the memory of the real-time clock, which a reset leaves alone, and to UART0; then the chip starts
//! again, later each time when it panics again and again. The next run says what happened.

use core::fmt::Write as _;
use core::panic::PanicInfo;
use core::ptr::addr_of_mut;

use esp_hal::delay::Delay;
use esp_hal::ram;
use esp_hal::rtc_cntl::{SocResetReason, reset_reason};
use esp_hal::system::{Cpu, software_reset};

use crate::serial::{self, Text};
use crate::uart;

/// Bytes of a panic's words that are kept.
const WORDS: usize = 200;

/// Marks that there is something to tell.
const MARK: u32 = 0x7457_5041;

/// The longest pause before the chip starts again after a panic, in seconds.
const LONGEST_PAUSE: u32 = 32;

// Three statics and not a struct: only plain numbers may stay over a reset.
#[ram(unstable(rtc_fast, persistent))]
static mut MARKED: u32 = 0;
/// Panics in a row.
#[ram(unstable(rtc_fast, persistent))]
static mut PANICS: u32 = 0;
#[ram(unstable(rtc_fast, persistent))]
static mut PANIC: [u8; WORDS] = [0; WORDS];

/// What the last run ended with.
pub(crate) struct LastWords {
    pub(crate) reset: &'static str,
    /// Empty without a panic.
    pub(crate) panic: Text<WORDS>,
}

/// Reads them, once for each start.
pub(crate) fn take() -> LastWords {
    let mut panic = Text::new();
    // SAFETY: called once from the start, before anything else runs that could panic at the same time; both are plain
    // numbers, for which every value is valid.
    let (marked, words) = unsafe {
        let marked = addr_of_mut!(MARKED).replace(0);
        (marked, addr_of_mut!(PANIC).read())
    };
    if marked == MARK {
        let len = words.iter().position(|byte| *byte == 0).unwrap_or(WORDS);
        let words = words.get(..len).unwrap_or_default();
        let _ = panic.write_str(core::str::from_utf8(words).unwrap_or("(unreadable)"));
    }
    LastWords {
        reset: reset(reset_reason(Cpu::ProCpu)),
        panic,
    }
}

/// The run was good for a while: the next panic is the first again.
pub(crate) fn forget_panics() {
    // SAFETY: a plain number, written from one task only; a panic reads it when nothing else runs any more.
    unsafe { addr_of_mut!(PANICS).write(0) };
}

/// A reset in words.
const fn reset(reason: Option<SocResetReason>) -> &'static str {
    use SocResetReason as Reason;

    match reason {
        Some(Reason::ChipPowerOn) => "power on",
        Some(Reason::CoreSw) => "restart by the program",
        Some(Reason::CoreDeepSleep) => "deep sleep",
        Some(Reason::SysBrownOut) => "the supply voltage was too low",
        Some(Reason::SysRtcWdt | Reason::CoreRtcWdt) => "the watchdog: the program was stuck",
        #[cfg(any(feature = "esp32c3", feature = "esp32c6", feature = "esp32s3"))]
        Some(Reason::CoreUsbUart | Reason::CoreUsbJtag) => "restart over USB",
        Some(_) => "another watchdog, or a disturbance",
        None => "unknown",
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = Text::<WORDS>::new();
    let _ = write!(text, "{info}");
    let mut words = [0; WORDS];
    for (place, byte) in words.iter_mut().zip(text.bytes()) {
        // One line.
        *place = if *byte == b'\n' { b' ' } else { *byte };
    }
    // SAFETY: nothing else runs after a panic, or it is another panic, whose words are as good.
    let panics = unsafe {
        addr_of_mut!(PANIC).write(words);
        addr_of_mut!(MARKED).write(MARK);
        let panics = addr_of_mut!(PANICS).read().saturating_add(1);
        addr_of_mut!(PANICS).write(panics);
        panics
    };
    // What was said before, then this.
    let mut chunk = [0; 64];
    let mut heard = true;
    while heard {
        let count = serial::UART.take(&mut chunk);
        if count == 0 {
            break;
        }
        heard = write_uart(chunk.get(..count).unwrap_or_default());
    }
    for part in [&b"\r\npanic: "[..], text.bytes(), b"\r\n"] {
        heard = heard && write_uart(part);
    }
    let pause = 1_u32.checked_shl(panics).unwrap_or(LONGEST_PAUSE);
    // Longer than the watchdog waits is not possible, and not needed.
    Delay::new().delay_millis(pause.min(LONGEST_PAUSE) * 500);
    software_reset()
}

/// Writes to UART0, and gives up when it does not take anything: waiting for each byte in vain would take a minute, and end
/// with the watchdog instead of a restart. Answers whether all was taken.
fn write_uart(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| {
        // 128 bytes take 11 ms.
        let room = (0..200).any(|_| {
            let room = uart::room() > 0;
            if !room {
                Delay::new().delay_micros(100);
            }
            room
        });
        if room {
            uart::write(*byte);
        }
        room
    })
}
