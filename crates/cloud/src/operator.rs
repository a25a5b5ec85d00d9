//! The operator: a principal for people, so that they can watch and send messages while devices are connected.
//!
//! A device's kit can't be used for that: its client id would throw the device out, and its policy allows what the
//! device needs. The operator is an ordinary certificate with an ordinary policy; both can be seen and changed through the API. Its
//! private key is in the store, so that the kit can be written anew when a port changes.

use std::path::Path;

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::json;
use thingwire_contract::{Arn, Kind};
use thingwire_kit::{Existing, KitFiles, Manifest, PrivateKeyPem, TimeServer};
use thingwire_store::{Store, StoreError, Table, Write};

use crate::account::Account;
use crate::error::StartError;
use crate::pki::PkiError;
use crate::ready::Ready;
use crate::registry::{
    CertificateMode, CertificateStatus, NewCertificate, Registry, RegistryError, Timestamp,
};
use crate::storage::ACCOUNT;

/// Name of its policy.
pub const POLICY: &str = "thingwire-operator";
/// What its client ids start with; no device should use that.
pub const CLIENT_ID_PREFIX: &str = "operator-";
/// Folder of its kit inside the data folder.
pub const KIT: &str = "operator-kit";

/// Table of the account module; the operator has a row of its own in it.
const TABLE: Table = ACCOUNT;
pub(crate) const KEY: &[u8] = b"operator";
const FORMAT: u32 = 1;

/// The row. Holds a private key: no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Operator {
    format: u32,
    certificate_id: String,
    certificate: String,
    private_key: String,
    not_before: i64,
    not_after: i64,
}

/// Whether a stored row is an operator. Says nothing of what is in it.
///
/// # Errors
/// What is wrong.
pub(crate) fn verify(value: &[u8]) -> Result<(), String> {
    let operator: Operator = serde_json::from_slice(value).map_err(|error| {
        format!(
            "unreadable at line {} column {}",
            error.line(),
            error.column()
        )
    })?;
    if operator.format > FORMAT {
        return Err(format!(
            "it has format {}, this program knows up to {FORMAT}",
            operator.format
        ));
    }
    KeyPair::from_pem(&operator.private_key).map_err(|_| "its key is unreadable".to_owned())?;
    Ok(())
}

impl Operator {
    /// Reads the operator, or makes it, and sees to it that certificate, policy and attachment are there. An operator whose
    /// certificate was set INACTIVE stays so; one that was REVOKED gets another certificate.
    pub(crate) fn open(
        folder: &Path,
        store: &dyn Store,
        registry: &Registry,
        account: &Account,
    ) -> Result<Self, StartError> {
        let failed = |error: StoreError| StartError::store(folder, error);
        let stored = store
            .scan(TABLE, KEY)
            .map_err(failed)?
            .into_iter()
            .find(|(key, _)| key == KEY);
        let stored = match stored {
            // As with the account: where it is wrong, but not what it says, for there is a key in it.
            Some((_, value)) => Some(serde_json::from_slice::<Self>(&value).map_err(|error| {
                StartError::Damaged {
                    path: folder.to_owned(),
                    what: format!(
                        "the operator is unreadable at line {} column {}",
                        error.line(),
                        error.column()
                    ),
                }
            })?),
            None => None,
        };
        let usable = stored.filter(|operator| {
            registry.status(&operator.certificate_id) != Some(CertificateStatus::Revoked)
        });
        let operator = match usable {
            Some(operator) => operator,
            None => {
                let operator = Self::make(account)
                    .map_err(|error| StartError::Unexpected(error.to_string()))?;
                let value = serde_json::to_vec(&operator)
                    .map_err(|error| StartError::Unexpected(error.to_string()))?;
                store
                    .commit(vec![Write::Put {
                        table: TABLE,
                        key: KEY.to_vec(),
                        value,
                    }])
                    .map_err(failed)?;
                operator
            }
        };
        operator
            .register(registry, account)
            .map_err(StartError::Operator)?;
        Ok(operator)
    }

    fn make(account: &Account) -> Result<Self, PkiError> {
        let key = KeyPair::generate().map_err(|error| PkiError::Internal(error.to_string()))?;
        let issued = account.pki.issue(&key)?;
        Ok(Self {
            format: FORMAT,
            certificate_id: issued.certificate_id,
            certificate: issued.pem,
            private_key: key.serialize_pem(),
            not_before: issued.not_before,
            not_after: issued.not_after,
        })
    }

    fn register(&self, registry: &Registry, account: &Account) -> Result<(), RegistryError> {
        if registry.status(&self.certificate_id).is_none() {
            let new = NewCertificate {
                id: self.certificate_id.clone(),
                pem: self.certificate.clone(),
                not_before: self.not_before,
                not_after: self.not_after,
                mode: CertificateMode::Default,
            };
            registry.register_certificate(new, CertificateStatus::Active, Timestamp::now())?;
        }
        if registry.policy(POLICY).is_err() {
            registry.create_policy(POLICY, &document(account), Timestamp::now())?;
        }
        registry.attach_policy(
            POLICY,
            &registry.place().certificate_arn(&self.certificate_id),
        )
    }

    /// Writes its kit.
    pub(crate) fn write_kit(&self, ready: &Ready, account: &Account) -> Result<(), StartError> {
        let client_id = format!("{CLIENT_ID_PREFIX}kit");
        let mut manifest = Manifest::new(
            &ready.endpoint,
            ready.mqtt_port,
            &client_id,
            &account.region,
            &account.account_id,
        );
        manifest.alpn_port = Some(ready.alpn_port);
        let time = TimeServer {
            host: ready.endpoint.clone(),
            port: ready.sntp_port,
        };
        manifest.time_servers.insert(0, time);
        let files = KitFiles {
            manifest,
            root_ca_pem: account.roots.clone(),
            certificate_pem: self.certificate.clone(),
            private_key_pem: PrivateKeyPem::new(self.private_key.clone()),
        };
        let dir = &ready.operator_kit;
        files.write(dir, Existing::Replace).map_err(StartError::Kit)
    }
}

/// Connect under a name of its own, and see and send everything.
fn document(account: &Account) -> String {
    let client = format!("{CLIENT_ID_PREFIX}*");
    let client = Arn::new(&account.region, &account.account_id, Kind::Client, &client).to_string();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "iot:Connect", "Resource": client },
            {
                "Effect": "Allow",
                "Action": ["iot:Publish", "iot:RetainPublish", "iot:Subscribe", "iot:Receive"],
                "Resource": "*",
            },
        ],
    })
    .to_string()
}
