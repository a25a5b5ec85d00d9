//! The kit: read from its partition, and waited for as long as there is none that can be used.

use core::cell::Cell;

use critical_section::Mutex;
use embassy_time::{Duration, Timer};
use static_cell::ConstStaticCell;
use thingwire_chip::{ImageError, KitImage};

use crate::flash::Flash;
use crate::{radio, say, status};

/// How often it is looked for a new kit, and said what is wrong with the old one.
const AGAIN: Duration = Duration::from_secs(30);

static LOADED: Mutex<Cell<Option<KitImage<'static>>>> = Mutex::new(Cell::new(None));

/// The kit that is in use.
pub(crate) fn loaded() -> Option<KitImage<'static>> {
    critical_section::with(|cs| LOADED.borrow(cs).get())
}

/// Reads the kit, and waits for one that can be read. `compiled` is used when the partition holds none at all, or is
/// not there.
pub(crate) async fn load(flash: Flash, compiled: Option<&'static [u8]>) -> KitImage<'static> {
    static IMAGE: ConstStaticCell<[u8; KitImage::MAX_LEN]> =
        ConstStaticCell::new([0; KitImage::MAX_LEN]);
    let image = IMAGE.take();
    loop {
        match flash.read_kit(image) {
            Err(words) => {
                say!("{words}");
                if compiled.is_some() {
                    break;
                }
            }
            Ok(()) => match KitImage::read(image) {
                Ok(_) => break,
                Err(ImageError::Missing) if compiled.is_some() => break,
                Err(ImageError::Missing) => {
                    say!("the partition `kit` is empty: write one with `thingwire flash`");
                }
                Err(error) => say!("{error}: write it again with `thingwire flash`"),
            },
        }
        Timer::after(AGAIN).await;
    }
    // Once more, for as long as the program runs.
    let image: &'static [u8] = image;
    let kit = KitImage::read(image).or_else(|error| match compiled {
        Some(compiled) => KitImage::read(compiled),
        None => Err(error),
    });
    match kit {
        Ok(kit) => {
            critical_section::with(|cs| LOADED.borrow(cs).set(Some(kit)));
            status::set_kit();
            radio::KIT.signal(());
            kit
        }
        Err(error) => loop {
            say!("the kit that was compiled in cannot be used: {error}");
            Timer::after(AGAIN).await;
        },
    }
}
