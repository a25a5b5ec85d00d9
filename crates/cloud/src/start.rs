//! Starting and stopping: the parts in the order in which they need each other.
//!
//! The data folder comes first, so that a second cloud on it is told so and not that a port is taken; the ready file
//! comes last, so that whoever sees it can connect.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thingwire_broker::{Authorize, Broker, DisconnectReason, Memory, Peer, Reserved, edge};
use thingwire_contract::reserved;
use thingwire_store::{RedbStore, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::access_keys::{self, AccessKeys};
use crate::account::{Account, Wanted};
use crate::api::{ApiState, router};
use crate::authorize::{Authorizer, PLAINTEXT_PRINCIPAL};
use crate::chain;
use crate::config::Config;
use crate::data_plane::DataPlane;
use crate::error::StartError;
use crate::gate::Gate;
use crate::health::{Counts, Health, Metered};
use crate::http::{Api, Hosts};
use crate::listen::{Port, stopped};
use crate::observe::Watch;
use crate::operator::{self, Operator};
use crate::presence::{self, Presence};
use crate::ready::{READY_FILE, Ready, write_whole};
use crate::record::Recording;
use crate::refusals::Refusals;
use crate::registry::{Place, Registry};
use crate::sntp::TimePort;
use crate::storage;
use crate::tls::{Entry, Tls};

/// Both roots, for whoever needs to trust this cloud.
const CA_FILE: &str = "root-CA.pem";
/// How often the age of the server certificates is looked at; they are renewed more than a year before their end.
const RENEWAL: Duration = Duration::from_secs(24 * 3600);
/// How long shutdown waits for the last users of the store.
const LAST_USERS: Duration = Duration::from_secs(5);

/// The local cloud.
#[derive(Debug)]
pub struct Cloud;

/// A running cloud. Dropping it closes everything at once; [`Running::shutdown`] does it in order.
pub struct Running {
    ready: Ready,
    ready_file: PathBuf,
    plaintext_port: Option<u16>,
    refusals: Arc<Refusals>,
    broker: Broker,
    store: Arc<Metered>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What was read from, or made in, the data folder.
struct Opened {
    store: Arc<Metered>,
    account: Account,
    registry: Arc<Registry>,
    operator: Operator,
    keys: AccessKeys,
    wanted: Wanted,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Running")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Cloud {
    /// Starts a local cloud; it listens when this returns. Waits for the disk, and at the first start for RSA keys. If it
    /// is dropped, nothing is left running.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and what to do.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let names = names(&config);
        let opened = blocking({
            let config = config.clone();
            move || open(&config, names)
        })
        .await??;
        let Opened {
            store,
            account,
            registry,
            operator,
            keys,
            wanted,
        } = opened;

        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mqtt = Port::open("--mqtt-port", config.bind, config.mqtt_port).await?;
        let alpn = Port::open("--alpn-port", config.bind, config.alpn_port).await?;
        let time = TimePort::open("--sntp-port", config.bind, config.sntp_port).await?;
        let https = Port::open("--https-port", config.bind, config.https_port).await?;
        let api = Port::open("--api-port", loopback, config.api_port).await?;
        let plaintext = match config.plaintext_port {
            Some(port) => Some(Port::open("--plaintext-port", loopback, port).await?),
            None => None,
        };

        let refusals = Arc::new(Refusals::default());
        let authorizer = Arc::new(Authorizer::new(Arc::clone(&registry)));
        let deciding = deciding(config.record_file.as_deref(), &authorizer)?;
        let settings = broker_settings(&config);
        let (lifecycle, events) = mpsc::unbounded_channel();
        let broker = blocking({
            let store: Arc<dyn Store> = Arc::<Metered>::clone(&store);
            let presence = Presence::new(
                exclusive_thing(Arc::clone(&registry)),
                Box::new(|| uuid::Uuid::new_v4().simple().to_string()),
                settings.session_expiry,
            );
            let watch = Arc::new(Watch::new(Arc::clone(&refusals), presence, lifecycle));
            move || Broker::start(settings, Some(store), deciding, watch)
        })
        .await?
        .map_err(|error| StartError::store(&config.data_dir, error))?;

        let ready = Ready {
            endpoint: config.endpoint.clone(),
            mqtt_port: mqtt.number(),
            alpn_port: alpn.number(),
            sntp_port: time.number(),
            https_port: Some(https.number()),
            api_url: format!("http://127.0.0.1:{}", api.number()),
            console_url: None,
            ca_file: config.data_dir.join(CA_FILE),
            operator_kit: config.data_dir.join(operator::KIT),
            credentials_file: config.data_dir.join(access_keys::FILE),
            region: account.region.clone(),
            account_id: account.account_id.clone(),
        };
        let plaintext_port = plaintext.as_ref().map(Port::number);

        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(time.serve(stopping.clone()));
        tasks.spawn(disconnect(&registry, broker.clone(), stopping.clone()));
        tasks.spawn(presence::publish(broker.clone(), events, stopping.clone()));

        let tls = Arc::new(Tls::new(&account).map_err(StartError::Tls)?);
        tasks.spawn(renew(
            Arc::clone(&tls),
            Arc::clone(&store),
            wanted,
            stopping.clone(),
        ));
        let strict_names = config.strict_sni.then(|| {
            account
                .names
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect()
        });
        let counts = Arc::new(Counts::default());
        let data_plane = Arc::new(DataPlane {
            broker: broker.clone(),
            store: Arc::clone(&store),
            authorizer: Arc::<Authorizer>::clone(&authorizer),
            refusals: Arc::clone(&refusals),
            keys,
            region: account.region.clone(),
            skew: config.signature_skew,
            websocket_life: config.websocket_life,
        });
        let gate = Arc::new(Gate::new(
            data_plane,
            Arc::<Registry>::clone(&registry),
            Arc::clone(&counts),
            strict_names,
        ));
        for (port, entry) in [
            (mqtt, Entry::Mqtt),
            (alpn, Entry::Shared),
            (https, Entry::Https),
        ] {
            let server = tls
                .for_devices(
                    Arc::<Registry>::clone(&registry),
                    config.cert_refusal,
                    config.tls_policy,
                    entry,
                )
                .map_err(StartError::Tls)?;
            let (gate, stop) = (Arc::clone(&gate), stopping.clone());
            tasks.spawn(port.serve(stopping.clone(), move |stream, from| {
                Arc::clone(&gate).admit(server.clone(), stream, from, stop.clone())
            }));
        }
        if let Some(port) = plaintext {
            let broker = broker.clone();
            tasks.spawn(port.serve(stopping.clone(), move |stream, address| {
                let broker = broker.clone();
                let peer = Peer {
                    principal: PLAINTEXT_PRINCIPAL.into(),
                    address,
                    server_name: None,
                };
                async move { edge::serve(&broker, stream, peer).await }
            }));
        }
        let state = ApiState {
            registry: Arc::clone(&registry),
            authorizer,
            pki: Arc::clone(&account.pki),
            refusals: Arc::clone(&refusals),
            endpoint: config.endpoint.clone(),
            ready: Some(ready.clone()),
        };
        let hosts = Hosts::new(&[&config.endpoint, &account.aws_endpoint], &account.region);
        let acceptor = TlsAcceptor::from(tls.for_api().map_err(StartError::Tls)?);
        let health = Health {
            broker: broker.clone(),
            store: Arc::clone(&store),
            refusals: Arc::clone(&refusals),
            counts,
        };
        let served = Arc::new(Api::new(health.watch(router(state)), hosts, acceptor));
        tasks.spawn({
            let stopping = stopping.clone();
            api.serve(stopping.clone(), move |stream, from| {
                Arc::clone(&served).serve(stream, from, stopping.clone())
            })
        });

        let ready_file = config.data_dir.join(READY_FILE);
        let files = [Some(ready_file.clone()), config.ready_file.clone()];
        blocking({
            let ready = ready.clone();
            move || announce(&ready, &account, &operator, files.into_iter().flatten())
        })
        .await??;
        Ok(Running {
            ready,
            ready_file,
            plaintext_port,
            refusals,
            broker,
            store,
            stop,
            tasks,
        })
    }
}

impl Running {
    /// Where everything is, with the ports as they really are.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The port of the plaintext listener, if there is one.
    #[must_use]
    pub fn plaintext_port(&self) -> Option<u16> {
        self.plaintext_port
    }

    /// The latest refusals.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The broker, for its statistics.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Stops accepting, tells connected clients, and waits until everything is on disk and the data folder is free. If it
    /// is dropped, everything is closed at once.
    pub async fn shutdown(self) {
        let Self {
            ready_file,
            broker,
            store,
            stop,
            mut tasks,
            ..
        } = self;
        // What it says is no longer true.
        if let Err(error) = fs::remove_file(&ready_file) {
            tracing::debug!(%error, "the ready file was gone");
        }
        stop.send_replace(true);
        broker.shutdown().await;
        while tasks.join_next().await.is_some() {}
        drop(broker);
        // A request that was being served may still hold the store for a moment.
        let alone = async {
            while Arc::strong_count(&store) > 1 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(LAST_USERS, alone).await.is_err() {
            tracing::warn!("something still uses the data folder");
        }
        let _ = blocking(move || drop(store)).await;
    }
}

/// What people chose, with AWS's reserved topics (`B-82`).
fn broker_settings(config: &Config) -> thingwire_broker::Config {
    thingwire_broker::Config {
        behaviour: config.behaviour,
        quotas: config.quotas,
        reserved: Reserved {
            publish: reserved::may_publish,
            subscribe: reserved::may_subscribe,
            counted: reserved::counted,
        },
        memory: Memory {
            retained_bytes: config.retained_bytes,
            ..Memory::default()
        },
        ..thingwire_broker::Config::default()
    }
}

/// `D-2`: events name a thing only when the certificate is attached to it exclusively.
pub(crate) fn exclusive_thing(registry: Arc<Registry>) -> presence::ThingOf {
    Box::new(move |client| {
        let standing = registry.standing(&client.principal, &client.client_id);
        let mut things = standing.things.iter();
        things
            .find(|attached| attached.is_exclusive())
            .map(|attached| attached.thing.name.clone())
    })
}

/// What the broker asks: the authorizer, recorded if somebody wants that.
fn deciding(
    record: Option<&Path>,
    authorizer: &Arc<Authorizer>,
) -> Result<Arc<dyn Authorize>, StartError> {
    let authorizer = Arc::clone(authorizer);
    let Some(path) = record else {
        return Ok(authorizer);
    };
    let recording = Recording::open(path, authorizer).map_err(|error| StartError::Record {
        path: path.to_owned(),
        error,
    })?;
    Ok(Arc::new(recording))
}

/// The data folder and everything in it.
fn open(config: &Config, names: BTreeSet<String>) -> Result<Opened, StartError> {
    let folder = &config.data_dir;
    make_folder(folder).map_err(|error| StartError::DataDir {
        path: folder.clone(),
        error,
    })?;
    let store = RedbStore::open(storage::data_file(folder), &storage::FORMAT)
        .map_err(|error| StartError::store(folder, error))?;
    let store = Arc::new(Metered::new(Arc::new(store)));
    let wanted = Wanted {
        region: config.region.clone(),
        account_id: config.account_id.clone(),
        names,
    };
    let account = Account::open(store.as_ref(), &wanted)
        .map_err(|error| StartError::account(folder, error))?;
    let place = Place {
        region: account.region.clone(),
        account_id: account.account_id.clone(),
    };
    let registry = Registry::open(Arc::<Metered>::clone(&store), place)
        .map_err(|error| StartError::store(folder, error))?;
    let registry = Arc::new(registry);
    let operator = Operator::open(folder, store.as_ref(), &registry, &account)?;
    let keys = AccessKeys::open(folder, config.access_keys_file.as_deref())?;
    Ok(Opened {
        store,
        account,
        registry,
        operator,
        keys,
        wanted,
    })
}

/// Private keys live here: nobody else may look.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Under which names and addresses devices may reach this machine.
fn names(config: &Config) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.insert(config.endpoint.clone());
    names.extend(config.hosts.iter().cloned());
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    if chain::is_name(&host) {
        names.insert(host);
    }
    if !config.bind.is_unspecified() {
        names.insert(config.bind.to_string());
    } else if let Some(address) = own_address() {
        names.insert(address.to_string());
    }
    names
}

/// The address with which this machine would reach others. Connecting a UDP socket sends nothing; the address is one
/// that documentation has to itself.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|address| !address.is_unspecified())
}

