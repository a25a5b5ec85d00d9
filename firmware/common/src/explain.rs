//! What an error of Mbed TLS means, in plain words; the same words as on a computer.

use embedded_io_async::ErrorKind;
use mbedtls_rs::SessionError;
use mbedtls_rs::sys as c;
use thingwire_chip::Alert;
use thingwire_device::{Failure, FailureKind};

use crate::TransportError;

/// A part of the kit that cannot be parsed.
pub(crate) fn kit(part: &str, error: SessionError) -> Failure {
    match error {
        SessionError::MbedTls(error) if is_out_of_memory(error.code()) => out_of_memory(),
        SessionError::MbedTls(error) => Failure::with(
            FailureKind::Configuration,
            format_args!("the {part} cannot be read: Mbed TLS error {error}"),
        ),
        SessionError::Io(_) => Failure::new(FailureKind::Configuration, part),
    }
}

/// TLS could not be set up.
pub(crate) fn no_session(error: SessionError) -> Failure {
    match error {
        SessionError::MbedTls(error) if is_out_of_memory(error.code()) => out_of_memory(),
        error => Failure::with(FailureKind::Configuration, format_args!("TLS: {error}")),
    }
}

/// An error during the handshake, with what Mbed TLS found wrong with the server's certificate and the alert that the
/// server sent, if one was seen.
pub(crate) fn handshake(error: SessionError, flags: u32, seen: Option<Alert>) -> Failure {
    match error {
        SessionError::MbedTls(error) => match error.code() {
            c::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED => {
                Failure::new(FailureKind::ServerCertificate, certificate(flags))
            }
            c::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE => match seen {
                Some(seen) => alert(seen),
                None => Failure::new(FailureKind::Tls, "the server sent an encrypted alert"),
            },
            c::MBEDTLS_ERR_SSL_INVALID_RECORD => Failure::new(
                FailureKind::Tls,
                "what answers on this port does not speak TLS",
            ),
            code => tls(code),
        },
        SessionError::Io(ErrorKind::ConnectionReset) => {
            Failure::new(FailureKind::Tls, "the server closed during the handshake")
        }
        SessionError::Io(kind) => Failure::with(
            FailureKind::Tls,
            format_args!("during the handshake: {kind:?}"),
        ),
    }
}

/// An error of a connection whose handshake was done.
pub(crate) fn open(error: &TransportError) -> Failure {
    match error.error {
        SessionError::MbedTls(inner) => match inner.code() {
            // In TLS 1.3 the handshake ends for us before the server has looked at our certificate.
            c::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE if !error.answered => Failure::new(
                FailureKind::ClientCertificate,
                "alert instead of a first answer",
            ),
            c::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE => {
                Failure::new(FailureKind::Tls, "the server ended TLS with an alert")
            }
            code => tls(code),
        },
        // How a TCP connection ends that nobody says goodbye on; the library adds what was asked last.
        SessionError::Io(ErrorKind::ConnectionReset) => {
            Failure::new(FailureKind::Connection, "closed")
        }
        SessionError::Io(kind) => Failure::with(FailureKind::Connection, format_args!("{kind:?}")),
    }
}

fn tls(code: i32) -> Failure {
    if is_out_of_memory(code) {
        return out_of_memory();
    }
    let detail = match code {
        c::MBEDTLS_ERR_SSL_INVALID_MAC => "a record was changed on its way",
        c::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE => {
            "the server sent what Mbed TLS does not take, such as a KeyUpdate"
        }
        c::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION => "no TLS version in common",
        c::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE => "no cipher suite in common",
        c::MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL => "the server does not take our ALPN",
        _ => {
            return Failure::with(
                FailureKind::Tls,
                format_args!("Mbed TLS error -0x{:04x}", code.unsigned_abs()),
            );
        }
    };
    Failure::new(FailureKind::Tls, detail)
}

fn out_of_memory() -> Failure {
    Failure::new(FailureKind::Tls, "the heap is too small for TLS")
}

fn is_out_of_memory(code: i32) -> bool {
    // An error of a high-level module may carry one of a low-level module in its last seven bits.
    let low = code.unsigned_abs() & 0x7F;
    let high = code.saturating_add(i32::try_from(low).unwrap_or_default());
    matches!(
        code,
        c::MBEDTLS_ERR_SSL_ALLOC_FAILED
            | c::MBEDTLS_ERR_X509_ALLOC_FAILED
            | c::MBEDTLS_ERR_PK_ALLOC_FAILED
            | c::MBEDTLS_ERR_ECP_ALLOC_FAILED
    ) || (high != 0 && low == c::MBEDTLS_ERR_MPI_ALLOC_FAILED.unsigned_abs())
        || low == c::MBEDTLS_ERR_ASN1_ALLOC_FAILED.unsigned_abs()
}

fn certificate(flags: u32) -> &'static str {
    const UNKNOWN_TIME: u32 = c::MBEDTLS_X509_BADCERT_EXPIRED | c::MBEDTLS_X509_BADCERT_FUTURE;
    let has = |flag| flags & flag != 0;
    // Who signed it comes first: nothing else in it means anything when nobody did.
    if has(c::MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        "no root of the kit signed it"
    } else if flags & UNKNOWN_TIME == UNKNOWN_TIME {
        "nobody knows the time"
    } else if has(c::MBEDTLS_X509_BADCERT_EXPIRED) {
        "it has expired"
    } else if has(c::MBEDTLS_X509_BADCERT_FUTURE) {
        "it is not valid yet: is the clock here right?"
    } else if has(c::MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        "it is for another name than the kit's endpoint"
    } else if has(c::MBEDTLS_X509_BADCERT_REVOKED) {
        "it was revoked"
    } else {
        "its use, key or signature is not allowed"
    }
}

/// The server ended the handshake with an alert: those about certificates mean ours (`A-30`).
fn alert(alert: Alert) -> Failure {
    let name = alert.name();
    if alert.is_about_our_certificate() {
        return Failure::with(FailureKind::ClientCertificate, format_args!("alert {name}"));
    }
    let meaning = match alert.0 {
        40 => "no cipher suite in common",
        51 => "the private key does not belong to the certificate",
        70 => "no TLS version in common",
        112 => "the server does not know the kit's endpoint",
        120 => "the server wants another ALPN on this port",
        number => {
            return Failure::with(FailureKind::Tls, format_args!("alert {name} ({number})"));
        }
    };
    Failure::with(FailureKind::Tls, format_args!("{meaning} (alert {name})"))
}
