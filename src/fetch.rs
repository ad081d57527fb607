//! Asks the sources of the plan, side by side, and decides who wins: own before shared, in order.
//!
//! Takes the plan and one store for each source; gives, for every conn_id, the text of the winning secret or why it
//! can't be read. Only "not there" lets the next source be asked. Makes no judgement on a secret's content.

mod index;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use secrecy::SecretString;
use tracing::{debug, warn};

use crate::exit::{Exit, Failure};
use crate::plan::{Enumerate, Plan, Source, SourcePlan};
use crate::settings::Selection;
use crate::store::{Answer, Found, NotThere, SecretId, SecretStore, StoreError, Wanted};
use crate::text::{count, printable};

/// What came of asking every source.
#[derive(Default)]
pub struct Fetched {
    /// By conn_id, in order.
    pub entries: BTreeMap<String, Entry>,
    /// Asked for by name, and no source has it.
    pub missing: Vec<String>,
}

/// The winner for one conn_id.
pub struct Entry {
    /// Which of the plan's sources won.
    pub source: usize,
    /// Its text, or why it can't be read.
    pub state: State,
    /// The sources that have the conn_id as well and lost.
    pub shadowed: Vec<usize>,
}

/// A secret that is there.
pub enum State {
    /// It could be read.
    Value(SecretString),
    /// It could not; the trouble is this secret's alone.
    Unreadable(StoreError),
    /// It was not asked for: an index names it in a way that can't be trusted.
    Refused(&'static str),
}

/// What one source said about the conn_ids it was asked for: `None` is "not there".
type Answers = BTreeMap<String, Option<State>>;

/// Resolves the plan.
///
/// # Errors
/// When a source as a whole can't be asked (no credentials, listing denied, AWS away), or when a shared account has no way in
/// which its conn_ids could become known.
pub async fn fetch<S: SecretStore>(plan: &Plan, stores: &[S], selection: &Selection) -> Result<Fetched, Failure> {
    let preparing = pin!(join_all(stores.iter().map(SecretStore::prepare)));
    // What is asked first goes out first; what is prepared beside it is for what comes after.
    match select(pin!(resolve(plan, stores, selection)), preparing).await {
        Either::Left((fetched, _)) => fetched,
        Either::Right((_, resolving)) => resolving.await,
    }
}

async fn resolve<S: SecretStore>(plan: &Plan, stores: &[S], selection: &Selection) -> Result<Fetched, Failure> {
    let mut answers = enumerate(plan, stores, selection).await?;
    let mut wanted: BTreeSet<&str> = plan.exactly.iter().flatten().chain(&plan.required).map(String::as_str).collect();
    ask_by_name(plan, stores, &wanted, &mut answers).await?;
    for source in &plan.sources {
        if let Enumerate::Ids(ids) = &source.enumerate {
            wanted.extend(ids.iter().map(String::as_str).filter(|id| selection.takes(id)));
        }
    }
    Ok(decide(answers, &wanted))
}

/// The first source that has a conn_id wins.
fn decide(answers: Vec<Answers>, wanted: &BTreeSet<&str>) -> Fetched {
    let mut fetched = Fetched::default();
    for (source, answers) in answers.into_iter().enumerate() {
        for (conn_id, state) in answers {
            let Some(state) = state else { continue };
            match fetched.entries.entry(conn_id) {
                std::collections::btree_map::Entry::Occupied(mut winner) => winner.get_mut().shadowed.push(source),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(Entry { source, state, shadowed: Vec::new() });
                }
            }
        }
    }
    let is_missing = |id: &&str| !fetched.entries.contains_key(*id);
    fetched.missing = wanted.iter().copied().filter(is_missing).map(str::to_owned).collect();
    fetched
}

// ---- enumeration -----------------------------------------------------------------------------------------------

