//! AWS Secrets Manager as a store: one account in one region, seen with one identity.
//!
//! Takes prefixes or secret ids, gives texts. What it waits for is round trips, so whatever can go side by side does: the
//! first page of a listing and a first batch by prefix; the values of a page and the next pages.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::Client;
use foldhash::HashSet;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::budget::{Budget, MOST_NAMES, MOST_SECRETS};
use super::calls::Calls;
use super::credential_context::{CredentialContext, Origin};
use super::credentials::{CallerArn, WhoAmI};
use super::listing::{self, Page, Pages, Query};
use super::reads::Reads;
use super::retries::Retries;
use super::transport::{Opened, Prewarm};
use super::values::{BATCH, FirstBatch, Values};
use crate::config::settings::FetchMode;
use crate::model::aws::{Arn, SecretId};
use crate::model::aws_names::action::LIST_SECRETS as LIST;
use crate::model::cause::Cause;
use crate::store::error::{CREDENTIALS, CallContext, ErrorKind, StoreError};
use crate::store::secret_store::{Answer, Created, Enumerated, IndexStore, Listed, SecretStore, Wanted};
use crate::text::printable;

/// Connections that are opened before anything is known: with those of the first listing and the first batch they take
/// the values of the first page and the two pages after it at once.
const CONNECTIONS_AHEAD: usize = 4;
/// Connections that are opened when a list has a second page, for its pages and their values. More come as requests find none; more at
/// once keep a list of some hundred waiting for their handshakes (docs/ARCHITECTURE.md has the figures).
const CONNECTIONS_FOR_MORE: usize = 17;
/// How long after a run begins to ask the connections ahead are opened. Where the credentials are at hand, the first requests have
/// theirs under way by then, and their answers do not wait for handshakes whose connections nobody needs before.
const HEAD_START: Duration = Duration::from_millis(2);
/// How long the first batch is waited for once the first page is there: where a page takes a millisecond, twice that is no
/// time, and leaving the batch costs a call.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);

/// One account in one region, seen with one identity.
pub struct AwsStore {
    values: Values,
    who: WhoAmI,
    region: String,
    /// The variable that names the proxy for Secrets Manager.
    proxy: Option<&'static str>,
    context: Arc<CredentialContext>,
    concurrency: usize,
    opened: Opened,
    /// A listing has more than a page.
    is_long: Cell<bool>,
}

/// Where the secrets of a store are.
pub struct Location {
    /// A shared account's number; `None` for the own one, which is not named.
    pub account: Option<String>,
    pub region: String,
    /// The variable that names the proxy for Secrets Manager.
    pub proxy: Option<&'static str>,
}

/// What the stores of a run have in common.
#[derive(Clone)]
pub struct RunParts {
    pub fetch: FetchMode,
    pub concurrency: usize,
    pub retries: Retries,
    pub opened: Opened,
    pub context: Arc<CredentialContext>,
    pub budget: Budget,
}

impl AwsStore {
    pub fn new(
        (client, reads): (Client, Arc<dyn Reads>),
        (identity, who): (SharedCredentialsProvider, WhoAmI),
        Location { account, region, proxy }: Location,
        in_owner_account: bool,
        run: RunParts,
    ) -> Self {
        let RunParts { fetch, concurrency, retries, opened, context, budget } = run;
        let calls = Calls::new(client, reads, identity, account, retries, concurrency);
        let values = Values::new(calls, in_owner_account, fetch, concurrency, budget);
        Self { values, who, region, proxy, context, concurrency, opened, is_long: Cell::new(false) }
    }

    // ---- errors -------------------------------------------------------------------------------------------------

    /// Adds to an error what only this store knows: where it asked, and as whom. STS is asked for the latter where it matters
    /// and it has not been reported.
    async fn explain(&self, error: StoreError) -> StoreError {
        let mut error = self.with_location(error);
        let Some(mut asked) = error.asked.as_deref().cloned() else { return error };
        let credentials = self.values.calls.identity.provide_credentials().await.ok();
        let origin = credentials.as_ref().map_or(Origin::Other, Origin::of);
        if error.kind() == ErrorKind::Denied && self.context.is_node(origin) {
            error.cause = Cause::NodeRole;
        }
        let named = named_user(&error.message).map(str::to_owned);
        let is_named = named.is_some();
        let of_role = || {
            let caller = credentials.as_ref().and_then(|known| known.get_property::<CallerArn>());
            caller.map(|caller| caller.0.as_str()).or_else(|| self.context.role_of(origin)).map(str::to_owned)
        };
        let known = match named.or_else(of_role) {
            None if error.kind().is_of_one_secret() => {
                self.who.quietly().await.and_then(|identity| identity.arn.clone())
            }
            known => known,
        };
        asked.account = asked.account.or_else(|| account_of(known.as_deref()?));
        asked.caller = known.filter(|_| !is_named);
        error.asked = Some(Arc::new(asked));
        error
    }

