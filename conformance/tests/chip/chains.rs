//! Certificates a server may show: good ones, and those a device must refuse.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

/// A root of our own and what it signs.
pub(crate) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root_pem: String,
}

/// What a server shows, leaf first, as PEM, and its key.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) chain: String,
    pub(crate) key: String,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("names");
    params
        .distinguished_name
        .push(DnType::CommonName, "a server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key")
}

fn localhost() -> Vec<String> {
    vec!["localhost".to_owned()]
}

impl Signer {
    pub(crate) fn new() -> Self {
        let params = authority("the root of a test");
        let key = KeyPair::generate().expect("a key");
        let root_pem = params.self_signed(&key).expect("a root").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, root_pem }
    }

    fn sign(&self, params: &CertificateParams) -> Shown {
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf");
        Shown {
            chain: leaf.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn good(&self) -> Shown {
        self.sign(&server(&localhost()))
    }

    pub(crate) fn expired(&self) -> Shown {
        let mut params = server(&localhost());
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    pub(crate) fn of_another_name(&self) -> Shown {
        self.sign(&server(&["another.example".to_owned()]))
    }

    /// RSA throughout, three certificates above the leaf, as Amazon's endpoints show, and a leaf for so many names
    /// more.
    pub(crate) fn large(&self, more_names: usize) -> Shown {
        let mut chain = String::new();
        let first = authority("intermediate 1");
        let key = rsa();
        chain.insert_str(
            0,
            &first.signed_by(&key, &self.issuer).expect("signed").pem(),
        );
        let mut issuer = Issuer::new(first, key);
        for number in 2..=3 {
            let next = authority(&format!("intermediate {number}"));
            let key = rsa();
            chain.insert_str(0, &next.signed_by(&key, &issuer).expect("signed").pem());
            issuer = Issuer::new(next, key);
        }
        let mut names = localhost();
        names.extend(
            (0..more_names).map(|n| format!("another-name-of-this-server-{n}.iot.example")),
        );
        let key = rsa();
        let leaf = server(&names).signed_by(&key, &issuer).expect("signed");
        chain.insert_str(0, &leaf.pem());
        Shown {
            chain,
            key: key.serialize_pem(),
        }
    }
}

pub(crate) fn self_signed() -> Shown {
    let key = KeyPair::generate().expect("a key");
    let leaf = server(&localhost()).self_signed(&key).expect("a leaf");
    Shown {
        chain: leaf.pem(),
        key: key.serialize_pem(),
    }
}
