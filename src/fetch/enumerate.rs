//! What the accounts hold, as far as that becomes known by itself: listings, indexes, ids of the kwargs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tracing::debug;

use super::answers::{AllAnswers, Answers, Reported, SkippedBy, all_or_every_failure};
use super::index;
use super::reading::{Fatal, WhenNotThere, pattern_takes, read_named};
use super::shared::SharedPolicy;
use crate::config::settings::Selection;
use crate::error::{Exit, Failure};
use crate::model::kind::Kind;
use crate::plan::{AccountPlan, Enumerate, Plan, Source, SourcePlan};
use crate::store::error::StoreError;
use crate::store::secret_store::{Answer, Found, SecretStore, SecretValue, Wanted};

/// What may be done with the value of a connection while others are waited for.
pub type Ahead<'a> = &'a dyn Fn(&mut SecretValue);

/// What an account holds, and whose it is where its listing tells.
type Held = (AllAnswers, Option<String>);

/// Every account side by side, but for those that must first know which account the own one is. Ends with the first error of the
/// own account: nothing that a shared one answers could help. Gives the own account's number too, where its listing tells it. What
/// is known to have failed is left in `failed`, for a run that ends here by its deadline.
///
/// # Errors
/// When the own account can't be asked, or a shared one that the run can't do without.
pub async fn enumerate<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: SharedPolicy,
    ahead: Ahead<'_>,
    (skipped_accounts, failed): (&mut BTreeMap<usize, Failure>, &RefCell<Vec<Failure>>),
) -> Result<Held, Failure> {
    let ask = async |place: usize, store: &S, of: &Source| {
        let sources: Vec<&SourcePlan> = plan.sources_of(place).collect();
        (place, shared.wait(of, hold(&sources, store, selection, ahead)).await)
    };
    let accounts = stores.iter().zip(&plan.accounts).enumerate();
    let mut asking: FuturesUnordered<_> =
        accounts.map(|(place, (store, account))| ask(place, store, &account.source)).collect();
    let mut held: BTreeMap<usize, Result<Held, Failure>> = BTreeMap::new();
    let mut own_failed = false;
    // Once the own account has failed, only what is there already is looked at.
    while let Some((place, answer)) =
        if own_failed { asking.next().now_or_never().flatten() } else { asking.next().await }
    {
        let is_own = plan.accounts.get(place).is_some_and(|account| account.source == Source::Own);
        own_failed |= is_own && answer.is_err();
        match answer {
            Err(failure) if can_do_without(plan, place, shared, &failure) => {
                skipped_accounts.insert(place, failure);
            }
            answer => {
                failed.borrow_mut().extend(answer.as_ref().err().cloned());
                held.insert(place, answer);
            }
        }
    }
    // The own account is the first, so its listing is the one that tells.
    let mut own_account = held.get(&0).and_then(|first| first.as_ref().ok()?.1.clone());
    let mut answers: AllAnswers =
        all_or_every_failure(held.into_values().collect())?.into_iter().flat_map(|(answers, _)| answers).collect();
    if plan.accounts.iter().any(AccountPlan::only_if_own) {
        if own_account.is_none() {
            // The own prefix is empty of secrets, so no ARN tells whose account it is.
            if let Some(own) = stores.first() {
                own_account = own.account().await.map_err(StoreError::into_failure)?;
            }
        }
        let mut seconds = Vec::new();
        let places = 0..plan.accounts.len();
        let asked = join_all(
            places.map(|place| hold_if_own(plan, stores, (place, selection), own_account.as_deref(), shared, ahead)),
        );
        for (place, second) in asked.await.into_iter().enumerate() {
            match second {
                Err(failure) if can_do_without(plan, place, shared, &failure) => {
                    skipped_accounts.insert(place, failure);
                }
                second => seconds.push(second),
            }
        }
        answers.extend(all_or_every_failure(seconds)?.into_iter().flatten());
    }
    let is_own = plan.accounts.first().is_some_and(|account| account.source == Source::Own);
    Ok((answers, own_account.filter(|_| is_own)))
}

