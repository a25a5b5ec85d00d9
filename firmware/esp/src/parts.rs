//! The peripherals of a chip that are used, under one name each.

use esp_hal::gpio::AnyPin;
use esp_hal::peripherals::{FLASH, FROM_CPU_INTR0, LPWR, RTC_TIMER, TIMG0, WIFI};

/// What [`board::parts`](crate::board) takes out of all peripherals.
pub(crate) struct Parts {
    /// For the scheduler.
    pub(crate) timer: TIMG0<'static>,
    /// For the scheduler.
    pub(crate) interrupt: FROM_CPU_INTR0<'static>,
    /// Has the watchdog that runs whatever the processor does.
    pub(crate) watchdog: RTC_TIMER<'static>,
    pub(crate) flash: FLASH<'static>,
    pub(crate) wifi: WIFI<'static>,
    pub(crate) sleep: LPWR<'static>,
    /// The native USB port.
    #[cfg(not(feature = "esp32"))]
    pub(crate) usb: esp_hal::peripherals::USB_DEVICE<'static>,
    pub(crate) pins: Pins,
}

/// Pins for the application.
#[derive(Debug)]
pub struct Pins {
    /// The button `BOOT`: low while it is pressed.
    pub button: AnyPin<'static>,
    /// A light-emitting diode, where the board has a plain one there.
    pub light: AnyPin<'static>,
}
