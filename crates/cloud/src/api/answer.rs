//! Answers in AWS's form: JSON bodies, and errors by status, header and message (`G-2` to `G-4`).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use thingwire_contract::ErrorName;

use crate::authorize::TrialError;
use crate::pki::PkiError;
use crate::registry::RegistryError;

/// Most characters of a wrong value that an answer repeats.
const SHOWN_CHARACTERS: usize = 300;

/// A refusal as the client sees it.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    exception: &'static str,
    message: String,
    /// Id and ARN of what is in the way (`G-4`).
    resource: Option<(String, String)>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} {}: {}",
            self.status.as_u16(),
            self.exception,
            self.message
        )
    }
}

impl ApiError {
    fn new(name: ErrorName, message: String) -> Self {
        Self {
            // Every status of the table (`G-2`) is one that HTTP has.
            status: StatusCode::from_u16(name.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            exception: name.name(),
            message,
            resource: None,
        }
    }

    /// The request breaks a rule.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorName::InvalidRequest, message.into())
    }

    /// A value breaks a constraint; AWS's words (`G-7`).
    pub(super) fn constraint(member: &str, value: &str, rule: &str) -> Self {
        // A very long value is cut, so that an answer stays an answer.
        let mut shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self::invalid(format!(
            "1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: {rule}"
        ))
    }

    /// A member that must be there is not; AWS's words.
    pub(super) fn missing(member: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    }

    /// What the request names is not there.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorName::ResourceNotFound, message.into())
    }

    /// A certificate that cannot be read or used.
    pub(super) fn certificate_validation(error: &PkiError) -> Self {
        Self::new(ErrorName::CertificateValidation, error.to_string())
    }

    /// Nothing here is served under that method and path.
    pub(super) fn unknown_operation(method: &str, path: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            exception: "UnknownOperationException",
            message: format!("The local cloud serves no operation at {method} {path}"),
            resource: None,
        }
    }

    /// The body is larger than any operation needs.
    pub(super) fn too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            exception: "RequestEntityTooLargeException",
            message: format!("The body of a request can have at most {limit} bytes"),
            resource: None,
        }
    }

    /// A defect of ours; what happened is in the log.
    pub(super) fn internal() -> Self {
        Self::new(
            ErrorName::InternalFailure,
            "The local cloud failed; its log says how".to_owned(),
        )
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        if let RegistryError::Store(cause) = &error {
            tracing::error!(%cause, "a change was not stored");
        }
        let mut answer = Self::new(error.name(), error.to_string());
        if let RegistryError::AlreadyExists { id, arn, .. } = error {
            answer.resource = Some((id, arn));
        }
        answer
    }
}

impl From<TrialError> for ApiError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Registry(error) => error.into(),
            TrialError::Unreadable { .. } => Self::new(error.name(), error.to_string()),
        }
    }
}

/// The response, but for its request id.
pub(super) fn response(result: Result<Value, ApiError>) -> Response {
    let (status, exception, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err(error) => {
            let mut body = json!({ "message": error.message });
            if let (Some(members), Some((id, arn))) = (body.as_object_mut(), error.resource) {
                members.insert("resourceId".to_owned(), id.into());
                members.insert("resourceArn".to_owned(), arn.into());
            }
            (error.status, Some(error.exception), body)
        }
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(exception) = exception {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(exception));
    }
    response
}