fn can_do_without(plan: &Plan, place: usize, shared: SharedPolicy, failure: &Failure) -> bool {
    plan.accounts.get(place).is_some_and(|account| shared.can_do_without(&account.source, failure))
}

/// What one account holds of these sources.
async fn hold<S: SecretStore>(
    sources: &[&SourcePlan],
    store: &S,
    selection: &Selection,
    ahead: Ahead<'_>,
) -> Result<Held, Failure> {
    let listing = list(sources, &Enumerate::Listing, store, selection, ahead);
    let named = read_named(sources, store, selection);
    let indexed = index::read(sources, store, selection);
    let (listed, named, indexed) = tokio::join!(listing, named, indexed);
    let (listed, own_account) = match listed {
        Ok((answers, own_account)) => (Ok(answers), own_account),
        Err(failure) => (Err(failure), None),
    };
    let all = all_or_every_failure(vec![listed, named, indexed])?;
    Ok((all.into_iter().flatten().collect(), own_account))
}

/// What an account holds that may be listed only because it turns out to be the caller's own.
async fn hold_if_own<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    (place, selection): (usize, &Selection),
    own_account: Option<&str>,
    shared: SharedPolicy,
    ahead: Ahead<'_>,
) -> Result<AllAnswers, Failure> {
    let (Some(store), Some(account)) = (stores.get(place), plan.accounts.get(place)) else {
        return Ok(AllAnswers::new());
    };
    let sources: Vec<&SourcePlan> = plan.sources_of(place).collect();
    let open = sources.iter().filter(|source| source.enumerate == Enumerate::ListingIfOwnAccount);
    all_or_every_failure(open.map(|source| check_is_own_account(source, own_account)).collect())?;
    let listing = list(&sources, &Enumerate::ListingIfOwnAccount, store, selection, ahead);
    shared.wait(&account.source, listing).await.map(|(answers, _)| answers)
}

fn check_is_own_account(source: &SourcePlan, own_account: Option<&str>) -> Result<(), Failure> {
    match &source.source {
        Source::Shared { account, .. } if own_account != Some(account.as_str()) => Err(no_way_in(source)),
        _ => Ok(()),
    }
}

/// How a run ends where nothing says what a shared account holds, and it is not the caller's own: with the ways to say it.
pub fn no_way_in(source: &SourcePlan) -> Failure {
    let Source::Shared { account, region } = &source.source else {
        return Failure::new(Exit::Bug, "the own account needs no way in; please report this as a bug");
    };
    let role = format!("arn:{}:iam::{account}:role/NAME", region.partition());
    let kind = source.kind;
    let mut lines = vec![format!(
        "shared account {account}: nothing says which {}s it holds, and AWS has no call that lists another account's secrets. Add \
         one of these to backend_kwargs (the names in a `shared` entry have no shared_ before them), or set {}:",
        kind.thing(),
        kind.names_setting()
    )];
    lines.push(format!("  \"shared_role_arn\": \"{role}\"  (a role there that may list and read)"));
    let of_kind: &[&str] = match kind {
        Kind::Connection => &[
            "  \"shared_connections\": [\"CONN_ID\", ...]  (read one by one under the secrets' resource policies)",
            "  \"shared_index\": \"SECRET_NAME\"  (a secret there that publish-index writes, or a JSON array of conn_ids)",
        ],
        Kind::Variable => &[
            "  \"shared_variables\": [\"KEY\", ...]  (read one by one under the secrets' resource policies)",
            "  \"shared_index\": \"SECRET_NAME\"  (a secret there that publish-index writes)",
        ],
        Kind::Config => &["  \"shared_index\": \"SECRET_NAME\"  (a secret there that publish-index writes)"],
    };
    lines.extend(of_kind.iter().map(|line| (*line).to_owned()));
    Failure::with_lines(Exit::Config, lines)
}

