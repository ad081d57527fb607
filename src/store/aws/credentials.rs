//! Who we are: the pod's own credentials, loaded once, and the roles that are taken with them.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_config::meta::ProviderChainError;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};
use aws_sdk_sts::operation::assume_role_with_web_identity::{
    AssumeRoleWithWebIdentityError, AssumeRoleWithWebIdentityOutput,
};
use aws_sdk_sts::types::{AssumedRoleUser, Credentials as StsCredentials};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

use super::classify;
use super::credential_context::{CredentialContext, Origin};
use super::retries::{self, Retries};
use super::transport::{self, Opened, Prewarm};
use crate::model::aws_names::action::{
    ASSUME_ROLE, ASSUME_ROLE_WITH_WEB_IDENTITY as WEB_IDENTITY, GET_CALLER_IDENTITY,
};
use crate::model::cause::Cause;
use crate::store::error::{ErrorKind, StoreError};

/// The name that shows in CloudTrail for a role that we take.
const SESSION_NAME: &str = "airflow-secrets-init";
const ACTION: &str = crate::store::error::CREDENTIALS;
/// How long an error waits for the name of the caller.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks a provider once and gives the same answer, or the same trouble, to everybody after that; and once more when what it gave
/// has expired: an agent may hand out what has only seconds to live.
///
/// Every client of the SDK has a cache of its own. Without this the own and the shared client would each call STS,
/// the container's endpoint or IMDS for the same credentials. And the SDK gives up where waiting helps: it takes a 429 of
/// the Pod Identity agent for final, and a node that is only starting for one without a role.
#[derive(Debug)]
pub struct Once {
    provider: SharedCredentialsProvider,
    retries: Retries,
    /// Of the pod's own credentials: what they are compared with.
    context: Option<Arc<CredentialContext>>,
    answer: Mutex<Option<Result<Credentials, StoreError>>>,
}

impl Once {
    fn provider(
        provider: SharedCredentialsProvider,
        retries: Retries,
        context: Option<Arc<CredentialContext>>,
    ) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self { provider, retries, context, answer: Mutex::default() })
    }

    /// Asks as often as [`Retries`] says.
    pub fn asking(provider: SharedCredentialsProvider, retries: Retries) -> SharedCredentialsProvider {
        Self::provider(provider, retries, None)
    }

    /// The same for what the environment names, which may turn out to be somebody else.
    pub fn asking_for_the_pod(
        provider: SharedCredentialsProvider,
        retries: Retries,
        context: Arc<CredentialContext>,
    ) -> SharedCredentialsProvider {
        Self::provider(provider, retries, Some(context))
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let mut known = self.answer.lock().await;
        let answer = match known.take() {
            Some(answer) if !answer.as_ref().is_ok_and(has_expired) => answer,
            before => self.ask(before.is_none()).await,
        };
        known.insert(answer).clone().map_err(CredentialsError::provider_error)
    }

    async fn ask(&self, for_the_first_time: bool) -> Result<Credentials, StoreError> {
        let attempt = || async { self.provider.provide_credentials().await.map_err(|error| in_our_words(&error)) };
        let credentials = self.retries.persist_for(retries::SLOW_ATTEMPT, ACTION, attempt).await;
        let Some(context) = &self.context else { return credentials };
        if let Ok(credentials) = credentials.as_ref()
            && for_the_first_time
        {
            context.tell_of(Origin::of(credentials));
        }
        credentials.map_err(|error| context.explain(error))
    }
}

fn has_expired(credentials: &Credentials) -> bool {
    credentials.expiry().is_some_and(|expiry| expiry <= SystemTime::now())
}

impl ProvideCredentials for Once {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

/// A role taken by our own STS call, so that what STS says reaches the operator.
#[derive(Debug)]
pub struct Role {
    pub arn: String,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
    /// The web identity token's file; `None` takes the role with the credentials of `config`.
    pub token_file: Option<PathBuf>,
    /// Region, endpoint, HTTP client and the credentials that the role is taken with.
    pub config: SdkConfig,
    pub retries: Retries,
    pub opened: Opened,
}

impl Role {
    pub fn provider(self) -> SharedCredentialsProvider {
        let retries = self.retries.clone();
        Once::asking(SharedCredentialsProvider::new(self), retries)
    }

