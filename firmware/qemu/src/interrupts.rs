//! Interrupts of devices: which one it was, and who is woken.

use embassy_sync::waitqueue::AtomicWaker;
use riscv::interrupt::Interrupt;

use crate::machine::{PLIC, VIRTIO, VIRTIO_INTERRUPT, VIRTIO_STEP};

/// Who waits for the network device.
pub(crate) static NETWORK: AtomicWaker = AtomicWaker::new();

/// Of the machine mode of the only processor.
const ENABLE: usize = 0x2000;
const THRESHOLD: usize = 0x20_0000;
const CLAIM: usize = 0x20_0004;

/// Of each virtio device.
const STATUS: usize = 0x60;
const ACKNOWLEDGE: usize = 0x64;

fn register(offset: usize) -> *mut u32 {
    (PLIC + offset) as *mut u32
}

/// Lets the virtio device in this place interrupt.
pub(crate) fn enable(place: usize) {
    let interrupt = VIRTIO_INTERRUPT + place;
    // SAFETY: registers of the interrupt controller; the handler is below.
    unsafe {
        register(4 * interrupt).write_volatile(1);
        let enabled = register(ENABLE).read_volatile();
        register(ENABLE).write_volatile(enabled | 1 << interrupt);
        register(THRESHOLD).write_volatile(0);
        riscv::register::mie::set_mext();
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineExternal)]
fn device() {
    // SAFETY: registers of the interrupt controller and of the device that interrupted.
    unsafe {
        let interrupt = register(CLAIM).read_volatile();
        if interrupt == 0 {
            return;
        }
        let place = (interrupt as usize).saturating_sub(VIRTIO_INTERRUPT);
        let device = VIRTIO + place * VIRTIO_STEP;
        let status = ((device + STATUS) as *const u32).read_volatile();
        ((device + ACKNOWLEDGE) as *mut u32).write_volatile(status);
        register(CLAIM).write_volatile(interrupt);
    }
    NETWORK.wake();
}
