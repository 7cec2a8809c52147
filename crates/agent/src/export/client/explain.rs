//! Descriptions of failed attempts, with a remedy if TLS is the cause.

use rustls::{AlertDescription, CertificateError};
use ureq::Error;

use super::trust::webpki_error;

/// Describes a failed attempt; for TLS errors, with a remedy.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::Io(io) => match io.get_ref().and_then(|error| error.downcast_ref()) {
            Some(tls) => explain_tls(tls),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

fn explain_tls(tls: &rustls::Error) -> String {
    let cure = match tls {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => {
                "name the certificate of its CA, or its own, in \"ca_file=\"; \
                 if it is there, the receiver does not send its intermediate certificates: name these as well"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "renew the receiver's certificate, or set the clock of this machine"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "set the clock of this machine"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "use a host in the URL that the certificate names (in subjectAltName: a CN does not count)"
            }
            CertificateError::BadSignature => {
                "its key is not that of the certificate of this name in \"ca_file=\" (a new one?), \
                 or RSA of less than 2048 bits: name the receiver's present certificate, or give it a longer key"
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "the receiver needs a certificate for servers (extendedKeyUsage serverAuth, or none)"
            }
            _ => return explain_certificate(tls),
        },
        rustls::Error::InvalidMessage(_) => {
            "does the receiver speak TLS at this address? else use http://"
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => {
            "the receiver refuses the handshake without a client certificate, which is not supported"
        }
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            "the receiver refuses the handshake: TLS 1.2 or 1.3 without a client certificate is offered, \
             for certificates with RSA, P-256, P-384 or Ed25519 keys"
        }
        _ => return tls.to_string(),
    };
    format!("{tls}: {cure}")
}

/// Describes a certificate error that rustls has no variant for.
fn explain_certificate(tls: &rustls::Error) -> String {
    let (what, cure) = match webpki_error(tls) {
        Some(webpki::Error::CaUsedAsEndEntity) => (
            "the receiver presents a CA certificate as its own",
            "name this very one in \"ca_file=\"",
        ),
        Some(webpki::Error::UnsupportedCertVersion) => (
            "its X.509 version is not 3",
            "give the receiver another one; \"openssl req -x509\" makes them with version 3",
        ),
        _ => return format!("{tls}: the receiver needs another certificate"),
    };
    format!("invalid peer certificate: {what}: {cure}")
}