    async fn assume(&self) -> Result<Credentials, CredentialsError> {
        let credentials = match &self.token_file {
            None => self.by_assume_role().await,
            Some(file) => self.by_web_identity(file).await,
        };
        credentials.map_err(CredentialsError::provider_error)
    }

    fn session_name(&self) -> &str {
        self.session_name.as_deref().unwrap_or(SESSION_NAME)
    }

    async fn by_assume_role(&self) -> Result<Credentials, StoreError> {
        let sts = aws_sdk_sts::Client::new(&self.config);
        self.wait_for_own_credentials(&sts).await?;
        let request = sts
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .set_external_id(self.external_id.clone())
            // The shortest that STS gives: a run lasts seconds.
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(classify::from_sdk(ASSUME_ROLE, &error)))?;
        let AssumeRoleOutput { credentials, assumed_role_user, .. } = output;
        self.convert(ASSUME_ROLE, credentials, assumed_role_user)
    }

    /// Waits for the credentials that the role is taken with, and has a connection to STS by then. Within a call the SDK has
    /// a time limit of its own for credentials.
    async fn wait_for_own_credentials(&self, sts: &aws_sdk_sts::Client) -> Result<(), StoreError> {
        let Some(own) = self.config.credentials_provider() else { return Ok(()) };
        let mut loading = pin!(own.provide_credentials());
        let at_once = poll_fn(|context| Poll::Ready(loading.as_mut().poll(context))).await;
        let loaded = match at_once {
            Poll::Ready(loaded) => loaded,
            Poll::Pending => tokio::join!(loading, self.open_connection(sts)).0,
        };
        loaded.map(drop).map_err(|error| in_our_words(&error))
    }

    async fn open_connection(&self, sts: &aws_sdk_sts::Client) {
        let Some(http) = self.config.http_client() else { return };
        let config = aws_sdk_sts::config::Config::builder()
            .http_client(Prewarm::new(http, 1, self.opened.clone()))
            .credentials_provider(transport::nobody());
        drop(sts.get_caller_identity().customize().config_override(config).send().await);
    }

    async fn by_web_identity(&self, file: &Path) -> Result<Credentials, StoreError> {
        let token = crate::config::files::read_text(file, 1 << 20).map_err(|error| {
            let message = format!("the web identity token file can't be read: {}", crate::text::os_error(&error));
            let subject = Some(file.display().to_string());
            StoreError { subject, ..StoreError::new(Cause::TokenFile, WEB_IDENTITY, message) }
        })?;
        let request = aws_sdk_sts::Client::new(&self.config)
            .assume_role_with_web_identity()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .web_identity_token(token.trim())
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(classify::from_sdk(WEB_IDENTITY, &error)))?;
        let AssumeRoleWithWebIdentityOutput { credentials, assumed_role_user, .. } = output;
        self.convert(WEB_IDENTITY, credentials, assumed_role_user)
    }

    fn refused(&self, error: StoreError) -> StoreError {
        StoreError { subject: Some(self.arn.clone()), ..of_role(error) }
    }

    fn convert(
        &self,
        action: &'static str,
        credentials: Option<StsCredentials>,
        user: Option<AssumedRoleUser>,
    ) -> Result<Credentials, StoreError> {
        let credentials = credentials
            .ok_or_else(|| self.refused(StoreError::new(Cause::NotAws, action, "the answer holds no credentials")))?;
        let expiry = SystemTime::try_from(credentials.expiration).ok();
        let mut ours = Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            expiry,
            "airflow-secrets-init role",
        );
        if let Some(user) = user {
            ours.set_property(CallerArn(user.arn));
        }
        Ok(ours)
    }
}

