//! One client for each source of the plan: region, endpoint, identity, TLS trust, retries and time-outs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use super::credentials::{AccountOf, Once, Role};
use super::{AwsStore, retries};
use crate::backend_kwargs::{OwnAccess, RoleVia};
use crate::env::Env;
use crate::exit::{Exit, Failure};
use crate::plan::{Enumerate, Plan, Source};
use crate::settings::Settings;

/// Where IRSA says that the pod's token is.
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Makes the store of each of the plan's sources, in order. Makes no call: credentials are loaded with the first one.
///
/// # Errors
/// [`Exit::Config`] when there is no CA certificate to trust, or a role wants a web identity that the pod lacks.
pub async fn open(settings: &Settings, plan: &Plan, env: &Env) -> Result<Vec<AwsStore>, Failure> {
    let access = &settings.kwargs.own;
    // `verify` is the own account's alone; with no other account there is nothing else to trust.
    let only_own = plan.sources.iter().all(|source| source.source == Source::Own);
    let own_ca = access.ca_file.as_deref().map(Path::new).filter(|_| only_own);
    let http = http_client(own_ca.or(settings.ca_bundle.as_deref()), plain_http_only(settings, only_own, env), env)?;
    let base = load(&settings.regions.shared, &http, None).await;
    let pod = Once::asking_again(base_provider(&base)?);
    let base = base.into_builder().credentials_provider(pod.clone()).build();

    let own = own_config(settings, &base, env).await?;
    let mut stores = Vec::new();
    let mut shared = settings.kwargs.shared.iter();
    for source in &plan.sources {
        let (config, in_owner_account) = match &source.source {
            Source::Own => (own.clone(), true),
            Source::Shared { region, .. } => {
                let base = with_region(&base, region);
                match shared.next().and_then(|account| account.role.as_ref()) {
                    Some(role) => {
                        let token_file = web_identity_file(role.via, None, env, "shared_role_via")?;
                        let role = Role {
                            arn: role.arn.clone(),
                            external_id: role.external_id.clone(),
                            session_name: None,
                            token_file,
                            config: base.clone(),
                        };
                        (base.into_builder().credentials_provider(role.provider()).build(), true)
                    }
                    // Only a listing with the own identity shows that the own account is the shared one.
                    None if source.enumerate == Enumerate::ListingIfOwnAccount => (with_region(&own, region), true),
                    None => (base, false),
                }
            }
        };
        let mut builder =
            aws_sdk_secretsmanager::config::Builder::from(&config).retry_classifier(retries::ServerFaults);
        if let (Source::Own, Some(url)) = (&source.source, &access.endpoint_url) {
            builder = builder.endpoint_url(url);
        }
        let client = aws_sdk_secretsmanager::Client::from_conf(builder.build());
        let account_of = AccountOf::new(Arc::new(config));
        stores.push(AwsStore::new(client, account_of, settings.fetch, in_owner_account, settings.concurrency));
    }
    Ok(stores)
}

/// The SDK's own configuration for a region: its chain of credentials, endpoints, FIPS, dual stack, retries.
async fn load(region: &str, http: &SharedHttpClient, profile: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .http_client(http.clone())
        .retry_config(retries::config())
        .timeout_config(retries::timeouts());
    if let Ok(name) = AppName::new("airflow-secrets-init") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

fn base_provider(config: &SdkConfig) -> Result<SharedCredentialsProvider, Failure> {
    config
        .credentials_provider()
        .ok_or_else(|| Failure::new(Exit::Bug, "the AWS SDK gave no chain of credentials; please report this as a bug"))
}

fn with_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config.to_builder().region(Region::new(region.to_owned())).build()
}

