//! AWS Secrets Manager as a store: one account in one region, seen with one identity.
//!
//! Takes prefixes or secret ids, gives texts. What it waits for is round trips, so whatever can go side by side does: the
//! first page of a listing and a first batch by prefix; the values of a page and the next pages. How many calls that takes
//! is decided here: BatchGetSecretValue in twenties where the credentials belong to the owner's account, GetSecretValue
//! elsewhere, wherever AWS refuses a batch, and once it has throttled one.

mod classify;
mod client;
mod credential_context;
mod credentials;
mod limits;
mod listing;
mod logging_client;
mod retries;
mod transport;
mod trust;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::RequestId;
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SortByType, SortOrderType};
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use secrecy::SecretString;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use self::credential_context::{CredentialContext, Origin};
use self::credentials::{CallerArn, WhoAmI};
use self::limits::{Allowance, MOST_NAMES, MOST_SECRETS, SINGLES, Taken};
use self::listing::{Page, Pages, Query};
use self::retries::Retries;
use self::transport::{Opened, Prewarm};
use crate::config::settings::FetchMode;
use crate::model::aws::{Arn, SecretId, is_id};
use crate::model::aws_names::action::{
    BATCH_GET_SECRET_VALUE as BATCH_GET, GET_SECRET_VALUE as GET, LIST_SECRETS as LIST,
};
use crate::model::cause::{Cause, Notice};
use crate::store::error::{Asked, ErrorKind, StoreError};
use crate::store::secret_store::{Answer, Enumerated, Found, Listed, NotThere, SecretStore, Value, Wanted};
use crate::text::printable;

pub use self::client::open;

/// The most ids that BatchGetSecretValue takes, and the most values that it gives (API model, SecretIdList).
const BATCH: usize = 20;

/// How often a call may be made anew with new credentials. An agent may hand out what has seconds to live, but not for ever.
const RENEWALS: u32 = 3;
/// Connections that are opened before anything is known: with those of the first listing and the first batch they take
/// the values of the first page at once.
const CONNECTIONS_AHEAD: usize = 6;
/// How long the first batch is waited for once the first page is there: where a page takes a millisecond, twice that is no
/// time, and leaving the batch costs a call.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);
/// Connections that are opened when a list has a second page.
const CONNECTIONS_FOR_MORE: usize = 32;

/// One account in one region, seen with one identity.
pub struct AwsStore {
    client: Client,
    identity: SharedCredentialsProvider,
    who: WhoAmI,
    place: Place,
    context: Arc<CredentialContext>,
    batches: Cell<Batches>,
    fetch: FetchMode,
    concurrency: usize,
    /// One for each request that may be in flight, whatever it is.
    permits: Semaphore,
    singles: Semaphore,
    retries: Retries,
    opened: Opened,
    expects_more: Cell<bool>,
    calls: Cell<u64>,
    taken: Taken,
}

/// Whether BatchGetSecretValue is worth a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batches {
    /// As far as anybody knows.
    Yes,
    /// Not here: the secrets are another account's, or the settings say so.
    No,
    /// AWS has refused one as a whole.
    Denied,
    /// AWS has throttled one. The quota for batches is 100 a second, 2,000 secrets; that for single reads is 10,000.
    Throttled,
}

/// Where the secrets of a store are.
struct Place {
    /// A shared account's number; nobody names the own one.
    account: Option<String>,
    region: String,
}

/// What the stores of a run share.
#[derive(Clone)]
struct Shared {
    fetch: FetchMode,
    concurrency: usize,
    retries: Retries,
    opened: Opened,
    context: Arc<CredentialContext>,
    allowance: Allowance,
}

impl AwsStore {
    fn new(
        client: Client,
        (identity, who): (SharedCredentialsProvider, WhoAmI),
        place: Place,
        in_owner_account: bool,
        shared: Shared,
    ) -> Self {
        let taken = shared.allowance.of_account(place.account.is_none());
        // BatchGetSecretValue is not one of the operations that a resource policy can open to another account
        // (Secrets Manager user guide, "Permissions for users in a different account").
        let batches = shared.fetch != FetchMode::Single && in_owner_account;
        Self {
            client,
            identity,
            who,
            place,
            context: shared.context,
            batches: Cell::new(if batches { Batches::Yes } else { Batches::No }),
            fetch: shared.fetch,
            concurrency: shared.concurrency,
            permits: Semaphore::new(shared.concurrency),
            singles: Semaphore::new(shared.concurrency.min(shared.allowance.singles)),
            retries: shared.retries,
            opened: shared.opened,
            expects_more: Cell::new(false),
            calls: Cell::new(0),
            taken,
        }
    }

