//! Which CA certificates are trusted.
//!
//! AWS_CA_BUNDLE or the provider's `verify` alone where one is given; else SSL_CERT_FILE and SSL_CERT_DIR; else the
//! system's one bundle; else Amazon's own roots, which are built in. Without a single certificate every call would fail
//! as an I/O error and be retried, so variables that lead to none are a mistake in the settings, found here. (The Rust
//! SDK does not read AWS_CA_BUNDLE; boto3 and we do.)

use std::path::Path;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::config::aws::session::Session;
use crate::config::env::Env;
use crate::config::files;
use crate::config::kwargs::OwnAccess;
use crate::error::{Exit, Failure};
use crate::model::cause::Notice;

/// What TLS connections trust: the bundle alone if one is given; nothing where no endpoint has TLS; else the system's.
///
/// # Errors
/// [`Exit::Config`] when a bundle that is named can't be used, or no certificate is found at all.
pub fn context(bundle: Option<(&Path, &'static str)>, plain_http: bool, env: &Env) -> Result<TlsContext, Failure> {
    let trust = match bundle {
        Some((path, by)) => TrustStore::empty().with_native_roots(false).with_pem_certificate(read_bundle(path, by)?),
        None if plain_http => TrustStore::empty().with_native_roots(false),
        None => of_system(env)?,
    };
    TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|_| Failure::new(Exit::Config, "the CA certificates can't be used"))
}

/// The system's certificates. Where the system has one bundle, that alone is read: the loader of the SDK reads the
/// directory of single certificates beside it as well, some 150 files with the same content.
fn of_system(env: &Env) -> Result<TrustStore, Failure> {
    let chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| env.get(name) != Ok(None));
    let bundle = openssl_probe::probe().cert_file.filter(|_| !chosen);
    if let Some(pem) = bundle.and_then(|path| read_bundle(&path, "").ok()) {
        return Ok(TrustStore::empty().with_native_roots(false).with_pem_certificate(pem));
    }
    if !rustls_native_certs::load_native_certs().certs.is_empty() {
        return Ok(TrustStore::default());
    }
    if chosen {
        let notice = Notice::NoCa;
        let line = format!("{} no CA certificates found; {}", notice.code(), notice.remedy());
        return Err(Failure::new(Exit::Config, line));
    }
    tracing::info!("this machine has no CA certificates; Amazon's own, built into the program, are trusted");
    Ok(TrustStore::empty().with_native_roots(false).with_pem_certificate(AMAZON_ROOTS))
}

/// The roots that AWS's endpoints have their certificates from: <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// Whether every endpoint in use is an emulator's on plain HTTP, so that no CA certificate is needed.
pub fn plain_http_only(session: &Session, access: &OwnAccess, only_own: bool) -> bool {
    let is_http = |url: Option<&str>| url.map(|url| url.starts_with("http://"));
    let of_kwargs = is_http(access.endpoint_url.as_deref());
    let secrets = is_http(session.secrets_manager.as_deref());
    let asked_for_secrets = match of_kwargs {
        Some(of_kwargs) if only_own => of_kwargs,
        Some(of_kwargs) => of_kwargs && secrets == Some(true),
        None => secrets == Some(true),
    };
    // Where STS has no setting of its own, only a role needs it.
    let sts = is_http(session.sts.as_deref());
    asked_for_secrets && sts.unwrap_or(only_own && of_kwargs.is_some() && access.role.is_none())
}

/// A bundle larger than this is none: the system's are a quarter of a megabyte.
const LARGEST_BUNDLE: u64 = 16 << 20;

/// Reads the bundle that `by` names, and checks each certificate: the HTTP client itself panics on one that it can't parse.
fn read_bundle(path: &Path, by: &str) -> Result<Vec<u8>, Failure> {
    let shown = crate::text::shown(path);
    let refuse = |problem: String| Failure::new(Exit::Config, format!("{by}: CA bundle {shown}: {problem}"));
    let pem = files::read(path, LARGEST_BUNDLE)
        .map_err(|error| refuse(format!("can't be read: {}", crate::text::os_error(&error))))?;
    // Editors of Windows put a byte-order mark first, which would hide the first certificate.
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(pem);
    let mut roots = rustls::RootCertStore::empty();
    for (position, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let usable = certificate.is_ok_and(|certificate| roots.add(certificate).is_ok());
        if !usable {
            return Err(refuse(format!("certificate {} is not a CA certificate in PEM form", position + 1)));
        }
    }
    if roots.is_empty() {
        return Err(refuse("holds no certificate in PEM form".to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image from scratch without a bundle can still talk to AWS.
    #[test]
    fn the_built_in_roots_are_what_the_client_takes() {
        let mut roots = rustls::RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(AMAZON_ROOTS).map(Result::unwrap);
        assert_eq!(roots.add_parsable_certificates(certificates), (5, 0));
        let subject = |name: &str| {
            let holds = |subject: &[u8]| subject.windows(name.len()).any(|part| part == name.as_bytes());
            roots.roots.iter().any(|root| holds(&root.subject))
        };
        for name in
            ["Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4", "Starfield Services"]
        {
            assert!(subject(name), "{name}");
        }
    }
}
