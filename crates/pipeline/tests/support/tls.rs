//! A server whose certificate nobody trusts.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

const PEM: &[u8] = include_bytes!("untrusted.pem");

/// Shakes hands with whoever comes; its URL.
pub fn untrusted_server() -> String {
    let certificates = CertificateDer::pem_slice_iter(PEM).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            // Ends when the client does not trust us.
            while tls.complete_io(&mut connection).is_ok_and(|(read, _)| read > 0) {}
        }
    });
    url
}
