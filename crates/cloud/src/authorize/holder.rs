//! What a certificate says of its subject and issuer, in the words of policy variables (`C-42`).

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thingwire_policy::CertificateHolder;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::x509::X509Name;

/// Attribute types of names (X.520) and what policies call them.
const ATTRIBUTES: [(&str, &str); 13] = [
    ("2.5.4.46", "DistinguishedNameQualifier"),
    ("2.5.4.6", "Country"),
    ("2.5.4.10", "Organization"),
    ("2.5.4.11", "OrganizationalUnit"),
    ("2.5.4.8", "State"),
    ("2.5.4.3", "CommonName"),
    ("2.5.4.5", "SerialNumber"),
    ("2.5.4.12", "Title"),
    ("2.5.4.4", "Surname"),
    ("2.5.4.42", "GivenName"),
    ("2.5.4.43", "Initials"),
    ("2.5.4.65", "Pseudonym"),
    ("2.5.4.44", "GenerationQualifier"),
];

/// The names in one certificate.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Attributes of the subject, with its alternative names.
    pub subject: CertificateHolder,
    /// Attributes of the issuer, with its alternative names.
    pub issuer: CertificateHolder,
    /// As a decimal number. AWS documents no form (unsure).
    pub serial_number: Option<String>,
}

impl Names {
    /// Reads a certificate of the registry; one that cannot be read has no names, so variables of it do not resolve.
    #[must_use]
    pub fn read(pem: &str) -> Self {
        let mut names = Self::default();
        let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else {
            return names;
        };
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else {
            return names;
        };
        add_name(&mut names.subject, certificate.subject());
        add_name(&mut names.issuer, certificate.issuer());
        names.add_alternatives(&certificate);
        names.serial_number = Some(certificate.tbs_certificate.serial.to_string());
        names
    }

    fn add_alternatives(&mut self, certificate: &X509Certificate<'_>) {
        for extension in certificate.extensions() {
            let (holder, general) = match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => {
                    (&mut self.subject, &names.general_names)
                }
                ParsedExtension::IssuerAlternativeName(names) => {
                    (&mut self.issuer, &names.general_names)
                }
                _ => continue,
            };
            for name in general {
                add_alternative(holder, name);
            }
        }
    }
}

fn add_name(holder: &mut CertificateHolder, name: &X509Name<'_>) {
    for attribute in name.iter_attributes() {
        let id = attribute.attr_type().to_id_string();
        let known = ATTRIBUTES.iter().find(|(known, _)| *known == id);
        // A value in an encoding that is not text has no value for policies.
        if let (Some((_, word)), Ok(value)) = (known, attribute.as_str()) {
            holder.add(word, value);
        }
    }
}

fn add_alternative(holder: &mut CertificateHolder, name: &GeneralName<'_>) {
    match name {
        GeneralName::RFC822Name(text) => holder.add("AlternativeName.RFC822Name", text),
        GeneralName::DNSName(text) => holder.add("AlternativeName.DNSName", text),
        GeneralName::DirectoryName(name) => {
            holder.add("AlternativeName.DirectoryName", &name.to_string());
        }
        GeneralName::URI(text) => holder.add("AlternativeName.UniformResourceIdentifier", text),
        GeneralName::IPAddress(bytes) => {
            if let Some(address) = address(bytes) {
                holder.add("AlternativeName.IPAddress", &address.to_string());
            }
        }
        _ => {}
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
