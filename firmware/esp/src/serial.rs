//! Both serial lines, UART0 and the native USB port: what is said, and what is typed.
//!
//! Nothing here blocks the program. What is to be said is put into a buffer for each line, whole lines only; a line for which
//! there is no room is left out and counted. A task for each line empties its buffer as fast as somebody reads.

use core::cell::RefCell;
use core::fmt::{self, Write as _};

use critical_section::Mutex;
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::{Duration, Timer};
#[cfg(not(feature = "esp32"))]
use esp_hal::Blocking;
#[cfg(not(feature = "esp32"))]
use esp_hal::usb::usb_serial_jtag::{UsbSerialJtagRx, UsbSerialJtagTx};

use crate::commands::Port;
use crate::uart;

/// The longest line; the rest is cut.
const LINE: usize = 320;

/// How often a line is looked at while something comes or goes: less than the buffers of UART0 hold.
const SOON: Duration = Duration::from_millis(4);

/// How often while nothing comes; the first 128 bytes of a burst are kept.
const SELDOM: Duration = Duration::from_millis(20);

/// After so long without a byte nothing more is coming.
const QUIET: Duration = Duration::from_millis(500);

/// A buffer in front of a serial line.
pub(crate) struct Output<const N: usize> {
    ring: Mutex<RefCell<Ring<N>>>,
    reader: AtomicWaker,
}

struct Ring<const N: usize> {
    bytes: [u8; N],
    at: usize,
    len: usize,
    /// Lines that had no room since the last that had.
    dropped: u32,
}

/// A second of UART0 at 115,200 baud would be 11 KB; a start says less than two.
pub(crate) static UART: Output<3072> = Output::new();
#[cfg(not(feature = "esp32"))]
pub(crate) static USB: Output<1024> = Output::new();

impl<const N: usize> Output<N> {
    const fn new() -> Self {
        Self {
            ring: Mutex::new(RefCell::new(Ring {
                bytes: [0; N],
                at: 0,
                len: 0,
                dropped: 0,
            })),
            reader: AtomicWaker::new(),
        }
    }

    /// Puts all of these bytes behind the others, or none of them.
    pub(crate) fn put(&self, bytes: &[u8]) {
        critical_section::with(|cs| {
            let mut ring = self.ring.borrow_ref_mut(cs);
            let dropped = core::mem::take(&mut ring.dropped);
            let mut note = Text::<48>::new();
            if dropped > 0 {
                let _ = write!(note, "({dropped} lines left out)\r\n");
            }
            if ring.len + note.bytes().len() + bytes.len() > N {
                ring.dropped = dropped.saturating_add(1);
                return;
            }
            ring.append(note.bytes());
            ring.append(bytes);
        });
        self.reader.wake();
    }

    /// Takes the oldest bytes, as many as there are and fit.
    pub(crate) fn take(&self, buffer: &mut [u8]) -> usize {
        critical_section::with(|cs| {
            let mut ring = self.ring.borrow_ref_mut(cs);
            let count = ring.len.min(buffer.len());
            for place in buffer.iter_mut().take(count) {
                let at = ring.at;
                *place = ring.bytes.get(at).copied().unwrap_or_default();
                ring.at = (at + 1) % N;
            }
            ring.len -= count;
            count
        })
    }

    /// Waits until there is something to take.
    async fn some(&self) {
        core::future::poll_fn(|cx| {
            self.reader.register(cx.waker());
            let empty = critical_section::with(|cs| self.ring.borrow_ref(cs).len == 0);
            match empty {
                true => core::task::Poll::Pending,
                false => core::task::Poll::Ready(()),
            }
        })
        .await;
    }
}

impl<const N: usize> Ring<N> {
    fn append(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = (self.at + self.len) % N;
            if let Some(place) = self.bytes.get_mut(at) {
                *place = *byte;
                self.len += 1;
            }
        }
    }
}

/// A text of limited length; what does not fit is cut.
#[derive(Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Text<N> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// What it holds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            let end = self.len + bytes.len();
            let Some(place) = self.bytes.get_mut(self.len..end) else {
                break;
            };
            place.copy_from_slice(bytes);
            self.len = end;
        }
        Ok(())
    }
}

/// Says one line on both serial lines; see the macro `say`.
pub fn line(words: fmt::Arguments<'_>) {
    let mut text = Text::<LINE>::new();
    let _ = text.write_fmt(words);
    let mut line = Text::<{ LINE + 2 }>::new();
    let _ = write!(line, "{}\r\n", text.as_str());
    UART.put(line.bytes());
    #[cfg(not(feature = "esp32"))]
    USB.put(line.bytes());
}

/// Says one line on both serial lines. Never waits; a line for which there is no room is left out.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {
        $crate::serial_line(format_args!($($words)*))
    };
}

/// Empties the buffer of UART0.
#[embassy_executor::task]
pub(crate) async fn write_uart() {
    let mut chunk = [0; 64];
    loop {
        UART.some().await;
        let room = uart::room().min(chunk.len());
        let count = UART.take(chunk.get_mut(..room).unwrap_or_default());
        chunk.iter().take(count).for_each(|byte| uart::write(*byte));
        if count == 0 {
            Timer::after(SOON).await;
        }
    }
}

/// Listens to UART0.
#[embassy_executor::task]
pub(crate) async fn read_uart(port: Port) {
    listen(port, |bytes| {
        let mut count = 0;
        for (place, byte) in bytes.iter_mut().zip(core::iter::from_fn(uart::read)) {
            *place = byte;
            count += 1;
        }
        count
    })
    .await;
}

/// Listens to a line: seldom while nothing comes, often while something does. `read` takes what is there and answers with
/// how much it was. It pauses even when something came: a host that sends for ever, or a port that is not there and reads as
/// if it did, must not keep the other tasks from running. 64 bytes each time are more than a line of 115,200 baud brings.
async fn listen(mut port: Port, mut read: impl FnMut(&mut [u8; 64]) -> usize) {
    let mut quiet = QUIET;
    loop {
        let mut bytes = [0; 64];
        let count = read(&mut bytes);
        if count > 0 {
            quiet = Duration::from_ticks(0);
            port.typed(bytes.get(..count).unwrap_or_default()).await;
        }
        let pause = if quiet < QUIET { SOON } else { SELDOM };
        Timer::after(pause).await;
        quiet += pause;
        if quiet >= QUIET {
            quiet = QUIET;
            port.quiet();
        }
    }
}

/// Empties the buffer of the USB port, when somebody is there. It looks at the port now and then instead of waiting for its
/// interrupt: a port that is not there, as in some emulators, is then one that never takes anything.
#[cfg(not(feature = "esp32"))]
#[embassy_executor::task]
pub(crate) async fn write_usb(mut tx: UsbSerialJtagTx<'static, Blocking>) {
    let mut chunk = [0; 64];
    loop {
        USB.some().await;
        let count = USB.take(&mut chunk);
        for byte in chunk.iter().take(count) {
            // Waits for ever when nobody reads; the buffer fills, and lines are left out.
            while tx.write_byte_nb(*byte).is_err() {
                Timer::after(SELDOM).await;
            }
        }
        let _ = tx.flush_tx_nb();
    }
}

/// Listens to the USB port.
#[cfg(not(feature = "esp32"))]
#[embassy_executor::task]
pub(crate) async fn read_usb(mut rx: UsbSerialJtagRx<'static, Blocking>, port: Port) {
    listen(port, move |bytes| rx.drain_rx_fifo(bytes)).await;
}
