//! Who we are: the pod's own credentials, loaded once, and the roles that are taken with them.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::types::Credentials as StsCredentials;
use aws_types::SdkConfig;
use tokio::sync::OnceCell;

use super::errors;
use crate::store::{ErrorKind, StoreError};

/// The name that shows in CloudTrail for a role that we take.
const SESSION_NAME: &str = "airflow-secrets-init";

/// Asks a provider once and gives the same answer, or the same trouble, to everybody after that.
///
/// Every client of the SDK has a cache of its own. Without this the own and the shared client would each call STS,
/// the container's endpoint or IMDS for the same credentials.
#[derive(Debug)]
pub struct Once {
    provider: SharedCredentialsProvider,
    answer: OnceCell<Result<Credentials, StoreError>>,
}

impl Once {
    pub fn asking(provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self { provider, answer: OnceCell::new() })
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let ask = || async { self.provider.provide_credentials().await.map_err(|error| in_our_words(&error)) };
        self.answer.get_or_init(ask).await.clone().map_err(CredentialsError::provider_error)
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
}

impl Role {
    pub fn provider(self) -> SharedCredentialsProvider {
        Once::asking(SharedCredentialsProvider::new(self))
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
        let request = aws_sdk_sts::Client::new(&self.config)
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .set_external_id(self.external_id.clone())
            // The shortest that STS gives: a run lasts seconds.
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(errors::from_sdk(ACTION, &error)))?;
        self.convert(ACTION, output.credentials)
    }

    async fn by_web_identity(&self, file: &PathBuf) -> Result<Credentials, StoreError> {
        const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
        let token = std::fs::read_to_string(file).map_err(|error| {
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
    calls: Cell<u64>,
}

impl AccountOf {
    pub const fn new(config: Arc<SdkConfig>) -> Self {
        Self { config, calls: Cell::new(0) }
    }

    pub const fn calls(&self) -> u64 {
        self.calls.get()
    }

    pub async fn get(&self) -> Result<String, StoreError> {
        const ACTION: &str = "sts:GetCallerIdentity";
        self.calls.set(self.calls.get() + 1);
        let output = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let output = output.map_err(|error| errors::from_sdk(ACTION, &error))?;
        output.account.ok_or_else(|| StoreError::new(ErrorKind::Unavailable, ACTION, "the answer holds no account"))
    }
}

fn in_our_words(error: &CredentialsError) -> StoreError {
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
            let message = format!(
                "a token, credentials file or endpoint that the environment or profile names can't be read: {}",
                crate::text::os_error(io)
            );
            return StoreError::new(ErrorKind::Credentials, ACTION, message);
        }
        next = current.source();
    }
    let message = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "none found: no AWS_* variables, profile, web identity, container or instance role"
        }
        CredentialsError::ProviderTimedOut(_) => "the provider did not answer in time",
        CredentialsError::InvalidConfiguration(_) => {
            "the profile or the AWS_* variables of the credentials are not right (SSO and credential_process are not supported)"
        }
        _ => "the provider that the environment names gave none",
    };
    StoreError::new(ErrorKind::Credentials, ACTION, message)
}

fn refused_by_sts(action: &'static str, sts: &impl aws_sdk_sts::error::ProvideErrorMetadata) -> StoreError {
    use aws_sdk_sts::operation::RequestId;
    let ours = errors::of_code(action, sts.code().map(str::to_owned), sts.message().map(str::to_owned));
    let kind = if ours.kind.is_of_one_secret() { ErrorKind::Credentials } else { ours.kind };
    let request_id = sts.meta().request_id().map(str::to_owned);
    StoreError { kind, request_id, ..ours }
}
