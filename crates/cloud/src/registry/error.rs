//! Why the registry did not do what it was asked.
//!
//! Each variant is one AWS exception (`G-2`); the text is what the caller reads. The API turns
//! a variant into status and header, and adds nothing.

use thingwire_contract::ErrorName;
use thingwire_store::StoreError;

/// A refusal of the registry. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryError {
    /// The request breaks a rule; change it.
    #[error("{0}")]
    Invalid(String),
    /// What it names is not there.
    #[error("{0}")]
    NotFound(String),
    /// The name, or the certificate, is taken.
    #[error("{message}")]
    AlreadyExists {
        /// What exists.
        message: String,
        /// Its id or name.
        id: String,
        /// Its ARN.
        arn: String,
    },
    /// The policy document is not one that can be enforced (`C-2`).
    #[error("{0}")]
    MalformedPolicy(String),
    /// The certificate's status does not allow it.
    #[error("{0}")]
    CertificateState(String),
    /// Something still depends on what should be deleted.
    #[error("{0}")]
    DeleteConflict(String),
    /// `expectedVersion` is not the version (`G-10`).
    #[error("{0}")]
    VersionConflict(String),
    /// A policy has as many versions as it may (`C-4`).
    #[error("{0}")]
    VersionsLimit(String),
    /// A quota is reached.
    #[error("{0}")]
    Limit(String),
    /// The change is not on disk, therefore it did not happen.
    #[error("the change was not stored: {0}")]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// The exception by which clients and logs know it.
    #[must_use]
    pub const fn name(&self) -> ErrorName {
        match self {
            Self::Invalid(_) => ErrorName::InvalidRequest,
            Self::NotFound(_) => ErrorName::ResourceNotFound,
            Self::AlreadyExists { .. } => ErrorName::ResourceAlreadyExists,
            Self::MalformedPolicy(_) => ErrorName::MalformedPolicy,
            Self::CertificateState(_) => ErrorName::CertificateState,
            Self::DeleteConflict(_) => ErrorName::DeleteConflict,
            Self::VersionConflict(_) => ErrorName::VersionConflict,
            Self::VersionsLimit(_) => ErrorName::VersionsLimitExceeded,
            Self::Limit(_) => ErrorName::LimitExceeded,
            Self::Store(_) => ErrorName::ServiceUnavailable,
        }
    }
}
