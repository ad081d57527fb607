//! Asks the accounts of the plan, side by side, and decides who wins: own before shared, in order.
//!
//! Takes the plan and one store for each account; gives, for every conn_id and key, the text of the winning secret or
//! why it can't be read. What is wanted of one account is asked for together, whatever kind it is. Only "not there" lets
//! the next source be asked. Makes no judgement on a secret's content.

mod index;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::config::settings::Selection;
use crate::error::{Exit, Failure};
use crate::model::aws::SecretId;
use crate::model::kind::{ByKind, Kind};
use crate::plan::{AccountPlan, Enumerate, Plan, Source, SourcePlan};
use crate::store::error::StoreError;
use crate::store::secret_store::{Answer, Found, NotThere, SecretStore, Value, Wanted};
use crate::text::{count, printable};

/// What came of asking: for each kind that is wanted.
#[derive(Default)]
pub struct Fetched {
    /// What is there and what is missing.
    pub kinds: ByKind<Resolved>,
    /// Shared accounts that the run goes on without, in order.
    pub aside: Vec<Aside>,
}

/// A shared account that the run goes on without.
pub struct Aside {
    /// Which.
    pub source: Source,
    /// Why; `None` where it comes after one that failed: nobody knows which of its secrets that one would have stood before.
    pub failure: Option<Failure>,
}

impl Aside {
    /// What is to be said of it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let left_out = format!("{} is left out as a whole", self.source);
        match &self.failure {
            Some(failure) => failure.lines().iter().map(|line| format!("{left_out}: {line}")).collect(),
            None => vec![format!("{left_out}: it comes after one that is")],
        }
    }
}

/// Which shared accounts the run can do without.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// Any that can't be read, and it is waited for no longer than this. `None`: the run fails.
    pub until: Option<Instant>,
    /// One that holds what no run takes: an index that is none, or too much. So says `SECRETS_INIT_ON_INVALID`; who writes
    /// secrets there has no say in whether the own connections are there.
    pub may_be_invalid: bool,
}

impl Shared {
    async fn wait<T>(self, of: &Source, asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match self.until {
            Some(end) if *of != Source::Own => {
                timeout_at(end, asking).await.unwrap_or_else(|_| Err(Failure::new(Exit::TempFail, TOO_SLOW)))
            }
            _ => asking.await,
        }
    }

    /// Whether the run can go on without this account. A mistake in the settings is none of the account's.
    fn can_do_without(self, of: &Source, failure: &Failure) -> bool {
        let by_policy = match failure.exit() {
            Exit::Config | Exit::Bug => false,
            Exit::InvalidData => self.may_be_invalid,
            _ => self.until.is_some(),
        };
        by_policy && *of != Source::Own
    }
}

const TOO_SLOW: &str = "it was not read within nine tenths of SECRETS_INIT_DEADLINE";

/// What came of asking for one kind.
#[derive(Default)]
pub struct Resolved {
    /// By conn_id or key, in order.
    pub entries: BTreeMap<String, Entry>,
    /// Asked for by name, and no source has it.
    pub missing: Vec<String>,
    /// The same, but there is one that the run goes on without and that may have it.
    pub unknown: Vec<String>,
    /// Listed, and not asked for.
    pub skipped: Vec<Skipped>,
}

/// An id that a listing has and the settings leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub id: String,
    /// Which of the kind's sources has it.
    pub source: usize,
    /// What leaves it out.
    pub by: SkippedBy,
}

/// What leaves an id out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkippedBy {
    /// `SECRETS_INIT_INCLUDE` or `SECRETS_INIT_EXCLUDE`.
    Globs,
    /// The kind's lookup pattern.
    Pattern,
}

impl SkippedBy {
    /// The settings that leave it out.
    #[must_use]
    pub const fn settings(self, kind: Kind) -> &'static str {
        match self {
            Self::Globs => "SECRETS_INIT_INCLUDE or SECRETS_INIT_EXCLUDE",
            Self::Pattern => kind.pattern_key(),
        }
    }
}

