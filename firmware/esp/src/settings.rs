//! What the board remembers by itself: networks that were set on it, and the last time it knew.
//!
//! Kept in the partition `settings` by sequential-storage, which levels the wear and survives a power cut at any moment.
//! Wear: an entry is written when a network is set, and the time once after each start and then once a day. A page of
//! 4 KB takes about 200 times before the next one is erased; four pages that bear 100,000 erasures each are enough for one
//! start a minute over more than a hundred years.

use core::cell::RefCell;

use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use static_cell::StaticCell;
use thingwire_chip::WifiNetwork;
use thingwire_chip::wifi::{STORED_BYTES, StoredNetworks};

use crate::flash::{Flash, Partition};
use crate::say;

const NETWORKS: u8 = 1;
const TIME: u8 = 2;

/// A key and the longest value, rounded up to whole words.
const BUFFER: usize = STORED_BYTES + 16;

type Map = MapStorage<u8, Partition, Cache<Uncached, Uncached, Uncached, u8>>;

/// The settings. Without a partition nothing is remembered, and it says so once.
pub(crate) struct Settings {
    map: RefCell<Option<Map>>,
    networks: RefCell<StoredNetworks>,
}

impl Settings {
    /// Reads what is there. Call it once.
    pub(crate) async fn open(flash: Flash) -> &'static Self {
        static SETTINGS: StaticCell<Settings> = StaticCell::new();
        let partition = flash.settings();
        let map = partition.and_then(|partition| {
            let config = MapConfig::try_new(0..partition.len()).ok()?;
            Some(MapStorage::new(partition, config, Cache::new_uncached()))
        });
        if map.is_none() {
            say!("the flash has no partition `settings`: nothing that is set here is remembered");
        }
        let settings = SETTINGS.init(Self {
            map: RefCell::new(map),
            networks: RefCell::new(StoredNetworks::new()),
        });
        let mut buffer = [0; BUFFER];
        if let Some(bytes) = settings.get(NETWORKS, &mut buffer).await {
            *settings.networks.borrow_mut() = StoredNetworks::read(bytes);
        }
        settings
    }

    /// The networks that were set here.
    pub(crate) fn networks(&self) -> StoredNetworks {
        *self.networks.borrow()
    }

    /// Puts a network in front of the others.
    pub(crate) async fn put_network(&self, network: &WifiNetwork<'_>) {
        self.networks.borrow_mut().put(network);
        self.keep_networks().await;
    }

    /// Goes back to an earlier list.
    pub(crate) async fn restore(&self, networks: StoredNetworks) {
        *self.networks.borrow_mut() = networks;
        self.keep_networks().await;
    }

    /// Removes a network; false if it was not set here.
    pub(crate) async fn forget_network(&self, ssid: &str) -> bool {
        let found = self.networks.borrow_mut().forget(ssid);
        if found {
            self.keep_networks().await;
        }
        found
    }

    /// The last time that was kept, in Unix seconds.
    pub(crate) async fn time(&self) -> Option<u64> {
        let mut buffer = [0; BUFFER];
        let bytes = self.get(TIME, &mut buffer).await?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Keeps a time, in Unix seconds.
    pub(crate) async fn keep_time(&self, unix: u64) {
        self.set(TIME, &unix.to_le_bytes()).await;
    }

    async fn keep_networks(&self) {
        let networks = self.networks();
        self.set(NETWORKS, networks.bytes()).await;
    }

    async fn get<'b>(&self, key: u8, buffer: &'b mut [u8; BUFFER]) -> Option<&'b [u8]> {
        // Taken out, so that no borrow lives over an await. Nothing of the flash waits, so nobody else misses it.
        let mut map = self.map.borrow_mut().take()?;
        let found = map.fetch_item::<&[u8]>(buffer, &key).await;
        let len = match found {
            Ok(found) => found.map(<[u8]>::len),
            Err(_) => {
                say!("the partition `settings` cannot be read; it is used as if it were empty");
                None
            }
        };
        let value = match len {
            // Once more, because the value borrows the buffer.
            Some(_) => map.fetch_item::<&[u8]>(buffer, &key).await.ok().flatten(),
            None => None,
        };
        *self.map.borrow_mut() = Some(map);
        value
    }

    async fn set(&self, key: u8, value: &[u8]) {
        let Some(mut map) = self.map.borrow_mut().take() else {
            return;
        };
        let mut buffer = [0; BUFFER];
        if map.store_item(&mut buffer, &key, &value).await.is_err() {
            // Written by something else, or damaged beyond repair: begin anew.
            let again = match map.erase_all().await {
                Ok(()) => map.store_item(&mut buffer, &key, &value).await,
                Err(error) => Err(error),
            };
            if again.is_err() {
                say!("the partition `settings` cannot be written: this is not remembered");
            }
        }
        *self.map.borrow_mut() = Some(map);
    }
}
