//! What the broker asks before it acts. It gives no meaning to the answers beyond yes and no.

use std::net::SocketAddr;
use std::sync::Arc;

/// What a client wants to do. Checked at the moments that `C-12` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// CONNECT; the resource is the client id.
    Connect,
    /// PUBLISH, or a Will at CONNECT (`B-58`); the resource is the topic.
    Publish,
    /// The same with RETAIN set (`B-66`), asked in addition to `Publish`.
    RetainPublish,
    /// One filter of a SUBSCRIBE; the resource is the filter as sent.
    Subscribe,
    /// One delivery; the resource is the topic.
    Receive,
}

/// The client of one connection, as the listener and its CONNECT describe it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Who proved itself: the certificate id of mutual TLS, or a name of the listener's choice.
    pub principal: Arc<str>,
    /// Client identifier, after assignment of an empty one (`B-13`).
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub address: SocketAddr,
    /// The server name it asked for (SNI), if any.
    pub server_name: Option<Arc<str>>,
    /// Whether it asked for a session that outlives the connection (`C-37`).
    pub persistent: bool,
    /// The topic of its Will, if it has one.
    pub will_topic: Option<Arc<str>>,
}

/// Yes, or no with the reason in one line for logs and tools. The peer never sees the reason of a 3.1.1 refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Refuse. The text names action, resource and the policy that decided, or that none did.
    Deny(String),
}

/// Makes the permissions of a client. Called inside the core, so it must be quick and must not call the broker.
pub trait Authorize: Send + Sync + 'static {
    /// A number that grows whenever any decision may have changed. The broker keeps decisions until then.
    fn generation(&self) -> u64;

    /// The permissions of this client as of now. Called at CONNECT and after the generation grew.
    fn permissions(&self, client: &Client) -> Arc<dyn Permissions>;
}

/// What one client may do. Immutable: a change makes a new one.
pub trait Permissions: Send + Sync + 'static {
    /// Decides one action. Must be quick: it runs inside the routing core.
    fn decide(&self, action: Action, resource: &str) -> Decision;
}

/// Allows everything: for the plaintext tool listener of tests and for brokers without policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorize for AllowAll {
    fn generation(&self) -> u64 {
        0
    }

    fn permissions(&self, _client: &Client) -> Arc<dyn Permissions> {
        Arc::new(Self)
    }
}

impl Permissions for AllowAll {
    fn decide(&self, _action: Action, _resource: &str) -> Decision {
        Decision::Allow
    }
}
