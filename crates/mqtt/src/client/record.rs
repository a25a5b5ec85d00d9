//! What the arena remembers of each packet besides its bytes: a header of [`HEADER`] bytes before it, least significant byte first.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | length of packet and reason codes |
//! | 4–7 | ticket |
//! | 8–11 | when it was sent |
//! | 12–13 | packet identifier, 0 for none |
//! | 14 | how many reason codes |
//! | 15 | kind (bits 0–2), state (3–6), whether its result is awaited (7) |

use crate::QoS;

/// Bytes of bookkeeping before each packet.
pub(super) const HEADER: usize = 16;

/// What kind of packet a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// PUBLISH with QoS 0: gone once written, dropped with the connection.
    PublishQos0,
    /// PUBLISH with QoS 1: kept until PUBACK.
    PublishQos1,
    /// SUBSCRIBE: kept after SUBACK as well, to be sent again when the server lost the session.
    Subscribe,
    /// UNSUBSCRIBE: kept until UNSUBACK.
    Unsubscribe,
    /// PUBLISH with QoS 2: kept until PUBREC.
    #[cfg(feature = "qos2")]
    PublishQos2 = 4,
    /// PUBREL: kept until PUBCOMP.
    #[cfg(feature = "qos2")]
    Release = 5,
    /// No packet: the identifier of a received PUBLISH with QoS 2, kept until PUBREL.
    #[cfg(feature = "qos2")]
    Received = 6,
    /// A DISCONNECT with more than nothing to say: sent when all else is, dropped with the connection.
    #[cfg(feature = "v5")]
    Farewell = 7,
}

impl Kind {
    /// A PUBLISH that is acknowledged.
    pub(super) const fn is_kept_publish(self) -> bool {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::PublishQos2) {
            return true;
        }
        matches!(self, Self::PublishQos1)
    }

    /// The same, without telling kept PUBLISHes apart.
    pub(super) const fn alike(self) -> Self {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::PublishQos2) {
            return Self::PublishQos1;
        }
        self
    }

    /// The quality of service of a kept PUBLISH.
    pub(super) const fn qos(self) -> QoS {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::PublishQos2) {
            return QoS::ExactlyOnce;
        }
        QoS::AtLeastOnce
    }

    /// Whether the packet identifier is the server's and not ours.
    pub(super) const fn is_inbound(self) -> bool {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::Received) {
            return true;
        }
        false
    }

    /// Whether a PUBLISH of which nothing but PUBREL and PUBCOMP is missing.
    pub(super) const fn is_release(self) -> bool {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::Release) {
            return true;
        }
        false
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Never sent, or to be sent as if new because the server lost the session.
    Queued,
    /// Sent before; to be sent again with the same packet identifier (a PUBLISH with DUP).
    Resend,
    /// On the wire, waiting for its acknowledgement.
    Sent,
    /// A SUBSCRIBE whose filters the server holds.
    Granted,
    /// Acknowledged; its result codes wait for whoever holds the ticket.
    Done,
    /// No longer wanted, but half written: the bytes must stay until the packet is whole.
    Withdrawn,
    /// A SUBSCRIBE that the server closed the connection on: to be tried again later.
    Aside,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) state: State,
    /// Whether somebody holds the ticket and will ask for the result.
    pub(super) awaited: bool,
    /// Reason code bytes after the packet.
    pub(super) codes: u8,
    /// 0 when the record holds no identifier at the moment.
    pub(super) packet_id: u16,
    pub(super) ticket: u32,
    /// The low half of the moment, which comes round after 49 days; nothing on a connection waits that long.
    pub(super) sent_at: u32,
    /// Bytes after the header: packet, then codes.
    pub(super) len: u32,
}

impl Entry {
    /// Bytes of the encoded packet.
    pub(super) const fn packet_len(&self) -> usize {
        (self.len as usize).wrapping_sub(self.codes as usize)
    }

    /// What a walk looks at.
    pub(super) const fn head(&self) -> Head {
        Head {
            kind: self.kind,
            state: self.state,
            codes: self.codes,
            len: self.len,
        }
    }