/// The winner for one conn_id or key.
pub struct Entry {
    /// Which of the kind's sources won.
    pub source: usize,
    /// Its text, or why it can't be read.
    pub state: State,
    /// The sources that have it as well and lost.
    pub shadowed: Vec<usize>,
    /// The secret stands under the prefix of another kind too, and a listing can't tell which it is meant for.
    pub ambiguous: bool,
}

/// A secret that is there.
#[derive(Clone)]
pub enum State {
    /// It could be read.
    Value(Value),
    /// It could not; the trouble is this secret's alone.
    Unreadable(StoreError),
    /// It was not asked for: an index names it in a way that can't be trusted.
    Refused(&'static str),
}

/// What one source said about one id.
#[derive(Clone)]
struct Said {
    /// `None` is "not there".
    state: Option<State>,
    ambiguous: bool,
}

/// What one source said about the ids it was asked for.
#[derive(Default)]
struct Answers {
    said: BTreeMap<String, Said>,
    /// Listed, and not asked for.
    skipped: BTreeMap<String, SkippedBy>,
}

/// The answers of every source that was asked, by kind and by its account's place in the plan: in order of precedence.
type AllAnswers = BTreeMap<(Kind, usize), Answers>;

/// Resolves the plan.
///
/// # Errors
/// When an account as a whole can't be asked (no credentials, listing denied, AWS away), or when a shared account has no way in
/// which its ids could become known.
pub async fn fetch<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: Shared,
) -> Result<Fetched, Failure> {
    let preparing = pin!(join_all(stores.iter().map(SecretStore::prepare)));
    // What is asked first goes out first; what is prepared beside it is for what comes after.
    match select(pin!(resolve(plan, stores, selection, shared)), preparing).await {
        Either::Left((fetched, _)) => fetched,
        Either::Right((_, resolving)) => resolving.await,
    }
}

async fn resolve<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: Shared,
) -> Result<Fetched, Failure> {
    let mut aside = BTreeMap::new();
    let mut answers = enumerate(plan, stores, selection, shared, &mut aside).await?;
    ask_by_name(plan, stores, &mut answers, shared, &mut aside).await?;
    let first_aside = aside.keys().next().copied().unwrap_or(stores.len());
    answers.retain(|(_, account), _| *account < first_aside);
    let mut fetched = Fetched::default();
    for (place, account) in plan.accounts.iter().enumerate().skip(first_aside) {
        let failure = aside.remove(&place);
        fetched.aside.push(Aside { source: account.source.clone(), failure });
    }
    for want in &plan.wants {
        let mut wanted: BTreeSet<&str> = want.by_name().collect();
        for source in &want.sources {
            if let Enumerate::Ids(ids) = &source.enumerate {
                wanted.extend(ids.iter().map(String::as_str).filter(|id| selection.takes(want.kind, id)));
            }
        }
        let of_source = |source: &SourcePlan| answers.remove(&(want.kind, source.account)).unwrap_or_default();
        let mut resolved = decide(want.sources.iter().map(of_source).collect(), &wanted);
        if !fetched.aside.is_empty() {
            resolved.unknown = std::mem::take(&mut resolved.missing);
        }
        fetched.kinds[want.kind] = resolved;
    }
    Ok(fetched)
}

/// The first source that has an id wins.
fn decide(answers: Vec<Answers>, wanted: &BTreeSet<&str>) -> Resolved {
    let mut resolved = Resolved::default();
    for (source, answers) in answers.into_iter().enumerate() {
        resolved.skipped.extend(answers.skipped.into_iter().map(|(id, by)| Skipped { id, source, by }));
        for (id, said) in answers.said {
            let Some(state) = said.state else { continue };
            match resolved.entries.entry(id) {
                std::collections::btree_map::Entry::Occupied(mut winner) => winner.get_mut().shadowed.push(source),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(Entry { source, state, shadowed: Vec::new(), ambiguous: said.ambiguous });
                }
            }
        }
    }
    let is_missing = |id: &&str| !resolved.entries.contains_key(*id);
    resolved.missing = wanted.iter().copied().filter(is_missing).map(str::to_owned).collect();
    resolved
}

