//! One client for each account of the plan: region, endpoint, identity, TLS trust, retries and time-outs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use secrecy::ExposeSecret;

use super::budget::Budget;
use super::credential_context::CredentialContext;
use super::credentials::{Once, Role, WhoAmI};
use super::retries::{self, Retries};
use super::store::{AwsStore, Location, RunParts};
use super::{transport, trust};
use crate::config::env::Env;
use crate::config::kwargs::{OwnAccess, RoleVia};
use crate::config::settings::Settings;
use crate::error::{Exit, Failure};
use crate::model::aws_names::variable::WEB_IDENTITY_TOKEN_FILE as TOKEN_FILE;
use crate::plan::{Plan, Source};
use crate::process::memory;

/// Makes the store of each of the plan's accounts, in order. Makes no call: credentials are loaded with the first one.
///
/// # Errors
/// [`Exit::Config`] when there is no CA certificate to trust, or a role wants a web identity that the pod lacks.
pub async fn open(settings: &Settings, plan: &Plan, env: &Env) -> Result<Vec<AwsStore>, Failure> {
    let access = &settings.kwargs.own;
    let budget = Budget::within(memory::limit(), settings.concurrency, plan.accounts.len().saturating_sub(1));
    // `verify` is the own account's alone; with no other account there is nothing else to trust.
    let only_own = plan.accounts.iter().all(|account| account.source == Source::Own);
    let own_ca = access.ca_file.as_deref().map(Path::new).filter(|_| only_own);
    let plain_http = trust::plain_http_only(settings, only_own, env);
    let http = transport::client(
        &trust::context(own_ca.or(settings.ca_bundle.as_deref()), plain_http, env)?,
        settings.concurrency,
        budget,
    )?;
    let retries = Retries::default();
    let base = load(settings.regions.shared.as_str(), &http, None).await;
    let context = Arc::new(CredentialContext::of(env));
    let pod = Once::asking_for_the_pod(provider_of(&base)?, retries.clone(), context.clone());
    let base = base.into_builder().credentials_provider(pod.clone()).build();

    let opened = transport::Opened::default();
    let own = own_config(settings, &base, env, (&retries, &opened), &context, budget).await?;
    let run = RunParts {
        fetch: settings.fetch,
        concurrency: settings.concurrency,
        retries: retries.clone(),
        opened: opened.clone(),
        context: context.clone(),
        budget,
    };
    let mut stores = Vec::new();
    for account in &plan.accounts {
        let shared = account.shared.and_then(|place| settings.kwargs.shared.get(place));
        let (config, in_owner_account) = match &account.source {
            Source::Own => (own.clone(), true),
            Source::Shared { region, .. } => {
                let base = with_region(&base, region.as_str());
                match shared.and_then(|shared| shared.role.as_ref()) {
                    Some(role) => {
                        let token_file = web_identity_file(role.via, None, env, "shared_role_via")?;
                        let role = Role {
                            arn: role.arn.to_string(),
                            external_id: role.external_id.clone(),
                            session_name: None,
                            token_file,
                            config: base.clone(),
                            retries: retries.clone(),
                            opened: opened.clone(),
                        };
                        (base.into_builder().credentials_provider(role.provider()).build(), true)
                    }
                    // Only a listing with the own identity shows that the own account is the shared one.
                    None if account.only_if_own => (with_region(&own, region.as_str()), true),
                    None => (base, false),
                }
            }
        };
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(&config);
        if let (Source::Own, Some(url)) = (&account.source, &access.endpoint_url) {
            builder = builder.endpoint_url(url);
        }
        let client = aws_sdk_secretsmanager::Client::from_conf(builder.build());
        let identity = provider_of(&config)?;
        let known = match &account.source {
            Source::Own => None,
            Source::Shared { account, .. } => Some(account.to_string()),
        };
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let location = Location { account: known, region };
        let who = WhoAmI::new(Arc::new(config), retries.clone());
        stores.push(AwsStore::new(client, (identity, who), location, in_owner_account, run.clone()));
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

fn provider_of(config: &SdkConfig) -> Result<SharedCredentialsProvider, Failure> {
    config
        .credentials_provider()
        .ok_or_else(|| Failure::new(Exit::Bug, "the AWS SDK gave no chain of credentials; please report this as a bug"))
}

fn with_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config.to_builder().region(Region::new(region.to_owned())).build()
}

/// The own account's configuration: what the provider passes to its AWS session. The shared account sees none of
/// it, as in the Python backend, whose shared client is a fresh default one.
async fn own_config(
    settings: &Settings,
    base: &SdkConfig,
    env: &Env,
    (retries, opened): (&Retries, &transport::Opened),
    context: &Arc<CredentialContext>,
    budget: Budget,
) -> Result<SdkConfig, Failure> {
    let access = &settings.kwargs.own;
    let region = match &settings.regions.own {
        Some(region) => region.to_string(),
        None => profile_region(access).await.unwrap_or_else(|| settings.regions.shared.to_string()),
    };
    let has_ca_of_its_own = access.ca_file.is_some();
    let config = if access.profile_name.is_some() || has_ca_of_its_own {
        let ca = access.ca_file.as_deref().map(Path::new).or(settings.ca_bundle.as_deref());
        let http = transport::client(&trust::context(ca, false, env)?, settings.concurrency, budget)?;
        let config = load(&region, &http, access.profile_name.as_deref()).await;
        let of_profile = access.profile_name.is_some();
        let provider = match &access.profile_name {
            // As boto3 with a profile: that profile and nothing else, not even the AWS_* variables.
            Some(profile) => {
                let settings = ProviderConfig::without_region()
                    .with_region(Some(Region::new(region.clone())))
                    .with_http_client(http.clone());
                let provider = ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(profile);
                SharedCredentialsProvider::new(provider.build())
            }
            None => provider_of(&config)?,
        };
        let provider = if of_profile {
            Once::asking(provider, retries.clone())
        } else {
            Once::asking_for_the_pod(provider, retries.clone(), context.clone())
        };
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
        arn: role.arn.to_string(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone(),
        token_file,
        config: config.clone(),
        retries: retries.clone(),
        opened: opened.clone(),
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