/// Whose credentials these are: kept with those of a role that we took.
#[derive(Clone)]
pub struct CallerArn(pub String);

impl fmt::Debug for CallerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A refusal by STS is about the role. Whether it throttles or is down stays what it is.
fn of_role(error: StoreError) -> StoreError {
    let cause = match (error.kind(), error.action) {
        (ErrorKind::Denied, WEB_IDENTITY) => Cause::WebIdentityDenied,
        (ErrorKind::Denied, _) => Cause::RoleDenied,
        (kind, _) if kind.is_of_one_secret() => Cause::RoleRejected,
        _ => error.cause,
    };
    StoreError { cause, ..error }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// Asks STS who an identity is. Every identity may ask that.
pub struct WhoAmI {
    config: Arc<SdkConfig>,
    retries: Retries,
    calls: Cell<u64>,
    known: OnceCell<Option<Identity>>,
}

/// What STS says.
#[derive(Clone, Debug)]
pub struct Identity {
    pub arn: Option<String>,
    pub account: Option<String>,
}

impl WhoAmI {
    const ACTION: &str = GET_CALLER_IDENTITY;

    pub fn new(config: Arc<SdkConfig>, retries: Retries) -> Self {
        Self { config, retries, calls: Cell::new(0), known: OnceCell::new() }
    }

    pub const fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// The account, without which the run can't go on.
    pub async fn account(&self) -> Result<String, StoreError> {
        self.calls.set(self.calls.get() + 1);
        let ask = || async {
            let account = self.ask().await?.account;
            account.ok_or_else(|| StoreError::new(Cause::NotAws, Self::ACTION, "the answer holds no account"))
        };
        self.retries.persist(Self::ACTION, ask).await
    }

    /// Who it is, for an error that is about to be told. An endpoint policy may deny that, or there may be no way to STS: then
    /// nobody knows.
    pub async fn quietly(&self) -> Option<&Identity> {
        let ask = || async {
            self.calls.set(self.calls.get() + 1);
            timeout(PATIENCE, self.ask()).await.ok()?.ok()
        };
        self.known.get_or_init(ask).await.as_ref()
    }

    async fn ask(&self) -> Result<Identity, StoreError> {
        let sts = aws_sdk_sts::Client::new(&self.config);
        let output =
            sts.get_caller_identity().send().await.map_err(|error| classify::from_sdk(Self::ACTION, &error))?;
        Ok(Identity { arn: output.arn, account: output.account })
    }
}

/// What a provider's error says, in words that quote nothing.
pub fn in_our_words(error: &CredentialsError) -> StoreError {
    let mut next = std::error::Error::source(error);
    while let Some(current) = next {
        if let Some(ours) = current.downcast_ref::<StoreError>() {
            return ours.clone();
        }
        next = current.source();
    }
    explain(error)
}

/// The SDK's own chain failed. Its words name providers and files, but an STS body can be among them: only what we
/// know to be harmless is repeated.
pub fn explain(error: &CredentialsError) -> StoreError {
    if let Some(refused) = classify::refused(ACTION, error) {
        return refused;
    }
    for current in classify::chain(error) {
        if let Some(sts) = current.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>() {
            return of_role(classify::from_sdk(WEB_IDENTITY, sts));
        }
        if let Some(sts) = current.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            return of_role(classify::from_sdk(ASSUME_ROLE, sts));
        }
        if let Some(sts) = current.downcast_ref::<AssumeRoleWithWebIdentityError>() {
            return refused_by_sts(WEB_IDENTITY, sts);
        }
        if let Some(sts) = current.downcast_ref::<AssumeRoleError>() {
            return refused_by_sts(ASSUME_ROLE, sts);
        }
        if current.is::<ConnectorError>() {
            return classify::unreached(ACTION, current);
        }
        if let Some(imds) = current.downcast_ref::<ImdsError>() {
            return of_imds(imds);
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return of_io(io);
        }
        if let Some(status) = http_status(&current.to_string()) {
            let cause = match status {
                429 => Cause::Throttled,
                500.. => Cause::ServerFault,
                _ => Cause::AgentRefuses,
            };
            return StoreError::new(cause, ACTION, format!("the credentials endpoint answers HTTP {status}"));
        }
        if let Some(tried) = current.downcast_ref::<ProviderChainError<CredentialsError>>() {
            let mut tried = tried.attempts().iter().flat_map(|attempt| classify::chain(attempt.error()));
            // Not configured says every provider without more; this one alone was asked.
            if let Some(silent) = tried.find(|error| error.is::<ConnectorError>()) {
                let message = format!(
                    "none found: no AWS_* variables, profile, web identity or container role, and the instance metadata service \
                     does not help: {}",
                    classify::unreached(ACTION, silent).message
                );
                return StoreError::new(Cause::ImdsSilent, ACTION, message);
            }
        }
    }
    let (cause, message) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            Cause::NoCredentials,
            "none found: no AWS_* variables, profile, web identity, container or instance role (or the profile that is named \
             is not there)",
        ),
        CredentialsError::ProviderTimedOut(_) => (Cause::NoAnswer, "the provider did not answer in time"),
        CredentialsError::InvalidConfiguration(_) => (
            Cause::BadConfiguration,
            "the profile or the AWS_* variables of the credentials are not right (SSO and credential_process are not supported)",
        ),
        // The SDK's word for an answer that it can't read.
        CredentialsError::Unhandled(_) => (
            Cause::NotAws,
            "the endpoint for credentials (STS, the container's or the instance's) answers something else",
        ),
        _ => (Cause::Unaccepted, "the provider that the environment names gave none"),
    };
    StoreError::new(cause, ACTION, message)
}

