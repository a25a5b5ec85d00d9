//! Operations on certificates. Making a key or a signature happens in `pki`, keeping them in the registry.

use serde_json::{Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::{Call, not_one_of};
use super::things::with_token;
use crate::pki::{self, Issued};
use crate::registry::{Certificate, CertificateMode, CertificateStatus, NewCertificate, Timestamp};

/// Most characters of a certificate signing request (model of CreateCertificateFromCsr).
const MAX_CSR: usize = 4096;

/// Most characters of a certificate (model of RegisterCertificateWithoutCA).
const MAX_PEM: usize = 65_536;

/// The statuses that a request may name, all of them known to AWS (`A-26`).
const STATUSES: &str =
    "[ACTIVE, INACTIVE, REVOKED, PENDING_TRANSFER, REGISTER_INACTIVE, PENDING_ACTIVATION]";

pub(super) fn create_keys_and_certificate(
    state: &ApiState,
    call: &Call,
) -> Result<Value, ApiError> {
    let status = initial_status(call)?;
    let (issued, keys) = state.pki.create_keys_and_certificate().map_err(|error| {
        tracing::error!(%error, "no key pair could be made");
        ApiError::internal()
    })?;
    let mut answer = register_issued(state, issued, status)?;
    if let Some(members) = answer.as_object_mut() {
        // The only time that the private key is seen; it is not kept (`G-21`).
        let pair = json!({ "PublicKey": keys.public, "PrivateKey": keys.private });
        members.insert("keyPair".to_owned(), pair);
    }
    Ok(answer)
}

pub(super) fn create_certificate_from_csr(
    state: &ApiState,
    call: &Call,
) -> Result<Value, ApiError> {
    let status = initial_status(call)?;
    let csr = call.required_text("certificateSigningRequest")?;
    within("certificateSigningRequest", csr, MAX_CSR)?;
    let issued = state.pki.issue_from_csr(csr).map_err(|error| {
        ApiError::invalid(format!(
            "The certificate signing request cannot be used: {error}"
        ))
    })?;
    register_issued(state, issued, status)
}

pub(super) fn register_certificate_without_ca(
    state: &ApiState,
    call: &Call,
) -> Result<Value, ApiError> {
    let pem = call.required_text("certificatePem")?;
    within("certificatePem", pem, MAX_PEM)?;
    let status = match call.text("status")? {
        None => CertificateStatus::Inactive,
        Some(name) => new_status("status", name)?,
    };
    let info = pki::inspect(pem).map_err(|error| ApiError::certificate_validation(&error))?;
    let new = NewCertificate {
        id: info.certificate_id,
        pem: info.pem,
        not_before: info.not_before,
        not_after: info.not_after,
        mode: CertificateMode::SniOnly,
    };
    let certificate = state
        .registry
        .register_certificate(new, status, Timestamp::now())?;
    Ok(json!({
        "certificateArn": state.registry.place().certificate_arn(&certificate.id),
        "certificateId": certificate.id,
    }))
}

pub(super) fn describe_certificate(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let certificate = state.registry.certificate(call.label("certificateId"))?;
    Ok(json!({
        "certificateDescription": {
            "certificateArn": state.registry.place().certificate_arn(&certificate.id),
            "certificateId": certificate.id,
            "status": certificate.status.name(),
            "certificatePem": certificate.pem,
            "ownedBy": state.registry.place().account_id,
            "creationDate": certificate.created.seconds(),
            "lastModifiedDate": certificate.modified.seconds(),
            "customerVersion": certificate.customer_version,
            "transferData": {},
            "generationId": certificate.generation_id,
            "validity": {
                "notBefore": certificate.not_before,
                "notAfter": certificate.not_after,
            },
            "certificateMode": certificate.mode.name(),
        }
    }))
}

pub(super) fn list_certificates(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let ascending = call.flag("isAscendingOrder")?;
    let page = state
        .registry
        .certificates(ascending, &call.page_by_marker()?)?;
    let summary = |certificate: &Certificate| {
        json!({
            "certificateArn": state.registry.place().certificate_arn(&certificate.id),
            "certificateId": certificate.id,
            "status": certificate.status.name(),
            "certificateMode": certificate.mode.name(),
            "creationDate": certificate.created.seconds(),
        })
    };
    let certificates: Vec<Value> = page.items.iter().map(|item| summary(item)).collect();
    Ok(with_token(
        "nextMarker",
        page.next,
        json!({ "certificates": certificates }),
    ))
}

pub(super) fn update_certificate(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let name = call
        .query("newStatus")
        .ok_or_else(|| ApiError::missing("newStatus"))?;
    let status = new_status("newStatus", name)?;
    if status == CertificateStatus::PendingActivation {
        return Err(ApiError::invalid(
            "PENDING_ACTIVATION is set by AWS IoT only",
        ));
    }
    state
        .registry
        .set_certificate_status(call.label("certificateId"), status, Timestamp::now())?;
    Ok(json!({}))
}

pub(super) fn delete_certificate(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let force = call.flag("forceDelete")?;
    state
        .registry
        .delete_certificate(call.label("certificateId"), force)?;
    Ok(json!({}))
}

fn register_issued(
    state: &ApiState,
    issued: Issued,
    status: CertificateStatus,
) -> Result<Value, ApiError> {
    let new = NewCertificate {
        id: issued.certificate_id,
        pem: issued.pem,
        not_before: issued.not_before,
        not_after: issued.not_after,
        mode: CertificateMode::Default,
    };
    let certificate = state
        .registry
        .register_certificate(new, status, Timestamp::now())?;
    Ok(json!({
        "certificateArn": state.registry.place().certificate_arn(&certificate.id),
        "certificateId": certificate.id,
        "certificatePem": certificate.pem,
    }))
}

/// `setAsActive` is in the query, false if absent (`G-21`).
fn initial_status(call: &Call) -> Result<CertificateStatus, ApiError> {
    Ok(if call.flag("setAsActive")? {
        CertificateStatus::Active
    } else {
        CertificateStatus::Inactive
    })
}

/// A status that a request may set (`A-26`).
fn new_status(member: &str, name: &str) -> Result<CertificateStatus, ApiError> {
    match name {
        "ACTIVE" => Ok(CertificateStatus::Active),
        "INACTIVE" => Ok(CertificateStatus::Inactive),
        "REVOKED" => Ok(CertificateStatus::Revoked),
        "PENDING_ACTIVATION" => Ok(CertificateStatus::PendingActivation),
        "PENDING_TRANSFER" => Err(ApiError::invalid("PENDING_TRANSFER is set by AWS IoT only")),
        "REGISTER_INACTIVE" => Err(ApiError::invalid(
            "REGISTER_INACTIVE is deprecated; use INACTIVE",
        )),
        other => Err(not_one_of(member, other, STATUSES)),
    }
}

fn within(member: &str, text: &str, most: usize) -> Result<(), ApiError> {
    let rule = if text.is_empty() {
        "Member must have length greater than or equal to 1".to_owned()
    } else if text.len() > most {
        format!("Member must have length less than or equal to {most}")
    } else {
        return Ok(());
    };
    Err(ApiError::constraint(member, text, &rule))
}
