//! Which server certificates are trusted.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Checks that a PEM file contains a certificate that can be trusted.
///
/// # Errors
/// It contains none.
pub fn check_certificates(pem: &[u8]) -> Result<(), String> {
    tls_config(Some(pem)).map(drop)
}

/// Trusts the PEM certificates, or the system's if there are none given.
///
/// # Errors
/// No certificate is usable.
pub(super) fn tls_config(ca_pem: Option<&[u8]>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let named: Vec<CertificateDer<'static>> = ca_pem
        .map(|pem| CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect())
        .unwrap_or_default();
    let pinned = named.iter().filter_map(|certificate| public_key(certificate).ok()).collect();
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(_) => roots.add_parsable_certificates(named),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| match ca_pem {
            Some(_) => format!("no usable CA certificate: {error}: certificates of the receiver's CA, or its own, in PEM are accepted"),
            None => format!("no usable CA certificate on this machine: {error}: install \"ca-certificates\", or name the receiver's CA in \"ca_file=\""),
        })?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { webpki, pinned }))
        .with_no_client_auth())
}

fn public_key(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, webpki::Error> {
    Ok(webpki::EndEntityCert::try_from(certificate)?.subject_public_key_info())
}

/// WebPKI with one exception: a server's own certificate is accepted if `ca_file=` contains it, or another one with the
/// same key, even if it is a CA certificate (as `openssl req -x509` makes them) or was issued by a CA that is not in
/// the file. curl does the same.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// Public keys of the certificates in `ca_file=`.
    pinned: Vec<SubjectPublicKeyInfoDer<'static>>,
}

impl Verifier {
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        public_key(certificate).is_ok_and(|key| self.pinned.contains(&key))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // webpki checks the validity period first: these errors imply that it has been met.
            Err(error)
                if (is_ca_as_end_entity(&error) || is_of_another_issuer(&error))
                    && self.is_pinned(end_entity) =>
            {
                let parsed = rustls::server::ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// No CA in the file has issued it, even if one has the issuer's name.
fn is_of_another_issuer(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        )
    )
}

fn is_ca_as_end_entity(error: &rustls::Error) -> bool {
    matches!(webpki_error(error), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The webpki error about a certificate, for which rustls has no variant of its own.
pub(super) fn webpki_error(error: &rustls::Error) -> Option<&webpki::Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}