/// Writes what others read: roots, operator kit, and last the ready files.
fn announce(
    ready: &Ready,
    account: &Account,
    operator: &Operator,
    files: impl Iterator<Item = PathBuf>,
) -> Result<(), StartError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| StartError::DataDir { path, error }
    };
    write_whole(&ready.ca_file, account.roots.as_bytes()).map_err(failed(&ready.ca_file))?;
    operator.write_kit(ready, account)?;
    for file in files {
        ready.write(&file).map_err(failed(&file))?;
    }
    Ok(())
}

/// Disconnects clients whose certificate stops being ACTIVE (`A-27`), until `stop`. The registry must not own the broker, which owns
/// the registry through its authorizer; so it only passes ids on.
fn disconnect(
    registry: &Registry,
    broker: Broker,
    mut stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static {
    let (sender, mut receiver) = mpsc::unbounded_channel::<String>();
    registry.on_certificate_left_active(Box::new(move |certificate_id| {
        // After the shutdown nobody is connected any more.
        let _ = sender.send(certificate_id.to_owned());
    }));
    async move {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                Some(certificate_id) = receiver.recv() => {
                    let detail = "A-27: the certificate is no longer ACTIVE";
                    let count = broker.disconnect_principal(&certificate_id, DisconnectReason::AuthError, detail);
                    tracing::info!(principal = certificate_id, count, "the certificate is no longer ACTIVE");
                }
            }
        }
    }
}

/// Issues the server certificates anew when they grow old while this runs, until `stop`. Whoever connects afterwards sees the new ones.
async fn renew(
    tls: Arc<Tls>,
    store: Arc<Metered>,
    wanted: Wanted,
    mut stop: watch::Receiver<bool>,
) {
    let wanted = Arc::new(wanted);
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(RENEWAL) => {}
        }
        let (tls, store, wanted) = (Arc::clone(&tls), Arc::clone(&store), Arc::clone(&wanted));
        let renewed = move || {
            // Reads the account, and issues what is too old to start with.
            let account =
                Account::open(store.as_ref(), &wanted).map_err(|error| error.to_string())?;
            tls.renew(&account).map_err(|error| error.to_string())
        };
        match blocking(renewed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    error,
                    "the server certificates could not be renewed; another attempt follows"
                );
            }
            Err(error) => tracing::error!(%error, "renewing the server certificates failed"),
        }
    }
}

/// Runs what waits for a disk or makes keys where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StartError::Unexpected(error.to_string()))
}
