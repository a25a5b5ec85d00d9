//! RMQTT as a broker under measurement: what its own program `rmqttd` starts, from the same library, without plugins, metrics
//! and cluster, which are not asked of it here.
//!
//! Arguments: a port of 127.0.0.1 for mutual TLS, and a folder that holds `ca.crt`, `server.crt` and `server.key`.
//! It says `ready` when it listens, and runs until it is killed. Where a setting is named below, it differs from what `rmqttd` does
//! by itself, so that no limit is measured; the other peers have none either.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::Path;

use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener, tls_provider};
use rmqtt::server::MqttServer;

/// The allocator of `rmqttd`.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Messages that wait for a client. `rmqttd` keeps 1,000 and drops what comes after them.
const QUEUED: usize = 10_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("expected a port and a folder with ca.crt, server.crt and server.key".into());
    };
    let port: u16 = port
        .parse()
        .map_err(|error| format!("`{port}` is no port: {error}"))?;
    tls_provider::default_provider()
        .install_default()
        .map_err(|_| "another provider of cryptography is installed")?;
    // As many threads as there are cores, like rmqttd.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // A machine under load is the point of a measurement: without this a busy broker refuses to connect.
        let context = ServerContext::new().busy_check_enable(false).build().await;
        let server = MqttServer::new(context)
            .listener(listener(port, Path::new(&folder))?)
            .build();
        println!("ready");
        Ok(server.run().await?)
    })
}

/// Mutual TLS, everybody with a certificate may do everything.
fn listener(port: u16, folder: &Path) -> Result<Listener, Box<dyn Error>> {
    let file = |name: &str| Some(folder.join(name).to_string_lossy().into_owned());
    Ok(Builder::new()
        .name("bench/tls")
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .reuseaddr(Some(true))
        // Otherwise each answer of the handshake waits for a delayed acknowledgement.
        .nodelay(true)
        .backlog(1024)
        .max_inflight(NonZeroU16::MAX)
        .max_mqueue_len(QUEUED)
        .allow_anonymous(true)
        .tls_cross_certificate(true)
        .tls_client_ca_certs(file("ca.crt"))
        .tls_cert(file("server.crt"))
        .tls_key(file("server.key"))
        .bind()?
        .tls()?)
}
