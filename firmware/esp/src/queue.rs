//! The offline queue in flash, in the partition `queue`.
//!
//! Wear: a message is written once and marked once when it was acknowledged; a page of 4 KB is erased when it was filled
//! and everything in it is gone. With messages of 100 bytes, and 100,000 erasures of each, the 64 pages of the partition bear 180 million of them.

use embassy_time::{Duration, Instant, Timer};
use static_cell::{ConstStaticCell, StaticCell};
use thingwire_device::queue::{FlashQueue, Lost, OfflineQueue, QueueOptions};
use thingwire_device::{Client, Millis};
use thingwire_firmware::{ChipPlatform, wall_clock};

use crate::flash::{Flash, Partition};
use crate::say;

/// A queue that survives restarts.
pub type Queue = OfflineQueue<'static, 'static, FlashQueue<Partition>>;

/// The longest message: topic, payload and 15 bytes.
const LONGEST: usize = 1280;

/// Before the storage is tried again after an error.
const PAUSE: Duration = Duration::from_secs(10);

/// The clock of the queue's messages: the time of day once it is known, before that the time since the start.
#[must_use]
pub fn queue_clock() -> Millis {
    match wall_clock::unix() {
        Some(unix) => Millis(unix.saturating_mul(1_000)),
        None => Millis(Instant::now().as_millis()),
    }
}

/// Opens the queue. Call it once.
///
/// # Errors
/// One sentence for people.
pub(crate) async fn open(
    flash: Flash,
    client: &'static Client<'static>,
    options: QueueOptions,
) -> Result<&'static Queue, &'static str> {
    static BUFFER: ConstStaticCell<[u8; LONGEST]> = ConstStaticCell::new([0; LONGEST]);
    static QUEUE: StaticCell<Queue> = StaticCell::new();
    let partition = flash
        .queue()
        .ok_or("the flash has no partition `queue`: write firmware/partitions.csv")?;
    let range = 0..partition.len();
    let storage = FlashQueue::new(partition, range)
        .ok_or("the partition `queue` must be two pages of 4 KB at least")?;
    let queue = OfflineQueue::open(client, storage, BUFFER.take(), options).await;
    let queue = queue.map_err(|_| "the partition `queue` cannot be read")?;
    let waiting = queue.statistics().depth;
    if waiting > 0 {
        say!("{waiting} messages of earlier runs wait in the queue");
    }
    Ok(QUEUE.init(queue))
}

/// Sends what waits, for ever.
#[embassy_executor::task]
pub(crate) async fn drain(queue: &'static Queue, platform: &'static ChipPlatform) {
    loop {
        let lost = |lost: Lost<'_>| say!("`{}`: not delivered: {:?}", lost.topic, lost.why);
        if queue.drain(platform, queue_clock, lost).await.is_ok() {
            // The client was stopped.
            return;
        }
        say!("the partition `queue` cannot be read or written");
        Timer::after(PAUSE).await;
    }
}