// ---- enumeration -----------------------------------------------------------------------------------------------

/// Every account side by side, but for those that must first know which account the own one is.
async fn enumerate<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: Shared,
    aside: &mut BTreeMap<usize, Failure>,
) -> Result<AllAnswers, Failure> {
    let ask = async |account: usize, store: &S| {
        let sources: Vec<&SourcePlan> = plan.sources_of(account).collect();
        let listing = list(&sources, &Enumerate::Listing, store, selection);
        let named = read_named(&sources, store, selection);
        let indexed = join_all(sources.iter().filter_map(|source| match &source.enumerate {
            Enumerate::Index(index) => Some(index::read(source, store, index, selection)),
            _ => None,
        }));
        let (listed, named, indexed) = tokio::join!(listing, named, indexed);
        let (listed, own_account) = match listed {
            Ok((answers, own_account)) => (Ok(answers), own_account),
            Err(failure) => (Err(failure), None),
        };
        let all: Vec<Result<AllAnswers, Failure>> = [listed, named].into_iter().chain(indexed).collect();
        all_or_every_failure(all).map(|answers| (answers, own_account))
    };
    let accounts = stores.iter().zip(&plan.accounts).enumerate();
    let firsts = accounts.map(|(place, (store, account))| shared.wait(&account.source, ask(place, store)));
    let mut answered = Vec::new();
    for (place, (first, account)) in join_all(firsts).await.into_iter().zip(&plan.accounts).enumerate() {
        match first {
            Err(failure) if shared.can_do_without(&account.source, &failure) => drop(aside.insert(place, failure)),
            first => answered.push(first.map(|first| (place, first))),
        }
    }
    let mut answers = AllAnswers::new();
    let mut own_account = None;
    for (place, (of_account, account)) in all_or_every_failure(answered)? {
        // The own account is the first, so its listing is the one that tells.
        if place == 0 {
            own_account = account;
        }
        answers.extend(of_account.into_iter().flatten());
    }
    if plan.accounts.iter().any(AccountPlan::only_if_own) {
        if own_account.is_none() {
            // The own prefix is empty of secrets, so no ARN tells whose account it is.
            if let Some(own) = stores.first() {
                own_account = own.account().await.map_err(StoreError::into_failure)?;
            }
        }
        answers.extend(enumerate_if_own(plan, stores, selection, own_account.as_deref()).await?);
    }
    Ok(answers)
}

/// The accounts that may be listed only because they turn out to be the caller's own.
async fn enumerate_if_own<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    own_account: Option<&str>,
) -> Result<AllAnswers, Failure> {
    let seconds = join_all(stores.iter().enumerate().map(|(account, store)| async move {
        let sources: Vec<&SourcePlan> = plan.sources_of(account).collect();
        let open = sources.iter().filter(|source| source.enumerate == Enumerate::ListingIfOwnAccount);
        all_or_every_failure(open.map(|source| check_is_own_account(source, own_account)).collect())?;
        list(&sources, &Enumerate::ListingIfOwnAccount, store, selection).await.map(|(answers, _)| answers)
    }))
    .await;
    Ok(all_or_every_failure(seconds)?.into_iter().flatten().collect())
}

fn check_is_own_account(source: &SourcePlan, own_account: Option<&str>) -> Result<(), Failure> {
    let Source::Shared { account, region } = &source.source else { return Ok(()) };
    if own_account == Some(account.as_str()) {
        return Ok(());
    }
    let role = format!("arn:{}:iam::{account}:role/NAME", region.partition());
    let kind = source.kind;
    let mut lines = vec![format!(
        "shared account {account}: nothing says which {}s it holds, and AWS lets nobody list another account's secrets. Add \
         one of these to backend_kwargs (the names in a `shared` entry have no shared_ before them), or set {}:",
        kind.thing(),
        kind.names_setting()
    )];
    lines.push(format!("  \"shared_role_arn\": \"{role}\"  (a role there that may list and read)"));
    let of_kind: &[&str] = match kind {
        Kind::Connection => &[
            "  \"shared_connections\": [\"CONN_ID\", ...]  (read one by one under the secrets' resource policies)",
            "  \"shared_index\": \"SECRET_NAME\"  (a secret there whose value is a JSON array of conn_ids)",
        ],
        Kind::Variable => {
            &["  \"shared_variables\": [\"KEY\", ...]  (read one by one under the secrets' resource policies)"]
        }
        Kind::Config => &[],
    };
    lines.extend(of_kind.iter().map(|line| (*line).to_owned()));
    Err(Failure::with_lines(Exit::Config, lines))
}