    /// What can be said without asking.
    fn with_location(&self, error: StoreError) -> StoreError {
        let mut error = error;
        if let (Cause::NoAnswer, Some(variable)) = (error.cause, self.proxy) {
            error.message = format!("{} ({variable} is set)", error.message);
            error.cause = Cause::Proxy;
        }
        // Credentials are nowhere yet.
        if error.asked.is_none() && error.action != CREDENTIALS {
            let (account, region) = (self.values.calls.account.clone(), self.region.clone());
            error.asked = Some(Arc::new(CallContext { account, region, caller: None }));
        }
        error
    }

    async fn explain_all(&self, answers: impl IntoIterator<Item = &mut Answer>) {
        for error in answers.into_iter().filter_map(|answer| answer.as_mut().err()) {
            *error = self.explain(error.clone()).await;
        }
    }

    // ---- listing ------------------------------------------------------------------------------------------------

    /// Opens the connections that the values of a long list will want.
    fn open_more(&self) {
        let more = CONNECTIONS_FOR_MORE.min(self.concurrency.saturating_sub(CONNECTIONS_AHEAD + 2));
        if more > 0 && self.values.in_batches() && !self.is_busy() {
            drop(tokio::spawn(open_connections(self.values.calls.client.clone(), more, Opened::default())));
        }
    }

