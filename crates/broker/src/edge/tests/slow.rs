//! Peers that do not read: they are not read from, they do not hold a closing connection, and lose nothing when they read again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use thingwire_mqtt::{Packet, QoS, Version};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf,
};
use tokio::time::{Instant, timeout};

use crate::Config;
use crate::testing::{Client, broker, connect, encode, publish, subscribe};

/// A stream that takes bytes into memory of its own and waits for the peer only when it is flushed, as TLS does.
struct Buffered {
    inner: DuplexStream,
    buffer: Vec<u8>,
}

impl Buffered {
    const CAPACITY: usize = 16 * 1024;

    const fn new(inner: DuplexStream) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
        }
    }
}

impl AsyncRead for Buffered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.buffer.len() >= Self::CAPACITY {
            ready!(self.as_mut().poll_flush(context))?;
        }
        let count = bytes.len().min(Self::CAPACITY - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        while !this.buffer.is_empty() {
            let count = ready!(Pin::new(&mut this.inner).poll_write(context, &this.buffer))?;
            this.buffer.drain(..count);
        }
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_answers_is_not_read_from() {
    flood_without_reading(|stream| stream).await;
}

#[tokio::test(start_paused = true)]
async fn nor_when_the_stream_buffers_what_it_is_given() {
    flood_without_reading(Buffered::new).await;
}

/// Pings without end come to a stop while nobody reads the answers, and are all answered once somebody does.
async fn flood_without_reading<S>(wrap: impl FnOnce(DuplexStream) -> S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut config = Config::default();
    config.memory.outbox_bytes = 20_000;
    let broker = broker(config);
    let mut client = Client::open_through(&broker, Version::V311, 1024, wrap);
    client.send(&[connect(Version::V311, "greedy")]).await;
    let pings = encode(Version::V311, &[Packet::PingReq; 1000]);
    let flood = async {
        for _ in 0..1000 {
            client.stream.write_all(&pings).await.unwrap();
        }
    };
    assert!(
        timeout(Duration::from_secs(5), flood).await.is_err(),
        "the flood must come to a stop"
    );
    // It can go on when it reads.
    let (mut reading, mut writing) = tokio::io::split(&mut client.stream);
    let mut answers = Vec::new();
    let flood = async {
        for _ in 0..100 {
            writing.write_all(&pings).await.unwrap();
        }
    };
    let listen = async {
        let mut chunk = [0; 500];
        loop {
            let count = reading.read(&mut chunk).await.unwrap();
            answers.extend_from_slice(&chunk[..count]);
        }
    };
    tokio::select! {
        () = flood => {}
        () = listen => {}
    }
    assert!(answers.len() > 190_000, "{}", answers.len());
    assert!(answers[4..].chunks(2).all(|answer| answer == [0xd0, 0]));
}

#[tokio::test(start_paused = true)]
async fn who_reads_only_after_writing_everything_is_served_too() {
    let broker = broker(Config::default());
    let mut client = Client::open(&broker, Version::V311, 1024);
    client.send(&[connect(Version::V311, "patient")]).await;
    let count = 100_000;
    let publishes = encode(Version::V311, &[publish("a", b"x", Some(1)); 100]);
    for _ in 0..count / 100 {
        client.stream.write_all(&publishes).await.unwrap();
    }
    let answers = client.until(4 + 4 * count).await;
    assert!(
        answers[4..]
            .chunks(4)
            .all(|answer| answer == [0x40, 2, 0, 1])
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_bytes_does_not_hold_a_closing_connection() {
    let broker = broker(Config::default());
    let mut client = Client::open(&broker, Version::V311, 16);
    client.send(&[connect(Version::V311, "deaf")]).await;
    client
        .expect(|packet| assert!(matches!(packet, Packet::ConnAck(_))))
        .await;
    subscribe(&mut client, "a", QoS::AtMostOnce).await;
    for _ in 0..20 {
        broker.publish(
            "a",
            b"a message longer than the pipe",
            QoS::AtMostOnce,
            false,
        );
    }
    broker.shutdown().await;
    let began = Instant::now();
    timeout(Duration::from_secs(60), &mut client.task)
        .await
        .expect("the task must end")
        .unwrap();
    assert_eq!(began.elapsed(), broker.config().close_timeout);
}
