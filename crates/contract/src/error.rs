//! Error names of the control plane and the HTTP status each of them has (`G-2` of section G, table G.2).

use core::fmt;

use serde::{Serialize, Serializer};

/// One exception of the AWS IoT API. [`name`](Self::name) goes into `x-amzn-ErrorType` (`G-4`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the specification's own")]
pub enum ErrorName {
    InvalidRequest,
    MalformedPolicy,
    CertificateValidation,
    RegistrationCodeValidation,
    ResourceRegistrationFailure,
    SqlParse,
    InvalidQuery,
    InvalidAggregation,
    InvalidResponse,
    IndexNotReady,
    TaskAlreadyExists,
    Validation,
    Throttling,
    Unauthorized,
    ServiceQuotaExceeded,
    ResourceNotFound,
    NotConfigured,
    CertificateState,
    ResourceAlreadyExists,
    DeleteConflict,
    VersionConflict,
    VersionsLimitExceeded,
    CertificateConflict,
    Conflict,
    ConflictingResourceUpdate,
    InvalidStateTransition,
    TransferConflict,
    LimitExceeded,
    TransferAlreadyCompleted,
    InternalFailure,
    Internal,
    InternalServer,
    ServiceUnavailable,
}

impl ErrorName {
    /// Every error name.
    pub const ALL: [Self; 33] = [
        Self::InvalidRequest,
        Self::MalformedPolicy,
        Self::CertificateValidation,
        Self::RegistrationCodeValidation,
        Self::ResourceRegistrationFailure,
        Self::SqlParse,
        Self::InvalidQuery,
        Self::InvalidAggregation,
        Self::InvalidResponse,
        Self::IndexNotReady,
        Self::TaskAlreadyExists,
        Self::Validation,
        Self::Throttling,
        Self::Unauthorized,
        Self::ServiceQuotaExceeded,
        Self::ResourceNotFound,
        Self::NotConfigured,
        Self::CertificateState,
        Self::ResourceAlreadyExists,
        Self::DeleteConflict,
        Self::VersionConflict,
        Self::VersionsLimitExceeded,
        Self::CertificateConflict,
        Self::Conflict,
        Self::ConflictingResourceUpdate,
        Self::InvalidStateTransition,
        Self::TransferConflict,
        Self::LimitExceeded,
        Self::TransferAlreadyCompleted,
        Self::InternalFailure,
        Self::Internal,
        Self::InternalServer,
        Self::ServiceUnavailable,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "InvalidRequestException",
            Self::MalformedPolicy => "MalformedPolicyException",
            Self::CertificateValidation => "CertificateValidationException",
            Self::RegistrationCodeValidation => "RegistrationCodeValidationException",
            Self::ResourceRegistrationFailure => "ResourceRegistrationFailureException",
            Self::SqlParse => "SqlParseException",
            Self::InvalidQuery => "InvalidQueryException",
            Self::InvalidAggregation => "InvalidAggregationException",
            Self::InvalidResponse => "InvalidResponseException",
            Self::IndexNotReady => "IndexNotReadyException",
            Self::TaskAlreadyExists => "TaskAlreadyExistsException",
            Self::Validation => "ValidationException",
            Self::Throttling => "ThrottlingException",
            Self::Unauthorized => "UnauthorizedException",
            Self::ServiceQuotaExceeded => "ServiceQuotaExceededException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::NotConfigured => "NotConfiguredException",
            Self::CertificateState => "CertificateStateException",
            Self::ResourceAlreadyExists => "ResourceAlreadyExistsException",
            Self::DeleteConflict => "DeleteConflictException",
            Self::VersionConflict => "VersionConflictException",
            Self::VersionsLimitExceeded => "VersionsLimitExceededException",
            Self::CertificateConflict => "CertificateConflictException",
            Self::Conflict => "ConflictException",
            Self::ConflictingResourceUpdate => "ConflictingResourceUpdateException",
            Self::InvalidStateTransition => "InvalidStateTransitionException",
            Self::TransferConflict => "TransferConflictException",
            Self::LimitExceeded => "LimitExceededException",
            Self::TransferAlreadyCompleted => "TransferAlreadyCompletedException",
            Self::InternalFailure => "InternalFailureException",
            Self::Internal => "InternalException",
            Self::InternalServer => "InternalServerException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
        }
    }

    /// The HTTP status of the control plane for it. (The data plane has its own for throttling, section G.5.)
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::MalformedPolicy
            | Self::CertificateValidation
            | Self::RegistrationCodeValidation
            | Self::ResourceRegistrationFailure
            | Self::SqlParse
            | Self::InvalidQuery
            | Self::InvalidAggregation
            | Self::InvalidResponse
            | Self::IndexNotReady
            | Self::TaskAlreadyExists
            | Self::Validation
            | Self::Throttling => 400,
            Self::Unauthorized => 401,
            Self::ServiceQuotaExceeded => 402,
            Self::ResourceNotFound | Self::NotConfigured => 404,
            Self::CertificateState => 406,
            Self::ResourceAlreadyExists
            | Self::DeleteConflict
            | Self::VersionConflict
            | Self::VersionsLimitExceeded
            | Self::CertificateConflict
            | Self::Conflict
            | Self::ConflictingResourceUpdate
            | Self::InvalidStateTransition
            | Self::TransferConflict => 409,
            Self::LimitExceeded | Self::TransferAlreadyCompleted => 410,
            Self::InternalFailure | Self::Internal | Self::InternalServer => 500,
            Self::ServiceUnavailable => 503,
        }
    }

    /// The error with this name on the wire; what follows a `:` is ignored (`G-4`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.split(':').next().unwrap_or(name);
        Self::ALL.into_iter().find(|error| error.name() == name)
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_end_as_aws_writes_them() {
        for error in ErrorName::ALL {
            assert!(error.name().ends_with("Exception"), "{error}");
            assert_eq!(ErrorName::from_name(error.name()), Some(error));
        }
        assert_eq!(
            ErrorName::from_name("ThrottlingException:http://internal.amazon.com/coral/"),
            Some(ErrorName::Throttling)
        );
        assert_eq!(ErrorName::from_name("Throttling"), None);
    }

    #[test]
    fn the_statuses_that_surprise() {
        // Table G.2: 400 for throttling, 406, 410 where other services have 409 or 429.
        assert_eq!(ErrorName::Throttling.status(), 400);
        assert_eq!(ErrorName::CertificateState.status(), 406);
        assert_eq!(ErrorName::LimitExceeded.status(), 410);
        assert_eq!(ErrorName::VersionsLimitExceeded.status(), 409);
        assert_eq!(ErrorName::Unauthorized.status(), 401);
    }
}
