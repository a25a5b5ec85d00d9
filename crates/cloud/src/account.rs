//! The account of a data folder: its id, region and endpoint, and the keys that prove the server.
//!
//! Made at the first start, with two roots and two server chains, RSA-2048 and P-256: what clients trust
//! and offer differs, and AWS's ATS endpoints do the same. Later starts reuse all of it. When the names or addresses change, or the server
//! certificates grow old, they are issued anew under the same roots, so that kits stay valid.
//! Their private keys are in the store and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use thingwire_contract::Partition;
use thingwire_store::{Store, StoreError, Table, Write};

use crate::chain::{Chain, crypto, is_name};
use crate::config::{DEFAULT_ACCOUNT, DEFAULT_REGION};
use crate::pki::{self, PkiError};
use crate::storage::ACCOUNT;

/// Table of the one row this module keeps.
const TABLE: Table = ACCOUNT;
pub(crate) const KEY: &[u8] = b"account";
/// Version of the row's content.
const FORMAT: u32 = 1;

/// What the person starting the cloud wants of the account.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Region, if it was given.
    pub region: Option<String>,
    /// Account id, if it was given.
    pub account_id: Option<String>,
    /// Names and addresses that the server certificates shall hold besides the AWS-shaped one.
    pub names: BTreeSet<String>,
}

/// Why there is no account to work with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccountError {
    /// The account id is not 12 digits.
    #[error("account `{0}` is not a 12-digit AWS account id; change --account")]
    AccountId(String),
    /// The region cannot be one.
    #[error("region `{0}` is not an AWS region such as us-east-1; change --region")]
    Region(String),
    /// A name can be neither a host name nor an address.
    #[error("`{0}` is neither a host name nor an IP address; change --host or --endpoint")]
    Name(String),
    /// The folder belongs to another account or region.
    #[error(
        "the data folder holds {what} `{stored}`, not `{wanted}`; leave out {flag}, or choose another --data-dir"
    )]
    Different {
        /// `account` or `region`.
        what: &'static str,
        /// The flag that contradicts.
        flag: &'static str,
        /// What the folder holds.
        stored: String,
        /// What was asked for.
        wanted: String,
    },
    /// The stored account was written by a newer program.
    #[error(
        "the account has format {0}, this program knows up to {FORMAT}; use the newer thingwire, or another --data-dir"
    )]
    Newer(u32),
    /// The stored account cannot be understood.
    #[error(
        "the account in the data folder is damaged: {0}; restore a copy, or choose another --data-dir"
    )]
    Damaged(String),
    /// Making keys or certificates failed.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The row. Holds private keys: no `Debug`.
#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    account_id: String,
    region: String,
    /// `A-3`.
    endpoint_prefix: String,
    rsa: Chain,
    ecdsa: Chain,
    /// Signs devices' certificates.
    device_authority_key: String,
}

/// What is left of the row without its keys: an export without private keys has it. The next start makes new keys.
#[derive(Serialize, Deserialize)]
struct Keyless {
    format: u32,
    account_id: String,
    region: String,
    endpoint_prefix: String,
}

/// A server certificate with its private key, PEM. `Debug` does not show the key.
#[derive(Clone)]
pub struct ServerIdentity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServerIdentity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// The account of a data folder.
#[derive(Debug)]
pub struct Account {
    /// Account id, 12 digits.
    pub account_id: String,
    /// Region.
    pub region: String,
    /// The AWS-shaped host name of the data endpoint (`A-2`), which the server certificates hold as well.
    pub aws_endpoint: String,
    /// Both roots, PEM.
    pub roots: String,
    /// What proves the server to clients that take RSA.
    pub rsa: ServerIdentity,
    /// What proves the server to clients that take ECDSA with P-256.
    pub ecdsa: ServerIdentity,
    /// Every name and address in the server certificates.
    pub names: BTreeSet<String>,
    /// Issues devices' certificates.
    pub pki: Arc<pki::Pki>,
}

