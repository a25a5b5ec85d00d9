//! The other end of a connection, as the listener knows it before CONNECT.

use std::net::SocketAddr;
use std::sync::Arc;

/// Who is connecting, and from where.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who proved itself: the certificate id of mutual TLS, or a name of the listener's choice.
    pub principal: Arc<str>,
    /// Where it connects from.
    pub address: SocketAddr,
    /// The server name it asked for (SNI), if any.
    pub server_name: Option<Arc<str>>,
}
