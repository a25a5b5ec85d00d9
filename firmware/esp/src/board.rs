//! Where the chips differ: names, pins, sizes. Everything else in this crate is the same for all of them.
//!
//! What a board does with its pins is the application's; the two named here are those of Espressif's own development
//! boards. Change this file for another board.

use esp_hal::gpio::Pin as _;
use esp_hal::peripherals::Peripherals;

use crate::parts::{Parts, Pins};

#[cfg(not(any(
    feature = "esp32",
    feature = "esp32c3",
    feature = "esp32c6",
    feature = "esp32s3"
)))]
compile_error!("choose a chip: `--features esp32c3`, or esp32c6, esp32, esp32s3");

/// The chip's name, as espflash and esptool write it.
#[cfg(feature = "esp32")]
pub const CHIP: &str = "esp32";
/// The chip's name, as espflash and esptool write it.
#[cfg(feature = "esp32c3")]
pub const CHIP: &str = "esp32c3";
/// The chip's name, as espflash and esptool write it.
#[cfg(feature = "esp32c6")]
pub const CHIP: &str = "esp32c6";
/// The chip's name, as espflash and esptool write it.
#[cfg(feature = "esp32s3")]
pub const CHIP: &str = "esp32s3";

/// Heap in the memory that the bootloader has left, in bytes.
#[cfg(feature = "esp32")]
pub(crate) const HEAP_OF_BOOTLOADER: usize = 96 * 1024;
#[cfg(not(feature = "esp32"))]
pub(crate) const HEAP_OF_BOOTLOADER: usize = 63 * 1024;

/// More heap, in bytes. Wi-Fi takes 47 to 57 KB, TLS 43 KB at its peak, of which 17 KB are one block.
#[cfg(feature = "esp32")]
pub(crate) const HEAP: usize = 24 * 1024;
#[cfg(not(feature = "esp32"))]
pub(crate) const HEAP: usize = 80 * 1024;

/// The most that the radio sends with, in quarters of a dBm: 13 dBm. The library's own 5 dBm do not reach through a house, and
/// from 16 dBm on some boards cannot join any more.
pub(crate) const TRANSMIT_POWER: i8 = 52;

/// Takes the peripherals apart.
pub(crate) fn parts(p: Peripherals) -> Parts {
    #[cfg(feature = "esp32")]
    let pins = Pins {
        button: p.GPIO0.degrade(),
        light: p.GPIO2.degrade(),
    };
    #[cfg(any(feature = "esp32c3", feature = "esp32c6"))]
    let pins = Pins {
        button: p.GPIO9.degrade(),
        light: p.GPIO8.degrade(),
    };
    #[cfg(feature = "esp32s3")]
    let pins = Pins {
        button: p.GPIO0.degrade(),
        light: p.GPIO48.degrade(),
    };
    Parts {
        timer: p.TIMG0,
        interrupt: p.FROM_CPU_INTR0,
        watchdog: p.RTC_TIMER,
        flash: p.FLASH,
        wifi: p.WIFI,
        sleep: p.LPWR,
        #[cfg(not(feature = "esp32"))]
        usb: p.USB_DEVICE,
        pins,
    }
}