impl Account {
    /// Reads the account of this store, or makes it. Blocks: making keys takes about a second.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn open(store: &dyn Store, wanted: &Wanted) -> Result<Self, AccountError> {
        let stored = store
            .scan(TABLE, KEY)?
            .into_iter()
            .find(|(key, _)| key == KEY);
        let (mut record, mut changed) = match stored {
            Some((_, value)) if !has_keys(&value) => (renew(&value, wanted)?, true),
            Some((_, value)) => (read(&value, wanted)?, false),
            None => (make(wanted)?, true),
        };
        let aws_endpoint = aws_endpoint(&record.endpoint_prefix, &record.region);
        let mut names = wanted.names.clone();
        names.insert(aws_endpoint.clone());
        for chain in [&mut record.rsa, &mut record.ecdsa] {
            if chain.needs_issuing(&names) {
                chain.issue(&names)?;
                changed = true;
            }
        }
        if changed {
            let value = serde_json::to_vec(&record)
                .map_err(|error| AccountError::Damaged(error.to_string()))?;
            store.commit(vec![Write::Put {
                table: TABLE,
                key: KEY.to_vec(),
                value,
            }])?;
        }
        let authority = KeyPair::from_pem(&record.device_authority_key).map_err(|_| {
            AccountError::Damaged(
                "the key that signs devices' certificates is unreadable".to_owned(),
            )
        })?;
        Ok(Self {
            account_id: record.account_id,
            region: record.region,
            aws_endpoint,
            roots: format!("{}{}", record.rsa.root, record.ecdsa.root),
            rsa: ServerIdentity {
                certificate: record.rsa.server,
                private_key: record.rsa.server_key,
            },
            ecdsa: ServerIdentity {
                certificate: record.ecdsa.server,
                private_key: record.ecdsa.server_key,
            },
            names,
            pki: Arc::new(pki::Pki::new(authority)),
        })
    }
}

/// Whether a stored row has any member of those that hold keys. What is no row has some, and is found damaged.
pub(crate) fn has_keys(value: &[u8]) -> bool {
    serde_json::from_slice::<Keyless>(value).is_err()
        || serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(value)
            .is_ok_and(|members| members.len() > 4)
}

/// The row without its keys.
///
/// # Errors
/// When it cannot be understood.
pub(crate) fn without_keys(value: &[u8]) -> Result<Vec<u8>, String> {
    let keyless: Keyless = understood(value).map_err(|error| error.to_string())?;
    serde_json::to_vec(&keyless).map_err(|error| error.to_string())
}

/// Whether a stored row is one that [`Account::open`] takes. Says nothing of what is in it.
///
/// # Errors
/// What is wrong.
pub(crate) fn verify(value: &[u8]) -> Result<(), String> {
    let bare = |error: AccountError| match error {
        AccountError::Damaged(what) => what,
        other => other.to_string(),
    };
    let nothing = Wanted {
        region: None,
        account_id: None,
        names: BTreeSet::new(),
    };
    if !has_keys(value) {
        let _: Keyless = understood(value).map_err(bare)?;
        return Ok(());
    }
    let record = read(value, &nothing).map_err(bare)?;
    for (what, key) in [
        (
            "that signs devices' certificates",
            &record.device_authority_key,
        ),
        ("of the RSA server certificate", &record.rsa.server_key),
        ("of the P-256 server certificate", &record.ecdsa.server_key),
    ] {
        KeyPair::from_pem(key).map_err(|_| format!("the key {what} is unreadable"))?;
    }
    Ok(())
}

/// A row of a format that this program knows.
fn understood<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, AccountError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    // serde's text may quote what it read, and keys are in there: say where, not what.
    let damaged = |error: serde_json::Error| {
        AccountError::Damaged(format!(
            "unreadable at line {} column {}",
            error.line(),
            error.column()
        ))
    };
    let Version { format } = serde_json::from_slice(value).map_err(damaged)?;
    if format > FORMAT {
        return Err(AccountError::Newer(format));
    }
    serde_json::from_slice(value).map_err(damaged)
}

/// Understands a stored row and compares it with what is wanted.
fn read(value: &[u8], wanted: &Wanted) -> Result<Record, AccountError> {
    let record: Record = understood(value)?;
    same(wanted, &record.account_id, &record.region)?;
    Ok(record)
}

/// Makes new keys for an account that lost them.
fn renew(value: &[u8], wanted: &Wanted) -> Result<Record, AccountError> {
    let Keyless {
        account_id,
        region,
        endpoint_prefix,
        ..
    } = understood(value)?;
    same(wanted, &account_id, &region)?;
    with_keys(account_id, region, endpoint_prefix)
}

/// Whether what is wanted is what is stored, where something is wanted.
fn same(wanted: &Wanted, account_id: &str, region: &str) -> Result<(), AccountError> {
    for (what, flag, stored, wanted) in [
        ("account", "--account", account_id, &wanted.account_id),
        ("region", "--region", region, &wanted.region),
    ] {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != stored) {
            return Err(AccountError::Different {
                what,
                flag,
                stored: stored.to_owned(),
                wanted: wanted.clone(),
            });
        }
    }
    check_names(&wanted.names)
}

