//! Errors of the control plane in plain words: which operation, AWS's name and message, and what to do.

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};

use crate::exit::{Exit, Failure};

/// Makes the function that turns an error of `operation` into a [`Failure`].
pub(crate) fn failed<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    move |error| explain(operation, &error)
}

fn explain<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let SdkError::ServiceError(answer) = error {
        let name = answer.err().code().unwrap_or("unknown error");
        let message = answer
            .err()
            .message()
            .unwrap_or("the cloud gave no message");
        return Failure::new(Exit::Api, format!("{operation}: {name}: {message}"))
            .advise(advice(operation, name));
    }
    let text = chain(error);
    let lower = text.to_ascii_lowercase();
    if lower.contains("credential") {
        let first = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches("Attempted:")
            .trim_end();
        return Failure::new(Exit::Failed, format!("{operation}: {first}"))
            .advise("configure AWS credentials as for the AWS CLI (aws configure, AWS_PROFILE, AWS_ACCESS_KEY_ID …)")
            .advise("with single sign-on: eval \"$(aws configure export-credentials --format env)\"");
    }
    if lower.contains("region") && matches!(error, SdkError::ConstructionFailure(_)) {
        return Failure::new(
            Exit::Usage,
            format!("{operation}: no AWS region is configured"),
        )
        .advise("set AWS_REGION, or region in your AWS configuration");
    }
    match error {
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => Failure::new(
            Exit::Unreachable,
            format!("{operation}: no answer from the cloud: {text}"),
        ),
        _ => Failure::new(Exit::Api, format!("{operation}: {text}")),
    }
}

/// What an error says and what its causes say; each says only its own part.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn advice(operation: &str, name: &str) -> &'static str {
    match name {
        "ResourceNotFoundException" if operation.contains("ThingGroup") => {
            "look at the names: `thingwire thing-group list` and `thingwire thing list` show what there is"
        }
        "ResourceNotFoundException" => {
            "look at the name: `thingwire thing list` shows what there is"
        }
        "ResourceAlreadyExistsException" => "choose another name, or delete what has it first",
        "DeleteConflictException" => "detach it from everything first",
        "MalformedPolicyException" => "mend the policy document at the place named",
        "LimitExceededException"
        | "ServiceQuotaExceededException"
        | "VersionsLimitExceededException" => {
            "an account's limit is reached; delete what is not needed"
        }
        "ThrottlingException" => "too many calls in a short time; wait a little and try again",
        "UnauthorizedException"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "InvalidClientTokenId" => {
            "these AWS credentials may not do this; `aws sts get-caller-identity` shows whose they are"
        }
        "CertificateStateException" => "deactivate the certificate first",
        "UnknownOperationException" => "this local cloud does not have this operation yet",
        "InvalidRequestException" if operation == "DeleteThingGroup" => {
            "delete the groups below it first; `thingwire thing-group list --parent NAME` shows them"
        }
        "InvalidRequestException" if operation == "DeleteThing" => {
            "detach its certificates first; `thingwire thing delete NAME --force` does it"
        }
        "InternalFailureException" | "InternalServerException" | "ServiceUnavailableException" => {
            "the cloud's own failure; try again, and look at its log"
        }
        _ => "see the message above",
    }
}
