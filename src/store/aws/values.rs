//! Reads values in as few calls as may be: BatchGetSecretValue in twenties where the credentials belong to the owner's account,
//! GetSecretValue elsewhere, wherever AWS refuses a batch, and once it has throttled one.

use std::cell::Cell;

use aws_sdk_secretsmanager::operation::RequestId;
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::primitives::{DateTime, DateTimeFormat};
use aws_sdk_secretsmanager::types::ApiErrorType;
use foldhash::{HashMap, HashSet};
use futures_util::stream::{self, StreamExt};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tracing::{debug, info};

use super::budget::{AccountBudget, Budget, SINGLES};
use super::calls::Calls;
use super::codes;
use super::reads::BatchIds;
use crate::config::settings::FetchMode;
use crate::model::aws::SecretId;
use crate::model::aws_names::action::{BATCH_GET_SECRET_VALUE as BATCH_GET, GET_SECRET_VALUE as GET};
use crate::model::cause::{Cause, Notice};
use crate::store::error::{ErrorKind, StoreError};
use crate::store::secret_store::{Answer, Found, Listed, NotThere, SecretValue};

/// The most ids that BatchGetSecretValue takes, and the most values that it gives (API model, SecretIdList).
pub const BATCH: usize = 20;

/// The values of one account.
pub struct Values {
    pub calls: Calls,
    pub budget: AccountBudget,
    batches: Cell<Batches>,
    fetch: FetchMode,
    concurrency: usize,
    singles: Semaphore,
}

/// Whether BatchGetSecretValue is worth a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batches {
    /// As far as anybody knows.
    Yes,
    /// The secrets are another account's, the settings exclude it, or AWS has denied one as a whole.
    No,
    /// AWS has throttled one. The quota for batches is 100 a second, 2,000 secrets; that for single reads is 10,000.
    Throttled,
}

/// What the batch by prefixes has found, by name; and its errors, by whatever AWS names them with.
#[derive(Default)]
pub struct FirstBatch {
    pub values: HashMap<String, (Listed, Answer)>,
    errors: HashMap<String, Answer>,
    /// How many it was certain of, where it had no room for all.
    pub least: usize,
}

impl FirstBatch {
    pub fn take(&mut self, listed: &Listed) -> Option<Answer> {
        let value = self.values.remove(&listed.name).map(|(_, answer)| answer);
        value.or_else(|| self.errors.remove(listed.id.as_str())).or_else(|| self.errors.remove(&listed.name))
    }
}

impl Values {
    pub fn new(calls: Calls, in_owner_account: bool, fetch: FetchMode, concurrency: usize, budget: Budget) -> Self {
        // BatchGetSecretValue is not one of the operations that a resource policy can open to another account
        // (Secrets Manager user guide, "Permissions for users in a different account").
        let batches = if fetch != FetchMode::Single && in_owner_account { Batches::Yes } else { Batches::No };
        Self {
            budget: budget.of_account(calls.account.is_none()),
            batches: Cell::new(batches),
            fetch,
            concurrency,
            singles: Semaphore::new(concurrency.min(budget.singles)),
            calls,
        }
    }

    pub fn in_batches(&self) -> bool {
        self.batches.get() == Batches::Yes
    }

    /// One answer for each id, in the same order.
    pub async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        let batches = stream::iter(ids.chunks(BATCH)).map(|batch| self.read_batch(batch)).buffered(self.concurrency);
        batches.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    /// Reads up to twenty secrets in one call, and whatever that leaves open one by one.
    pub async fn read_batch(&self, ids: &[SecretId]) -> Vec<Answer> {
        let to_all = |error: &StoreError| ids.iter().map(|id| Err(error.clone().about(id.as_str()))).collect();
        let turn = if ids.len() > 1 && self.in_batches() { self.calls.turn().await } else { None };
        // The turn may have come late: what an earlier batch met holds for this one.
        if turn.is_none() || !self.in_batches() {
            drop(turn);
            return self.read_open(ids, HashMap::default()).await;
        }
        if self.budget.is_over() {
            return to_all(&self.too_much(BATCH_GET));
        }
        // An index may name one secret twice; AWS is asked for it once.
        let asked: HashSet<&str> = ids.iter().map(SecretId::as_str).collect();
        let output = self.batch(&BatchIds::Named(asked.iter().map(|id| (*id).to_owned()).collect())).await;
        drop(turn);
        let output = match output {
            Ok(output) => output,
            Err(error) if self.leads_around(&error) => return self.read_open(ids, HashMap::default()).await,
            Err(error) => return to_all(&error),
        };
        let request_id = output.request_id().map(str::to_owned);
        let mut answers: HashMap<String, Answer> = answers_of_errors(output.errors, request_id.as_deref()).collect();
        for entry in output.secret_values.unwrap_or_default() {
            if !agree(entry.name.as_deref(), entry.arn.as_deref()) {
                return to_all(&another_secret(BATCH_GET));
            }
            let text = text_of(BATCH_GET, entry.secret_string, entry.secret_binary.is_some());
            // AWS does not promise an order, and answers may go by name or by ARN.
            let id = [entry.arn, entry.name].into_iter().flatten().find(|id| asked.contains(id.as_str()));
            if let Some(id) = id {
                let answer =
                    text.and_then(|text| self.found(text, entry.created_date)).map_err(|error| error.about(&id));
                answers.insert(id, answer);
            }
        }
        self.read_open(ids, answers).await
    }