/// Every source side by side, but for those that must first know which account the own one is.
async fn enumerate<S: SecretStore>(plan: &Plan, stores: &[S], selection: &Selection) -> Result<Vec<Answers>, Failure> {
    let firsts = join_all(plan.sources.iter().zip(stores).map(|(source, store)| async move {
        match &source.enumerate {
            Enumerate::Nothing | Enumerate::ListingIfOwnAccount => Ok((Answers::new(), None)),
            Enumerate::Listing => list(source, store, selection).await,
            Enumerate::Ids(ids) => {
                let ids = ids.iter().filter(|id| selection.takes(id));
                let asked = ids.map(|id| (id.clone(), source.secret_id(id))).collect();
                Ok((read(store, asked, WhenNotThere::Expected).await?, None))
            }
            Enumerate::Index(index) => Ok((index::read(source, store, index, selection).await?, None)),
        }
    }))
    .await;
    let mut answers = Vec::with_capacity(firsts.len());
    let mut own_account = None;
    for first in all_or_every_failure(firsts)? {
        let (of_source, account) = first;
        // The own account is the first source, so its listing is the one that tells.
        if answers.is_empty() {
            own_account = account;
        }
        answers.push(of_source);
    }
    let open = plan.sources.iter().any(|source| source.enumerate == Enumerate::ListingIfOwnAccount);
    if open && own_account.is_none() {
        // The own prefix is empty of secrets, so no ARN tells whose account it is.
        if let Some(own) = stores.first() {
            own_account = own.account().await.map_err(StoreError::into_failure)?;
        }
    }
    let seconds = join_all(plan.sources.iter().zip(stores).map(|(source, store)| {
        let own_account = own_account.as_deref();
        async move {
            if source.enumerate != Enumerate::ListingIfOwnAccount {
                return Ok(None);
            }
            check_is_own_account(source, own_account)?;
            list(source, store, selection).await.map(|(answers, _)| Some(answers))
        }
    }))
    .await;
    for (place, second) in answers.iter_mut().zip(all_or_every_failure(seconds)?) {
        if let Some(second) = second {
            *place = second;
        }
    }
    Ok(answers)
}

fn check_is_own_account(source: &SourcePlan, own_account: Option<&str>) -> Result<(), Failure> {
    let Source::Shared { account, region } = &source.source else { return Ok(()) };
    if own_account == Some(account.as_str()) {
        return Ok(());
    }
    let partition = crate::plan::partition(region);
    let lines = vec![
        format!(
            "shared account {account}: nothing says which connections it holds, and AWS lets nobody list another account's \
             secrets. Add one of these to backend_kwargs (the names in a `shared` entry have no shared_ before them), or \
             set SECRETS_INIT_CONN_IDS:"
        ),
        format!(
            "  \"shared_role_arn\": \"arn:{partition}:iam::{account}:role/NAME\"  (a role there that may list and read)"
        ),
        "  \"shared_connections\": [\"CONN_ID\", ...]  (read one by one under the secrets' resource policies)"
            .to_owned(),
        "  \"shared_index\": \"SECRET_NAME\"  (a secret there whose value is a JSON array of conn_ids)".to_owned(),
    ];
    Err(Failure::with_lines(Exit::Config, lines))
}

/// Lists a source and reads what it lists. Gives the account too, as the ARNs tell it.
async fn list<S: SecretStore>(
    source: &SourcePlan,
    store: &S,
    selection: &Selection,
) -> Result<(Answers, Option<String>), Failure> {
    let failed: RefCell<Option<Failure>> = RefCell::default();
    let takes = |name: &str| {
        source.conn_id_of(name).is_some_and(|conn_id| {
            selection.takes(conn_id)
                && pattern_takes(source, conn_id).unwrap_or_else(|failure| {
                    failed.borrow_mut().get_or_insert(failure);
                    false
                })
        })
    };
    let everything = selection.takes_everything() && !source.has_pattern();
    let wanted = Wanted { takes: &takes, everything };
    let listed = store.enumerate(source.prefix(), &wanted).await.map_err(StoreError::into_failure)?;
    if let Some(failure) = failed.take() {
        return Err(failure);
    }
    debug!(source = %source.source, read = listed.secrets.len(), skipped = listed.skipped, "enumerated");
    let answered = listed.secrets.into_iter().filter_map(|(secret, answer)| {
        let conn_id = source.conn_id_of(&secret.name)?.to_owned();
        Some((conn_id, secret.id, answer))
    });
    Ok((settle(answered, WhenNotThere::Vanished)?, listed.account))
}

