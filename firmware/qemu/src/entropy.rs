//! Randomness from the machine's virtio device, which takes it from the host.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::mmio::MmioTransport;

use crate::virtio::{self, Memory};

/// Bytes taken at once, of which single words are given out.
const POOL: usize = 64;

/// The random number generator for TLS.
pub(crate) struct Entropy {
    device: VirtIORng<Memory, MmioTransport<'static>>,
    pool: [u8; POOL],
    /// How many bytes of the pool are still unused, at its end.
    left: usize,
}

impl Entropy {
    /// Starts the device; `None` when there is none, or it does not work.
    pub(crate) fn start() -> Option<Self> {
        let found = virtio::find(DeviceType::EntropySource)?;
        let mut device = VirtIORng::new(found.transport).ok()?;
        device.disable_interrupts();
        let mut entropy = Self {
            device,
            pool: [0; POOL],
            left: 0,
        };
        entropy.refill().then_some(entropy)
    }

    fn refill(&mut self) -> bool {
        self.left = self
            .device
            .request_entropy(&mut self.pool)
            .unwrap_or(0)
            .min(POOL);
        // The device may answer with less; what it gave goes to the end.
        self.pool.copy_within(..self.left, POOL - self.left);
        self.left > 0
    }

    fn byte(&mut self) -> u8 {
        if self.left == 0 {
            // Without randomness there is no TLS, and a guess would be worse than none.
            assert!(self.refill(), "the machine gives no randomness any more");
        }
        let at = POOL - self.left;
        self.left -= 1;
        // Given out once.
        self.pool
            .get_mut(at)
            .map(core::mem::take)
            .unwrap_or_default()
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.byte());
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}
