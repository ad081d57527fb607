//! One client for each account of the plan: region, endpoint, identity, TLS trust, retries and time-outs.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::Client;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use secrecy::ExposeSecret;

use super::budget::Budget;
use super::bulk::ReadsInBulk;
use super::configuration::{Configuration, Side};
use super::credential_context::CredentialContext;
use super::credentials::{AssumedRole, Once, TokenFile, WhoAmI};
use super::reads::Reads;
use super::retries::{self, Retries};
use super::sources::{self, Means};
use super::store::{AwsStore, Location, RunParts};
use super::transport;
pub use super::transport::Transport;
use super::trust;
use crate::config::env::Env;
use crate::config::kwargs::{OwnAccess, Role, RoleVia};
use crate::config::settings::Settings;
use crate::error::{Exit, Failure};
use crate::model::aws_names::variable::{CA_BUNDLE, WEB_IDENTITY_TOKEN_FILE as TOKEN_FILE};
use crate::plan::{Access, Plan, Source};
use crate::process::memory;

/// Makes the store of each of the plan's accounts, in order. Makes no call: credentials are loaded with the first one.
///
/// # Errors
/// [`Exit::Config`] when there is no CA certificate to trust, or a role wants a web identity that the pod lacks.
pub fn open(
    settings: &Settings,
    plan: &Plan,
    configuration: &Configuration,
    env: &Env,
) -> Result<Vec<AwsStore>, Failure> {
    let budget = budget(settings, plan);
    let only_own = only_own(plan);
    let transport = |side: &Side, verify: Option<(&Path, &'static str)>| {
        let of_variable = settings.ca_bundle.as_deref().map(|path| (path, CA_BUNDLE));
        let of_session = side.session.ca_bundle.as_ref().map(|(path, by)| (Path::new(path), *by));
        let ca = verify.or(of_variable).or(of_session);
        let plain_http = trust::plain_http_only(&side.session, &plan.own, only_own);
        let tls = trust::context(ca, plain_http, env)?;
        transport::open(&tls, settings.concurrency, budget, &configuration.proxies)
    };
    let reads = |client: &Client, _: Option<&str>| -> Arc<dyn Reads> { Arc::new(client.clone()) };
    open_over(transport, reads, settings, plan, configuration, env)
}

fn budget(settings: &Settings, plan: &Plan) -> Budget {
    let readings = if settings.refresh.is_some() { 2 } else { 1 };
    Budget::within(memory::limit(), settings.concurrency, plan.accounts.len().saturating_sub(1), readings)
}

/// `verify` is the own account's alone; with no other account there is nothing else to trust.
fn only_own(plan: &Plan) -> bool {
    plan.accounts.iter().all(|account| account.source == Source::Own)
}

