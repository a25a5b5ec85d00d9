//! The queue in flash: it survives restarts, and a power cut at every write.

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use thingwire_device::future::{Either, select};
use thingwire_device::queue::{FlashQueue, Keep, OfflineQueue, QueueOptions};
use thingwire_device::{Client, Millis, Outgoing, Platform as _, QoS, Version};

use crate::world::Scene;

const PAGE: usize = 256;
const PAGES: usize = 4;

/// A NOR flash: erasing sets bits, writing only clears them. The power goes after so many bytes.
#[derive(Clone)]
struct Flash {
    bytes: Vec<u8>,
    power: usize,
}

#[derive(Debug, PartialEq)]
struct PowerCut;

impl NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Flash {
    fn new() -> Self {
        Self {
            bytes: vec![0xFF; PAGE * PAGES],
            power: usize::MAX,
        }
    }
}

impl ErrorType for Flash {
    type Error = PowerCut;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        let from = offset as usize;
        bytes.copy_from_slice(&self.bytes[from..from + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        for at in from as usize..to as usize {
            self.power = self.power.checked_sub(1).ok_or(PowerCut)?;
            self.bytes[at] = 0xFF;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        for (at, byte) in bytes.iter().enumerate() {
            self.power = self.power.checked_sub(1).ok_or(PowerCut)?;
            self.bytes[offset as usize + at] &= byte;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}

type Queue<'c, 'b> = OfflineQueue<'c, 'b, FlashQueue<&'c mut Flash>>;

/// One life of a device with this flash.
fn life(flash: &mut Flash, tell: impl AsyncFnOnce(&Scene, &Client<'_>, &Queue<'_, '_>)) {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let mut buffer = [0; 128];
        let storage = FlashQueue::new(flash, 0..(PAGE * PAGES) as u32).unwrap();
        let opened = OfflineQueue::open(client, storage, &mut buffer, QueueOptions::default());
        // Without power nothing opens.
        if let Ok(queue) = opened.await {
            tell(&scene, client, &queue).await;
        }
    });
}

/// Puts messages until the power goes; answers which were accepted.
fn put_all(flash: &mut Flash) -> Vec<String> {
    let mut accepted = Vec::new();
    life(flash, async |_, _, queue| {
        for number in 0..12 {
            let payload = format!("message {number}");
            let message = Outgoing::new("t", payload.as_bytes(), QoS::AtLeastOnce);
            if queue.put(message, Keep::MustArrive, Millis(number)).await == Ok(true) {
                accepted.push(payload);
            }
        }
    });
    accepted
}

/// Lets everything leave, or as much as there is power for; answers what arrived.
fn drain_all(flash: &mut Flash) -> Vec<String> {
    let mut arrived = Vec::new();
    life(flash, async |scene, _, queue| {
        let mut server = scene.network.accept_mqtt(false).await;
        let drain = queue.drain(&scene.world, || scene.world.now(), |_| {});
        let story = async {
            loop {
                let quiet = scene.world.sleep(2_000);
                let Either::First(packet) = select(server.next(), quiet).await else {
                    break;
                };
                let mut words = packet.splitn(4, ' ').skip(1);
                let id = words.next().unwrap().parse().unwrap();
                arrived.push(words.nth(1).unwrap().to_owned());
                server.puback(id);
            }
        };
        select(drain, story).await;
    });
    arrived
}

#[test]
fn messages_survive_a_restart_in_order() {
    let mut flash = Flash::new();
    let accepted = put_all(&mut flash);
    assert_eq!(accepted.len(), 12);
    assert_eq!(drain_all(&mut flash), accepted);
    assert_eq!(drain_all(&mut flash), Vec::<String>::new());
    // The pages are used again, many times over.
    for _ in 0..20 {
        assert_eq!(put_all(&mut flash), accepted);
        assert_eq!(drain_all(&mut flash), accepted);
    }
}

#[test]
fn a_power_cut_at_every_byte_of_putting_loses_nothing_that_was_accepted() {
    let mut power = 0;
    loop {
        let mut flash = Flash::new();
        // Not on fresh flash only.
        put_all(&mut flash);
        drain_all(&mut flash);
        flash.power = power;
        let accepted = put_all(&mut flash);
        let done = accepted.len() == 12;
        flash.power = usize::MAX;
        let arrived = drain_all(&mut flash);
        // The one that was cut may have made it.
        assert!(
            arrived.len() <= accepted.len() + 1 && arrived.starts_with(&accepted),
            "after {power} bytes: accepted {accepted:?}, arrived {arrived:?}"
        );
        if done {
            break;
        }
        power += 1;
    }
    assert!(
        power > 300,
        "the cuts went through the whole story: {power}"
    );
}

#[test]
fn a_power_cut_at_every_byte_of_leaving_loses_nothing_and_keeps_the_order() {
    let mut full = Flash::new();
    let accepted = put_all(&mut full);
    let mut power = 0;
    loop {
        let mut flash = full.clone();
        flash.power = power;
        let before = drain_all(&mut flash);
        let done = flash.power > 0;
        flash.power = usize::MAX;
        let after = drain_all(&mut flash);
        let mut all = before.clone();
        // At least once: the message whose removal was cut comes again.
        let again = after
            .first()
            .is_some_and(|first| before.last() == Some(first));
        all.extend(after.into_iter().skip(usize::from(again)));
        assert_eq!(all, accepted, "after {power} bytes");
        if done {
            break;
        }
        power += 1;
    }
    assert!(power > 40, "the cuts went through the whole story: {power}");
}
