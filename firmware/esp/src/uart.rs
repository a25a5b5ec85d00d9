//! UART0 by its registers.
//!
//! ROM and bootloader have set it up when the program starts: 115,200 baud, on the pins of their own messages, which are
//! those of the adapter on the board. So it is neither configured nor reset here, and no interrupt is needed: 128 bytes fit
//! into its buffers, which is 11 ms, and its tasks look more often than that. A panic writes in the same way.

use esp_hal::peripherals::UART0;

/// Bytes of each buffer.
const BUFFER: u16 = 128;

/// How many bytes may be written now.
pub(crate) fn room() -> usize {
    // On some chips the field has eight bits, on others sixteen.
    #[allow(clippy::useless_conversion)]
    let used = u16::from(UART0::regs().status().read().txfifo_cnt().bits());
    usize::from(BUFFER.saturating_sub(used))
}

/// Writes one byte. Without [`room`] it is lost.
pub(crate) fn write(byte: u8) {
    let fifo = UART0::regs().fifo();
    // SAFETY: the register takes any byte.
    fifo.write(|w| unsafe { w.rxfifo_rd_byte().bits(byte) });
}

/// The next byte that came, if any.
pub(crate) fn read() -> Option<u8> {
    let uart = UART0::regs();
    let waiting = uart.status().read().rxfifo_cnt().bits();
    (waiting > 0).then(|| uart.fifo().read().rxfifo_rd_byte().bits())
}
