//! One API call of Secrets Manager each: when it may go out, with which credentials, how often it is tried, and its answer in
//! our types.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use tokio::sync::SemaphorePermit;

use super::errors;
use super::listing::{Page, Query};
use super::reads::{BatchIds, Reads};
use super::retries::Retries;
use super::turns::Turns;
use crate::model::aws::{SecretId, is_id};
use crate::model::aws_names::action::{
    BATCH_GET_SECRET_VALUE as BATCH_GET, CREATE_SECRET as CREATE, GET_SECRET_VALUE as GET, LIST_SECRETS as LIST,
    PUT_RESOURCE_POLICY as SET_POLICY, PUT_SECRET_VALUE as PUT,
};
use crate::model::cause::Cause;
use crate::store::error::{ErrorKind, StoreError};
use crate::store::secret_store::Listed;

/// How often a call may be made anew with new credentials. An agent may hand out what has seconds to live, but not for ever.
const RENEWALS: u32 = 3;

/// The calls to one account.
pub struct Calls {
    pub client: Client,
    reads: Arc<dyn Reads>,
    pub identity: SharedCredentialsProvider,
    /// A shared account's number; `None` for the own one, which is not named.
    pub account: Option<String>,
    pub retries: Retries,
    turns: Turns,
    made: Cell<u64>,
}

impl Calls {
    pub fn new(
        client: Client,
        reads: Arc<dyn Reads>,
        identity: SharedCredentialsProvider,
        account: Option<String>,
        retries: Retries,
        concurrency: usize,
    ) -> Self {
        Self { client, reads, identity, account, retries, turns: Turns::new(concurrency), made: Cell::new(0) }
    }

    /// How many were made, retries not counted.
    pub const fn made(&self) -> u64 {
        self.made.get()
    }

    /// Waits until one more request may be in flight. Hold what it gives until the answer is there.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.of_value().await
    }

    /// Waits for credentials. Asked for here and not by the SDK within a call: its own time limit for that is shorter than
    /// our patience with a node that is only starting.
    pub async fn identified(&self) -> Result<Credentials, StoreError> {
        self.identity.provide_credentials().await.map_err(|error| errors::of_credentials(&error))
    }

    /// One call, once there are credentials, tried again as [`Retries`] says; and with new ones where they have expired.
    async fn call<T, F>(&self, action: &'static str, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.made.set(self.made.get() + 1);
        let mut before = self.identified().await?;
        let persist = || self.retries.persist(action, &attempt);
        for _ in 0..RENEWALS {
            let error = match persist().await {
                Err(error) if error.cause == Cause::Expired => error,
                answer => return answer,
            };
            let now = self.identified().await?;
            if now.access_key_id() == before.access_key_id() {
                return Err(error);
            }
            before = now;
        }
        persist().await
    }

    /// One page of a listing, by name.
    pub async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let _turn = self.turns.of_page().await;
        let attempt = || async {
            let answer = self.reads.list(query).await?;
            // An empty list of AWS's is there. Without one the listing would be taken for complete.
            if answer.secret_list.is_none() {
                return Err(StoreError::new(Cause::NotAws, LIST, "the answer holds no list of secrets"));
            }
            Ok(answer)
        };
        let about = || match query.filters.first() {
            Some(names) if !names.is_empty() => {
                names.iter().map(|name| format!("{name}*")).collect::<Vec<_>>().join(", ")
            }
            _ => "*".to_owned(),
        };
        let output = self.call(LIST, attempt).await.map_err(|error| error.about(&about()))?;
        let entries = output.secret_list.unwrap_or_default().into_iter();
        let listed = entries.filter_map(|entry| self.listed(entry.name, entry.arn)).collect();
        Ok(Page { listed, next: output.next_token.filter(|next| !next.is_empty()) })
    }

    /// Up to twenty values. Hold a turn. Throttling ends it at once where `retries_throttling` is not set.
    pub async fn batch(
        &self,
        ids: &BatchIds,
        retries_throttling: bool,
    ) -> Result<BatchGetSecretValueOutput, StoreError> {
        let attempt = || async {
            match self.reads.batch(ids).await {
                Err(error) if error.kind() == ErrorKind::Throttled && !retries_throttling => Ok(Err(error)),
                Err(error) => Err(error),
                Ok(output) => Ok(Ok(output)),
            }
        };
        self.call(BATCH_GET, attempt).await?
    }

    /// One value. Hold a turn.
    pub async fn get(&self, id: &SecretId) -> Result<GetSecretValueOutput, StoreError> {
        self.call(GET, || self.reads.get(id)).await.map_err(|error| error.about(id.as_str()))
    }

    /// Makes a secret without a value. Hold a turn.
    pub async fn create(&self, name: &str, kms_key: &str) -> Result<(), StoreError> {
        let token = request_token();
        let attempt = || async {
            let request = self.client.create_secret().name(name).kms_key_id(kms_key).client_request_token(&token);
            let request = request.description("Which secrets there are, for airflow-secrets-init in other accounts");
            request.send().await.map(drop).map_err(|error| errors::from_sdk(CREATE, &error))
        };
        self.call(CREATE, attempt).await.map_err(|error| error.about(name))
    }

    /// Puts a resource policy in place. Hold a turn.
    pub async fn set_policy(&self, id: &SecretId, policy: &str, refuse_public: bool) -> Result<(), StoreError> {
        let attempt = || async {
            let request = self.client.put_resource_policy().secret_id(id.as_str()).resource_policy(policy);
            let request = request.block_public_policy(refuse_public);
            request.send().await.map(drop).map_err(|error| errors::from_sdk(SET_POLICY, &error))
        };
        self.call(SET_POLICY, attempt).await.map_err(|error| error.about(id.as_str()))
    }

    /// Writes a value. Hold a turn.
    pub async fn put(&self, id: &SecretId, text: &str) -> Result<(), StoreError> {
        // One token for every attempt: what was written before the answer was lost is not written again. A new one for every
        // value: AWS ignores a token that it knows, also where another value has come in between (PutSecretValue,
        // ClientRequestToken).
        let token = request_token();
        let attempt = || async {
            let request = self.client.put_secret_value().secret_id(id.as_str()).secret_string(text);
            let request = request.client_request_token(&token);
            request.send().await.map(drop).map_err(|error| errors::from_sdk(PUT, &error))
        };
        self.call(PUT, attempt).await.map_err(|error| error.about(id.as_str()))
    }

    /// A secret as a listing or a batch names it, unless AWS would never give it that name. An ARN that is not of this name and
    /// account is not asked for: the name is.
    pub fn listed(&self, name: Option<String>, arn: Option<String>) -> Option<Listed> {
        let name = name.filter(|name| is_id(name))?;
        let is_its_own = |arn: &String| {
            let mut parts = arn.splitn(7, ':').skip(4);
            let account = parts.next().filter(|account| self.account.as_deref().is_none_or(|known| known == *account));
            let resource = parts.nth(1).and_then(|resource| resource.strip_prefix(name.as_str()));
            account.is_some() && resource.is_some_and(|suffix| suffix.starts_with('-'))
        };
        let id = arn.filter(is_its_own).map_or_else(|| SecretId::Name(name.clone()), SecretId::Arn);
        Some(Listed { name, id })
    }
}

/// What names a request, however often it is sent: 32 characters at least.
fn request_token() -> String {
    format!("{:032x}", fastrand::u128(..))
}
