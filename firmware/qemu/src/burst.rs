//! A thousand numbered messages with QoS 1, as fast as they are acknowledged, through whatever happens to the
//! connection: for the test that none is lost and none is invented.

use core::cell::Cell;
use core::fmt::Write as _;

use thingwire_device::future::{Either, select};
use thingwire_device::{Client, PublishError, QoS};
use thingwire_firmware::libc;

use crate::console::say;
use crate::stack_depth;

const TOPIC: &str = "esp32/pub";
const MESSAGES: u32 = 1_000;

/// How many are under way at once, so that a lost connection finds some half-way.
const LANES: u32 = 4;

/// Publishes 0 to 999, says when all are acknowledged, and then rests. Ends when one can never be delivered.
pub(crate) async fn burst(client: &Client<'_>) -> PublishError {
    let acknowledged = Cell::new(0);
    let lane = |number| lane(client, number, &acknowledged);
    let lanes = select(select(lane(0), lane(1)), select(lane(2), lane(3)));
    match lanes.await {
        Either::First(Either::First(error) | Either::Second(error))
        | Either::Second(Either::First(error) | Either::Second(error)) => error,
    }
}

async fn lane(client: &Client<'_>, first: u32, acknowledged: &Cell<u32>) -> PublishError {
    let mut number = first;
    while number < MESSAGES {
        let mut text = Text::default();
        let _ = write!(text, "{number}");
        if let Err(error) = client.publish(TOPIC, text.bytes(), QoS::AtLeastOnce).await {
            return error;
        }
        number += LANES;
        acknowledged.set(acknowledged.get() + 1);
    }
    if acknowledged.get() == MESSAGES {
        let peak = libc::heap().peak;
        let deepest = stack_depth::deepest();
        say!("{MESSAGES} acknowledged; heap at its peak {peak} B; deepest stack {deepest} B");
    }
    core::future::pending().await
}

/// A number as text.
#[derive(Default)]
struct Text {
    bytes: [u8; 10],
    len: usize,
}

impl Text {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl core::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
