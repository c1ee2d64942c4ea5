//! A server whose certificate nobody trusts.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

const PEM: &[u8] = include_bytes!("untrusted.pem");

/// Where the certificate is.
pub const PEM_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/untrusted.pem");

/// Says of whatever is asked for that it is not there, to whoever trusts it; its URL.
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
            answer(rustls::Stream::new(&mut tls, &mut connection));
        }
    });
    url
}

/// Errors are the client's, who does not trust us.
fn answer(mut stream: rustls::Stream<'_, ServerConnection, TcpStream>) {
    let mut asked = Vec::new();
    let mut part = [0; 1024];
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(read) if read > 0 => asked.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
