//! Proof by the linker that the device library needs no allocator.
//!
//! A whole client (connect, subscribe, publish with QoS 0 and 1, receive, reconnect, both protocol
//! versions) over a transport of two made-up hardware registers. It is built with `core` only: the
//! alloc crate does not exist for it, and no global allocator is linked. It is not meant to be run; its
//! sections are what the engine and the client cost on an ESP32-C3 without TLS and network.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::future::poll_fn;
use core::panic::PanicInfo;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use thingwire_device::future::join;
use thingwire_device::{
    Client, Config, Connector, Event, Failure, Memory, Millis, Platform, QoS, Version,
};

/// A UART that does not exist: data to read, whether there is some, data to write, time, randomness.
const DATA: *mut u32 = 0x6000_0000 as *mut u32;
const READY: *const u32 = 0x6000_0004 as *const u32;
const TIME: *const u32 = 0x6000_0008 as *const u32;
const RANDOM: *const u32 = 0x6000_000C as *const u32;
const VERSION: *const u32 = 0x6000_0010 as *const u32;

fn register(address: *const u32) -> u32 {
    // SAFETY: the addresses are aligned and stand for registers; this program is linked, never run.
    unsafe { address.read_volatile() }
}

struct Uart;

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

struct Board;

impl Connector for Board {
    type Error = Infallible;
    type Transport<'a> = Uart;

    async fn connect(&mut self) -> Result<Uart, Failure> {
        Ok(Uart)
    }
}

impl Platform for Board {
    fn now(&self) -> Millis {
        Millis(u64::from(register(TIME)))
    }

    async fn sleep_until(&self, at: Millis) {
        poll_fn(|_| if self.now() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn random_u32(&self) -> u32 {
        register(RANDOM)
    }
}

async fn device() {
    let version = if register(VERSION) == 0 { Version::V311 } else { Version::V5 };
    let mut memory = Memory::<1024, 1024, 256, 512>::new();
    let Ok(client) = Client::new(Config::new(version, "esp32-demo"), memory.lend()) else {
        return;
    };
    let application = async {
        if client.subscribe("esp32/sub", QoS::AtLeastOnce).await.is_err() {
            return;
        }
        let mut buffer = [0; 256];
        while let Ok(message) = client.next(&mut buffer).await {
            let _ = client.publish("esp32/pub", message.payload, message.qos).await;
        }
    };
    let on = |event: Event<'_>| {
        if let Event::Message(message) = event {
            // SAFETY: as for `register`.
            unsafe { DATA.write_volatile(message.payload.len() as u32) };
        }
    };
    let _ = join(client.run(&mut Board, &Board, on), application).await;
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut device = pin!(device());
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let _ = device.as_mut().poll(&mut context);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
