//! Who we are: the pod's own credentials, loaded once, and the roles that are taken with them.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types::{AssumedRoleUser, Credentials as StsCredentials};
use aws_types::SdkConfig;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

use super::credential_context::{CredentialContext, Origin};
use super::errors;
use super::retries::{self, Retries};
use super::transport::{Opened, Prewarm};
use crate::config::aws::identity::WebIdentity;
use crate::config::aws::refusal::unusable;
use crate::model::aws_names::action::{
    ASSUME_ROLE, ASSUME_ROLE_WITH_WEB_IDENTITY as WEB_IDENTITY, GET_CALLER_IDENTITY,
};
use crate::model::aws_names::variable::WEB_IDENTITY_TOKEN_FILE;
use crate::model::cause::Cause;
use crate::store::error::{CREDENTIALS, StoreError};
use crate::text::{os_error, shown};

/// The name that shows in CloudTrail for a role that we take.
const SESSION_NAME: &str = "airflow-secrets-init";
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

    /// The same for what the environment names, which may turn out to be another identity.
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
        let attempt =
            || async { self.provider.provide_credentials().await.map_err(|error| errors::of_credentials(&error)) };
        let credentials = self.retries.persist_for(retries::SLOW_ATTEMPT, CREDENTIALS, attempt).await;
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

/// The file of a web identity's token, and what names it.
#[derive(Clone, Debug)]
pub struct TokenFile {
    pub path: PathBuf,
    pub named_by: String,
}

impl TokenFile {
    pub fn new(path: &str, named_by: &str) -> Self {
        Self { path: PathBuf::from(path), named_by: named_by.to_owned() }
    }

    pub fn of(found: &WebIdentity) -> Self {
        Self::new(&found.file, &found.file_is_named_by)
    }
}

/// A role taken by our own STS call, so that what STS says reaches the operator.
#[derive(Debug)]
pub struct AssumedRole {
    pub arn: String,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
    /// The web identity token's file; `None` takes the role with the credentials of `config`.
    pub token_file: Option<TokenFile>,
    /// Region, endpoint, HTTP client and the credentials that the role is taken with.
    pub config: SdkConfig,
    pub retries: Retries,
    pub opened: Opened,
    /// Made once: in a herd a role takes dozens of attempts.
    pub sts: OnceLock<aws_sdk_sts::Client>,
}

impl AssumedRole {
    fn sts(&self) -> &aws_sdk_sts::Client {
        self.sts.get_or_init(|| aws_sdk_sts::Client::new(&self.config))
    }

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
        let sts = self.sts();
        self.wait_for_own_credentials(sts).await?;
        let request = sts
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .set_external_id(self.external_id.clone())
            // The shortest that STS gives: a run lasts seconds.
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(errors::from_sdk(ASSUME_ROLE, &error)))?;
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
        loaded.map(drop).map_err(|error| errors::of_credentials(&error))
    }

    async fn open_connection(&self, sts: &aws_sdk_sts::Client) {
        let Some(http) = self.config.http_client() else { return };
        let config = aws_sdk_sts::config::Config::builder()
            .http_client(Prewarm::new(http, 1, self.opened.clone()))
            .credentials_provider(Prewarm::credentials());
        drop(sts.get_caller_identity().customize().config_override(config).send().await);
    }

    async fn by_web_identity(&self, file: &TokenFile) -> Result<Credentials, StoreError> {
        let (path, by) = (&file.path, &file.named_by);
        let refuse = |cause, problem: &str| {
            let shown = shown(path);
            StoreError::of_credentials(cause, format!("{by} names {shown}, which {problem}"))
        };
        let token = crate::config::files::read_text(path, 1 << 20)
            .map_err(|error| refuse(Cause::TokenFile, &format!("can't be read: {}", os_error(&error))))?;
        if token.trim().is_empty() {
            return Err(refuse(Cause::TokenFile, "is empty"));
        }
        let request = self
            .sts()
            .assume_role_with_web_identity()
            .role_arn(&self.arn)
            .role_session_name(self.session_name())
            .web_identity_token(token.trim())
            .duration_seconds(900);
        let output = request.send().await.map_err(|error| self.refused(errors::from_sdk(WEB_IDENTITY, &error)))?;
        let AssumeRoleWithWebIdentityOutput { credentials, assumed_role_user, .. } = output;
        self.convert(WEB_IDENTITY, credentials, assumed_role_user)
    }

    fn refused(&self, error: StoreError) -> StoreError {
        StoreError { subject: Some(self.arn.clone()), ..errors::about_role(error) }
    }

    fn convert(
        &self,
        action: &'static str,
        credentials: Option<StsCredentials>,
        user: Option<AssumedRoleUser>,
    ) -> Result<Credentials, StoreError> {
        let credentials = credentials
            .ok_or_else(|| self.refused(StoreError::new(Cause::NotAws, action, "the answer holds no credentials")))?;
        // The SDK puts an empty text in the place of one that is not there.
        for (name, value) in [
            ("AccessKeyId", &credentials.access_key_id),
            ("SecretAccessKey", &credentials.secret_access_key),
            ("SessionToken", &credentials.session_token),
        ] {
            let refuse = |problem: &str| {
                self.refused(StoreError::new(Cause::NotAws, action, format!("the {name} of the answer {problem}")))
            };
            if value.is_empty() {
                return Err(refuse("is empty"));
            }
            if let Some(problem) = unusable(value) {
                return Err(refuse(problem));
            }
        }
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
        if self.token_file.as_ref().is_some_and(|file| file.named_by == WEB_IDENTITY_TOKEN_FILE) {
            ours.set_property(Origin::WebIdentity);
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

impl ProvideCredentials for AssumedRole {
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
    known: OnceCell<Option<CallerIdentity>>,
}

/// What STS says.
#[derive(Clone, Debug)]
pub struct CallerIdentity {
    pub arn: Option<String>,
    pub account: Option<String>,
}

impl WhoAmI {
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
            account.ok_or_else(|| StoreError::new(Cause::NotAws, GET_CALLER_IDENTITY, "the answer holds no account"))
        };
        self.retries.persist(GET_CALLER_IDENTITY, ask).await
    }

    /// Who it is, for an error that is about to be reported. An endpoint policy may deny that, or STS may not be reachable: then
    /// it stays unknown.
    pub async fn quietly(&self) -> Option<&CallerIdentity> {
        let ask = || async {
            self.calls.set(self.calls.get() + 1);
            timeout(PATIENCE, self.ask()).await.ok()?.ok()
        };
        self.known.get_or_init(ask).await.as_ref()
    }

    async fn ask(&self) -> Result<CallerIdentity, StoreError> {
        let sts = aws_sdk_sts::Client::new(&self.config);
        let output =
            sts.get_caller_identity().send().await.map_err(|error| errors::from_sdk(GET_CALLER_IDENTITY, &error))?;
        Ok(CallerIdentity { arn: output.arn, account: output.account })
    }
}
