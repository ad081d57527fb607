//! The HTTPS listener, with rustls as the client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use fake_aws::{FakeAws, Scenario, certificates};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The answer to a request for the admin API's health, over TLS.
fn health(aws: &FakeAws, trust: bool) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    if trust {
        roots.add(CertificateDer::from_pem_slice(certificates::CA.as_bytes()).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(aws.address())?);
    stream.write_all(b"GET /_fake/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn serves_clients_that_trust_it() {
    let aws = FakeAws::builder().tls().start(Scenario::new()).unwrap();
    assert!(aws.endpoint().starts_with("https://"));
    assert!(health(&aws, true).unwrap().starts_with("HTTP/1.1 200"));
    assert!(health(&aws, false).is_err());
}

#[test]
fn bad_certificates_are_reported() {
    assert!(FakeAws::builder().tls_pem("nonsense", "nonsense").start(Scenario::new()).is_err());
    assert!(FakeAws::builder().tls_files("/nonexistent", "/nonexistent").start(Scenario::new()).is_err());
}