    /// Waits until one more request may be in flight, and counts it. Hold what it gives until the answer is there.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await.ok();
        self.calls.set(self.calls.get() + 1);
        permit
    }

    /// Waits for credentials. Asked for here and not by the SDK within a call: its own time limit for that is shorter than
    /// our patience with a node that is only starting.
    async fn identified(&self) -> Result<Credentials, StoreError> {
        self.identity.provide_credentials().await.map_err(|error| credentials::in_our_words(&error))
    }

    /// One call, once there are credentials, tried again as [`Retries`] says; and with new ones where they have expired.
    async fn call<T, F>(&self, action: &'static str, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut before = self.identified().await?;
        for _ in 0..RENEWALS {
            let error = match self.retries.persist(action, &attempt).await {
                Err(error) if error.cause == Cause::Expired => error,
                answer => return answer,
            };
            let now = self.identified().await?;
            if now.access_key_id() == before.access_key_id() {
                return Err(error);
            }
            before = now;
        }
        self.retries.persist(action, attempt).await
    }

    // ---- errors -------------------------------------------------------------------------------------------------

    /// Adds to an error what only this store knows: where it asked, and as whom. STS is asked for the latter where it matters
    /// and nobody has said it.
    async fn explain(&self, error: StoreError) -> StoreError {
        let mut error = self.with_place(error);
        let Some(mut asked) = error.asked.as_deref().cloned() else { return error };
        let credentials = self.identity.provide_credentials().await.ok();
        let origin = credentials.as_ref().map_or(Origin::Other, Origin::of);
        if error.kind() == ErrorKind::Denied && self.context.is_node(origin) {
            error.cause = Cause::NodeRole;
        }
        let of_role = credentials.as_ref().and_then(|known| known.get_property::<CallerArn>());
        let of_role = of_role.map(|caller| caller.0.as_str()).or_else(|| self.context.role_of(origin));
        let (said, known) = match (named_user(&error.message), of_role) {
            (Some(user), _) => (true, Some(user.to_owned())),
            (None, Some(role)) => (false, Some(role.to_owned())),
            (None, None) if error.kind().is_of_one_secret() => {
                (false, self.who.quietly().await.and_then(|identity| identity.arn.clone()))
            }
            (None, None) => (false, None),
        };
        asked.account =
            asked.account.or_else(|| known.as_deref().and_then(|arn| arn.split(':').nth(4)).map(str::to_owned));
        asked.caller = known.filter(|_| !said);
        error.asked = Some(Arc::new(asked));
        error
    }

    /// What can be said without asking.
    fn with_place(&self, error: StoreError) -> StoreError {
        let mut error = self.context.with_proxy(error);
        // Credentials are nowhere yet.
        if error.asked.is_none() && error.action != crate::store::error::CREDENTIALS {
            let Place { account, region } = &self.place;
            error.asked = Some(Arc::new(Asked { account: account.clone(), region: region.clone(), caller: None }));
        }
        error
    }

    async fn explain_answer(&self, answer: Answer) -> Answer {
        match answer {
            Ok(found) => Ok(found),
            Err(error) => Err(self.explain(error).await),
        }
    }

    // ---- connections --------------------------------------------------------------------------------------------

    /// Once a list turns out to be longer than a page, opens the connections that its values will want.
    fn expect_more(&self) {
        let more = CONNECTIONS_FOR_MORE.min(self.concurrency.saturating_sub(CONNECTIONS_AHEAD + 2));
        if !self.expects_more.replace(true) && more > 0 && self.batches.get() == Batches::Yes && !self.is_busy() {
            drop(tokio::spawn(open_connections(self.client.clone(), more, Opened::default())));
        }
    }

    // ---- values -------------------------------------------------------------------------------------------------

    /// Reads one secret.
    async fn read_one(&self, id: &SecretId) -> Answer {
        // In a herd fewer at once: new connections would cost more than they bring.
        let share = if self.batches.get() == Batches::Throttled && self.concurrency >= SINGLES { 2 } else { 1 };
        let _single = self.singles.acquire_many(share).await.ok();
        let _turn = self.turn().await;
        if self.taken.is_over() {
            return Err(self.too_much(GET));
        }
        let attempt = || async {
            let request = self.client.get_secret_value().secret_id(id.as_str());
            request.send().await.map_err(|error| classify::from_sdk(GET, &error))
        };
        match self.call(GET, attempt).await {
            Ok(output) => self.found(output.secret_string, output.created_date),
            Err(error) => answer_of(error.about(id.as_str())),
        }
    }

    /// The text of a secret, unless it would be too much of it.
    fn found(&self, secret_string: Option<String>, created: Option<DateTime>) -> Answer {
        // No SecretString means a binary secret: providers/amazon/aws/secrets/secrets_manager.py _get_secret gives None.
        let Some(text) = secret_string else { return Ok(Found::NotThere(NotThere::Binary)) };
        if !self.taken.takes(&text) {
            return Err(self.too_much(GET));
        }
        Ok(Found::Value(Value { text: SecretString::from(text), changed: created.map(|time| time.secs()) }))
    }

    fn too_much(&self, action: &'static str) -> StoreError {
        StoreError::new(Cause::TooMuch, action, self.taken.too_much())
    }

    async fn read_singly(&self, ids: &[SecretId]) -> Vec<Answer> {
        stream::iter(ids).map(|id| self.read_one(id)).buffered(self.concurrency).collect().await
    }

    /// Reads up to twenty secrets in one call, and whatever that leaves open one by one.
    async fn read_batch(&self, ids: &[SecretId]) -> Vec<Answer> {
        if ids.len() == 1 || self.batches.get() != Batches::Yes {
            return self.read_singly(ids).await;
        }
        let turn = self.turn().await;
        if self.taken.is_over() {
            return ids.iter().map(|_| Err(self.too_much(BATCH_GET))).collect();
        }
        // The turn may have come late: what an earlier batch met holds for this one.
        if self.batches.get() != Batches::Yes {
            self.calls.set(self.calls.get() - 1);
            drop(turn);
            return self.read_singly(ids).await;
        }
        // An index may name one secret twice; AWS is asked for it once.
        let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            places.entry(id.as_str()).or_default().push(place);
        }
        let asked = BatchIds::Named(places.keys().map(|id| (*id).to_owned()).collect());
        let output = self.batch(&asked).await;
        drop(turn);
        let output = match output {
            Ok(output) => output,
            Err(error) if self.leads_around(&error) => return self.read_singly(ids).await,
            Err(error) => return ids.iter().map(|id| Err(error.clone().about(id.as_str()))).collect(),
        };
        let request_id: Option<Box<str>> = output.request_id().map(Box::from);
        let mut answers: Vec<Option<Answer>> = ids.iter().map(|_| None).collect();
        let mut put = |id: &str, answer: Answer| {
            for place in places.get(id).into_iter().flatten() {
                if let Some(slot) = answers.get_mut(*place) {
                    *slot = Some(answer.clone());
                }
            }
        };
        for entry in output.secret_values.unwrap_or_default() {
            let answer = self.found(entry.secret_string, entry.created_date);
            // AWS does not promise an order, and answers may go by name or by ARN.
            for id in [entry.arn, entry.name].into_iter().flatten() {
                put(&id, answer.clone());
            }
        }
        for (id, answer) in answers_of_errors(output.errors, request_id.as_deref()) {
            put(&id, answer);
        }
        // What is in neither list, and what failed for a reason that passes, is asked for once more by itself.
        let is_open = |(id, answer): (&SecretId, &Option<Answer>)| answer.is_none().then(|| id.clone());
        let open: Vec<SecretId> = ids.iter().zip(&answers).filter_map(is_open).collect();
        let mut late = self.read_singly(&open).await.into_iter();
        let filled =
            ids.iter().zip(answers).map(|(id, answer)| answer.or_else(|| late.next()).unwrap_or_else(|| Err(lost(id))));
        filled.collect()
    }

    /// One call of BatchGetSecretValue. Hold a turn.
    async fn batch(&self, ids: &BatchIds) -> Result<BatchGetSecretValueOutput, StoreError> {
        let attempt = || async {
            let request = self.client.batch_get_secret_value();
            let request = match ids {
                BatchIds::Named(ids) => request.set_secret_id_list(Some(ids.clone())),
                BatchIds::Under(prefixes) => request.filters(name_filter(prefixes.clone())).max_results(20),
            };
            match request.send().await.map_err(|error| classify::from_sdk(BATCH_GET, &error)) {
                // Not to be waited for: single reads have a quota of their own.
                Err(error) if error.kind() == ErrorKind::Throttled && self.fetch == FetchMode::Auto => Ok(Err(error)),
                Err(error) => Err(error),
                Ok(output) => Ok(Ok(output)),
            }
        };
        self.call(BATCH_GET, attempt).await?
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
                if self.batches.replace(Batches::Denied) == Batches::Yes {
                    let notice = Notice::BatchesDenied;
                    info!("{} secrets are read one by one; {}", notice.code(), notice.remedy());
                }
            }
            ErrorKind::Throttled => {
                debug!(%error, "batches are throttled; reading one by one from here on");
                self.retries.note(error.clone());
                if self.batches.get() == Batches::Yes {
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
    async fn first_batch(&self, prefixes: &[&str]) -> FirstBatch {
        let mut first = FirstBatch::default();
        let _turn = self.turn().await;
        match self.batch(&BatchIds::Under(owned(prefixes))).await {
            Ok(output) => {
                let request_id: Option<Box<str>> = output.request_id().map(Box::from);
                for entry in output.secret_values.unwrap_or_default() {
                    let Some(listed) = listed_of(entry.name, entry.arn, &self.place) else { continue };
                    if is_under(&listed.name, prefixes) {
                        let answer = self.found(entry.secret_string, entry.created_date);
                        first.values.insert(listed.name.clone(), (listed, answer));
                    }
                }
                first.errors = answers_of_errors(output.errors, request_id.as_deref()).collect();
            }
            // The listing meets the same trouble if it is one that matters.
            Err(error) => drop(self.leads_around(&error)),
        }
        first
    }

    /// Reads what a listing names, as it names it.
    async fn read_listed(
        &self,
        prefixes: &[&str],
        mut pages: UnboundedReceiver<Vec<Listed>>,
        wanted: &Wanted<'_>,
    ) -> Result<Enumerated, StoreError> {
        // A secret that is not wanted is not read, not even by accident.
        let has_prefix = !prefixes.contains(&"");
        let with_batch = wanted.everything && has_prefix && self.batches.get() == Batches::Yes;
        let mut first = with_batch.then(|| Box::pin(self.first_batch(prefixes)));
        let mut known = FirstBatch::default();
        let started = Instant::now();
        let mut patience: Option<Instant> = None;
        let mut listing_is_open = true;
        let mut seen = HashSet::new();
        let mut open: Vec<Listed> = Vec::new();
        let mut reading = FuturesUnordered::new();
        let mut result = Enumerated::default();
        while listing_is_open || first.is_some() || !reading.is_empty() {
            tokio::select! {
                biased;
                page = pages.recv(), if listing_is_open => match page {
                    Some(page) => {
                        // A first batch that takes twice as long as the first page, or longer, is not waited for.
                        patience.get_or_insert_with(|| Instant::now() + started.elapsed().max(LEAST_PATIENCE));
                        for listed in page {
                            result.account = result.account.or_else(|| account_of(&listed));
                            if !is_under(&listed.name, prefixes) || !seen.insert(listed.name.clone()) {
                                // Some emulators match anywhere in the name; pages are not a snapshot.
                                continue;
                            }
                            self.taken.has_name(&listed.name);
                            if (wanted.takes)(&listed.name) {
                                open.push(listed);
                            } else {
                                result.skipped += 1;
                            }
                        }
                        check_count(seen.len(), seen.len() - result.skipped, prefixes)?;
                        if self.taken.is_over() {
                            return Err(self.too_much(LIST).about(&prefixes.join(" ")));
                        }
                    }
                    None => listing_is_open = false,
                },
                batch = until_there(first.as_mut()), if first.is_some() => {
                    first = None;
                    known = batch;
                }
                // Dropped and not only left: it holds a turn.
                () = sleep_until(patience.unwrap_or(started)), if first.is_some() && patience.is_some() => first = None,
                Some(secrets) = reading.next(), if !reading.is_empty() => {
                    // There is no end to wait for.
                    if self.taken.is_over() {
                        return Err(self.too_much(LIST));
                    }
                    result.secrets.extend::<Vec<_>>(secrets);
                }
            }
            if first.is_some() {
                continue;
            }
            open.retain(|listed| match known.take(listed) {
                Some(answer) => {
                    result.secrets.push((listed.clone(), answer));
                    false
                }
                None => true,
            });
            // What does not fill a batch waits for the next page.
            while open.len() >= BATCH || !(listing_is_open || open.is_empty()) {
                let some: Vec<Listed> = open.drain(..open.len().min(BATCH)).collect();
                reading.push(async move {
                    let ids: Vec<SecretId> = some.iter().map(|listed| listed.id.clone()).collect();
                    let answers = self.read_batch(&ids).await;
                    some.into_iter().zip(answers).collect::<Vec<_>>()
                });
            }
        }
        // A listing lags by minutes; what the first batch found beyond it is there.
        for (listed, answer) in known.values.into_values() {
            if seen.insert(listed.name.clone()) && (wanted.takes)(&listed.name) {
                result.secrets.push((listed, answer));
            }
        }
        Ok(result)
    }
}

/// Whether so many names and so many wanted ones are still few enough.
fn check_count(names: usize, wanted: usize, prefixes: &[&str]) -> Result<(), StoreError> {
    let (most, what) = if names > MOST_NAMES { (MOST_NAMES, "there") } else { (MOST_SECRETS, "wanted") };
    if names <= MOST_NAMES && wanted <= MOST_SECRETS {
        return Ok(());
    }
    let message = format!("more than {most} secrets are {what}");
    Err(StoreError::new(Cause::TooMuch, LIST, message).about(&prefixes.join(" ")))
}

fn is_under(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Waits for a future that may not be there; then for ever.
async fn until_there<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Opens connections to the client's endpoint, without a request.
async fn open_connections(client: Client, count: usize, opened: Opened) {
    let Some(http) = client.config().http_client() else { return };
    let opens_only = Prewarm::new(http, count, opened);
    // The SDK finds the endpoint. The request, signed by nobody, is never sent.
    let config = aws_sdk_secretsmanager::config::Config::builder()
        .http_client(opens_only)
        .credentials_provider(transport::nobody());
    drop(client.list_secrets().customize().config_override(config).send().await);
}

/// What a batch is of.
enum BatchIds {
    Named(Vec<String>),
    Under(Vec<String>),
}

/// What the batch by prefixes has found, by name; and its errors, by whatever AWS names them with.
#[derive(Default)]
struct FirstBatch {
    values: HashMap<String, (Listed, Answer)>,
    errors: HashMap<String, Answer>,
}

impl FirstBatch {
    fn take(&mut self, listed: &Listed) -> Option<Answer> {
        let value = self.values.remove(&listed.name).map(|(_, answer)| answer);
        value.or_else(|| self.errors.remove(listed.id.as_str())).or_else(|| self.errors.remove(&listed.name))
    }
}

/// The final ones among the errors of a batch, by the id that AWS names; the request is the batch's. What may pass is left
/// open.
fn answers_of_errors(
    errors: Option<Vec<aws_sdk_secretsmanager::types::ApiErrorType>>,
    request_id: Option<&str>,
) -> impl Iterator<Item = (String, Answer)> {
    errors.unwrap_or_default().into_iter().filter_map(move |error| {
        let id = error.secret_id?;
        let error = classify::of_code(GET, error.error_code, error.message).about(&id);
        let answer = answer_of(StoreError { request_id: request_id.map(Box::from), ..error });
        let is_final = answer.as_ref().err().is_none_or(|error| error.kind().is_of_one_secret());
        is_final.then_some((id, answer))
    })
}

fn answer_of(error: StoreError) -> Answer {
    classify::not_there(&error).map_or(Err(error), |reason| Ok(Found::NotThere(reason)))
}

/// A secret as a listing or a batch names it, unless AWS would never give it that name. An ARN that is not of this name and
/// place is not asked for: the name is.
fn listed_of(name: Option<String>, arn: Option<String>, place: &Place) -> Option<Listed> {
    let name = name.filter(|name| is_id(name))?;
    let is_its_own = |arn: &String| {
        let mut parts = arn.splitn(7, ':').skip(4);
        let account = parts.next().filter(|account| place.account.as_deref().is_none_or(|known| known == *account));
        let resource = parts.nth(1).and_then(|resource| resource.strip_prefix(name.as_str()));
        account.is_some() && resource.is_some_and(|suffix| suffix.starts_with('-'))
    };
    let id = arn.filter(is_its_own).map_or_else(|| SecretId::Name(name.clone()), SecretId::Arn);
    Some(Listed { name, id })
}

/// An id that got no answer although every one was asked for: never taken for "not there".
fn lost(id: &SecretId) -> StoreError {
    let message = "the answer does not hold this secret";
    StoreError::new(Cause::NotAws, GET, message).about(id.as_str())
}

/// The caller as a denial of AWS's names it: "User: ARN is not authorized to perform ...".
fn named_user(message: &str) -> Option<&str> {
    message.strip_prefix("User: ")?.split(' ').next().filter(|arn| arn.starts_with("arn:"))
}

fn account_of(listed: &Listed) -> Option<String> {
    match &listed.id {
        SecretId::Arn(arn) => Some(arn.parse::<Arn>().ok()?.account.to_string()),
        SecretId::Name(_) => None,
    }
}

fn name_filter(values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().key(FilterNameStringType::Name).set_values(Some(values.into_iter().collect())).build()
}

impl Pages for AwsStore {
    async fn page(&self, query: Query) -> Result<Page, StoreError> {
        let _turn = self.turn().await;
        let filters: Vec<Filter> = query.filters.iter().cloned().map(name_filter).collect();
        let order = if query.descending { SortOrderType::Desc } else { SortOrderType::Asc };
        let attempt = || async {
            let request =
                self.client.list_secrets().max_results(100).sort_by(SortByType::Name).sort_order(order.clone());
            let request = request.set_filters((!filters.is_empty()).then(|| filters.clone()));
            request.set_next_token(query.token.clone()).send().await.map_err(|error| classify::from_sdk(LIST, &error))
        };
        let about = || {
            let names = query.filters.first().filter(|names| !names.is_empty());
            names.map_or("*".to_owned(), |names| {
                names.iter().map(|name| format!("{name}*")).collect::<Vec<_>>().join(", ")
            })
        };
        let output = self.call(LIST, attempt).await.map_err(|error| error.about(&about()))?;
        let entries = output.secret_list.unwrap_or_default().into_iter();
        let listed = entries.filter_map(|entry| listed_of(entry.name, entry.arn, &self.place));
        let next = output.next_token.filter(|next| !next.is_empty());
        if next.is_some() {
            self.expect_more();
        }
        Ok(Page { listed: listed.collect(), next })
    }

    fn is_busy(&self) -> bool {
        self.retries.throttled() > 0
    }
}

impl SecretStore for AwsStore {
    async fn prepare(&self) {
        // Whatever goes wrong goes wrong again with the first call, which tells it.
        let ahead = CONNECTIONS_AHEAD.min(self.concurrency);
        let connecting = open_connections(self.client.clone(), ahead, self.opened.clone());
        let (_, ()) = tokio::join!(self.identified(), connecting);
    }

    async fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>) -> Result<Enumerated, StoreError> {
        let (names, pages) = unbounded_channel();
        let listing = async {
            let hand_over = move |page: Vec<Listed>| drop(names.send(page));
            listing::walk(self, &owned(prefixes), &hand_over).await
        };
        let reading = self.read_listed(prefixes, pages, wanted);
        let listed = tokio::try_join!(listing, reading);
        let ((), mut enumerated) = match listed {
            Ok(listed) => listed,
            Err(error) => return Err(self.explain(error).await),
        };
        for (_, answer) in &mut enumerated.secrets {
            if let Err(error) = answer {
                *error = self.explain(error.clone()).await;
            }
        }
        debug!(prefixes = %printable(&prefixes.join(" ")), secrets = enumerated.secrets.len(), skipped = enumerated.skipped, "listed");
        Ok(enumerated)
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        let batches = stream::iter(ids.chunks(BATCH)).map(|batch| self.read_batch(batch)).buffered(self.concurrency);
        let answers = batches.collect::<Vec<_>>().await.into_iter().flatten();
        stream::iter(answers).then(|answer| self.explain_answer(answer)).collect().await
    }

    async fn account(&self) -> Result<Option<String>, StoreError> {
        match self.who.account().await {
            Ok(account) => Ok(Some(account)),
            Err(error) => Err(self.explain(error).await),
        }
    }

    fn calls(&self) -> u64 {
        self.calls.get() + self.who.calls()
    }

    fn trouble(&self) -> Option<StoreError> {
        self.retries.last().map(|error| self.with_place(error))
    }
}
