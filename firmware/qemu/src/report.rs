//! What the device says about its connection on the serial line.

use thingwire_device::Event;
use thingwire_firmware::sntp::TimeEvent;
use thingwire_firmware::{TlsVersion, libc};

use crate::console::say;
use crate::stack_depth;

/// After each handshake.
pub(crate) fn opened(version: TlsVersion) {
    let version = match version {
        TlsVersion::Tls1_2 => "TLS 1.2",
        TlsVersion::Tls1_3 => "TLS 1.3",
    };
    let heap = libc::heap();
    say!(
        "{version}; heap for TLS {} B, at its peak {} B; deepest stack {} B",
        heap.used,
        heap.peak,
        stack_depth::deepest()
    );
}

/// What time servers said.
pub(crate) fn time(event: TimeEvent<'_>) {
    say!("{event}");
}

/// The connection's life, for people to read.
pub(crate) fn event(event: Event<'_>) {
    match event {
        Event::Attempting { .. } => say!("connecting"),
        Event::Connected { negotiated, .. } => {
            say!("connected, session kept: {}", negotiated.session_present);
        }
        Event::Failed { why, retry_in } | Event::Disconnected { why, retry_in } => {
            say!("{why}; next try in {} ms", retry_in);
        }
        _ => {}
    }
}

/// A message that arrived.
pub(crate) fn message(topic: &str, payload: &[u8]) {
    match core::str::from_utf8(payload) {
        Ok(text) => say!("{topic}: {text}"),
        Err(_) => say!("{topic}: {payload:02x?}"),
    }
}