fn make(wanted: &Wanted) -> Result<Record, AccountError> {
    let account_id = wanted
        .account_id
        .clone()
        .unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
    if account_id.len() != 12 || !account_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AccountError::AccountId(account_id));
    }
    let region = wanted
        .region
        .clone()
        .unwrap_or_else(|| DEFAULT_REGION.to_owned());
    // The region becomes a label of a host name and a field of ARNs.
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty()
        || region.len() > 63
        || !region.bytes().all(letters)
        || region.starts_with('-')
    {
        return Err(AccountError::Region(region));
    }
    check_names(&wanted.names)?;
    with_keys(account_id, region, endpoint_prefix()?)
}

fn with_keys(account_id: String, region: String, prefix: String) -> Result<Record, AccountError> {
    // RSA keys are most of the time a first start takes; each is made on a thread of its own.
    let (rsa, ecdsa, device_authority_key) = std::thread::scope(|scope| {
        let rsa = scope.spawn(|| Chain::make(&rcgen::PKCS_RSA_SHA256, "RSA", &prefix));
        let ecdsa = scope.spawn(|| Chain::make(&rcgen::PKCS_ECDSA_P256_SHA256, "P-256", &prefix));
        let authority = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)
            .map_err(crypto)
            .map(|key| key.serialize_pem());
        let panicked = |_| Err(PkiError::Internal("making a key panicked".to_owned()));
        (
            rsa.join().unwrap_or_else(panicked),
            ecdsa.join().unwrap_or_else(panicked),
            authority,
        )
    });
    Ok(Record {
        format: FORMAT,
        account_id,
        region,
        endpoint_prefix: prefix,
        rsa: rsa?,
        ecdsa: ecdsa?,
        device_authority_key: device_authority_key?,
    })
}

/// `A-3`: 14 lower-case letters and digits; the first is a letter, as on AWS.
fn endpoint_prefix() -> Result<String, PkiError> {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut prefix = String::from("a");
    while prefix.len() < 14 {
        let mut random = [0u8; 16];
        getrandom::fill(&mut random).map_err(|error| PkiError::Internal(error.to_string()))?;
        // 252 is the largest multiple of 36 in a byte: no letter is likelier than another.
        for byte in random
            .into_iter()
            .filter(|byte| *byte < 252)
            .take(14_usize.saturating_sub(prefix.len()))
        {
            prefix.push(char::from(
                LETTERS.get(usize::from(byte % 36)).copied().unwrap_or(b'0'),
            ));
        }
    }
    Ok(prefix)
}

/// `A-2`, the ATS form; China has a domain of its own.
fn aws_endpoint(prefix: &str, region: &str) -> String {
    let domain = match Partition::of_region(region) {
        Partition::China => "amazonaws.com.cn",
        Partition::Aws | Partition::GovCloud => "amazonaws.com",
    };
    format!("{prefix}-ats.iot.{region}.{domain}")
}

