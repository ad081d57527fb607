//! Who we are: the pod's own credentials, loaded once, and the roles that are taken with them.

use std::cell::Cell;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::types::Credentials as StsCredentials;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;
use tokio::sync::OnceCell;

use super::errors;
use super::http::{self, Opened, OpensOnly};
use super::retries::{self, Retries};
use crate::store::{ErrorKind, StoreError};

/// The name that shows in CloudTrail for a role that we take.
const SESSION_NAME: &str = "airflow-secrets-init";

/// Asks a provider once and gives the same answer, or the same trouble, to everybody after that.
///
/// Every client of the SDK has a cache of its own. Without this the own and the shared client would each call STS,
/// the container's endpoint or IMDS for the same credentials. And the SDK gives up where waiting helps: it takes a 429 of
/// the Pod Identity agent for final, and a node that is only starting for one without a role.
#[derive(Debug)]
pub struct Once {
    provider: SharedCredentialsProvider,
    retries: Retries,
    answer: OnceCell<Result<Credentials, StoreError>>,
}

impl Once {
    /// Asks as often as [`Retries`] says.
    pub fn asking(provider: SharedCredentialsProvider, retries: Retries) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self { provider, retries, answer: OnceCell::new() })
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        self.answer.get_or_init(|| self.ask()).await.clone().map_err(CredentialsError::provider_error)
    }

    async fn ask(&self) -> Result<Credentials, StoreError> {
        let attempt = || async { self.provider.provide_credentials().await.map_err(|error| in_our_words(&error)) };
        self.retries.persist_for(retries::SLOW_ATTEMPT, crate::store::CREDENTIALS, attempt).await
    }
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
        const ACTION: &str = "sts:AssumeRole";
        let sts = aws_sdk_sts::Client::new(&self.config);
        self.wait_for_own_credentials(&sts).await?;
        let request = sts
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .set_external_id(self.external_id.clone())
            // The shortest that STS gives: a run lasts seconds.
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(errors::from_sdk(ACTION, &error)))?;
        self.convert(ACTION, output.credentials)
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
            .http_client(OpensOnly::new(http, 1, self.opened.clone()))
            .credentials_provider(http::nobody());
        drop(sts.get_caller_identity().customize().config_override(config).send().await);
    }

    async fn by_web_identity(&self, file: &Path) -> Result<Credentials, StoreError> {
        const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
        let token = crate::files::read_text(file, 1 << 20).map_err(|error| {
            let message = format!("the web identity token file can't be read: {}", crate::text::os_error(&error));
            let subject = Some(file.display().to_string());
            StoreError { subject, ..StoreError::new(ErrorKind::Credentials, ACTION, message) }
        })?;
        let request = aws_sdk_sts::Client::new(&self.config)
            .assume_role_with_web_identity()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .web_identity_token(token.trim())
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(errors::from_sdk(ACTION, &error)))?;
        self.convert(ACTION, output.credentials)
    }

    /// A refusal by STS is about the role. Whether it throttles or is down stays what it is.
    fn refused(&self, error: StoreError) -> StoreError {
        let kind = if error.kind.is_of_one_secret() { ErrorKind::Credentials } else { error.kind };
        StoreError { kind, subject: Some(self.arn.clone()), ..error }
    }

    fn convert(&self, action: &'static str, credentials: Option<StsCredentials>) -> Result<Credentials, StoreError> {
        let credentials = credentials.ok_or_else(|| {
            self.refused(StoreError::new(ErrorKind::Unavailable, action, "the answer holds no credentials"))
        })?;
        let expiry = SystemTime::try_from(credentials.expiration).ok();
        Ok(Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            expiry,
            "airflow-secrets-init role",
        ))
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// Asks STS which account an identity belongs to. Every identity may ask that.
pub struct AccountOf {
    config: Arc<SdkConfig>,
    retries: Retries,
    calls: Cell<u64>,
}

impl AccountOf {
    pub const fn new(config: Arc<SdkConfig>, retries: Retries) -> Self {
        Self { config, retries, calls: Cell::new(0) }
    }

    pub const fn calls(&self) -> u64 {
        self.calls.get()
    }

    pub async fn get(&self) -> Result<String, StoreError> {
        const ACTION: &str = "sts:GetCallerIdentity";
        self.calls.set(self.calls.get() + 1);
        let sts = aws_sdk_sts::Client::new(&self.config);
        let attempt =
            || async { sts.get_caller_identity().send().await.map_err(|error| errors::from_sdk(ACTION, &error)) };
        let output = self.retries.persist(ACTION, attempt).await?;
        output.account.ok_or_else(|| StoreError::new(ErrorKind::Unavailable, ACTION, "the answer holds no account"))
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
    const ACTION: &str = crate::store::CREDENTIALS;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(sts) = current
            .downcast_ref::<aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError>()
        {
            return refused_by_sts("sts:AssumeRoleWithWebIdentity", sts);
        }
        if let Some(sts) = current.downcast_ref::<aws_sdk_sts::operation::assume_role::AssumeRoleError>() {
            return refused_by_sts("sts:AssumeRole", sts);
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return of_io(io);
        }
        if let Some(status) = http_status(&current.to_string()) {
            let kind = match status {
                429 => ErrorKind::Throttled,
                500.. => ErrorKind::Unavailable,
                _ => ErrorKind::Credentials,
            };
            return StoreError::new(kind, ACTION, format!("the credentials endpoint answers HTTP {status}"));
        }
        if current.downcast_ref::<ConnectorError>().is_some_and(|error| error.is_timeout() || error.is_io()) {
            return StoreError::new(ErrorKind::Unavailable, ACTION, "the credentials endpoint does not answer");
        }
        next = current.source();
    }
    let (kind, message) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            ErrorKind::Credentials,
            "none found: no AWS_* variables, profile, web identity, container or instance role (or the profile that is named \
             is not there)",
        ),
        CredentialsError::ProviderTimedOut(_) => (ErrorKind::Unavailable, "the provider did not answer in time"),
        CredentialsError::InvalidConfiguration(_) => (
            ErrorKind::Credentials,
            "the profile or the AWS_* variables of the credentials are not right (SSO and credential_process are not supported)",
        ),
        _ => (ErrorKind::Credentials, "the provider that the environment names gave none"),
    };
    StoreError::new(kind, ACTION, message)
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
    let (kind, what) = if passes {
        (
            ErrorKind::Unavailable,
            "the endpoint for credentials (STS, the container's or the instance's) can't be reached",
        )
    } else {
        (ErrorKind::Credentials, "a token or credentials file that the environment or profile names can't be read")
    };
    StoreError::new(kind, crate::store::CREDENTIALS, format!("{what}: {}", crate::text::os_error(error)))
}

/// The status in the SDK's words for an answer of the container's endpoint (aws-config 1.13
/// `http_credential_provider.rs`); of those words nothing but the number is used.
fn http_status(words: &str) -> Option<u16> {
    words.split_once("StatusCode(")?.1.get(..3)?.parse().ok()
}

fn refused_by_sts(action: &'static str, sts: &impl aws_sdk_sts::error::ProvideErrorMetadata) -> StoreError {
    use aws_sdk_sts::operation::RequestId;
    let ours = errors::of_code(action, sts.code().map(str::to_owned), sts.message().map(str::to_owned));
    let kind = if ours.kind.is_of_one_secret() { ErrorKind::Credentials } else { ours.kind };
    let request_id = sts.meta().request_id().map(str::to_owned);
    StoreError { kind, request_id, ..ours }
}
