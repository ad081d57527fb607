//! HTTPS, with rustls on aws-lc-rs.

#[cfg(feature = "tls")]
mod real {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use rustls::ServerConfig;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use crate::connection::Connection;

    /// Does the server side of the handshake.
    #[derive(Clone)]
    pub struct Acceptor(tokio_rustls::TlsAcceptor);

    impl Acceptor {
        pub fn from_files(certificates: &Path, key: &Path) -> io::Result<Self> {
            Self::from_pem(&std::fs::read(certificates)?, &std::fs::read(key)?)
        }

        pub fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<Self> {
            let chain: Vec<_> =
                CertificateDer::pem_slice_iter(certificates).collect::<Result<_, _>>().map_err(io::Error::other)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(io::Error::other)?;
            Ok(Self(Arc::new(config).into()))
        }

        pub async fn accept(&self, connection: Connection) -> io::Result<tokio_rustls::server::TlsStream<Connection>> {
            self.0.accept(connection).await
        }
    }
}

#[cfg(not(feature = "tls"))]
mod real {
    use std::io;
    use std::path::Path;

    use crate::connection::Connection;

    /// Nothing: the feature `tls` is off.
    #[derive(Clone)]
    pub enum Acceptor {}

    impl Acceptor {
        pub fn from_files(_: &Path, _: &Path) -> io::Result<Self> {
            Err(io::Error::other("built without the feature `tls`"))
        }

        pub fn from_pem(_: &[u8], _: &[u8]) -> io::Result<Self> {
            Err(io::Error::other("built without the feature `tls`"))
        }

        #[expect(clippy::unused_async, reason = "the same signature as the real one")]
        pub async fn accept(&self, connection: Connection) -> io::Result<Connection> {
            drop(connection);
            match *self {}
        }
    }
}

pub use real::Acceptor;