/// Lists what these sources want of one account in one walk, and tells the kinds apart by their prefixes.
async fn list<S: SecretStore>(
    sources: &[&SourcePlan],
    how: &Enumerate,
    store: &S,
    selection: &Selection,
) -> Result<(AllAnswers, Option<String>), Failure> {
    let sources: Vec<&SourcePlan> = sources.iter().copied().filter(|source| source.enumerate == *how).collect();
    let mut answers: AllAnswers =
        sources.iter().map(|source| ((source.kind, source.account), Answers::default())).collect();
    if sources.is_empty() {
        return Ok((answers, None));
    }
    let failed: RefCell<Option<Failure>> = RefCell::default();
    let leaves_out = |source: &SourcePlan, id: &str| {
        if !selection.takes(source.kind, id) {
            return Some(SkippedBy::Globs);
        }
        // After one that failed the rest is not tried: each would take as long.
        let matches = failed.borrow().is_none()
            && pattern_takes(source, id).unwrap_or_else(|failure| {
                failed.borrow_mut().get_or_insert(failure);
                false
            });
        (!matches).then_some(SkippedBy::Pattern)
    };
    let takes = |source: &SourcePlan, name: &str| source.id_of(name).is_some_and(|id| leaves_out(source, id).is_none());
    let skipped: RefCell<Vec<(Kind, usize, String, SkippedBy)>> = RefCell::default();
    let takes_any = |name: &str| {
        let mut is_taken = false;
        for source in &sources {
            let Some(id) = source.id_of(name) else { continue };
            match leaves_out(source, id) {
                None => is_taken = true,
                Some(by) => skipped.borrow_mut().push((source.kind, source.account, id.to_owned(), by)),
            }
        }
        is_taken
    };
    let everything = sources.iter().all(|source| selection.takes_everything(source.kind) && !source.has_pattern());
    let wanted = Wanted { takes: &takes_any, everything };
    let listed = store.enumerate(&prefixes_of(&sources), &wanted).await.map_err(StoreError::into_failure)?;
    if let Some(failure) = failed.take() {
        return Err(failure);
    }
    if let Some(source) = sources.first() {
        debug!(source = %source.source, read = listed.secrets.len(), skipped = listed.skipped, "enumerated");
    }
    for (kind, account, id, by) in skipped.take() {
        answers.entry((kind, account)).or_default().skipped.insert(id, by);
    }
    let mut fatal = Fatal::default();
    for (secret, answer) in listed.secrets {
        // A pattern takes its time: the deadline and signals have their turn.
        if sources.iter().any(|source| source.has_pattern()) {
            tokio::task::yield_now().await;
        }
        let members: Vec<&SourcePlan> = sources.iter().copied().filter(|source| takes(source, &secret.name)).collect();
        let (Some(first), ambiguous) = (members.first(), members.len() > 1) else { continue };
        let id = first.id_of(&secret.name).unwrap_or_default();
        let Some(said) = fatal.sort(first.kind, id, &secret.id, answer, WhenNotThere::Vanished) else { continue };
        for source in members {
            let Some(id) = source.id_of(&secret.name) else { continue };
            let of_source = answers.entry((source.kind, source.account)).or_default();
            of_source.said.insert(id.to_owned(), Said { ambiguous, ..said.clone() });
        }
    }
    fatal.into_result((answers, listed.account))
}

