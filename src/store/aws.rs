//! AWS Secrets Manager as a store: one account in one region, seen with one identity.
//!
//! Takes secret ids, gives texts. How many calls that takes is decided here: BatchGetSecretValue in twenties where
//! the credentials belong to the owner's account, GetSecretValue elsewhere and wherever AWS refuses a batch.

mod client;
mod credentials;
mod errors;
mod retries;

use std::cell::Cell;
use std::collections::HashMap;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SortByType, SortOrderType};
use futures_util::stream::{self, StreamExt};
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::debug;

use self::credentials::AccountOf;
use super::{ErrorKind, Found, Listed, NotThere, SecretId, SecretStore, StoreError};
use crate::settings::FetchMode;
use crate::text::printable;

pub use self::client::open;

/// The most ids that BatchGetSecretValue takes (API model, SecretIdList).
const BATCH: usize = 20;
/// The most names that ListSecrets gives at once (API model, MaxResults).
const PAGE: i32 = 100;

/// One account in one region, seen with one identity.
pub struct AwsStore {
    client: Client,
    account_of: AccountOf,
    /// Whether batches may be tried at all: the credentials belong to the owner's account, or every id is a name.
    batches: Cell<bool>,
    concurrency: usize,
    /// One for each request that may be in flight: batches and the single reads that they fall back to share them.
    permits: Semaphore,
    calls: Cell<u64>,
}

impl AwsStore {
    fn new(
        client: Client,
        account_of: AccountOf,
        fetch: FetchMode,
        in_owner_account: bool,
        concurrency: usize,
    ) -> Self {
        // BatchGetSecretValue is not one of the operations that a resource policy can open to another account
        // (Secrets Manager user guide, "Permissions for users in a different account").
        let batches = fetch != FetchMode::Single && in_owner_account;
        Self {
            client,
            account_of,
            batches: Cell::new(batches),
            concurrency,
            permits: Semaphore::new(concurrency),
            calls: Cell::new(0),
        }
    }

    /// Waits until one more request may be in flight, and counts it. Hold what it gives until the answer is there.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await.ok();
        self.calls.set(self.calls.get() + 1);
        permit
    }

    /// Reads one secret.
    async fn read_one(&self, id: &SecretId) -> Result<Found, StoreError> {
        let _turn = self.turn().await;
        match self.client.get_secret_value().secret_id(id.as_str()).send().await {
            Ok(output) => Ok(found(output.secret_string)),
            Err(error) => {
                let error = errors::from_sdk("secretsmanager:GetSecretValue", &error).about(id.as_str());
                match errors::not_there(&error) {
                    Some(reason) => Ok(Found::NotThere(reason)),
                    None => Err(error),
                }
            }
        }
    }

    /// Reads up to twenty secrets in one call, and whatever that leaves open one by one.
    async fn read_batch(&self, ids: &[SecretId]) -> Vec<Result<Found, StoreError>> {
        const ACTION: &str = "secretsmanager:BatchGetSecretValue";
        if !self.batches.get() || ids.len() == 1 {
            return self.read_singly(ids).await;
        }
        // An index may name one secret twice; AWS is asked for it once.
        let mut asked: Vec<String> = Vec::with_capacity(ids.len());
        for id in ids {
            if !asked.iter().any(|other| other == id.as_str()) {
                asked.push(id.as_str().to_owned());
            }
        }
        let turn = self.turn().await;
        let request = self.client.batch_get_secret_value().set_secret_id_list(Some(asked));
        let output = request.send().await;
        drop(turn);
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                let error = errors::from_sdk(ACTION, &error);
                match error.kind {
                    // A batch needs a permission of its own, and a VPC endpoint policy that denies one secret sinks
                    // the whole batch (Secrets Manager user guide, "Retrieve a group of secrets in a batch").
                    ErrorKind::Denied => {
                        debug!(%error, "BatchGetSecretValue is denied; reading one by one from here on");
                        self.batches.set(false);
                    }
                    ErrorKind::Kms | ErrorKind::Rejected | ErrorKind::Throttled => {
                        debug!(%error, "a batch failed as a whole; reading its secrets one by one");
                    }
                    ErrorKind::Unavailable | ErrorKind::Credentials => {
                        return ids.iter().map(|id| Err(error.clone().about(id.as_str()))).collect();
                    }
                }
                return self.read_singly(ids).await;
            }
        };
        let mut answers = answers_of_batch(output);
        // What is in neither list, and what failed for a reason that passes, is asked for once more by itself.
        let open: Vec<SecretId> = ids.iter().filter(|id| !answers.contains_key(id.as_str())).cloned().collect();
        for (id, answer) in open.iter().zip(self.read_singly(&open).await) {
            answers.insert(id.as_str().to_owned(), answer);
        }
        ids.iter().map(|id| answers.get(id.as_str()).cloned().unwrap_or_else(|| Err(lost(id)))).collect()
    }

    async fn read_singly(&self, ids: &[SecretId]) -> Vec<Result<Found, StoreError>> {
        stream::iter(ids).map(|id| self.read_one(id)).buffered(self.concurrency).collect().await
    }
}

