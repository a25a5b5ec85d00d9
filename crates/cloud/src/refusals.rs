//! The latest refusals, kept in memory so that people can be told why.
//!
//! A device sees a closed connection and nothing else (`A-30`, `B-52`). Here is the other half of the story: which action on which
//! resource was refused to whom and why. `GET /_thingwire/refusals` serves it on loopback. No payloads, no keys.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

/// How many are kept. A device that retries every second fills it in a quarter of an hour.
const KEPT: usize = 1000;
/// Bytes that are kept of a text, at most. A topic or a client id may be as long as a packet where AWS's limits are off.
const TEXT: usize = 1024;

/// Why, in AWS's log vocabulary (`A-29`), and beyond it where AWS has no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The certificate is not in the registry (`A-21`).
    DeviceCertificateNotRegistered,
    /// It is registered and INACTIVE or PENDING_ACTIVATION.
    DeviceCertificateInactive,
    /// It is REVOKED.
    DeviceCertificateRevoked,
    /// Its validity has not begun or is over (`A-21`).
    DeviceCertificateNotValidNow,
    /// The client showed no certificate, or one that it cannot prove is its own.
    NotAuthenticated,
    /// The server name is none of ours (`A-15`).
    SniMisused,
    /// The ALPN port was used without its protocol (`A-6`).
    AlpnMissing,
    /// A policy, or the lack of one (`B-52` to `B-56`).
    AuthorizationFailure,
    /// A rule of the protocol or a limit (`B-30`, `B-41`, …).
    ProtocolViolation,
}

impl Reason {
    /// The name in logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceCertificateNotRegistered => "DEVICE_CERTIFICATE_NOT_REGISTERED",
            Self::DeviceCertificateInactive => "DEVICE_CERTIFICATE_INACTIVE",
            Self::DeviceCertificateRevoked => "DEVICE_CERTIFICATE_REVOKED",
            Self::DeviceCertificateNotValidNow => "DEVICE_CERTIFICATE_NOT_VALID_NOW",
            Self::NotAuthenticated => "NOT_AUTHENTICATED",
            Self::SniMisused => "SNI_MISUSED",
            Self::AlpnMissing => "ALPN_MISSING",
            Self::AuthorizationFailure => "AUTHORIZATION_FAILURE",
            Self::ProtocolViolation => "PROTOCOL_VIOLATION",
        }
    }
}

/// One refusal, as it is answered in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Counts up from 1 since the start; a gap means that older ones were dropped.
    pub number: u64,
    /// When, in seconds since the Unix epoch.
    pub timestamp: f64,
    /// Why, as a name.
    pub reason: Reason,
    /// Why, in words for people.
    pub explanation: String,
    /// The action, such as `iot:Publish`; absent when the connection itself was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    /// The topic, filter or client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The client id, once CONNECT told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The certificate id, if a certificate was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_id: Option<String>,
    /// Where it came from.
    pub source: String,
}

/// What is known when something is refused.
#[derive(Clone, Debug)]
pub struct NewRefusal {
    /// Why, as a name.
    pub reason: Reason,
    /// Why, in words.
    pub explanation: String,
    /// The action.
    pub action: Option<&'static str>,
    /// The topic, filter or client id.
    pub resource: Option<String>,
    /// The client id.
    pub client_id: Option<String>,
    /// The certificate id.
    pub certificate_id: Option<String>,
    /// Where it came from.
    pub address: SocketAddr,
}

/// The latest [`KEPT`] refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    count: u64,
    by_reason: BTreeMap<Reason, u64>,
    kept: VecDeque<Refusal>,
}

/// The first [`TEXT`] bytes, less what is left of a character there. The memory of the rest goes back.
fn clipped(mut text: String) -> String {
    if text.len() > TEXT {
        text.truncate(text.floor_char_boundary(TEXT));
        text.shrink_to_fit();
    }
    text
}

