//! The offline queue in flash, in the partition `queue`.
//!
//! Wear: a message is written once and marked once when it was acknowledged; a page of 4 KB is erased when it was filled
//! and everything in it is gone. With messages of 100 bytes, and 100,000 erasures of each, the 64 pages of the partition bear 180 million of them.

use embassy_time::{Duration, Instant, Timer};
use embedded_storage_async::nor_flash::NorFlash as _;
use sequential_storage::Error;
use static_cell::{ConstStaticCell, StaticCell};
use thingwire_device::queue::{
    FlashQueue, Lost, OfflineQueue, QueueOptions, QueueStorage as _, Visit,
};
use thingwire_device::{Client, Millis};
use thingwire_firmware::{ChipPlatform, wall_clock};

use crate::flash::{Flash, Partition};
use crate::say;

/// A queue that survives restarts.
pub type Queue = OfflineQueue<'static, 'static, FlashQueue<Partition>>;

/// The longest message: topic, payload and 15 bytes; with QoS 2 or properties 3 more, and the properties.
const LONGEST: usize = 1280;

/// What is erased at once.
const PAGE: usize = Partition::ERASE_SIZE;

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
    let buffer = BUFFER.take();
    let len = partition.len();
    let unfit = "the partition `queue` must be two pages of 4 KB at least";
    let mut storage = FlashQueue::new(partition, 0..len).ok_or(unfit)?;
    let looked = storage.visit(buffer, &mut |_| Visit::Next).await;
    if let Err(Error::BufferTooSmall(_)) = looked {
        // Messages of a program with longer ones: they wait for it.
        return Err("the partition `queue` holds messages longer than this program reads");
    }
    if looked.is_err() {
        // Something else was there before, or it is damaged beyond repair.
        say!("the partition `queue` cannot be read: it is emptied");
        let mut partition = storage.into_flash();
        // Page by page: all of them may take half a minute, in which neither the watchdog would be fed nor Wi-Fi heard.
        for page in (0..len).step_by(PAGE) {
            let erased = partition.erase(page, page + PAGE as u32).await;
            erased.map_err(|_| "the partition `queue` cannot be written")?;
            Timer::after_millis(1).await;
        }
        storage = FlashQueue::new(partition, 0..len).ok_or(unfit)?;
    }
    let queue = OfflineQueue::open(client, storage, buffer, options).await;
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
