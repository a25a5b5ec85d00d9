//! One MQTT 3.1.1 connection of the generator: thin, so that the broker and not the generator is measured.

use thingwire_mqtt::{Connect, Packet, PacketId, Properties, QoS, Subscribe, SubscribeFilter};
use thingwire_mqtt::{SubscribeFilters, Version, split};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;
use crate::access::Access;

/// Read buffer of a connection that receives; big enough for many packets a read.
const READ: usize = 32 * 1024;
/// What is written before a flush leaves in one system call, up to this many bytes; rustls alone makes one of each record.
const WRITE: usize = 16 * 1024;
/// Largest packet expected.
const PACKET: usize = 16 * 1024;
/// No scenario lasts longer than this many seconds.
const KEEP_ALIVE: u16 = 1200;

/// TLS over buffers: rustls alone reads 4 KiB at a time.
type Stream = TlsStream<BufStream<TcpStream>>;

/// An open connection.
pub(crate) struct Connection {
    /// Its name.
    pub(crate) client_id: String,
    /// What arrives.
    pub(crate) reader: Reader,
    /// What leaves.
    pub(crate) writer: WriteHalf<Stream>,
    /// What CONNACK said.
    pub(crate) session_present: bool,
}

/// The receiving half with its buffer.
pub(crate) struct Reader {
    stream: ReadHalf<Stream>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    /// TCP, TLS, CONNECT and CONNACK.
    pub(crate) async fn open(access: &Access, client_id: &str, clean: bool) -> Outcome<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", access.port)).await?;
        tcp.set_nodelay(true)?;
        let stream = TlsConnector::from(access.tls.clone())
            .connect(
                access.name.clone(),
                BufStream::with_capacity(READ, WRITE, tcp),
            )
            .await?;
        let (stream, mut writer) = tokio::io::split(stream);
        let mut reader = Reader {
            stream,
            buffer: vec![0; READ],
            start: 0,
            end: 0,
        };
        let connect = bytes(&connect(client_id, clean))?;
        writer.write_all(&connect).await?;
        writer.flush().await?;
        let session_present = reader
            .answer(|packet| match packet {
                Packet::ConnAck(answer) if answer.reason_code.0 == 0 => {
                    Some(answer.session_present)
                }
                _ => None,
            })
            .await?;
        Ok(Self {
            client_id: client_id.to_owned(),
            reader,
            writer,
            session_present,
        })
    }

    /// SUBSCRIBE to one filter, and its SUBACK.
    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) -> Outcome<()> {
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::List(&[SubscribeFilter::new(filter, qos)]),
        });
        self.writer.write_all(&bytes(&subscribe)?).await?;
        self.writer.flush().await?;
        self.reader
            .answer(|packet| match packet {
                Packet::SubAck(answer) if answer.reason_codes == [qos.bits()] => Some(()),
                _ => None,
            })
            .await
    }

    /// DISCONNECT and close.
    pub(crate) async fn close(mut self) -> Outcome<()> {
        // DISCONNECT of MQTT 3.1.1 is always these two bytes.
        self.writer.write_all(&[0xE0, 0]).await?;
        self.writer.shutdown().await?;
        Ok(())
    }
}

impl Reader {
    /// Hands over every whole packet that one read brought, in order. Waits until there is one.
    pub(crate) async fn read(&mut self, mut each: impl FnMut(&Packet<'_>)) -> Outcome<()> {
        let mut any = false;
        loop {
            while let Some((frame, length)) = split(&self.buffer[self.start..self.end], PACKET)? {
                each(&Packet::decode(Version::V311, &frame)?);
                self.start += length;
                any = true;
            }
            if any {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// Waits for one packet, which must be the one expected. What follows it stays for [`read`](Self::read).
    async fn answer<T>(&mut self, expected: impl Fn(&Packet<'_>) -> Option<T>) -> Outcome<T> {
        loop {
            if let Some((frame, length)) = split(&self.buffer[self.start..self.end], PACKET)? {
                let packet = Packet::decode(Version::V311, &frame)?;
                self.start += length;
                return expected(&packet).ok_or_else(|| {
                    format!("the broker answered with {:?}", packet.packet_type()).into()
                });
            }
            self.fill().await?;
        }
    }

    /// Reads once, behind what is there.
    async fn fill(&mut self) -> Outcome<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        if read == 0 {
            return Err("the broker closed the connection".into());
        }
        self.end += read;
        Ok(())
    }
}

/// A CONNECT of this client.
pub(crate) const fn connect(client_id: &str, clean: bool) -> Packet<'_> {
    Packet::Connect(Connect {
        version: Version::V311,
        clean_start: clean,
        keep_alive: KEEP_ALIVE,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    })
}

/// The bytes of a packet.
pub(crate) fn bytes(packet: &Packet<'_>) -> Outcome<Vec<u8>> {
    let mut bytes = vec![
        0;
        packet
            .encoded_len(Version::V311)
            .map_err(|error| error.to_string())?
    ];
    packet
        .encode(Version::V311, &mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}