impl Refusals {
    /// Remembers one.
    pub fn add(&self, new: NewRefusal) {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.count = ring.count.saturating_add(1);
        let of_reason = ring.by_reason.entry(new.reason).or_default();
        *of_reason = of_reason.saturating_add(1);
        if ring.kept.len() >= KEPT {
            ring.kept.pop_front();
        }
        let refusal = Refusal {
            number: ring.count,
            timestamp: (since.as_secs_f64() * 1000.0).round() / 1000.0,
            reason: new.reason,
            explanation: clipped(new.explanation),
            action: new.action,
            resource: new.resource.map(clipped),
            client_id: new.client_id.map(clipped),
            certificate_id: new.certificate_id,
            source: new.address.to_string(),
        };
        ring.kept.push_back(refusal);
    }

    /// How many there were of each reason since the start, also those that are no longer kept.
    #[must_use]
    pub fn counts(&self) -> Vec<(Reason, u64)> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.by_reason
            .iter()
            .map(|(reason, count)| (*reason, *count))
            .collect()
    }

    /// Those of a client id and a certificate, if given, oldest first.
    #[must_use]
    pub fn list(&self, client_id: Option<&str>, certificate_id: Option<&str>) -> Vec<Refusal> {
        // As it is kept.
        let client_id = client_id.map(|id| clipped(id.to_owned()));
        let client_id = client_id.as_deref();
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.kept
            .iter()
            .filter(|refusal| client_id.is_none_or(|id| refusal.client_id.as_deref() == Some(id)))
            .filter(|refusal| {
                certificate_id.is_none_or(|id| refusal.certificate_id.as_deref() == Some(id))
            })
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(client_id: &str) -> NewRefusal {
        NewRefusal {
            reason: Reason::AuthorizationFailure,
            explanation: "no statement of the attached policies allows it".to_owned(),
            action: Some("iot:Publish"),
            resource: Some("a/b".to_owned()),
            client_id: Some(client_id.to_owned()),
            certificate_id: Some("c1".to_owned()),
            address: "192.0.2.1:1234".parse().unwrap(),
        }
    }

    #[test]
    fn the_oldest_go_and_the_numbers_tell() {
        let refusals = Refusals::default();
        for number in 0..KEPT + 3 {
            refusals.add(refusal(&format!("client-{number}")));
        }
        let kept = refusals.list(None, None);
        assert_eq!((kept.len(), kept[0].number), (KEPT, 4));
        let all = u64::try_from(KEPT + 3).unwrap();
        assert_eq!(
            refusals.counts(),
            [(Reason::AuthorizationFailure, all)],
            "also those that went"
        );
        assert_eq!(refusals.list(Some("client-2"), None), []);
        assert_eq!(refusals.list(Some("client-3"), Some("c1")).len(), 1);
        assert_eq!(refusals.list(Some("client-3"), Some("c2")), []);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let refusals = Refusals::default();
        let long = format!("x{}", "ü".repeat(TEXT));
        refusals.add(NewRefusal {
            explanation: long.clone(),
            resource: Some(long.clone()),
            ..refusal(&long)
        });
        let kept = &refusals.list(None, None)[0];
        let cut = format!("x{}", "ü".repeat(TEXT / 2 - 1));
        assert_eq!(kept.explanation, cut);
        assert_eq!(kept.resource.as_ref(), Some(&cut));
        assert_eq!(kept.client_id.as_ref(), Some(&cut));
        assert_eq!(
            refusals.list(Some(&long), None).len(),
            1,
            "found by what it was"
        );
    }

    #[test]
    fn the_answer_reads_as_aws_spells_things() {
        let refusals = Refusals::default();
        refusals.add(NewRefusal {
            action: None,
            resource: None,
            client_id: None,
            ..refusal("")
        });
        let mut answer = serde_json::to_value(refusals.list(None, None)).unwrap();
        assert!(answer[0]["timestamp"].take().as_f64().unwrap() > 1e9);
        assert_eq!(
            answer[0],
            serde_json::json!({
                "number": 1, "timestamp": null, "reason": "AUTHORIZATION_FAILURE",
                "explanation": "no statement of the attached policies allows it",
                "certificateId": "c1", "source": "192.0.2.1:1234",
            })
        );
    }
}
