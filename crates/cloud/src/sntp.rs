//! The time for devices that have no clock: SNTP, from this computer's clock (`thingwire_chip::sntp` has the packets).
//!
//! Questions are answered and nothing else; an answer is as long as its question, so nobody is flooded through it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thingwire_chip::sntp;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::error::StartError;
use crate::listen::{failure, stopped};

/// How far this computer's clock may be from the truth. Nobody here knows; computers are usually right to less.
const UNCERTAINTY: Duration = Duration::from_secs(1);

/// An open UDP port.
#[derive(Debug)]
pub(crate) struct TimePort {
    socket: UdpSocket,
    port: u16,
}

impl TimePort {
    /// Opens it; 0 takes a free one.
    pub(crate) async fn open(
        flag: &'static str,
        address: IpAddr,
        port: u16,
    ) -> Result<Self, StartError> {
        let wanted = SocketAddr::new(address, port);
        let open = async {
            let socket = UdpSocket::bind(wanted).await?;
            let port = socket.local_addr()?.port();
            Ok(Self { socket, port })
        };
        open.await.map_err(|error| failure(flag, wanted, error))
    }

    /// The number, also when it was given as 0.
    pub(crate) const fn number(&self) -> u16 {
        self.port
    }

    /// Answers until `stop` changes.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                answered = self.answer() => if let Err(error) = answered {
                    // An asker that has gone (ICMP) is reported here; it concerns nobody else.
                    tracing::debug!(%error, "no time was sent");
                },
            }
        }
    }

    async fn answer(&self) -> io::Result<()> {
        let mut packet = [0; 2 * sntp::PACKET];
        let (len, from) = self.socket.recv_from(&mut packet).await?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let packet = packet.get(..len).unwrap_or_default();
        if let Some(answer) = sntp::respond(packet, now, UNCERTAINTY) {
            self.socket.send_to(&answer, from).await?;
            tracing::debug!(%from, "told the time");
        }
        Ok(())
    }
}
