//! A TLS server in front of a broker that misbehaves when it is told to: it shows any chain, updates its keys, changes
//! bytes on their way, packs full records, hangs up.
//!
//! MQTT is the broker's behind it; here is only TLS, by rustls.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::chains::Shown;

/// How long one side is listened to before the other gets its turn.
const TURN: Duration = Duration::from_millis(2);

/// A full TLS record.
const RECORD: usize = 16_384;

/// One misbehaviour, carried out on an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// TLS 1.3: new keys from here on.
    UpdateKeys,
    /// One bit of the next record changes on its way.
    FlipBit,
    /// The connection ends without a word.
    HangUp,
}

/// The server. Its threads end with their connections; the one that accepts ends with the test.
pub(crate) struct Front {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    config: Mutex<Arc<ServerConfig>>,
    orders: Mutex<VecDeque<Order>>,
    /// Wait for a full record before anything is sent on.
    pack: AtomicBool,
    /// Full records that were sent.
    full: AtomicUsize,
}

impl Front {
    /// In front of the broker on this port.
    pub(crate) fn of(broker: u16, shown: &Shown) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            config: Mutex::new(config(shown)),
            orders: Mutex::default(),
            pack: AtomicBool::new(false),
            full: AtomicUsize::new(0),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for device in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                let tls = Arc::clone(&shared.config.lock().expect("a lock"));
                let tls = ServerConnection::new(tls).expect("a server");
                thread::spawn(move || {
                    if let Ok(broker) = TcpStream::connect(("127.0.0.1", broker)) {
                        carry(&shared, tls, &device, &broker);
                        drop(broker.shutdown(Shutdown::Both));
                    }
                    drop(device.shutdown(Shutdown::Both));
                });
            }
        });
        Self { port, shared }
    }

    /// Shows this chain to whoever connects from now on.
    pub(crate) fn show(&self, shown: &Shown) {
        *self.shared.config.lock().expect("a lock") = config(shown);
    }

    /// Misbehaves once, as soon as a connection is open.
    pub(crate) fn order(&self, order: Order) {
        self.shared.orders.lock().expect("a lock").push_back(order);
    }

    /// Whether every order was carried out.
    pub(crate) fn obeyed(&self) -> bool {
        self.shared.orders.lock().expect("a lock").is_empty()
    }

    /// Sends nothing but full records until one was sent.
    pub(crate) fn pack_one_record(&self) {
        self.shared.pack.store(true, Ordering::SeqCst);
    }

    /// How many full records were sent.
    pub(crate) fn full_records(&self) -> usize {
        self.shared.full.load(Ordering::SeqCst)
    }
}

fn config(shown: &Shown) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(shown.chain.as_bytes());
    let chain: Vec<_> = chain.map(|one| one.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    Arc::new(config)
}

/// Carries bytes between device and broker until one of them has enough.
fn carry(
    shared: &Shared,
    mut tls: ServerConnection,
    mut device: &TcpStream,
    mut broker: &TcpStream,
) {
    for stream in [device, broker] {
        stream.set_read_timeout(Some(TURN)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
    }
    let mut waiting = Vec::new();
    let mut spoken = false;
    loop {
        // From the device, decrypted, to the broker.
        match tls.read_tls(&mut device) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if is_only_slow(&error) => {}
            Err(_) => return,
        }
        if tls.process_new_packets().is_err() {
            // Its last word is why.
            drop(flush(&mut tls, device, false));
            return;
        }
        let mut plain = [0; 4096];
        while let Ok(len @ 1..) = tls.reader().read(&mut plain) {
            spoken = true;
            if broker.write_all(&plain[..len]).is_err() {
                return;
            }
        }
        // From the broker to the device.
        match broker.read(&mut plain) {
            Ok(0) => return,
            Ok(len) => waiting.extend_from_slice(&plain[..len]),
            Err(error) if is_only_slow(&error) => {}
            Err(_) => return,
        }
        if shared.pack.load(Ordering::SeqCst) && waiting.len() >= RECORD {
            let record: Vec<u8> = waiting.drain(..RECORD).collect();
            // Alone in its record.
            if flush(&mut tls, device, false).is_err() {
                return;
            }
            tls.writer().write_all(&record).expect("room");
            shared.pack.store(false, Ordering::SeqCst);
            let _ = shared.full.fetch_add(1, Ordering::SeqCst);
        }
        if !shared.pack.load(Ordering::SeqCst) {
            tls.writer().write_all(&waiting).expect("room");
            waiting.clear();
        }
        let mut flip = false;
        if spoken {
            let order = shared.orders.lock().expect("a lock").pop_front();
            match order {
                Some(Order::UpdateKeys) => tls.refresh_traffic_keys().expect("TLS 1.3"),
                Some(Order::FlipBit) => {
                    // Something must be under way to be changed: what the device does not ask for, it may ignore.
                    tls.writer().write_all(&[0xD0, 0]).expect("room");
                    flip = true;
                }
                Some(Order::HangUp) => return,
                None => {}
            }
        }
        if flush(&mut tls, device, flip).is_err() {
            return;
        }
    }
}

/// Sends what TLS has to say, the last bit of it changed where that is wanted.
fn flush(tls: &mut ServerConnection, mut device: &TcpStream, flip: bool) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        let _ = tls.write_tls(&mut bytes)?;
    }
    if let (true, Some(last)) = (flip, bytes.last_mut()) {
        *last ^= 1;
    }
    device.write_all(&bytes)
}

fn is_only_slow(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
