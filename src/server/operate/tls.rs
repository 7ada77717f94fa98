//! TLS for listeners.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::server::error::ServerError;
use crate::server::settings::TlsSettings;

/// The protocols that clients may ask for, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Reads the certificate and its key.
pub(crate) fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, ServerError> {
    let wrong = |file: &std::path::Path, message: String| ServerError::Tls { file: file.to_owned(), message };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&settings.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&settings.certificate, error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong(&settings.certificate, missing("CERTIFICATE")));
    }
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| {
        let message = match error {
            pem::Error::NoItemsFound => missing("PRIVATE KEY"),
            other => other.to_string(),
        };
        wrong(&settings.key, message)
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| wrong(&settings.certificate, error.to_string()))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn missing(what: &str) -> String {
    format!("there is no {what} in it: it must be in PEM, between lines that say BEGIN and END")
}