fn pattern_takes(source: &SourcePlan, conn_id: &str) -> Result<bool, Failure> {
    source.pattern_takes(conn_id).map_err(|error| {
        let line = format!("connections_lookup_pattern on conn_id {}: {error}", printable(conn_id));
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

async fn read<S: SecretStore>(
    store: &S,
    asked: Vec<(String, SecretId)>,
    when_not_there: WhenNotThere,
) -> Result<Answers, Failure> {
    if asked.is_empty() {
        return Ok(Answers::new());
    }
    let (conn_ids, ids): (Vec<String>, Vec<SecretId>) = asked.into_iter().unzip();
    let answers = store.read(&ids).await;
    settle(
        conn_ids.into_iter().zip(ids).zip(answers).map(|((conn_id, id), answer)| (conn_id, id, answer)),
        when_not_there,
    )
}

/// Tells what is of one secret from what fails the source.
fn settle(
    answered: impl Iterator<Item = (String, SecretId, Answer)>,
    when_not_there: WhenNotThere,
) -> Result<Answers, Failure> {
    let mut answers = Answers::new();
    let mut fatal: Vec<StoreError> = Vec::new();
    for (conn_id, id, answer) in answered {
        let state = match answer {
            Ok(Found::Value(value)) => Some(State::Value(value)),
            Ok(Found::NotThere(reason)) => {
                tell_not_there(&conn_id, &id, reason, when_not_there);
                None
            }
            Err(error) if error.kind.is_of_one_secret() => Some(State::Unreadable(error)),
            Err(error) => {
                fatal.push(error);
                continue;
            }
        };
        answers.insert(conn_id, state);
    }
    match fatal.first() {
        None => Ok(answers),
        Some(first) => {
            let mut lines = vec![first.to_string()];
            if fatal.len() > 1 {
                lines.push(format!("{} more failed in the same way or a like one", count(fatal.len() - 1, "secret")));
            }
            Err(Failure::with_lines(first.kind.exit(), lines))
        }
    }
}

fn tell_not_there(conn_id: &str, id: &SecretId, reason: NotThere, when: WhenNotThere) {
    let looks_whole = matches!(id, SecretId::Arn(arn) if arn.ends_with(conn_id)) && looks_like_whole_arn(conn_id);
    let conn_id = printable(conn_id);
    match (reason, when) {
        (NotThere::NoSuchSecret, _) if looks_whole => {
            warn!(
                %conn_id,
                "not found by its ARN, but AWS takes a name that ends in a hyphen and six characters for a whole ARN and \
                 never finds it without its suffix, nor does the Python backend; give its full ARN with shared_index, or \
                 read with shared_role_arn"
            );
        }
        (NotThere::Binary, _) => {
            warn!(%conn_id, "the secret is binary; Airflow reads text secrets alone, so it counts as not there");
        }
        (NotThere::MarkedForDeletion, _) => debug!(%conn_id, "marked for deletion, so not there"),
        (NotThere::NoSuchSecret, WhenNotThere::Vanished) => {
            warn!(%conn_id, "named by the listing or index, but there is no such secret, or none with a current value");
        }
        (NotThere::NoSuchSecret, WhenNotThere::Expected) => debug!(%conn_id, "not there"),
    }
}

/// Whether AWS would take an ARN that ends like this for one with its random suffix (GetSecretValue, SecretId).
fn looks_like_whole_arn(conn_id: &str) -> bool {
    let tail = conn_id.as_bytes().split_last_chunk::<7>().map(|(_, tail)| tail);
    tail.is_some_and(|[hyphen, six @ ..]| *hyphen == b'-' && six.iter().all(u8::is_ascii_alphanumeric))
}

/// The live lookup: each source in order, and the next one only for what the ones before do not have.
async fn ask_by_name<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    conn_ids: &BTreeSet<&str>,
    answers: &mut [Answers],
) -> Result<(), Failure> {
    let mut open = conn_ids.clone();
    for ((source, store), answers) in plan.sources.iter().zip(stores).zip(answers) {
        let mut asked = Vec::new();
        for conn_id in &open {
            // A listing lags by minutes: what it does not name may be there all the same.
            if !answers.contains_key(*conn_id) && pattern_takes(source, conn_id)? {
                asked.push(((*conn_id).to_owned(), source.secret_id(conn_id)));
            }
        }
        answers.extend(read(store, asked, WhenNotThere::Expected).await?);
        open.retain(|conn_id| !matches!(answers.get(*conn_id), Some(Some(_))));
        if open.is_empty() {
            break;
        }
    }
    Ok(())
}

/// All values, or one failure with the lines of every one that failed and the exit code of the first.
fn all_or_every_failure<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let mut values = Vec::with_capacity(results.len());
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.first() {
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
