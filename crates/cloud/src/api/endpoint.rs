//! DescribeEndpoint (`A-2`, `A-4`).

use serde_json::{Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::Call;

/// The data endpoint has one name whatever the trust store: both roots are in every kit.
pub(super) fn describe_endpoint(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    match call.query("endpointType") {
        None | Some("iot:Data-ATS" | "iot:Data") => {
            Ok(json!({ "endpointAddress": state.endpoint }))
        }
        Some(
            kind @ ("iot:CredentialProvider" | "iot:Jobs" | "iot:DeviceAdvisor" | "iot:Data-Beta"),
        ) => Err(ApiError::invalid(format!(
            "Endpoint type {kind} is not served by the local cloud yet."
        ))),
        Some(kind) => Err(ApiError::invalid(format!(
            "Endpoint type {kind} not recognized."
        ))),
    }
}
