//! A port that stays when the server behind it comes back on another one.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

/// Passes connections on to a port that may change, both on the loopback interface.
///
/// Its threads end with the connections they carry; the one that accepts ends with the test.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    target: Arc<AtomicU16>,
}

impl Relay {
    /// Listens on a free port and passes on to `target`.
    ///
    /// # Panics
    /// When the loopback interface has no free port.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let target = Arc::new(AtomicU16::new(target));
        let newest = Arc::clone(&target);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // With nobody behind it, the connection is closed at once.
                if let Ok(far) = TcpStream::connect(("127.0.0.1", newest.load(Ordering::SeqCst))) {
                    carry(&near, &far);
                }
            }
        });
        Self { port, target }
    }

    /// New connections go here from now on.
    pub fn turn_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }
}

/// Copies in both directions, each until its end, which is passed on.
fn carry(near: &TcpStream, far: &TcpStream) {
    for (from, to) in [(near, far), (far, near)] {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        drop(to.set_nodelay(true));
        thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_said_arrives_and_the_next_server_is_found() {
        let (first, second) = (listener(), listener());
        let relay = Relay::to(first.1);
        for server in [&first, &second] {
            relay.turn_to(server.1);
            let mut client = TcpStream::connect(("127.0.0.1", relay.port)).expect("a relay");
            let (mut peer, _) = server.0.accept().expect("a connection");
            client.write_all(b"ask").expect("written");
            client.shutdown(Shutdown::Write).expect("ended");
            let mut heard = String::new();
            let _ = peer.read_to_string(&mut heard).expect("read");
            assert_eq!(heard, "ask");
            peer.write_all(b"answer").expect("written");
            drop(peer);
            heard.clear();
            let _ = client.read_to_string(&mut heard).expect("read");
            assert_eq!(heard, "answer");
        }
    }

    fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        (listener, port)
    }
}