/// The instance metadata service is there, or was.
fn of_imds(error: &ImdsError) -> StoreError {
    let status = match error {
        ImdsError::ErrorResponse(answer) => Some(answer.response().status()),
        ImdsError::FailedToLoadToken(_) => {
            let token = std::error::Error::source(error).and_then(|error| error.downcast_ref());
            token.and_then(|error: &SdkError<TokenError, HttpResponse>| error.raw_response()).map(HttpResponse::status)
        }
        _ => None,
    };
    let service = "the instance metadata service";
    let (cause, message) = match status.map(u16::from) {
        Some(429) => (Cause::Throttled, format!("{service} answers HTTP 429")),
        Some(status @ 500..) => (Cause::ServerFault, format!("{service} answers HTTP {status}")),
        Some(300..) => (Cause::ImdsSilent, format!("{service} gives none")),
        _ => (Cause::NotAws, format!("{service} is cut off, or answers something else")),
    };
    StoreError::new(cause, ACTION, message)
}

/// A file that can't be read is a mistake of the Pod's; a connection that can't be made may pass.
fn of_io(error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind as Io;
    let passes = matches!(
        error.kind(),
        Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NotConnected
            | Io::BrokenPipe
            | Io::TimedOut
            | Io::UnexpectedEof
    );
    let (cause, what) = if passes {
        (Cause::Connect, "the endpoint for credentials (STS, the container's or the instance's) can't be reached")
    } else {
        (Cause::TokenFile, "a token or credentials file that the environment or profile names can't be read")
    };
    StoreError::new(cause, ACTION, format!("{what}: {}", crate::text::os_error(error)))
}

/// The status in the SDK's words for an answer of the container's endpoint (aws-config 1.13
/// `http_credential_provider.rs`); of those words nothing but the number is used.
fn http_status(words: &str) -> Option<u16> {
    words.split_once("StatusCode(")?.1.get(..3)?.parse().ok()
}

fn refused_by_sts(action: &'static str, sts: &impl aws_sdk_sts::error::ProvideErrorMetadata) -> StoreError {
    use aws_sdk_sts::operation::RequestId;
    let ours = classify::of_code(action, sts.code().map(str::to_owned), sts.message().map(str::to_owned));
    StoreError { request_id: sts.meta().request_id().map(Box::from), ..of_role(ours) }
}