    /// Reads what a listing names, as it names it.
    async fn read_listed(
        &self,
        prefixes: &[String],
        mut pages: UnboundedReceiver<Vec<Listed>>,
        wanted: &Wanted<'_>,
    ) -> Result<Enumerated, StoreError> {
        // A secret that is not wanted is not read, not even by accident.
        let has_prefix = !prefixes.iter().any(String::is_empty);
        let with_batch = wanted.everything && has_prefix && self.values.in_batches();
        let mut first = with_batch.then(|| Box::pin(self.values.first_batch(prefixes)));
        let mut known = FirstBatch::default();
        let started = Instant::now();
        let mut patience: Option<Instant> = None;
        let mut listing_is_open = true;
        let mut has_opened_more = false;
        let mut seen = HashSet::default();
        let mut open: Vec<Listed> = Vec::new();
        let mut reading = FuturesUnordered::new();
        let mut result = Enumerated::default();
        let mut looked_at = 0;
        while listing_is_open || first.is_some() || !reading.is_empty() {
            tokio::select! {
                biased;
                page = pages.recv(), if listing_is_open => match page {
                    Some(page) => {
                        // A first batch that takes twice as long as the first page, or longer, is not waited for.
                        patience.get_or_insert_with(|| Instant::now() + started.elapsed().max(LEAST_PATIENCE));
                        for listed in page {
                            if let SecretId::Arn(arn) = &listed.id {
                                result.account = result.account.or_else(|| account_of(arn));
                            }
                            if !prefixes.iter().any(|prefix| listed.name.starts_with(prefix)) || !seen.insert(listed.name.clone()) {
                                // Some emulators match anywhere in the name; pages are not a snapshot.
                                continue;
                            }
                            self.values.budget.has_name(&listed.name);
                            if (wanted.takes)(&listed.name) {
                                open.push(listed);
                            } else {
                                result.skipped += 1;
                            }
                        }
                        check_count(seen.len(), seen.len() - result.skipped, prefixes)?;
                        if self.values.budget.is_over() {
                            return Err(self.values.too_much(LIST).about(&prefixes.join(" ")));
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
                    if self.values.budget.is_over() {
                        return Err(self.values.too_much(LIST));
                    }
                    result.secrets.extend::<Vec<_>>(secrets);
                }
                // Last, and after whatever else is ready in this thread.
                () = tokio::task::yield_now(), if looked_at < result.secrets.len() => {
                    for (listed, answer) in result.secrets.iter_mut().skip(looked_at).take(BATCH) {
                        (wanted.look)(&listed.name, answer);
                        looked_at += 1;
                    }
                    continue;
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
                    let answers = self.values.read_batch(&ids).await;
                    some.into_iter().zip(answers).collect::<Vec<_>>()
                });
            }
            // It begins when the values of the first page have taken the connections that stand.
            if self.is_long.get() && !std::mem::replace(&mut has_opened_more, true) {
                self.open_more();
            }
        }
        if seen.len() < known.least {
            let message = "the listing names fewer secrets than a batch of the same prefix";
            return Err(StoreError::new(Cause::NotAws, LIST, message).about(&prefixes.join(" ")));
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
fn check_count(names: usize, wanted: usize, prefixes: &[String]) -> Result<(), StoreError> {
    let (most, what) = if names > MOST_NAMES { (MOST_NAMES, "there") } else { (MOST_SECRETS, "wanted") };
    if names <= MOST_NAMES && wanted <= MOST_SECRETS {
        return Ok(());
    }
    let message = format!("more than {most} secrets are {what}");
    Err(StoreError::new(Cause::TooMuch, LIST, message).about(&prefixes.join(" ")))
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
    // The SDK finds the endpoint.
    let config = aws_sdk_secretsmanager::config::Config::builder()
        .http_client(Prewarm::new(http, count, opened))
        .credentials_provider(Prewarm::credentials());
    drop(client.list_secrets().customize().config_override(config).send().await);
}

/// The caller as a denial of AWS's names it: "User: ARN is not authorized to perform ...".
fn named_user(message: &str) -> Option<&str> {
    message.strip_prefix("User: ")?.split(' ').next().filter(|arn| arn.starts_with("arn:"))
}

/// The account in an ARN.
fn account_of(arn: &str) -> Option<String> {
    Some(arn.parse::<Arn>().ok()?.account.to_string())
}

impl Pages for AwsStore {
    async fn page(&self, query: Query) -> Result<Page, StoreError> {
        let page = self.values.calls.list(&query).await?;
        self.is_long.set(self.is_long.get() || page.next.is_some());
        Ok(page)
    }

    fn is_busy(&self) -> bool {
        self.values.calls.retries.throttled() > 0
    }
}

impl IndexStore for AwsStore {
    async fn list(&self, prefixes: &[&str]) -> Result<Vec<Listed>, StoreError> {
        let prefixes: Vec<String> = prefixes.iter().copied().map(str::to_owned).collect();
        let listed: RefCell<BTreeMap<String, Listed>> = RefCell::default();
        let take = |page: Vec<Listed>| {
            // Some emulators match anywhere in the name.
            let fits = |one: &Listed| prefixes.iter().any(|prefix| one.name.starts_with(prefix));
            let page = page.into_iter().filter(fits);
            listed.borrow_mut().extend(page.map(|one| (one.name.clone(), one)));
        };
        if let Err(error) = listing::walk(self, &prefixes, &take).await {
            return Err(self.explain(error).await);
        }
        let listed = listed.into_inner();
        check_count(listed.len(), 0, &prefixes)?;
        Ok(listed.into_values().collect())
    }

    async fn create(&self, name: &str, kms_key: &str) -> Result<Created, StoreError> {
        let _turn = self.values.calls.turn().await;
        match self.values.calls.create(name, kms_key).await {
            Ok(()) => Ok(Created::Made),
            Err(error) if error.code.as_deref() == Some("ResourceExistsException") => Ok(Created::WasThere),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn set_policy(&self, id: &SecretId, policy: &str, refuse_public: bool) -> Result<(), StoreError> {
        let _turn = self.values.calls.turn().await;
        match self.values.calls.set_policy(id, policy, refuse_public).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn write(&self, id: &SecretId, text: &str) -> Result<(), StoreError> {
        let _turn = self.values.calls.turn().await;
        match self.values.calls.put(id, text).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }
}

impl SecretStore for AwsStore {
    async fn prepare(&self) {
        // Whatever goes wrong goes wrong again with the first call, which reports it.
        let ahead = CONNECTIONS_AHEAD.min(self.concurrency);
        let connecting = async {
            tokio::time::sleep(HEAD_START).await;
            open_connections(self.values.calls.client.clone(), ahead, self.opened.clone()).await;
        };
        let (_, ()) = tokio::join!(self.values.calls.identified(), connecting);
    }

    async fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>) -> Result<Enumerated, StoreError> {
        self.is_long.set(false);
        let prefixes: Vec<String> = prefixes.iter().copied().map(str::to_owned).collect();
        let (names, pages) = unbounded_channel();
        let listing = async {
            let hand_over = move |page: Vec<Listed>| drop(names.send(page));
            listing::walk(self, &prefixes, &hand_over).await
        };
        let mut enumerated = match tokio::try_join!(listing, self.read_listed(&prefixes, pages, wanted)) {
            Ok(((), enumerated)) => enumerated,
            Err(error) => return Err(self.explain(error).await),
        };
        self.explain_all(enumerated.secrets.iter_mut().map(|(_, answer)| answer)).await;
        debug!(prefixes = %printable(&prefixes.join(" ")), secrets = enumerated.secrets.len(), skipped = enumerated.skipped, "listed");
        Ok(enumerated)
    }

    async fn names_under(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let filters = if prefix.is_empty() { Vec::new() } else { vec![vec![prefix.to_owned()]] };
        let page = self.page(Query { filters, ..Query::default() }).await?;
        Ok(page.listed.into_iter().map(|listed| listed.name).filter(|name| name.starts_with(prefix)).collect())
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        let mut answers = self.values.read(ids).await;
        self.explain_all(&mut answers).await;
        answers
    }

    async fn account(&self) -> Result<Option<String>, StoreError> {
        match self.who.account().await {
            Ok(account) => Ok(Some(account)),
            Err(error) => Err(self.explain(error).await),
        }
    }

    fn calls(&self) -> u64 {
        self.values.calls.made() + self.who.calls()
    }

    fn trouble(&self) -> Option<StoreError> {
        self.values.calls.retries.last().map(|error| self.with_location(error))
    }
}
