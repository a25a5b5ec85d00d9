//! What AWS does not have: whether the cloud is up, and why it refused somebody.

use serde_json::{Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::Call;

/// Whether the control plane answers, for which account, and where everything else listens.
pub(super) fn health(state: &ApiState, _call: &Call) -> Result<Value, ApiError> {
    let place = state.registry.place();
    Ok(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "region": place.region,
        "accountId": place.account_id,
        "endpointAddress": state.endpoint,
        "ready": state.ready,
    }))
}

/// The latest refusals, oldest first; only those of a client id or a certificate, if one is given.
pub(super) fn refusals(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let refusals = state
        .refusals
        .list(call.query("clientId"), call.query("certificateId"));
    Ok(json!({ "refusals": refusals }))
}