/// The same over what `transport` gives for a side and the CA file of its `verify`, and read by what `reads` gives for a client
/// and the number of a shared account.
///
/// # Errors
/// Those of `transport`; [`Exit::Config`] when a role wants a web identity that the pod lacks.
pub fn open_over(
    transport: impl Fn(&Side, Option<(&Path, &'static str)>) -> Result<Transport, Failure>,
    reads: impl Fn(&Client, Option<&str>) -> Arc<dyn Reads>,
    settings: &Settings,
    plan: &Plan,
    Configuration { pod, own, proxies, .. }: &Configuration,
    env: &Env,
) -> Result<Vec<AwsStore>, Failure> {
    let access = &plan.own;
    let budget = budget(settings, plan);
    let only_own = only_own(plan);
    let own_ca = access.ca_file.as_deref().map(|path| (Path::new(path), "verify"));
    let run = RunParts {
        fetch: settings.fetch,
        concurrency: settings.concurrency,
        retries: Retries::default(),
        opened: transport::Opened::default(),
        context: Arc::new(CredentialContext::of(env)),
        budget,
    };
    let region_of = |side: &Side| {
        let regions = &plan.regions;
        let before = regions.own.as_ref().filter(|_| !regions.own_is_after_profile);
        let found = before.or(side.session.region.as_ref()).or(regions.own.as_ref()).unwrap_or(&regions.shared);
        found.to_string()
    };
    let of_pod = Party {
        side: pod,
        // The pod's own calls of STS go to the own region, wherever the secrets are.
        region: region_of(pod),
        transport: transport(pod, own_ca.filter(|_| only_own))?,
    };
    let pod_config = of_pod.identified(&run, true);
    let own_region = region_of(own);
    let is_pod = access.profile_name.is_none() && (own_ca.is_none() || only_own);
    let own_config = if is_pod {
        pod_config.clone()
    } else {
        let of_own = Party { side: own, region: own_region.clone(), transport: transport(own, own_ca)? };
        of_own.identified(&run, access.profile_name.is_none())
    };
    let own_config = own_config_of(access, own_config, env, &run)?;

    let mut stores = Vec::new();
    for account in &plan.accounts {
        let (region, number) = match &account.source {
            Source::Own => (own_region.clone(), None),
            Source::Shared { account, region } => (region.to_string(), Some(account.to_string())),
        };
        let (config, side) = match &account.access {
            // The session of a role is one of its own, which knows no profile (`_create_session_with_assume_role`).
            Access::Own => (own_config.clone(), if access.role.is_some() { pod } else { own }),
            Access::Pod => (pod_config.clone(), pod),
            Access::Role(role) => {
                let base = of_pod.sts(&region).credentials_provider(provider_of(&pod_config)?).build();
                (with_role(base, role, "shared_role_via", env, &run)?, pod)
            }
        };
        let of_kwargs = access.endpoint_url.clone().filter(|_| account.source == Source::Own);
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(&config).region(Region::new(region.clone()));
        let endpoint = of_kwargs.or_else(|| side.session.secrets_manager.clone());
        let host = endpoint.clone().unwrap_or_else(|| format!("https://secretsmanager.{region}.amazonaws.com"));
        let proxy = proxies.before(&host).map(|proxy| proxy.variable);
        let is_named = endpoint.is_some();
        builder.set_use_fips(Some(side.session.fips && !is_named));
        builder.set_use_dual_stack(Some(side.session.dual_stack && !is_named));
        builder.set_endpoint_url(endpoint);
        builder.push_interceptor(SharedInterceptor::new(ReadsInBulk::new()));
        let client = Client::from_conf(builder.build());
        let reads = reads(&client, number.as_deref());
        let identity = provider_of(&config)?;
        let location = Location { account: number, region, proxy };
        let who = WhoAmI::new(Arc::new(config), run.retries.clone());
        let in_owner_account = account.access != Access::Pod;
        stores.push(AwsStore::new((client, reads), (identity, who), location, in_owner_account, run.clone()));
    }
    Ok(stores)
}

/// One side of the configuration, with the region of its calls of STS.
struct Party<'a> {
    side: &'a Side,
    region: String,
    transport: Transport,
}

/// The regions whose calls of STS went to the one global endpoint before there were others (botocore 1.44 `args.py`,
/// `LEGACY_GLOBAL_STS_REGIONS`).
const LEGACY_STS: &str = "ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 aws-global ca-central-1 eu-central-1 eu-north-1 \
    eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2";

impl Party<'_> {
    /// The configuration of STS for a region; also the base of every other client's.
    fn sts(&self, region: &str) -> aws_types::sdk_config::Builder {
        let session = &self.side.session;
        let is_legacy =
            session.sts_legacy && session.sts.is_none() && LEGACY_STS.split(' ').any(|legacy| legacy == region);
        let global = is_legacy.then(|| "https://sts.amazonaws.com".to_owned());
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(if is_legacy { "us-east-1".to_owned() } else { region.to_owned() }))
            .http_client(self.transport.aws.clone())
            .retry_config(retries::config())
            .timeout_config(retries::timeouts())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            // As in botocore, an endpoint that is named is taken as it stands.
            .use_fips(session.fips && session.sts.is_none())
            .use_dual_stack(session.dual_stack && session.sts.is_none());
        builder.set_endpoint_url(session.sts.clone().or(global));
        builder.set_app_name(AppName::new("airflow-secrets-init").ok());
        builder
    }

    /// The same with the credentials of this side.
    fn identified(&self, run: &RunParts, of_the_pod: bool) -> SdkConfig {
        let config = self.sts(&self.region).build();
        let means = Means {
            sts: config.clone(),
            direct: self.transport.direct.clone(),
            http: self.transport.aws.clone(),
            sso: self.side.session.sso.clone(),
            retries: run.retries.clone(),
            opened: run.opened.clone(),
            printed: self.side.printed.clone(),
        };
        let provider = sources::provider_of(&self.side.identity, &means);
        let provider = if of_the_pod {
            Once::asking_for_the_pod(provider, run.retries.clone(), run.context.clone())
        } else {
            Once::asking(provider, run.retries.clone())
        };
        config.into_builder().credentials_provider(provider).build()
    }
}

fn provider_of(config: &SdkConfig) -> Result<SharedCredentialsProvider, Failure> {
    config
        .credentials_provider()
        .ok_or_else(|| Failure::new(Exit::Bug, "a client of AWS has no credentials; please report this as a bug"))
}

fn with_credentials(config: SdkConfig, provider: SharedCredentialsProvider) -> SdkConfig {
    config.into_builder().credentials_provider(provider).build()
}

/// The configuration with the role's credentials, in place of those that the role is taken with.
fn with_role(config: SdkConfig, role: &Role, via_key: &str, env: &Env, run: &RunParts) -> Result<SdkConfig, Failure> {
    let given = role.token_file.as_deref().map(|path| (path, "assume_role_with_web_identity_token_file"));
    let given = || given.or_else(|| env.get(TOKEN_FILE).ok().flatten().map(|path| (path, TOKEN_FILE)));
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
        token_file: token_file.map(|(path, by)| TokenFile::new(path, by)),
        config: config.clone(),
        retries: run.retries.clone(),
        opened: run.opened.clone(),
        sts: OnceLock::new(),
    };
    Ok(with_credentials(config, role.provider()))
}

/// The own account's configuration with what the kwargs say. The shared account sees none of it, as in the Python backend, whose
/// shared client is a fresh default one.
fn own_config_of(access: &OwnAccess, config: SdkConfig, env: &Env, run: &RunParts) -> Result<SdkConfig, Failure> {
    let config = match &access.keys {
        None => config,
        Some(keys) => {
            let token = keys.token.as_ref().map(|token| token.expose_secret().to_owned());
            let fixed = Credentials::new(&keys.id, keys.secret.expose_secret(), token, None, "backend_kwargs");
            with_credentials(config, SharedCredentialsProvider::new(fixed))
        }
    };
    match &access.role {
        Some(role) => with_role(config, role, "assume_role_method", env, run),
        None => Ok(config),
    }
}
