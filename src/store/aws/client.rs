//! One client for each account of the plan: region, endpoint, identity, TLS trust, retries and time-outs.

use std::path::Path;
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
use super::credentials::{AssumedRole, Once, WhoAmI};
use super::retries::{self, Retries};
use super::store::{AwsStore, Location, RunParts};
use super::{transport, trust};
use crate::config::env::Env;
use crate::config::kwargs::{Role, RoleVia};
use crate::config::settings::Settings;
use crate::error::{Exit, Failure};
use crate::model::aws_names::variable::WEB_IDENTITY_TOKEN_FILE as TOKEN_FILE;
use crate::plan::{Access, Plan, Source};
use crate::process::memory;

/// Makes the store of each of the plan's accounts, in order. Makes no call: credentials are loaded with the first one.
///
/// # Errors
/// [`Exit::Config`] when there is no CA certificate to trust, or a role wants a web identity that the pod lacks.
pub async fn open(settings: &Settings, plan: &Plan, env: &Env) -> Result<Vec<AwsStore>, Failure> {
    let budget = Budget::within(memory::limit(), settings.concurrency, plan.accounts.len().saturating_sub(1));
    // `verify` is the own account's alone; with no other account there is nothing else to trust.
    let only_own = plan.accounts.iter().all(|account| account.source == Source::Own);
    let own_ca = plan.own.ca_file.as_deref().map(Path::new).filter(|_| only_own);
    let plain_http = trust::plain_http_only(&plan.own, only_own, env);
    let http = transport::client(
        &trust::context(own_ca.or(settings.ca_bundle.as_deref()), plain_http, env)?,
        settings.concurrency,
        budget,
    )?;
    let run = RunParts {
        fetch: settings.fetch,
        concurrency: settings.concurrency,
        retries: Retries::default(),
        opened: transport::Opened::default(),
        context: Arc::new(CredentialContext::of(env)),
        budget,
    };
    let pod = load(plan.regions.shared.as_str(), &http, None).await;
    let provider = Once::asking_for_the_pod(provider_of(&pod)?, run.retries.clone(), run.context.clone());
    let pod = with_credentials(pod, provider);
    let own = own_config(settings.ca_bundle.as_deref(), plan, &pod, env, &run).await?;

    let mut stores = Vec::new();
    for account in &plan.accounts {
        let base = match &account.access {
            // Only a listing with the own identity shows that the own account is a shared one.
            Access::Own => &own,
            Access::Pod | Access::Role(_) => &pod,
        };
        let (mut config, number) = match &account.source {
            Source::Own => (base.clone(), None),
            Source::Shared { account, region } => (with_region(base, region.as_str()), Some(account.to_string())),
        };
        if let Access::Role(role) = &account.access {
            config = with_role(config, role, "shared_role_via", env, &run)?;
        }
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(&config);
        if let (Source::Own, Some(url)) = (&account.source, &plan.own.endpoint_url) {
            builder = builder.endpoint_url(url);
        }
        let client = aws_sdk_secretsmanager::Client::from_conf(builder.build());
        let identity = provider_of(&config)?;
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let location = Location { account: number, region };
        let who = WhoAmI::new(Arc::new(config), run.retries.clone());
        let in_owner_account = account.access != Access::Pod;
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

fn with_credentials(config: SdkConfig, provider: SharedCredentialsProvider) -> SdkConfig {
    config.into_builder().credentials_provider(provider).build()
}

/// The configuration with the role's credentials, in place of those that the role is taken with.
fn with_role(config: SdkConfig, role: &Role, via_key: &str, env: &Env, run: &RunParts) -> Result<SdkConfig, Failure> {
    let given = || role.token_file.as_deref().or_else(|| env.get(TOKEN_FILE).ok().flatten());
    let token_file = match role.via {
        RoleVia::AssumeRole => None,
        RoleVia::WebIdentity => Some(given().ok_or_else(|| {
            let problem = format!("wants a web identity, but {TOKEN_FILE} is not set");
            Failure::new(Exit::Config, format!("{via_key} {problem}: annotate the service account for IRSA"))
        })?),
    };
    let role = AssumedRole {
        arn: role.arn.to_string(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone(),
        token_file: token_file.map(Into::into),
        config: config.clone(),
        retries: run.retries.clone(),
        opened: run.opened.clone(),
    };
    Ok(with_credentials(config, role.provider()))
}

/// The own account's configuration: what the provider passes to its AWS session. The shared account sees none of
/// it, as in the Python backend, whose shared client is a fresh default one.
async fn own_config(
    ca_bundle: Option<&Path>,
    plan: &Plan,
    pod: &SdkConfig,
    env: &Env,
    run: &RunParts,
) -> Result<SdkConfig, Failure> {
    let access = &plan.own;
    let profile = access.profile_name.as_deref();
    let region = match &plan.regions.own {
        Some(region) => region.to_string(),
        None => profile_region(profile).await.unwrap_or_else(|| plan.regions.shared.to_string()),
    };
    let mut config = if profile.is_none() && access.ca_file.is_none() {
        with_region(pod, &region)
    } else {
        let ca = access.ca_file.as_deref().map(Path::new).or(ca_bundle);
        let http = transport::client(&trust::context(ca, false, env)?, run.concurrency, run.budget)?;
        let config = load(&region, &http, profile).await;
        let retries = run.retries.clone();
        let provider = match profile {
            // As boto3 with a profile: that profile and nothing else, not even the AWS_* variables.
            Some(profile) => {
                let settings = ProviderConfig::without_region()
                    .with_region(Some(Region::new(region)))
                    .with_http_client(http.clone());
                let provider = ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(profile);
                Once::asking(SharedCredentialsProvider::new(provider.build()), retries)
            }
            None => Once::asking_for_the_pod(provider_of(&config)?, retries, run.context.clone()),
        };
        with_credentials(config, provider)
    };
    if let Some(keys) = &access.keys {
        let token = keys.token.as_ref().map(|token| token.expose_secret().to_owned());
        let fixed = Credentials::new(&keys.id, keys.secret.expose_secret(), token, None, "backend_kwargs");
        config = with_credentials(config, SharedCredentialsProvider::new(fixed));
    }
    match &access.role {
        Some(role) => with_role(config, role, "assume_role_method", env, run),
        None => Ok(config),
    }
}

async fn profile_region(profile: Option<&str>) -> Option<String> {
    use aws_config::meta::region::ProvideRegion;
    let mut builder = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        builder = builder.profile_name(profile);
    }
    builder.build().region().await.map(|region| region.to_string())
}
