//! Programs that are less than the whole, to measure what each part costs (feature `stages`; see `cargo xtask firmware
//! --size`). They run: each does what it can.

use embassy_executor::Spawner;
use embassy_time::Timer;
use embedded_io_async::{Read as _, Write as _};
use thingwire_device::Connector as _;
use thingwire_firmware::TlsConnector;

use crate::{bring_up, connection, say};

/// Chip, serial lines, settings, Wi-Fi, DHCP, and the time from the kit's servers. No TLS, no MQTT.
pub async fn network(spawner: Spawner) -> ! {
    let chip = bring_up(spawner).await;
    chip.load_kit(spawner, None).await;
    core::future::pending().await
}

/// The same with TLS: connects to the kit's endpoint, says something, shows how many bytes come back.
pub async fn tls(spawner: Spawner) -> ! {
    let chip = bring_up(spawner).await;
    let kit = chip.load_kit(spawner, None).await;
    let mut connector = match connection::connector(chip.stack, kit) {
        Ok(connector) => connector,
        Err(failure) => crate::give_up(&failure).await,
    };
    loop {
        Timer::after_secs(10).await;
        let mut transport = match connector.connect().await {
            Ok(transport) => transport,
            Err(failure) => {
                say!("{failure}");
                continue;
            }
        };
        let mut answer = [0; 64];
        let said = transport.write_all(b"hello\n").await.is_ok() && transport.flush().await.is_ok();
        match transport.read(&mut answer).await {
            Ok(len) => say!("said: {said}, heard: {len} B"),
            Err(error) => say!("{error}"),
        }
        // A TLS connection is not only opened: whoever uses TLS says goodbye.
        TlsConnector::close(transport).await;
    }
}