/// The own account's configuration: what the provider passes to its AWS session. The shared account sees none of
/// it, as in the Python backend, whose shared client is a fresh default one.
async fn own_config(settings: &Settings, base: &SdkConfig, env: &Env) -> Result<SdkConfig, Failure> {
    let access = &settings.kwargs.own;
    let region = match &settings.regions.own {
        Some(region) => region.clone(),
        None => profile_region(access).await.unwrap_or_else(|| settings.regions.shared.clone()),
    };
    let has_ca_of_its_own = access.ca_file.is_some();
    let config = if access.profile_name.is_some() || has_ca_of_its_own {
        let ca = access.ca_file.as_deref().map(Path::new).or(settings.ca_bundle.as_deref());
        let http = http_client(ca, false, env)?;
        let config = load(&region, &http, access.profile_name.as_deref()).await;
        let provider = match &access.profile_name {
            // As boto3 with a profile: that profile and nothing else, not even the AWS_* variables.
            Some(profile) => {
                let settings = ProviderConfig::without_region()
                    .with_region(Some(Region::new(region.clone())))
                    .with_http_client(http.clone());
                let provider = ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(profile);
                SharedCredentialsProvider::new(provider.build())
            }
            None => base_provider(&config)?,
        };
        let provider = Once::asking_again(provider);
        config.into_builder().credentials_provider(provider).build()
    } else {
        with_region(base, &region)
    };
    let config = match &access.keys {
        None => config,
        Some(keys) => {
            let token = keys.token.as_ref().map(|token| token.expose_secret().to_owned());
            let fixed = Credentials::new(&keys.id, keys.secret.expose_secret(), token, None, "backend_kwargs");
            config.into_builder().credentials_provider(SharedCredentialsProvider::new(fixed)).build()
        }
    };
    let Some(role) = &access.role else { return Ok(config) };
    let token_file = web_identity_file(role.via, role.token_file.as_deref(), env, "assume_role_method")?;
    let provider = Role {
        arn: role.arn.clone(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone(),
        token_file,
        config: config.clone(),
    };
    Ok(config.into_builder().credentials_provider(provider.provider()).build())
}

async fn profile_region(access: &OwnAccess) -> Option<String> {
    use aws_config::meta::region::ProvideRegion;
    let mut builder = ProfileFileRegionProvider::builder();
    if let Some(profile) = &access.profile_name {
        builder = builder.profile_name(profile);
    }
    builder.build().region().await.map(|region| region.to_string())
}

fn web_identity_file(via: RoleVia, given: Option<&str>, env: &Env, key: &str) -> Result<Option<PathBuf>, Failure> {
    if via == RoleVia::AssumeRole {
        return Ok(None);
    }
    match given.or_else(|| env.get(TOKEN_FILE).ok().flatten()) {
        Some(path) => Ok(Some(PathBuf::from(path))),
        None => Err(Failure::new(
            Exit::Config,
            format!("{key} wants a web identity, but {TOKEN_FILE} is not set: annotate the service account for IRSA"),
        )),
    }
}

/// The HTTP client of every call. Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
///
/// Without a single CA certificate every call would fail as an I/O error and be retried for half a minute, so that
/// is a mistake in the settings, found here. (The Rust SDK does not read AWS_CA_BUNDLE; boto3 and we do.)
fn http_client(ca_bundle: Option<&Path>, plain_http: bool, env: &Env) -> Result<SharedHttpClient, Failure> {
    let trust = match ca_bundle {
        Some(path) => TrustStore::empty().with_native_roots(false).with_pem_certificate(read_ca_bundle(path)?),
        None if plain_http => TrustStore::empty(),
        None => system_trust(env)?,
    };
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|_| Failure::new(Exit::Config, "the CA certificates can't be used"))?;
    Ok(HttpBuilder::new().build_with_connector_fn(move |settings, components: Option<&RuntimeComponents>| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env()).enable_tcp_nodelay(true);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls.clone()).build()
    }))
}

/// The system's certificates. Where the system has one bundle, that alone is read: the loader of the SDK reads the
/// directory of single certificates beside it as well, some 150 files with the same content.
fn system_trust(env: &Env) -> Result<TrustStore, Failure> {
    let chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| env.get(name) != Ok(None));
    let bundle = openssl_probe::probe().cert_file.filter(|_| !chosen);
    if let Some(pem) = bundle.and_then(|path| read_ca_bundle(&path).ok()) {
        return Ok(TrustStore::empty().with_native_roots(false).with_pem_certificate(pem));
    }
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        let line = "no CA certificates found: set AWS_CA_BUNDLE or SSL_CERT_FILE to a bundle, or put one at \
                    /etc/ssl/certs/ca-certificates.crt";
        return Err(Failure::new(Exit::Config, line));
    }
    Ok(TrustStore::default())
}

/// Whether every endpoint in use is an emulator's on plain HTTP, so that no CA certificate is needed. A profile may name
/// endpoints of its own, so with one the answer is no.
fn plain_http_only(settings: &Settings, only_own: bool, env: &Env) -> bool {
    let variable = |name| env.get(name).ok().flatten();
    let [all, secrets, sts] =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS"].map(variable);
    let access = &settings.kwargs.own;
    let own = access.endpoint_url.as_deref();
    let named = [all, secrets, sts, own];
    let is_covered =
        all.is_some() || (secrets.is_some() && sts.is_some()) || (only_own && own.is_some() && access.role.is_none());
    let has_profile = access.profile_name.is_some() || variable("AWS_PROFILE").is_some();
    is_covered && !has_profile && named.into_iter().flatten().all(|url| url.starts_with("http://"))
}

/// Reads a bundle and checks each certificate: the HTTP client itself panics on one that it can't parse.
fn read_ca_bundle(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = crate::text::printable(&path.display().to_string());
    let refuse = |problem: String| Failure::new(Exit::Config, format!("CA bundle {shown}: {problem}"));
    let pem =
        std::fs::read(path).map_err(|error| refuse(format!("can't be read: {}", crate::text::os_error(&error))))?;
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
