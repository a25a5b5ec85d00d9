//! Every difference between the broker's two behaviours, and every choice the reference leaves open.
//!
//! [`Behaviour::Aws`] is section B of the reference. [`Behaviour::Mqtt`] is the standard's letter, so that public
//! MQTT suites can judge the engine. [`Rules::of`] is the one table of their differences; the rest of the
//! broker reads the table and never asks which behaviour it is.

use thingwire_mqtt::{QoS, ReasonCode};

/// How the broker behaves where AWS IoT Core and the MQTT standard part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As AWS IoT Core.
    #[default]
    Aws,
    /// As the MQTT standard says, with no limits but those of memory.
    Mqtt,
}

/// One column of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `B-2`, `B-3`, `B-4`: the highest QoS.
    pub qos_max: QoS,
    /// `B-5`, `B-6`: whether what was in flight is sent again with its packet identifier and DUP, and not as new.
    pub redelivers: bool,
    /// `B-24`: whether [`Config::session_expiry`](crate::Config) bounds sessions; otherwise they last as long as asked, and
    /// those of MQTT 3.1.1 for ever.
    pub bounds_sessions: bool,
    /// `B-35`, `B-44`: whether topics that begin with `$` are an allow-list; otherwise they are topics like others.
    pub reserves_topics: bool,
    /// `B-36`: whether subscriptions may have identifiers.
    pub subscription_identifiers: bool,
    /// `B-37`: whether filters with wildcards get retained messages.
    pub retained_for_wildcards: bool,
    /// `B-38`: whether No Local and Retain As Published are obeyed.
    pub subscription_options: bool,
    /// `B-39`: whether UNSUBACK says that there was no subscription.
    pub tells_no_subscription: bool,
    /// `B-60`: whether a Will waits as long as it says.
    pub will_delay: bool,
    /// `B-10`: whether `sport/#` also matches `sport`.
    pub hash_matches_parent: bool,
    /// `B-11`: bytes of a client id.
    pub client_id_len: usize,
    /// `B-15`: keep-alive seconds are moved into this range and 0 becomes its end; `None`: as asked, 0 is off.
    pub keep_alive: Option<(u16, u16)>,
    /// `B-18`: bytes of a CONNECT with a Will.
    pub connect_with_will_len: usize,
    /// `B-19`: the smallest Maximum Packet Size a client may ask for.
    pub client_packet_min: u32,
    /// `B-30`: filters in one SUBSCRIBE or UNSUBSCRIBE.
    pub filters_per_packet: usize,
    /// `B-31`: subscriptions of one connection.
    pub subscriptions: usize,
    /// `B-32`, `B-41`: bytes of a topic or filter.
    pub topic_len: usize,
    /// `B-32`, `B-41`: slashes in a topic or filter.
    pub topic_slashes: usize,
    /// `B-67`: characters of a share name.
    pub share_name_len: usize,
    /// `B-42`: bytes of a payload.
    pub payload_len: usize,
    /// `B-22`, `B-42`: bytes of a whole packet (146 KB).
    pub packet_len: usize,
    /// `B-76` (which has no 0x95): the code for a packet that is longer.
    pub too_large: ReasonCode,
    /// `B-21` (which has no 0x8C): the code for a CONNECT that asks for enhanced authentication.
    pub no_authentication: ReasonCode,
    /// `B-72`: bytes of all user properties of a packet, names and values.
    pub user_properties_len: usize,
    /// `B-72`: bytes of Content Type.
    pub content_type_len: usize,
    /// `B-72`: bytes of Correlation Data.
    pub correlation_data_len: usize,
    /// `B-74`: the longest Message Expiry Interval in seconds; 0 becomes 1. `None`: as published.
    pub message_expiry_max: Option<u32>,
}

impl Rules {
    /// The table.
    #[must_use]
    pub const fn of(behaviour: Behaviour) -> Self {
        const NONE: usize = usize::MAX;
        match behaviour {
            Behaviour::Aws => Self {
                qos_max: QoS::AtLeastOnce,
                redelivers: false,
                bounds_sessions: true,
                reserves_topics: true,
                subscription_identifiers: false,
                retained_for_wildcards: false,
                subscription_options: false,
                tells_no_subscription: false,
                will_delay: false,
                hash_matches_parent: false,
                client_id_len: 128,
                keep_alive: Some((30, 1200)),
                connect_with_will_len: 131_072,
                client_packet_min: 512,
                filters_per_packet: 8,
                subscriptions: 50,
                topic_len: 256,
                topic_slashes: 7,
                share_name_len: 128,
                payload_len: 131_072,
                packet_len: 149_504,
                too_large: ReasonCode::QUOTA_EXCEEDED,
                no_authentication: ReasonCode::NOT_AUTHORIZED,
                user_properties_len: 8_192,
                content_type_len: 256,
                correlation_data_len: 8_192,
                message_expiry_max: Some(604_800),
            },
            Behaviour::Mqtt => Self {
                qos_max: QoS::ExactlyOnce,
                redelivers: true,
                bounds_sessions: false,
                reserves_topics: false,
                subscription_identifiers: true,
                retained_for_wildcards: true,
                subscription_options: true,
                tells_no_subscription: true,
                will_delay: true,
                hash_matches_parent: true,
                client_id_len: NONE,
                keep_alive: None,
                connect_with_will_len: NONE,
                client_packet_min: 1,
                filters_per_packet: NONE,
                subscriptions: NONE,
                topic_len: NONE,
                topic_slashes: NONE,
                share_name_len: NONE,
                payload_len: NONE,
                // The standard allows 256 MiB; one packet must not be able to fill our memory.
                packet_len: 16 * 1024 * 1024,
                too_large: ReasonCode::PACKET_TOO_LARGE,
                no_authentication: ReasonCode::BAD_AUTHENTICATION_METHOD,
                user_properties_len: NONE,
                content_type_len: NONE,
                correlation_data_len: NONE,
                message_expiry_max: None,
            },
        }
    }
}

/// Unacknowledged QoS 1 messages in each direction of one connection (`B-47`), Receive Maximum in CONNACK (`B-22`).
pub const IN_FLIGHT_MAXIMUM: u16 = 100;

/// Topic Alias Maximum in CONNACK (`B-22`, `B-73`).
pub const TOPIC_ALIAS_MAXIMUM: u16 = 8;

/// What the reference marks (unsure), each with the value it proposes as default.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    /// `B-20`: answer a CONNECT of MQTT 3.1.1 that is not allowed with CONNACK 0x05 before closing.
    pub connack_on_auth_failure: bool,
    /// `B-57`: answer a denied SUBSCRIBE of MQTT 3.1.1 with 0x80 and go on.
    pub suback_0x80_on_deny: bool,
    /// `B-4`: close on a QoS 2 SUBSCRIBE of MQTT 5 too, instead of granting QoS 1.
    pub strict_qos2_subscribe: bool,
    /// `B-8`: close when a packet arrives in the same read as CONNECT, before CONNACK could have been seen.
    pub wait_for_connack: bool,
    /// `B-38`: obey Retain Handling of MQTT 5.
    pub retain_handling: bool,
    /// `B-75`: send Reason String.
    pub reason_string: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            connack_on_auth_failure: false,
            suback_0x80_on_deny: false,
            strict_qos2_subscribe: false,
            wait_for_connack: false,
            retain_handling: true,
            reason_string: true,
        }
    }
}
