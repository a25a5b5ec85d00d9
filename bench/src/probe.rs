//! How long messages take at a modest rate: an open loop over blocking sockets.
//!
//! One thread sends, evenly spaced, whatever comes back; another receives. Nothing of an event loop's timers, which count in
//! milliseconds, is between clock and socket. A message counts from the moment it was to be sent, unless the
//! thread overslept: then from when it woke, because that is our delay and not the broker's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use thingwire_mqtt::{Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter};
use thingwire_mqtt::{SubscribeFilters, Version, split};

use crate::Outcome;
use crate::access::Access;
use crate::connection::{self, bytes};
use crate::flow::PAYLOAD;

/// Before counting: caches and routes fill.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long what was sent last may take to arrive. Longer than any delay that anybody should see.
const DRAIN: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    /// Milliseconds, in order.
    sorted: Vec<f64>,
    /// Sent and not seen.
    pub(crate) lost: u64,
}

impl Latencies {
    /// The delay that this part of the messages did not exceed; none when there were none.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let at = (self.sorted.len() as f64 * part).ceil() as usize;
        self.sorted.get(at.max(1) - 1).copied()
    }

    /// How many were seen.
    pub(crate) const fn count(&self) -> u64 {
        self.sorted.len() as u64
    }
}

/// Publishers that take turns, and one subscriber of them all.
pub(crate) struct Probe {
    publishers: Vec<(Client, Vec<u8>)>,
    subscriber: Client,
}

impl Probe {
    /// Connects them; QoS 0, 3.1.1.
    pub(crate) fn open(access: &Access, publishers: usize) -> Outcome<Self> {
        let mut subscriber = Client::open(access, "bench-probe")?;
        subscriber.subscribe("bench/+/probe")?;
        let publishers = (0..publishers).map(|number| {
            let name = format!("bench-probe-{number}");
            let packet = bytes(&Packet::Publish(Publish {
                dup: false,
                qos: QoS::AtMostOnce,
                retain: false,
                topic: &format!("bench/{name}/probe"),
                packet_id: None,
                properties: Properties::EMPTY,
                payload: &[0; PAYLOAD],
            }))?;
            Ok((Client::open(access, &name)?, packet))
        });
        Ok(Self {
            publishers: publishers.collect::<Outcome<_>>()?,
            subscriber,
        })
    }

    /// Sends so many messages a second for so long, and answers how long each took.
    pub(crate) fn run(self, rate: u32, length: Duration) -> Outcome<Latencies> {
        let Self {
            mut publishers,
            mut subscriber,
        } = self;
        let (start, done) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let total = (length + WARM_UP).as_secs_f64() * f64::from(rate);
        let receiving = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                subscriber
                    .receive(start, total as u64, &done)
                    .map_err(|e| e.to_string())
            }
        });
        let gap = Duration::from_secs(1) / rate;
        let mut due = start;
        let mut sent = 0_u64;
        let mut counted = 0_u64;
        while sent < total as u64 {
            let mut stamp = due;
            if let Some(wait) = due.checked_duration_since(Instant::now()) {
                thread::sleep(wait);
                stamp = Instant::now();
            }
            let at = sent as usize % publishers.len();
            let (client, packet) = &mut publishers[at];
            let since = stamp - start;
            let payload = packet.len() - PAYLOAD;
            packet[payload..payload + 8]
                .copy_from_slice(&u64::try_from(since.as_nanos())?.to_be_bytes());
            client.stream.write_all(packet)?;
            counted += u64::from(since >= WARM_UP);
            sent += 1;
            due += gap;
        }
        thread::sleep(Duration::from_millis(50));
        done.store(true, Ordering::Relaxed);
        let mut sorted = receiving
            .join()
            .map_err(|_| "the receiving thread failed")??;
        sorted.sort_by(f64::total_cmp);
        let lost = counted.saturating_sub(sorted.len() as u64);
        Ok(Latencies { sorted, lost })
    }
}

/// One blocking connection.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
    end: usize,
}

impl Client {
    fn open(access: &Access, client_id: &str) -> Outcome<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", access.port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(60)))?;
        let tls = ClientConnection::new(Arc::clone(&access.tls), access.name.clone())?;
        let mut client = Self {
            stream: StreamOwned::new(tls, tcp),
            buffer: vec![0; 16 * 1024],
            end: 0,
        };
        client
            .stream
            .write_all(&bytes(&connection::connect(client_id, true))?)?;
        client.answer(4)?;
        Ok(client)
    }

    fn subscribe(&mut self, filter: &str) -> Outcome<()> {
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::List(&[SubscribeFilter::new(filter, QoS::AtMostOnce)]),
        });
        self.stream.write_all(&bytes(&subscribe)?)?;
        self.answer(5)
    }

    /// Reads CONNACK (4 bytes) or SUBACK of one filter (5), which must be a success.
    fn answer(&mut self, length: usize) -> Outcome<()> {
        let mut answer = [0; 5];
        self.stream.read_exact(&mut answer[..length])?;
        match answer[length - 1] {
            0 => Ok(()),
            code => Err(format!("the broker answered the probe with {code}").into()),
        }
    }

    /// Milliseconds of each message sent after the warm-up.
    fn receive(&mut self, start: Instant, total: u64, done: &AtomicBool) -> Outcome<Vec<f64>> {
        let mut delays = Vec::new();
        let (mut seen, mut quiet) = (0, Instant::now());
        self.stream
            .sock
            .set_read_timeout(Some(Duration::from_millis(200)))?;
        while seen < total {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err("the broker closed the probe's connection".into()),
                Ok(count) => self.end += count,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    if done.load(Ordering::Relaxed) && quiet.elapsed() > DRAIN {
                        break;
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            quiet = Instant::now();
            let now = quiet - start;
            let mut used = 0;
            while let Some((frame, length)) = split(&self.buffer[used..self.end], 16 * 1024)? {
                if let Packet::Publish(publish) = Packet::decode(Version::V311, &frame)?
                    && let Some(stamp) = publish.payload.first_chunk()
                {
                    seen += 1;
                    let stamp = Duration::from_nanos(u64::from_be_bytes(*stamp));
                    if stamp >= WARM_UP {
                        delays.push(now.saturating_sub(stamp).as_secs_f64() * 1e3);
                    }
                }
                used += length;
            }
            self.buffer.copy_within(used..self.end, 0);
            self.end -= used;
        }
        Ok(delays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_delays_that_were_seen() {
        let sorted = (1..=200).map(f64::from).collect();
        let seen = Latencies { sorted, lost: 0 };
        assert_eq!(seen.quantile(0.5), Some(100.0));
        assert_eq!(seen.quantile(0.99), Some(198.0));
        assert_eq!(seen.quantile(1.0), Some(200.0));
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
