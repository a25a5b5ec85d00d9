//! Ports: opening them, accepting on them, closing them.
//!
//! What is done with a connection is decided elsewhere ([`crate::gate`] for devices, [`crate::http`] for the API); here each
//! gets a task, no Nagle delay, and an end when the cloud shuts down.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::StartError;

/// How long connections get to end by themselves at shutdown.
const GRACE: Duration = Duration::from_secs(3);
/// After a failed accept: the process is out of file handles, and trying again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An open port: one listener, or two for IPv4 and IPv6 loopback.
#[derive(Debug)]
pub(crate) struct Port {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Port {
    /// Opens a port; 0 takes a free one. On the IPv4 loopback address it opens the IPv6 one as well where that is possible, because
    /// `localhost` means either.
    pub(crate) async fn open(
        flag: &'static str,
        address: IpAddr,
        port: u16,
    ) -> Result<Self, StartError> {
        let wanted = SocketAddr::new(address, port);
        let first = TcpListener::bind(wanted)
            .await
            .map_err(|error| failure(flag, wanted, error))?;
        let port = first
            .local_addr()
            .map_err(|error| failure(flag, wanted, error))?
            .port();
        let mut listeners = vec![first];
        if address == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
                Ok(second) => listeners.push(second),
                // Whoever has it gets the clients that prefer IPv6.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tracing::warn!(port, "[::1] is in use by another program; use 127.0.0.1");
                }
                Err(error) => tracing::debug!(port, %error, "not listening on ::1"),
            }
        }
        Ok(Self { listeners, port })
    }

    /// The number, also when it was given as 0.
    pub(crate) const fn number(&self) -> u16 {
        self.port
    }

    /// Serves every connection with `serve` until `stop` changes, then waits a little for those that are left.
    /// Being dropped closes the port and all its connections.
    pub(crate) async fn serve<S, F>(self, stop: watch::Receiver<bool>, serve: S)
    where
        S: Fn(TcpStream, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut loops = JoinSet::new();
        for listener in self.listeners {
            loops.spawn(accept(listener, stop.clone(), serve.clone()));
        }
        while loops.join_next().await.is_some() {}
    }
}

async fn accept<S, F>(listener: TcpListener, mut stop: watch::Receiver<bool>, serve: S)
where
    S: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the task of a connection failed");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "no TCP_NODELAY");
                    }
                    connections.spawn(serve(stream, address));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = tokio::time::timeout(GRACE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    if ended.is_err() {
        connections.shutdown().await;
    }
}

/// Waits until the cloud stops, or is gone. May be dropped and called again.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What the future answers, or `None` once the cloud stops; the future is dropped then.
pub(crate) async fn unless_stopped<F: Future>(
    stop: &mut watch::Receiver<bool>,
    future: F,
) -> Option<F::Output> {
    tokio::select! {
        biased;
        () = stopped(stop) => None,
        output = future => Some(output),
    }
}

pub(crate) fn failure(flag: &'static str, address: SocketAddr, error: io::Error) -> StartError {
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { flag, address },
        io::ErrorKind::PermissionDenied => StartError::PortForbidden { flag, address },
        io::ErrorKind::AddrNotAvailable => StartError::Bind {
            address: address.ip(),
        },
        _ => StartError::Listen {
            flag,
            address,
            error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn localhost_is_reached_over_ipv4_and_where_there_is_any_over_ipv6() {
        let port = Port::open("--api-port", IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
            .await
            .unwrap();
        let (number, both) = (port.number(), port.listeners.len() == 2);
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(port.serve(stopped, |mut stream, _| async move {
            stream.write_all(b"hello").await.unwrap();
        }));
        let mut addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, number))];
        if both {
            addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, number)));
        }
        for address in addresses {
            let mut text = String::new();
            TcpStream::connect(address)
                .await
                .unwrap()
                .read_to_string(&mut text)
                .await
                .unwrap();
            assert_eq!(text, "hello");
        }
        stop.send(true).unwrap();
        serving.await.unwrap();
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, number))
                .await
                .is_err(),
            "the port is closed"
        );
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_its_flag() {
        let first = Port::open("--mqtt-port", IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
            .await
            .unwrap();
        let error = Port::open(
            "--mqtt-port",
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            first.number(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "127.0.0.1:{} is in use by another program; choose another with --mqtt-port",
                first.number()
            )
        );
    }
}
