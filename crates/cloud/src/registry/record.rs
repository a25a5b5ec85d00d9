//! The records of the registry, as they are kept on disk.
//!
//! Each is a plain value with serde's derives; [`super::edit`] wraps it in a row that carries a format number. A member that
//! is added later gets `#[serde(default)]`; a change of meaning gets a new format number.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The clock of this computer; a clock before 1970 reads as 1970.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Seconds with the fraction, the form of API answers (`G-6`).
    #[must_use]
    pub fn seconds(self) -> f64 {
        // Exact to the millisecond until far beyond the year 9999.
        #[expect(clippy::cast_precision_loss, reason = "2^53 ms is the year 287396")]
        let milliseconds = self.0 as f64;
        milliseconds / 1000.0
    }
}

/// A thing (`G-9`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// Its name, also the default client id.
    pub name: String,
    /// The uuid given at creation; a thing made again under the same name has another.
    pub id: String,
    /// 1 at creation, one more after each update.
    pub version: u64,
    /// Attribute names and values.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Where a certificate is in its life (`A-26`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CertificateStatus {
    /// May connect.
    Active,
    /// May not connect until set ACTIVE again.
    Inactive,
    /// May never connect again.
    Revoked,
    /// Waits to be set ACTIVE.
    PendingActivation,
}

impl CertificateStatus {
    /// The name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
            Self::PendingActivation => "PENDING_ACTIVATION",
        }
    }
}

/// How a certificate came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CertificateMode {
    /// Issued here.
    Default,
    /// Registered without its CA: AWS then recognises it by certificate and server name alone.
    SniOnly,
}

impl CertificateMode {
    /// The name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::SniOnly => "SNI_ONLY",
        }
    }
}

/// A registered device certificate. Never holds a private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Lower-case hex SHA-256 of the DER form (`A-25`).
    pub id: String,
    /// The certificate itself.
    pub pem: String,
    /// Where it is in its life.
    pub status: CertificateStatus,
    /// How it came to be known.
    pub mode: CertificateMode,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// When it was registered.
    pub created: Timestamp,
    /// When its status last changed.
    pub modified: Timestamp,
    /// 1 at registration, one more after each change.
    pub customer_version: u32,
    /// A uuid that changes with each change.
    pub generation_id: String,
    /// Place in the order of creation, for lists.
    pub sequence: u64,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The text exactly as it was sent.
    pub document: String,
    /// When it was sent.
    pub created: Timestamp,
}

/// A policy with its versions (`C-4`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Versions by id; never empty.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The operative version; always a key of `versions`.
    pub default_version: u32,
    /// The id the next version gets; ids are not reused.
    pub next_version: u32,
    /// When version 1 was made.
    pub created: Timestamp,
    /// When the policy last changed.
    pub modified: Timestamp,
    /// A uuid that changes with each change.
    pub generation_id: String,
    /// Place in the order of creation, for lists.
    pub sequence: u64,
}

/// What a policy can be attached to (`C-7`). Cognito identities are not known here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyTarget {
    /// A certificate, by its id.
    Certificate(String),
    /// A thing group, by its name.
    ThingGroup(String),
}

/// A static thing group (`G-19`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingGroup {
    /// Its name.
    pub name: String,
    /// The uuid given at creation.
    pub id: String,
    /// The group above it; none for a root. It never changes.
    pub parent: Option<String>,
    /// 1 at creation, one more after each update.
    pub version: u64,
    /// What people wrote about it.
    #[serde(default)]
    pub description: Option<String>,
    /// Attribute names and values.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Tags given at creation.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
}

/// How a principal is attached to a thing (`C-54`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttachmentType {
    /// The certificate belongs to this thing only, and is it whatever the client id.
    ExclusiveThing,
    /// The certificate may be attached to other things too.
    NonExclusiveThing,
}

impl AttachmentType {
    /// The name in requests and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExclusiveThing => "EXCLUSIVE_THING",
            Self::NonExclusiveThing => "NON_EXCLUSIVE_THING",
        }
    }
}
