//! MQTT over WebSocket: the payload of binary frames as one stream of bytes (MQTT 5, section 6).
//!
//! Frames need not be whole packets: one may hold several, or a part of one. Text frames end the connection (`[MQTT-6.0.0-1]`), pings are
//! answered, and each end has its close code. The handshake before it is the business of who speaks HTTP.

#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// The subprotocol that both sides name (`A-9`, `[MQTT-6.0.0-3]`).
pub const SUBPROTOCOL: &str = "mqtt";

/// The one of MQTT 3.1, which AWS's first SDKs still offer although they speak 3.1.1, and AWS takes.
pub const OLD_SUBPROTOCOL: &str = "mqttv3.1";

/// A frame or message may be this much larger than the largest packet: room for several, and for one that MQTT itself refuses with
/// a reason.
const MARGIN: usize = 384 * 1024;
/// What waits to be sent, at most. Data waits for the peer much earlier; the rest is room for answers to pings, and a peer that pings
/// and does not read ends its connection there.
const UNSENT: usize = 512 * 1024;
/// What is read at once into memory that an idle connection keeps.
const READ: usize = 4096;
/// A frame that is sent holds up to this much: about one TLS record.
const FRAME: usize = 16 * 1024;

/// Bounds of memory for a socket below [`Frames`], over which packets of up to `packet_len` bytes arrive.
#[must_use]
pub fn settings(packet_len: usize) -> WebSocketConfig {
    let largest = packet_len.saturating_add(MARGIN);
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .max_write_buffer_size(UNSENT)
        .max_frame_size(Some(largest))
        .max_message_size(Some(largest))
}

/// A stream of bytes over a WebSocket.
#[derive(Debug)]
pub struct Frames<S> {
    socket: WebSocketStream<S>,
    /// What is left of the latest frame.
    unread: Bytes,
    /// What the next frame will hold.
    unsent: Vec<u8>,
    /// How this side closes.
    close: (CloseCode, &'static str),
    close_sent: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// The server's side, over a stream whose handshake is done, for packets of up to `packet_len` bytes.
    pub async fn server(stream: S, packet_len: usize) -> Self {
        let settings = Some(settings(packet_len));
        Self::over(WebSocketStream::from_raw_socket(stream, Role::Server, settings).await)
    }

    /// Over a socket that is open; made with [`settings`], it has bounds.
    pub fn over(socket: WebSocketStream<S>) -> Self {
        Self {
            socket,
            unread: Bytes::new(),
            unsent: Vec::new(),
            close: (CloseCode::Normal, ""),
            close_sent: false,
        }
    }

    /// Remembers how to close, and makes an error of it for the reader.
    fn fail(&mut self, code: CloseCode, why: &'static str) -> io::Error {
        self.close = (code, why);
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    fn failed(&mut self, error: Error) -> io::Error {
        match error {
            Error::Io(error) => error,
            Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                self.fail(CloseCode::Size, "the frame is too large")
            }
            Error::WriteBufferFull(_) => {
                self.fail(CloseCode::Policy, "the answers to pings are not read")
            }
            Error::ConnectionClosed | Error::AlreadyClosed => {
                io::ErrorKind::ConnectionAborted.into()
            }
            _ => self.fail(CloseCode::Protocol, "the bytes are no WebSocket frames"),
        }
    }

    /// Puts what waits into a frame. The frame need not be on its way then.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let ready = ready!(Pin::new(&mut self.socket).poll_ready(context));
        let frame = Message::Binary(std::mem::take(&mut self.unsent).into());
        let sent = ready.and_then(|()| Pin::new(&mut self.socket).start_send(frame));
        Poll::Ready(sent.map_err(|error| self.failed(error)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.unread.has_remaining() {
                let count = this.unread.len().min(buffer.remaining());
                buffer.put_slice(&this.unread.split_to(count));
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut this.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => this.unread = bytes,
                Some(Ok(Message::Text(_))) => {
                    let why = "MQTT needs binary frames";
                    return Poll::Ready(Err(this.fail(CloseCode::Unsupported, why)));
                }
                // The answer to a ping or a close goes out with the next look at the socket.
                Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_),
                )) => {}
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(this.failed(error))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.len() >= FRAME {
            ready!(self.poll_frame(context))?;
        }
        let count = FRAME.saturating_sub(self.unsent.len()).min(bytes.len());
        self.unsent
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_frame(context))?;
        let flushed = ready!(Pin::new(&mut self.socket).poll_flush(context));
        Poll::Ready(flushed.map_err(|error| self.failed(error)))
    }

    /// Sends the close frame and waits for the peer's, so that it can read what was sent before. Give it a limit of time.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.close_sent {
            // The peer may have closed already; then there is nothing to be sent.
            let _ = ready!(self.as_mut().poll_flush(context));
            if ready!(Pin::new(&mut self.socket).poll_ready(context)).is_ok() {
                let (code, reason) = self.close;
                let frame = Message::Close(Some(CloseFrame {
                    code,
                    reason: reason.into(),
                }));
                let _ = Pin::new(&mut self.socket).start_send(frame);
            }
            self.close_sent = true;
        }
        let _ = ready!(Pin::new(&mut self.socket).poll_flush(context));
        while let Some(Ok(_)) = ready!(Pin::new(&mut self.socket).poll_next(context)) {}
        Pin::new(self.socket.get_mut()).poll_shutdown(context)
    }
}
