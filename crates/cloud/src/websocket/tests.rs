//! Both ends in memory; the client's frames are made by hand where a well-behaved one would not make them.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;

/// The largest packet of these connections.
const PACKET: usize = 600_000;

async fn pair() -> (Frames<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (server, client) = duplex(1 << 20);
    let server = Frames::server(server, PACKET).await;
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    (server, client)
}

/// v311 v5 [MQTT-6.0.0-2]: packets are not aligned with frames.
#[tokio::test]
async fn frames_are_one_stream_of_bytes() {
    let (mut server, mut client) = pair().await;
    for part in [&b"\x10"[..], b"", b"abcdef", b"gh"] {
        let frame = Message::Binary(Bytes::copy_from_slice(part));
        client.send(frame).await.unwrap();
    }
    let mut read = [0; 9];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"\x10abcdefgh");

    // Several writes before a flush are one frame; more than a frame holds are several.
    server.write_all(b"one").await.unwrap();
    server.write_all(b"two").await.unwrap();
    server.flush().await.unwrap();
    let frame = client.next().await.unwrap().unwrap();
    assert_eq!(frame.into_data(), &b"onetwo"[..]);
    let long = vec![7; FRAME * 2 + 1];
    server.write_all(&long).await.unwrap();
    server.flush().await.unwrap();
    for len in [FRAME, FRAME, 1] {
        assert_eq!(client.next().await.unwrap().unwrap().len(), len);
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_nothing_else_is_said() {
    let (mut server, mut client) = pair().await;
    client.send(Message::Ping("x".into())).await.unwrap();
    let mut buffer = [0; 8];
    let reading = server.read(&mut buffer);
    tokio::select! {
        biased;
        _ = reading => panic!("there is nothing to read"),
        answer = client.next() => {
            assert_eq!(answer.unwrap().unwrap(), Message::Pong("x".into()));
        }
    }
}

/// A client that pings and does not read the answers costs a bounded amount of memory.
#[tokio::test]
async fn answers_to_pings_that_nobody_reads_are_not_kept_without_end() {
    let (server, mut client) = duplex(1024);
    let mut server = Frames::server(server, PACKET).await;
    let mut ping = vec![0x89, 0x80 | 125];
    ping.extend([0; 4 + 125]);
    let serving = tokio::spawn(async move {
        // The byte behind all the pings.
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        server.flush().await.unwrap();
    });
    let pings = 20_000;
    for _ in 0..pings {
        client.write_all(&ping).await.unwrap();
    }
    client
        .write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x'])
        .await
        .unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    serving.await.unwrap();
    assert!(answers.len() > FRAME, "pings are answered");
    let bound = UNSENT + 2048;
    assert!(
        bound < pings * 127 && answers.len() <= bound,
        "{}",
        answers.len()
    );
}

#[tokio::test]
async fn a_frame_may_hold_the_largest_packet() {
    let (mut server, mut client) = pair().await;
    let packet = vec![7; PACKET];
    client
        .send(Message::Binary(packet.clone().into()))
        .await
        .unwrap();
    let mut read = vec![0; PACKET];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(read, packet);
}

/// The close code that a client sees after sending this.
async fn code_after(message: Message) -> CloseCode {
    let (mut server, mut client) = pair().await;
    client.send(message).await.unwrap();
    let serving = tokio::spawn(async move {
        server.read_u8().await.unwrap_err();
        server.shutdown().await.unwrap();
    });
    let code = loop {
        match client.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap().code,
            other => drop(other),
        }
    };
    assert!(client.next().await.is_none_or(|end| end.is_err()));
    serving.await.unwrap();
    code
}

/// v311 v5 [MQTT-6.0.0-1] and RFC 6455, 7.4.1.
#[tokio::test]
async fn each_end_has_its_close_code() {
    let text = code_after(Message::Text("CONNECT".into())).await;
    assert_eq!(text, CloseCode::Unsupported);
    let large = Message::Binary(vec![0; PACKET + MARGIN + 1].into());
    assert_eq!(code_after(large).await, CloseCode::Size);
    // A close of the client ends the stream like any other end, and is answered in kind.
    let goodbye = Message::Close(Some(CloseFrame {
        code: CloseCode::Away,
        reason: "".into(),
    }));
    assert_eq!(code_after(goodbye).await, CloseCode::Away);
}

#[tokio::test]
async fn a_frame_without_a_mask_is_a_protocol_error() {
    let (server, mut client) = duplex(1 << 16);
    let mut server = Frames::server(server, PACKET).await;
    client.write_all(&[0x82, 1, b'x']).await.unwrap();
    assert_eq!(
        server.read_u8().await.unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
    let closing = tokio::spawn(async move { server.shutdown().await });
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[0], 0x88, "a close frame");
    assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), 1002);
    drop(client);
    closing.await.unwrap().unwrap();
}

/// Bytes at random, and frames cut anywhere: an error or the end, never a panic.
#[tokio::test]
async fn random_bytes_end_the_stream_at_worst() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..2000_u32 {
        let mut bytes = Vec::new();
        for _ in 0..round % 40 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes.push(random.to_be_bytes()[0]);
        }
        if round % 2 == 0 && bytes.len() > 2 {
            bytes[0] = [0x82, 0x02, 0x80, 0x88, 0x89][usize::from(bytes[0] % 5)];
            bytes[1] |= 0x80;
        }
        let (server, mut client) = duplex(1 << 16);
        let mut server = Frames::server(server, PACKET).await;
        client.write_all(&bytes).await.unwrap();
        drop(client);
        let mut read = Vec::new();
        let _ = server.read_to_end(&mut read).await;
        let _ = server.shutdown().await;
    }
}