    /// Asks one by one for what has no answer yet.
    async fn read_open(&self, ids: &[SecretId], mut answers: HashMap<String, Answer>) -> Vec<Answer> {
        let mut there: Vec<Option<Answer>> = Vec::with_capacity(ids.len());
        for id in ids {
            let named_before = || there.get(ids.iter().position(|other| other == id)?)?.clone();
            let answer = answers.remove(id.as_str()).or_else(named_before);
            there.push(answer);
        }
        if there.iter().all(Option::is_some) {
            return there.into_iter().flatten().collect();
        }
        let read = async |(id, answer)| match answer {
            Some(answer) => answer,
            None => self.read_one(id).await,
        };
        stream::iter(ids.iter().zip(there)).map(read).buffered(self.concurrency).collect().await
    }

    async fn read_one(&self, id: &SecretId) -> Answer {
        // In a herd fewer at once: new connections would cost more than they bring.
        let share = if self.batches.get() == Batches::Throttled && self.concurrency >= SINGLES { 2 } else { 1 };
        let _single = self.singles.acquire_many(share).await.ok();
        let _turn = self.calls.turn().await;
        if self.budget.is_over() {
            return Err(self.too_much(GET));
        }
        match self.calls.get(id).await {
            Ok(output) if !is_of(id, output.name.as_deref(), output.arn.as_deref()) => {
                Err(another_secret(GET).about(id.as_str()))
            }
            Ok(output) => text_of(GET, output.secret_string, output.secret_binary.is_some())
                .map_err(|error| error.about(id.as_str()))
                .and_then(|text| self.found(text, output.created_date)),
            Err(error) => answer_of(error),
        }
    }

    /// The text of a secret, unless it would be too much of it.
    fn found(&self, secret_string: Option<String>, created: Option<DateTime>) -> Answer {
        // No SecretString means a binary secret: providers/amazon/aws/secrets/secrets_manager.py _get_secret gives None.
        let Some(text) = secret_string else { return Ok(Found::NotThere(NotThere::Binary)) };
        if !self.budget.takes(&text) {
            return Err(self.too_much(GET));
        }
        let to_the_second = |time: DateTime| DateTime::from_secs(time.secs()).fmt(DateTimeFormat::DateTime).ok();
        Ok(Found::Value(SecretValue::of(SecretString::from(text), created.and_then(to_the_second))))
    }

    pub fn too_much(&self, action: &'static str) -> StoreError {
        StoreError::new(Cause::TooMuch, action, self.budget.too_much())
    }

    /// Throttling is not waited for where single reads are to be had: they have a quota of their own.
    async fn batch(&self, ids: &BatchIds) -> Result<BatchGetSecretValueOutput, StoreError> {
        self.calls.batch(ids, self.fetch != FetchMode::Auto).await
    }

    /// Whether single reads can do what a batch could not, and whether to try batches after this.
    fn leads_around(&self, error: &StoreError) -> bool {
        match error.kind() {
            // A VPC endpoint policy that denies one secret sinks the whole batch, but no other batch (Secrets Manager user
            // guide, "Retrieve a group of secrets in a batch").
            ErrorKind::Denied if error.cause == Cause::EndpointPolicy => {
                debug!(%error, "a batch is denied as a whole; reading its secrets one by one");
            }
            ErrorKind::Denied => {
                if self.batches.replace(Batches::No) == Batches::Yes {
                    let notice = Notice::BatchesDenied;
                    info!("{} secrets are read one by one; {}", notice.code(), notice.remedy());
                }
            }
            ErrorKind::Throttled => {
                debug!(%error, "batches are throttled; reading one by one from here on");
                self.calls.retries.note(error.clone());
                if self.in_batches() {
                    self.batches.set(Batches::Throttled);
                }
            }
            ErrorKind::Kms | ErrorKind::Rejected => {
                debug!(%error, "a batch failed as a whole; reading its secrets one by one");
            }
            ErrorKind::TooMuch => {
                debug!(%error, "a batch is too large for this memory; reading its secrets one by one");
            }
            ErrorKind::Unavailable | ErrorKind::Credentials => return false,
        }
        true
    }

