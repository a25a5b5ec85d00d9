//! The application, as it runs on a computer and on the chip: it sees a client, a clock, and a way to show something.

use core::fmt;

use thingwire_device::future::{Either, select};
use thingwire_device::{Client, InboxError, Platform, PublishError, QoS, SubscribeError};

const LISTEN: &str = "esp32/sub";
const SPEAK: &str = "esp32/pub";
const EVERY_MS: u64 = 1_000;

/// Subscribes, then publishes every second and shows what arrives, for ever.
///
/// Waits for the network, messages and time. Dropping it stops the application; the client goes on.
pub(crate) async fn application<P: Platform>(
    client: &Client<'_>,
    platform: &P,
    show: impl Fn(&str, &[u8]),
) -> Result<(), ApplicationError> {
    client
        .subscribe(LISTEN, QoS::AtLeastOnce)
        .await
        .map_err(ApplicationError::Subscribe)?;

    // The sketch's callback.
    let listen = async {
        let mut buffer = [0; 1024];
        loop {
            match client.next(&mut buffer).await {
                Ok(message) => show(message.topic, message.payload),
                Err(error) => return error,
            }
        }
    };

    // The sketch's loop() with pubToAWS(message, topic).
    let speak = async {
        let mut next = platform.now();
        for message in ["tick", "tock"].into_iter().cycle() {
            if let Err(error) = client.publish(SPEAK, message, QoS::AtLeastOnce).await {
                return error;
            }
            next = next.after(EVERY_MS).max(platform.now());
            platform.sleep_until(next).await;
        }
        PublishError::Stopped
    };

    match select(listen, speak).await {
        Either::First(error) => Err(ApplicationError::Receive(error)),
        Either::Second(error) => Err(ApplicationError::Publish(error)),
    }
}

/// Why the application could not go on. A lost connection is no reason.
#[derive(Debug)]
pub(crate) enum ApplicationError {
    Subscribe(SubscribeError),
    Receive(InboxError),
    Publish(PublishError),
}

impl fmt::Display for ApplicationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe(error) => write!(f, "`{LISTEN}`: {error}"),
            Self::Receive(error) => error.fmt(f),
            Self::Publish(error) => write!(f, "`{SPEAK}`: {error}"),
        }
    }
}

impl core::error::Error for ApplicationError {}
