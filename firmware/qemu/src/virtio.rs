//! Finds virtio devices and lends them memory.

use core::cell::Cell;
use core::ptr::NonNull;

use critical_section::Mutex;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport as _};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::machine::{VIRTIO, VIRTIO_PLACES, VIRTIO_STEP};

/// Three queues (network in and out, randomness) of two pages each.
const PAGES: usize = 6;

#[repr(C, align(4096))]
struct Pool([u8; PAGES * PAGE_SIZE]);

static mut POOL: Pool = Pool([0; PAGES * PAGE_SIZE]);
static TAKEN: Mutex<Cell<usize>> = Mutex::new(Cell::new(0));

/// A device and the place it was found in.
pub(crate) struct Found {
    pub(crate) transport: MmioTransport<'static>,
    pub(crate) place: usize,
}

/// The first device of this kind. Call it once for each kind.
pub(crate) fn find(kind: DeviceType) -> Option<Found> {
    (0..VIRTIO_PLACES).find_map(|place| {
        let header = NonNull::new((VIRTIO + place * VIRTIO_STEP) as *mut VirtIOHeader)?;
        // SAFETY: every place has the registers of a virtio device, with "no device" as its kind where there is none.
        let transport = unsafe { MmioTransport::new(header, VIRTIO_STEP) }.ok()?;
        (transport.device_type() == kind).then_some(Found { transport, place })
    })
}

/// The machine has no address translation: what the program sees is what devices see.
pub(crate) struct Memory;

// SAFETY: pages come from a pool that nothing else uses, are handed out once, zeroed and aligned; addresses are physical
// ones throughout.
unsafe impl Hal for Memory {
    /// Null when the pool is empty, which the driver reports as an error.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let first = critical_section::with(|cs| {
            let taken = TAKEN.borrow(cs);
            let first = taken.get();
            let end = first.checked_add(pages).filter(|end| *end <= PAGES)?;
            taken.set(end);
            Some(first)
        });
        let Some(first) = first else {
            return (0, NonNull::dangling());
        };
        let pool = (&raw mut POOL).cast::<u8>();
        // SAFETY: the pages lie within the pool.
        let page = unsafe { NonNull::new_unchecked(pool.add(first * PAGE_SIZE)) };
        (page.addr().get() as PhysAddr, page)
    }

    /// Devices live as long as the machine; nothing is given back.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(address as usize as *mut u8).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().addr().get() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