/// The answers of a batch by id: AWS does not promise an order, and answers may go by name or by ARN.
fn answers_of_batch(
    output: aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput,
) -> HashMap<String, Result<Found, StoreError>> {
    let mut answers = HashMap::new();
    for entry in output.secret_values.unwrap_or_default() {
        let text = entry.secret_string;
        for id in [entry.name, entry.arn].into_iter().flatten() {
            answers.insert(id, Ok(found(text.clone())));
        }
    }
    for error in output.errors.unwrap_or_default() {
        let Some(id) = error.secret_id else { continue };
        let error = errors::of_code("secretsmanager:GetSecretValue", error.error_code, error.message).about(&id);
        let answer = match errors::not_there(&error) {
            Some(reason) => Ok(Found::NotThere(reason)),
            None if error.kind.is_of_one_secret() => Err(error),
            None => continue,
        };
        answers.insert(id, answer);
    }
    answers
}

fn found(secret_string: Option<String>) -> Found {
    // No SecretString means a binary secret: providers/amazon/aws/secrets/secrets_manager.py _get_secret gives None.
    secret_string.map_or(Found::NotThere(NotThere::Binary), |text| Found::Value(SecretString::from(text)))
}

/// An id that got no answer although every one was asked for: never taken for "not there".
fn lost(id: &SecretId) -> StoreError {
    let message = "the answer does not hold this secret";
    StoreError::new(ErrorKind::Unavailable, "secretsmanager:GetSecretValue", message).about(id.as_str())
}

impl SecretStore for AwsStore {
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let filter =
            (!prefix.is_empty()).then(|| Filter::builder().key(FilterNameStringType::Name).values(prefix).build());
        let mut listed = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let _turn = self.turn().await;
            let page = self
                .client
                .list_secrets()
                .set_filters(filter.clone().map(|filter| vec![filter]))
                .max_results(PAGE)
                .sort_by(SortByType::Name)
                .sort_order(SortOrderType::Asc)
                .set_next_token(token.clone())
                .send()
                .await
                .map_err(|error| errors::from_sdk("secretsmanager:ListSecrets", &error).about(&format!("{prefix}*")))?;
            for entry in page.secret_list.unwrap_or_default() {
                let Some(name) = entry.name else { continue };
                // The filter is a prefix on AWS, but some emulators match anywhere in the name.
                if name.starts_with(prefix) {
                    let id = entry.arn.map_or_else(|| SecretId::Name(name.clone()), SecretId::Arn);
                    listed.push(Listed { name, id });
                }
            }
            // A page may be empty and still carry a token (API model, NextToken).
            match page.next_token.filter(|next| !next.is_empty()) {
                Some(next) if token.as_ref() == Some(&next) => {
                    let message = "ListSecrets gives the same page token twice";
                    return Err(StoreError::new(ErrorKind::Unavailable, "secretsmanager:ListSecrets", message));
                }
                Some(next) => token = Some(next),
                None => break,
            }
        }
        // Pages are not a snapshot: a secret made or removed meanwhile can show up twice.
        let mut seen = std::collections::HashSet::new();
        listed.retain(|secret| seen.insert(secret.name.clone()));
        debug!(prefix = %printable(prefix), secrets = listed.len(), "listed");
        Ok(listed)
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Result<Found, StoreError>> {
        if !self.batches.get() {
            return self.read_singly(ids).await;
        }
        let batches = stream::iter(ids.chunks(BATCH)).map(|batch| self.read_batch(batch)).buffered(self.concurrency);
        batches.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    async fn account(&self) -> Result<Option<String>, StoreError> {
        self.account_of.get().await.map(Some)
    }

    fn calls(&self) -> u64 {
        self.calls.get() + self.account_of.calls()
    }
}
