//! What the broker tells whoever wants to know: logs, lifecycle events, the explanation of refusals.

use crate::{Action, Client};

/// Why a connection ended; the names are those of AWS's lifecycle events (`D-9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the specification's own")]
pub enum DisconnectReason {
    AuthError,
    ClientInitiatedDisconnect,
    ClientError,
    ConnectionLost,
    DuplicateClientId,
    ForbiddenAccess,
    MqttKeepAliveTimeout,
    ServerError,
    ServerInitiatedDisconnect,
    /// DeleteConnection (`B-79`).
    ApiInitiatedDisconnect,
    Throttled,
    WebSocketTtlExpiration,
    CustomAuthTtlExpiration,
}

impl DisconnectReason {
    /// The name in AWS's events and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthError => "AUTH_ERROR",
            Self::ClientInitiatedDisconnect => "CLIENT_INITIATED_DISCONNECT",
            Self::ClientError => "CLIENT_ERROR",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::DuplicateClientId => "DUPLICATE_CLIENTID",
            Self::ForbiddenAccess => "FORBIDDEN_ACCESS",
            Self::MqttKeepAliveTimeout => "MQTT_KEEP_ALIVE_TIMEOUT",
            Self::ServerError => "SERVER_ERROR",
            Self::ServerInitiatedDisconnect => "SERVER_INITIATED_DISCONNECT",
            Self::ApiInitiatedDisconnect => "API_INITIATED_DISCONNECT",
            Self::Throttled => "THROTTLED",
            Self::WebSocketTtlExpiration => "WEBSOCKET_TTL_EXPIRATION",
            Self::CustomAuthTtlExpiration => "CUSTOMAUTH_TTL_EXPIRATION",
        }
    }
}

/// Something that happened. Never holds a payload.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// CONNACK with success was queued.
    Connected {
        /// Who.
        client: &'a Client,
        /// Whether a stored session was resumed.
        session_present: bool,
    },
    /// A connection that had been connected ended.
    Disconnected {
        /// Who.
        client: &'a Client,
        /// Why.
        reason: DisconnectReason,
        /// What exactly, for the log.
        detail: &'a str,
    },
    /// A CONNECT was refused because the policy did not allow it or its Will (`D-4`); `Refused` told why.
    ConnectFailed {
        /// Who.
        client: &'a Client,
    },
    /// An action was refused (at CONNECT too). `explanation` is the text of [`crate::Decision::Deny`].
    Refused {
        /// Who.
        client: &'a Client,
        /// What it wanted.
        action: Action,
        /// On which topic, filter or client id.
        resource: &'a str,
        /// Why not.
        explanation: &'a str,
    },
    /// A rule other than authorisation was broken (`B-30`, `B-41`, …); the text names the rule and the value.
    Violated {
        /// Who.
        client: &'a Client,
        /// Rule and value.
        detail: &'a str,
    },
    /// Filters were granted.
    Subscribed {
        /// Who.
        client: &'a Client,
        /// Granted filters.
        filters: &'a [&'a str],
    },
    /// Filters were removed by UNSUBSCRIBE.
    Unsubscribed {
        /// Who.
        client: &'a Client,
        /// The filters.
        filters: &'a [&'a str],
    },
}

/// Receives every [`Event`]. Called inside the core, so it must be quick and must not call the broker.
pub trait Observer: Send + Sync + 'static {
    /// One event.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event<'_>) {}
}
