//! What an error of the network or of TLS means, in plain words.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};
use thingwire_device::{Failure, FailureKind};

/// An error of a connection, which may carry one of rustls.
pub(crate) fn io(error: &io::Error) -> Failure {
    if let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    {
        return tls(error);
    }
    match error.kind() {
        // How a TCP connection ends that nobody says goodbye on; the library adds what was asked last.
        io::ErrorKind::UnexpectedEof => Failure::new(FailureKind::Connection, "closed"),
        _ => Failure::with(FailureKind::Connection, format_args!("{error}")),
    }
}

/// An error during the handshake.
pub(crate) fn handshake(error: &io::Error) -> Failure {
    let failure = io(error);
    if failure.kind == FailureKind::Connection {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Failure::new(FailureKind::Tls, "the server closed during the handshake")
            }
            _ => Failure::with(
                FailureKind::Tls,
                format_args!("during the handshake: {error}"),
            ),
        };
    }
    failure
}

fn tls(error: &Error) -> Failure {
    match error {
        Error::InvalidCertificate(error) => Failure::with(
            FailureKind::ServerCertificate,
            format_args!("{}", certificate(error)),
        ),
        Error::AlertReceived(alert) => self::alert(*alert),
        Error::InvalidMessage(_) => Failure::new(
            FailureKind::Tls,
            "what answers on this port does not speak TLS",
        ),
        Error::PeerIncompatible(_) => Failure::with(
            FailureKind::Tls,
            format_args!("nothing in common with AWS's TLS: {error}"),
        ),
        error => Failure::with(FailureKind::Tls, format_args!("{error}")),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: is the clock here right?".into()
        }
        CertificateError::UnknownIssuer => "no root of the kit signed it".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name than the kit's endpoint".into()
        }
        CertificateError::BadSignature => "its signature is wrong".into(),
        CertificateError::Revoked => "it was revoked".into(),
        error => error.to_string(),
    }
}

/// The server ended TLS with an alert: those about certificates mean ours (`A-30`).
fn alert(alert: AlertDescription) -> Failure {
    let name = match alert {
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::HandshakeFailure => {
            return Failure::new(
                FailureKind::Tls,
                "no cipher suite in common (alert handshake_failure)",
            );
        }
        AlertDescription::ProtocolVersion => {
            return Failure::new(
                FailureKind::Tls,
                "no TLS version in common (alert protocol_version)",
            );
        }
        AlertDescription::UnrecognisedName => {
            return Failure::new(
                FailureKind::Tls,
                "the server does not know the kit's endpoint (alert unrecognized_name)",
            );
        }
        AlertDescription::NoApplicationProtocol => {
            return Failure::new(
                FailureKind::Tls,
                "the server wants another ALPN on this port (alert no_application_protocol)",
            );
        }
        other => return Failure::with(FailureKind::Tls, format_args!("alert {other:?}")),
    };
    Failure::with(FailureKind::ClientCertificate, format_args!("alert {name}"))
}