fn check_names(names: &BTreeSet<String>) -> Result<(), AccountError> {
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(AccountError::Name(name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use thingwire_store::RedbStore;
    use thingwire_store::faults::Disk;
    use x509_parser::extensions::{GeneralName, ParsedExtension};

    fn wanted(names: &[&str]) -> Wanted {
        Wanted {
            region: None,
            account_id: None,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn ders(pem: &str) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap()
    }

    /// The names in a certificate that one of the account's roots signed.
    fn names_under_roots(account: &Account, server: &ServerIdentity) -> BTreeSet<String> {
        let (roots, server) = (ders(&account.roots), ders(&server.certificate));
        let (_, certificate) = x509_parser::parse_x509_certificate(&server[0]).unwrap();
        let signed = roots.iter().any(|root| {
            let (_, root) = x509_parser::parse_x509_certificate(root).unwrap();
            certificate
                .verify_signature(Some(root.public_key()))
                .is_ok()
        });
        assert!(signed, "no root signed it");
        let mut names = BTreeSet::new();
        for extension in certificate.extensions() {
            if let ParsedExtension::SubjectAlternativeName(san) = extension.parsed_extension() {
                names.extend(san.general_names.iter().map(|name| match name {
                    GeneralName::DNSName(name) => (*name).to_owned(),
                    GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
                    other => panic!("{other:?}"),
                }));
            }
        }
        names
    }

    #[test]
    fn the_first_start_makes_the_account_and_later_ones_reuse_it() {
        let disk = Disk::new();
        let store = RedbStore::with_backend(disk.clone()).unwrap();
        let first = Account::open(&store, &wanted(&["localhost", "127.0.0.1"])).unwrap();
        assert_eq!(
            (first.account_id.as_str(), first.region.as_str()),
            ("123456789012", "us-east-1")
        );
        let prefix = first
            .aws_endpoint
            .strip_suffix("-ats.iot.us-east-1.amazonaws.com")
            .unwrap();
        assert_eq!(prefix.len(), 14, "A-3");
        assert!(
            prefix
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "A-3: {prefix}"
        );
        for server in [&first.rsa, &first.ecdsa] {
            let expected = ["localhost", "127.0.0.1", &first.aws_endpoint]
                .map(str::to_owned)
                .into();
            assert_eq!(names_under_roots(&first, server), expected);
        }
        drop(store);

        let store = RedbStore::with_backend(disk).unwrap();
        let again = Account::open(&store, &wanted(&["localhost", "127.0.0.1"])).unwrap();
        assert_eq!(again.aws_endpoint, first.aws_endpoint, "A-1");
        assert_eq!(again.roots, first.roots);
        assert_eq!(again.rsa.certificate, first.rsa.certificate);
        assert_eq!(again.ecdsa.certificate, first.ecdsa.certificate);
    }

    #[test]
    fn other_names_get_new_certificates_under_the_same_roots() {
        let store = RedbStore::with_backend(Disk::new()).unwrap();
        let first = Account::open(&store, &wanted(&["localhost"])).unwrap();
        let second = Account::open(
            &store,
            &wanted(&["localhost", "192.0.2.7", "cloud.example"]),
        )
        .unwrap();
        assert_eq!(second.roots, first.roots);
        for server in [&second.rsa, &second.ecdsa] {
            let names = names_under_roots(&second, server);
            assert!(
                names.contains("192.0.2.7") && names.contains("cloud.example"),
                "{names:?}"
            );
        }
        let third = Account::open(&store, &wanted(&["localhost"])).unwrap();
        assert!(
            !names_under_roots(&third, &third.rsa).contains("cloud.example"),
            "a name can be taken back"
        );
    }

    #[test]
    fn what_contradicts_the_folder_or_cannot_be_is_named() {
        let store = RedbStore::with_backend(Disk::new()).unwrap();
        let error = |wanted: &Wanted| Account::open(&store, wanted).unwrap_err().to_string();
        let named = |region: Option<&str>, account_id: Option<&str>| Wanted {
            region: region.map(str::to_owned),
            account_id: account_id.map(str::to_owned),
            ..wanted(&[])
        };
        assert!(error(&named(None, Some("12345"))).contains("account `12345` is not a 12-digit"));
        assert!(
            error(&named(Some("US East"), None)).contains("region `US East` is not an AWS region")
        );
        assert!(
            error(&wanted(&["not a name"])).contains("`not a name` is neither a host name nor")
        );

        Account::open(&store, &named(Some("eu-central-1"), Some("210987654321"))).unwrap();
        let unspoken = Account::open(&store, &named(None, None)).unwrap();
        assert_eq!(
            (unspoken.account_id.as_str(), unspoken.region.as_str()),
            ("210987654321", "eu-central-1")
        );
        assert_eq!(
            error(&named(Some("us-east-1"), None)),
            "the data folder holds region `eu-central-1`, not `us-east-1`; leave out --region, or choose another --data-dir"
        );
        assert!(error(&named(None, Some("123456789012"))).contains("leave out --account"));
    }

    #[test]
    fn a_damaged_or_newer_row_is_named_and_keys_stay_out_of_the_message() {
        let store = RedbStore::with_backend(Disk::new()).unwrap();
        let with = |value: &str| {
            let put = Write::Put {
                table: TABLE,
                key: KEY.to_vec(),
                value: value.as_bytes().to_vec(),
            };
            store.commit(vec![put]).unwrap();
            Account::open(&store, &wanted(&[])).unwrap_err()
        };
        assert!(matches!(with(r#"{"format": 9}"#), AccountError::Newer(9)));
        let error = with(r#"{"format": 1, "account_id": 5, "secret": "top"}"#).to_string();
        assert!(
            error.contains("damaged: unreadable at line 1") && !error.contains("top"),
            "{error}"
        );
        assert!(matches!(with("no json"), AccountError::Damaged(_)));
    }

    #[test]
    fn china_has_a_domain_of_its_own() {
        assert_eq!(
            aws_endpoint("a", "cn-north-1"),
            "a-ats.iot.cn-north-1.amazonaws.com.cn"
        );
    }
}