/// The prefixes to list, without those that another one covers.
fn prefixes_of<'a>(sources: &[&'a SourcePlan]) -> Vec<&'a str> {
    let all: BTreeSet<&str> = sources.iter().map(|source| source.prefix()).collect();
    let mut prefixes: Vec<&str> = Vec::new();
    // In order, a prefix comes after every one that it begins with.
    for prefix in all {
        if !prefixes.iter().any(|shorter| prefix.starts_with(shorter)) {
            prefixes.push(prefix);
        }
    }
    prefixes
}

fn pattern_takes(source: &SourcePlan, id: &str) -> Result<bool, Failure> {
    source.pattern_takes(id).map_err(|error| {
        let key = source.kind.pattern_key();
        let line = format!("{key} on {} {}: {error}", source.kind.noun(), printable(id));
        Failure::new(Exit::Config, line)
    })
}

// ---- reading ---------------------------------------------------------------------------------------------------

/// Whether it is news that a secret is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WhenNotThere {
    /// A listing or an index had named it.
    Vanished,
    /// It was asked for by name: the next source may have it.
    Expected,
}

/// One secret to be read by its id.
struct Asked<'a> {
    source: &'a SourcePlan,
    id: String,
    secret: SecretId,
}

impl<'a> Asked<'a> {
    fn of(source: &'a SourcePlan, id: &str) -> Self {
        Self { source, id: id.to_owned(), secret: source.secret_id(id) }
    }
}

/// What the kwargs name.
async fn read_named<S: SecretStore>(
    sources: &[&SourcePlan],
    store: &S,
    selection: &Selection,
) -> Result<AllAnswers, Failure> {
    let mut asked = Vec::new();
    for source in sources {
        if let Enumerate::Ids(ids) = &source.enumerate {
            let ids = ids.iter().filter(|id| selection.takes(source.kind, id));
            asked.extend(ids.map(|id| Asked::of(source, id)));
        }
    }
    read(store, asked, WhenNotThere::Expected).await
}

/// Reads secrets of one account, of any kind, together.
async fn read<S: SecretStore>(store: &S, asked: Vec<Asked<'_>>, when: WhenNotThere) -> Result<AllAnswers, Failure> {
    let mut answers = AllAnswers::new();
    if asked.is_empty() {
        return Ok(answers);
    }
    let ids: Vec<SecretId> = asked.iter().map(|asked| asked.secret.clone()).collect();
    let mut fatal = Fatal::default();
    for (Asked { source, id, secret }, answer) in asked.into_iter().zip(store.read(&ids).await) {
        if let Some(said) = fatal.sort(source.kind, &id, &secret, answer, when) {
            answers.entry((source.kind, source.account)).or_default().said.insert(id, said);
        }
    }
    fatal.into_result(answers)
}

/// Tells what is of one secret from what fails the account, and collects the latter.
#[derive(Default)]
struct Fatal {
    errors: Vec<StoreError>,
}

impl Fatal {
    /// What an answer says of one secret; `None` when it says something of the account.
    fn sort(&mut self, kind: Kind, id: &str, secret: &SecretId, answer: Answer, when: WhenNotThere) -> Option<Said> {
        let state = match answer {
            Ok(Found::Value(value)) => Some(State::Value(value)),
            Ok(Found::NotThere(reason)) => {
                tell_not_there(kind, id, secret, reason, when);
                None
            }
            Err(error) if error.kind().is_of_one_secret() => Some(State::Unreadable(error)),
            Err(error) => {
                self.errors.push(error);
                return None;
            }
        };
        Some(Said { state, ambiguous: false })
    }

    fn into_result<T>(self, value: T) -> Result<T, Failure> {
        let Some(first) = self.errors.first() else { return Ok(value) };
        let mut lines = vec![first.to_string()];
        if self.errors.len() > 1 {
            lines.push(format!("{} more failed in the same way or a like one", count(self.errors.len() - 1, "secret")));
        }
        Err(Failure::with_lines(first.kind().exit(), lines))
    }
}