    pub(super) const fn to_bytes(self) -> [u8; HEADER] {
        let [l0, l1, l2, l3] = self.len.to_le_bytes();
        let [t0, t1, t2, t3] = self.ticket.to_le_bytes();
        let [s0, s1, s2, s3] = self.sent_at.to_le_bytes();
        let [id_low, id_high] = self.packet_id.to_le_bytes();
        let what = self.kind as u8 | (self.state as u8) << 3 | (self.awaited as u8) << 7;
        [
            l0, l1, l2, l3, t0, t1, t2, t3, s0, s1, s2, s3, id_low, id_high, self.codes, what,
        ]
    }

    pub(super) const fn from_bytes(bytes: &[u8; HEADER]) -> Self {
        let [
            l0,
            l1,
            l2,
            l3,
            t0,
            t1,
            t2,
            t3,
            s0,
            s1,
            s2,
            s3,
            id_low,
            id_high,
            codes,
            what,
        ] = *bytes;
        Self {
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            ticket: u32::from_le_bytes([t0, t1, t2, t3]),
            sent_at: u32::from_le_bytes([s0, s1, s2, s3]),
            packet_id: u16::from_le_bytes([id_low, id_high]),
            codes,
            kind: kind(what),
            state: state(what),
            awaited: what & 0x80 != 0,
        }
    }
}

/// What a walk over the records looks at. A header takes a small processor sixty instructions to read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) codes: u8,
    pub(super) len: u32,
}

impl Head {
    /// Bytes of the encoded packet.
    pub(super) const fn packet_len(&self) -> usize {
        (self.len as usize).wrapping_sub(self.codes as usize)
    }

    pub(super) const fn from_bytes(bytes: &[u8; HEADER]) -> Self {
        let [l0, l1, l2, l3, .., codes, what] = *bytes;
        Self {
            kind: kind(what),
            state: state(what),
            codes,
            len: u32::from_le_bytes([l0, l1, l2, l3]),
        }
    }
}

/// The kind in the last byte of a header.
const fn kind(what: u8) -> Kind {
    match what & 7 {
        0 => Kind::PublishQos0,
        1 => Kind::PublishQos1,
        2 => Kind::Subscribe,
        #[cfg(feature = "qos2")]
        4 => Kind::PublishQos2,
        #[cfg(feature = "qos2")]
        5 => Kind::Release,
        #[cfg(feature = "qos2")]
        6 => Kind::Received,
        #[cfg(feature = "v5")]
        7 => Kind::Farewell,
        _ => Kind::Unsubscribe,
    }
}

/// The state in the last byte of a header.
const fn state(what: u8) -> State {
    match what >> 3 & 0xF {
        0 => State::Queued,
        1 => State::Resend,
        2 => State::Sent,
        3 => State::Granted,
        4 => State::Done,
        5 => State::Withdrawn,
        _ => State::Aside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_round_trip() {
        for kind in [
            Kind::PublishQos0,
            Kind::PublishQos1,
            Kind::Subscribe,
            Kind::Unsubscribe,
            #[cfg(feature = "v5")]
            Kind::Farewell,
            #[cfg(feature = "qos2")]
            Kind::PublishQos2,
            #[cfg(feature = "qos2")]
            Kind::Release,
            #[cfg(feature = "qos2")]
            Kind::Received,
        ] {
            for state in [
                State::Queued,
                State::Resend,
                State::Sent,
                State::Granted,
                State::Done,
                State::Withdrawn,
                State::Aside,
            ] {
                for awaited in [false, true] {
                    let header = Entry {
                        kind,
                        state,
                        awaited,
                        len: 77,
                        codes: 3,
                        packet_id: 7,
                        ticket: 0xAABB_CCDD,
                        sent_at: 0x0506_0708,
                    };
                    let bytes = header.to_bytes();
                    assert_eq!(Entry::from_bytes(&bytes), header);
                    assert_eq!(Head::from_bytes(&bytes), header.head());
                }
            }
        }
    }
}
