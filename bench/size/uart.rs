//! What the three programs share: a transport of made-up hardware registers, a clock, a loop that polls.
//!
//! Nothing here is meant to run. It is as small as it can be, so that what is counted is the MQTT library.

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::panic::PanicInfo;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};

const DATA: *mut u32 = 0x6000_0000 as *mut u32;
const READY: *const u32 = 0x6000_0004 as *const u32;
const TIME: *const u32 = 0x6000_0008 as *const u32;

fn register(address: *const u32) -> u32 {
    // SAFETY: the addresses are aligned and stand for registers; this program is linked, never run.
    unsafe { address.read_volatile() }
}

/// Milliseconds.
#[allow(dead_code, reason = "one of the programs needs no time")]
pub fn now() -> u64 {
    u64::from(register(TIME))
}

/// Whether a byte has arrived.
#[allow(dead_code, reason = "only a driver of its own asks")]
pub fn is_ready() -> bool {
    register(READY) != 0
}

/// Lets others run, once.
#[allow(dead_code, reason = "only a driver of its own pauses")]
pub async fn pause() {
    let mut paused = false;
    poll_fn(|_| match core::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await
}

/// What the application does with a message.
pub fn use_message(payload: &[u8]) {
    // SAFETY: as for `register`.
    unsafe { DATA.write_volatile(payload.len() as u32) };
}

#[derive(Debug)]
pub struct Uart;

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            if register(READY) == 0 {
                return Poll::Pending;
            }
            let Some(first) = buf.first_mut() else {
                return Poll::Ready(Ok(0));
            };
            *first = register(DATA) as u8;
            Poll::Ready(Ok(1))
        })
        .await
    }
}

impl Write for Uart {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        for byte in buf {
            // SAFETY: as for `register`.
            unsafe { DATA.write_volatile(u32::from(*byte)) };
        }
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Polls for ever.
pub fn run(device: impl Future<Output = ()>) -> ! {
    let mut device = pin!(device);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let _ = device.as_mut().poll(&mut context);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