fn tell_not_there(kind: Kind, id: &str, secret: &SecretId, reason: NotThere, when: WhenNotThere) {
    let looks_whole = matches!(secret, SecretId::Arn(arn) if arn.ends_with(id)) && looks_like_whole_arn(id);
    let what = format!("{} {}", kind.noun(), printable(id));
    match (reason, when) {
        (NotThere::NoSuchSecret, _) if looks_whole => {
            warn!(
                "{what}: not found by its ARN, but AWS takes a name that ends in a hyphen and six characters for a whole ARN \
                 and never finds it without its suffix, nor does the Python backend; give its full ARN with shared_index, or \
                 read with shared_role_arn"
            );
        }
        (NotThere::Binary, _) => {
            warn!("{what}: the secret is binary; Airflow reads text secrets alone, so it counts as not there");
        }
        (NotThere::MarkedForDeletion, _) => debug!("{what}: marked for deletion, so not there"),
        (NotThere::NoSuchSecret, WhenNotThere::Vanished) => {
            warn!("{what}: named by the listing or index, but there is no such secret, or none with a current value");
        }
        (NotThere::NoSuchSecret, WhenNotThere::Expected) => debug!("{what}: not there"),
    }
}

/// Whether AWS would take an ARN that ends like this for one with its random suffix (GetSecretValue, SecretId).
fn looks_like_whole_arn(conn_id: &str) -> bool {
    let tail = conn_id.as_bytes().split_last_chunk::<7>().map(|(_, tail)| tail);
    tail.is_some_and(|[hyphen, six @ ..]| *hyphen == b'-' && six.iter().all(u8::is_ascii_alphanumeric))
}

/// The live lookup: each account in order, and the next one only for what the ones before do not have.
async fn ask_by_name<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    answers: &mut AllAnswers,
    shared: Shared,
    aside: &mut BTreeMap<usize, Failure>,
) -> Result<(), Failure> {
    let mut open: ByKind<BTreeSet<&str>> = ByKind::default();
    for want in &plan.wants {
        open[want.kind] = want.by_name().collect();
    }
    for (account, (store, of)) in stores.iter().zip(&plan.accounts).enumerate() {
        if aside.contains_key(&account) {
            break;
        }
        let mut asked = Vec::new();
        for source in plan.sources_of(account) {
            let known = answers.get(&(source.kind, account));
            for id in &open[source.kind] {
                // A listing lags by minutes: what it does not name may be there all the same.
                if source.has_pattern() {
                    tokio::task::yield_now().await;
                }
                if !known.is_some_and(|known| known.said.contains_key(*id)) && pattern_takes(source, id)? {
                    asked.push(Asked::of(source, id));
                }
            }
        }
        let reading = shared.wait(&of.source, read(store, asked, WhenNotThere::Expected));
        let read = match reading.await {
            Err(failure) if shared.can_do_without(&of.source, &failure) => {
                aside.insert(account, failure);
                break;
            }
            read => read?,
        };
        for (source, more) in read {
            answers.entry(source).or_default().said.extend(more.said);
        }
        for source in plan.sources_of(account) {
            let Some(known) = answers.get(&(source.kind, account)) else { continue };
            open[source.kind].retain(|id| known.said.get(*id).is_none_or(|said| said.state.is_none()));
        }
        if open.iter().all(|(_, open)| open.is_empty()) {
            break;
        }
    }
    Ok(())
}

/// All values, or one failure with the lines of every one that failed and the exit code of the first that is not about content:
/// what can be done without must not hide what can't.
fn all_or_every_failure<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let mut values = Vec::with_capacity(results.len());
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.iter().find(|failure| failure.exit() != Exit::InvalidData).or(failures.first()) {
        None => Ok(values),
        Some(first) => {
            let exit = first.exit();
            let mut lines: Vec<String> = failures.iter().flat_map(|failure| failure.lines().iter().cloned()).collect();
            // Two sources that fail with the same credentials fail with the same words.
            let mut seen = BTreeSet::new();
            lines.retain(|line| seen.insert(line.clone()));
            Err(Failure::with_lines(exit, lines))
        }
    }
}

#[cfg(test)]
mod tests;
