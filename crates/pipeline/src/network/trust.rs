//! The authorities whose certificates are trusted, as the system or `SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! them.
//!
//! They are read from files, for which a descriptor may be missing. Both HTTP clients would then go on without
//! any: one reads them when it is built, the other once a process.

use std::io;
use std::sync::{Arc, OnceLock};

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls_native_certs::ErrorKind;

use crate::exhausted::is_out_of_descriptors;

/// The authorities, each as its certificate in DER.
pub(super) type Roots = Arc<Vec<Vec<u8>>>;

/// Returns the authorities, which are read once a process.
///
/// # Errors
///
/// When no descriptor is left to read them: the next call tries again.
pub(super) fn roots() -> io::Result<Roots> {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }

    let roots = Arc::new(read()?);
    Ok(Arc::clone(ROOTS.get_or_init(|| roots)))
}

/// Reads the authorities. What is no certificate is left out, as everybody does it.
fn read() -> io::Result<Vec<Vec<u8>>> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        if let ErrorKind::Io { inner, .. } = error.kind
            && is_out_of_descriptors(&inner)
        {
            return Err(inner);
        }
    }

    let mut store = RootCertStore::empty();
    let certificates = found.certs.into_iter();
    Ok(certificates.filter(|c| store.add(c.clone()).is_ok()).map(|c| c.as_ref().to_vec()).collect())
}

/// Returns the authorities as the SDK of AWS takes them.
///
/// # Errors
///
/// Fails as [`roots`] does.
pub(super) fn context() -> io::Result<TlsContext> {
    let mut store = TrustStore::empty();
    for root in roots()?.iter() {
        store.add_pem_certificate(pem(root));
    }
    TlsContext::builder().with_trust_store(store).build().map_err(io::Error::other)
}

fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn a_certificate_is_written_as_it_is_read() {
        let certificate: Vec<u8> = (0..=255).cycle().take(1500).collect();
        let read = CertificateDer::from_pem_slice(pem(&certificate).as_bytes()).unwrap();
        assert_eq!(read.as_ref(), certificate);
    }
}
