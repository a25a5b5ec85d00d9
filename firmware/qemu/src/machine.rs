//! Where things are in qemu's RISC-V machine `virt` (qemu, hw/riscv/virt.c).

/// Timer: compares with [`MTIME`] (CLINT).
pub(crate) const MTIMECMP: *mut u32 = 0x0200_4000 as *mut u32;
/// Ticks of 100 ns since the machine was switched on.
pub(crate) const MTIME: *const u32 = 0x0200_BFF8 as *const u32;

/// Wall clock ("goldfish"): nanoseconds since 1970, low half first.
pub(crate) const RTC: *const u32 = 0x0010_1000 as *const u32;

/// Ends the emulation ("sifive test").
pub(crate) const POWER: *mut u32 = 0x0010_0000 as *mut u32;

/// Serial line (16550).
pub(crate) const UART: *mut u8 = 0x1000_0000 as *mut u8;

/// Interrupt controller.
pub(crate) const PLIC: usize = 0x0C00_0000;

/// The first of the places for virtio devices.
pub(crate) const VIRTIO: usize = 0x1000_1000;
/// From one place to the next, and how long each is.
pub(crate) const VIRTIO_STEP: usize = 0x1000;
/// How many there are.
pub(crate) const VIRTIO_PLACES: usize = 8;
/// Interrupt of the first place; the others follow.
pub(crate) const VIRTIO_INTERRUPT: usize = 1;

/// The kit image: `-device loader,file=kit.bin,addr=0x80800000,force-raw=on`.
pub(crate) const KIT: *const u8 = 0x8080_0000 as *const u8;

/// What to run: [`BURST`], or else the sketch. `-device loader,addr=0x80810000,data=0x54574231,data-len=4`.
pub(crate) const WORK: *const u32 = 0x8081_0000 as *const u32;
/// The thousand messages of `burst.rs`.
pub(crate) const BURST: u32 = 0x5457_4231;

/// Ends the emulation; qemu exits with this status.
pub(crate) fn power_off(status: u8) -> ! {
    let word = match status {
        0 => 0x5555,
        status => u32::from(status) << 16 | 0x3333,
    };
    // SAFETY: the address is the register that ends the emulation.
    unsafe { POWER.write_volatile(word) };
    loop {
        riscv::asm::wfi();
    }
}