/// Lists what these sources want of one account in one walk, and tells the kinds apart by their prefixes.
async fn list<S: SecretStore>(
    sources: &[&SourcePlan],
    how: &Enumerate,
    store: &S,
    selection: &Selection,
    ahead: Ahead<'_>,
) -> Result<(AllAnswers, Option<String>), Failure> {
    let sources: Vec<&SourcePlan> = sources.iter().copied().filter(|source| source.enumerate == *how).collect();
    let mut answers: AllAnswers = sources
        .iter()
        .map(|source| ((source.kind, source.account), Answers { is_enumerated: true, ..Answers::default() }))
        .collect();
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
            if let Some(id) = source.of_other_team(name) {
                skipped.borrow_mut().push((source.kind, source.account, id.to_owned(), SkippedBy::Team));
            }
            let Some(id) = source.id_of(name) else { continue };
            match leaves_out(source, id) {
                None => is_taken = true,
                Some(by) => skipped.borrow_mut().push((source.kind, source.account, id.to_owned(), by)),
            }
        }
        is_taken
    };
    let everything = sources.iter().all(|source| selection.takes_everything(source.kind) && !source.has_pattern());
    let is_connection =
        |source: &&SourcePlan, name: &str| source.kind == Kind::Connection && source.id_of(name).is_some();
    let read_ahead = Cell::new(0);
    let look = |name: &str, answer: &mut Answer| {
        if let Ok(Found::Value(value)) = answer
            && sources.iter().any(|source| is_connection(source, name))
        {
            ahead(value);
            read_ahead.set(read_ahead.get() + usize::from(value.reading.is_some()));
        }
    };
    let wanted = Wanted { takes: &takes_any, everything, look: &look };
    let listed = store.enumerate(&prefixes_of(&sources), &wanted).await.map_err(StoreError::into_failure)?;
    if let Some(failure) = failed.take() {
        return Err(failure);
    }
    if let Some(source) = sources.first() {
        let (read, read_ahead) = (listed.secrets.len(), read_ahead.get());
        debug!(source = %source.source, read, read_ahead, skipped = listed.skipped, "enumerated");
    }
    for (kind, account, id, by) in skipped.take() {
        answers.entry((kind, account)).or_default().skipped.insert(id, by);
    }
    let mut fatal = Fatal::default();
    let mut secrets = listed.secrets;
    // The team's secrets come last and replace those without a team.
    secrets.sort_by_key(|(secret, _)| sources.iter().any(|source| source.is_of_team(&secret.name)));
    for (secret, answer) in secrets {
        // A pattern takes its time: the deadline and signals have their turn.
        if sources.iter().any(|source| source.has_pattern()) {
            tokio::task::yield_now().await;
        }
        let members: Vec<&SourcePlan> = sources.iter().copied().filter(|source| takes(source, &secret.name)).collect();
        let (Some(first), ambiguous) = (members.first(), members.len() > 1) else { continue };
        let id = first.id_of(&secret.name).unwrap_or_default();
        let Some(reported) = fatal.sort(first.kind, id, &secret.id, answer, WhenNotThere::Vanished) else { continue };
        let mut add = |source: &SourcePlan, reported: Reported| {
            let Some(id) = source.id_of(&secret.name) else { return };
            let of_source = answers.entry((source.kind, source.account)).or_default();
            of_source.add(id, Reported { ambiguous, of_team: source.is_of_team(&secret.name), ..reported });
        };
        // Nearly all are of one source, and a text is not copied for it.
        if let Some((last, others)) = members.split_last() {
            for source in others {
                add(source, reported.clone());
            }
            add(last, reported);
        }
    }
    fatal.into_result((answers, listed.account))
}

/// The prefixes to list, without those that another one covers.
pub fn prefixes_of<'a>(sources: &[&'a SourcePlan]) -> Vec<&'a str> {
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