    /// The first twenty under the prefixes, whichever they are: asked for together with the first page of the listing, this
    /// is all that a small set takes.
    pub async fn first_batch(&self, prefixes: &[String]) -> FirstBatch {
        let mut first = FirstBatch::default();
        let _turn = self.calls.turn().await;
        match self.batch(&BatchIds::Under(prefixes.to_vec())).await {
            Ok(output) => {
                let request_id = output.request_id().map(str::to_owned);
                let has_more = output.next_token.as_ref().is_some_and(|token| !token.is_empty());
                for entry in output.secret_values.unwrap_or_default() {
                    // What is wrong here is asked for again, and refused then.
                    let has_text = entry.secret_string.is_some() || entry.secret_binary.is_some();
                    if !has_text || !agree(entry.name.as_deref(), entry.arn.as_deref()) {
                        continue;
                    }
                    let Some(listed) = self.calls.listed(entry.name, entry.arn) else { continue };
                    if prefixes.iter().any(|prefix| listed.name.starts_with(prefix)) {
                        let answer = self.found(entry.secret_string, entry.created_date);
                        first.values.insert(listed.name.clone(), (listed, answer));
                    }
                }
                first.errors = answers_of_errors(output.errors, request_id.as_deref()).collect();
                first.least = if has_more { first.values.len() } else { 0 };
            }
            // The listing meets the same trouble if it is one that matters.
            Err(error) => drop(self.leads_around(&error)),
        }
        first
    }
}

/// The text of an answer; `None` where it is binary. An answer that holds neither is not AWS's.
fn text_of(action: &'static str, text: Option<String>, is_binary: bool) -> Result<Option<String>, StoreError> {
    if text.is_none() && !is_binary {
        return Err(StoreError::new(Cause::NotAws, action, "the answer holds no value"));
    }
    Ok(text)
}

fn another_secret(action: &'static str) -> StoreError {
    StoreError::new(Cause::NotAws, action, "the answer is of another secret than was asked for")
}

/// Whether an answer's name and ARN are of one secret, as far as it has both: an ARN ends in the name, a hyphen and six
/// characters (Secrets Manager user guide, "Secret ARN").
fn agree(name: Option<&str>, arn: Option<&str>) -> bool {
    let (Some(name), Some(arn)) = (name, arn) else { return true };
    arn.split_once(":secret:").is_some_and(|(_, resource)| is_with_suffix(resource, name))
}

/// Whether an answer is of the secret that was asked for, as far as it says so. An ARN may be asked for without its suffix.
fn is_of(asked: &SecretId, name: Option<&str>, arn: Option<&str>) -> bool {
    let is_asked = match asked {
        SecretId::Name(asked) => name.is_none_or(|name| name == asked),
        SecretId::Arn(asked) => {
            let resource = asked.split_once(":secret:").map_or(asked.as_str(), |(_, resource)| resource);
            arn.is_none_or(|arn| arn == asked || is_with_suffix(arn, asked))
                && name.is_none_or(|name| name == resource || is_with_suffix(resource, name))
        }
    };
    is_asked && agree(name, arn)
}

fn is_with_suffix(whole: &str, start: &str) -> bool {
    whole.strip_prefix(start).and_then(|suffix| suffix.strip_prefix('-')).is_some_and(|suffix| suffix.len() == 6)
}

/// The final ones among the errors of a batch, by the id that AWS names; the request is the batch's. What may pass is left
/// open.
fn answers_of_errors(
    errors: Option<Vec<ApiErrorType>>,
    request_id: Option<&str>,
) -> impl Iterator<Item = (String, Answer)> {
    errors.unwrap_or_default().into_iter().filter_map(move |error| {
        let id = error.secret_id?;
        let error = codes::of_code(GET, error.error_code, error.message).about(&id);
        let answer = answer_of(StoreError { request_id: request_id.map(Box::from), ..error });
        let is_final = answer.as_ref().err().is_none_or(|error| error.kind().is_of_one_secret());
        is_final.then_some((id, answer))
    })
}

fn answer_of(error: StoreError) -> Answer {
    codes::not_there(&error).map_or(Err(error), |reason| Ok(Found::NotThere(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:airflow/connections/a-AbCdEf";

    #[test]
    fn an_answer_is_of_the_secret_that_was_asked_for() {
        let name = |name: &str| SecretId::Name(name.to_owned());
        let arn = |arn: &str| SecretId::Arn(arn.to_owned());
        let (a, b) = ("airflow/connections/a", "airflow/connections/b");
        for (asked, named, at, expected) in [
            (name(a), Some(a), Some(ARN), true),
            (name(a), None, None, true),
            (arn(ARN), Some(a), Some(ARN), true),
            (arn(&ARN[..ARN.len() - 7]), Some(a), Some(ARN), true),
            (name(a), Some(b), None, false),
            (name(b), Some(b), Some(ARN), false),
            (arn(&ARN[..ARN.len() - 8]), Some(a), Some(ARN), false),
            (arn(&ARN.replace("111111111111", "222222222222")), Some(a), Some(ARN), false),
            (arn(ARN), Some(b), Some(ARN), false),
            (arn(ARN), Some(a), None, true),
            (arn(ARN), Some(b), None, false),
            (arn(ARN), Some(a), Some("no ARN"), false),
        ] {
            assert_eq!(is_of(&asked, named, at), expected, "{asked:?} {named:?} {at:?}");
        }
    }

    #[test]
    fn an_answer_without_a_value_is_not_of_aws() {
        assert_eq!(text_of(GET, None, false).unwrap_err().cause, Cause::NotAws);
        assert_eq!(text_of(GET, None, true), Ok(None));
        assert_eq!(text_of(GET, Some("x".to_owned()), false), Ok(Some("x".to_owned())));
    }
}
