//! The way of asking: first what becomes known by listings and indexes, then by name what is still open.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::future::{Either, join_all, select};

use super::answers::{
    AllAnswers, Answers, Fetched, Lookup, Outcome, Reported, Resolved, SecretState, Skipped, SkippedAccount, Trace,
    Winner,
};
use super::by_name::ask_by_name;
use super::empty;
use super::enumerate::{Ahead, enumerate};
use super::shared::SharedPolicy;
use crate::config::settings::Selection;
use crate::error::Failure;
use crate::plan::{Enumerate, Plan, SourcePlan, Want};
use crate::store::secret_store::SecretStore;

/// Resolves the plan. `failed` is given every failure of an account as soon as it is known, and `ahead` values of connections, while
/// there is time for them.
///
/// # Errors
/// When an account as a whole can't be asked (no credentials, listing denied, AWS away), or when a shared account has no way in
/// which its ids could become known.
pub async fn fetch<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: SharedPolicy,
    ahead: Ahead<'_>,
    failed: &RefCell<Vec<Failure>>,
) -> Result<Fetched, Failure> {
    let preparing = pin!(join_all(stores.iter().map(SecretStore::prepare)));
    // What is asked first goes out first; what is prepared beside it is for what comes after.
    match select(pin!(resolve(plan, stores, selection, shared, ahead, failed)), preparing).await {
        Either::Left((fetched, _)) => fetched,
        Either::Right((_, resolving)) => resolving.await,
    }
}

async fn resolve<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: SharedPolicy,
    ahead: Ahead<'_>,
    failed: &RefCell<Vec<Failure>>,
) -> Result<Fetched, Failure> {
    let mut skipped = BTreeMap::new();
    let (mut answers, own_account) = enumerate(plan, stores, selection, shared, ahead, (&mut skipped, failed)).await?;
    ask_by_name((plan, selection), stores, &mut answers, shared, &mut skipped).await?;
    let first_skipped = skipped.keys().next().copied().unwrap_or(stores.len());
    answers.retain(|(_, account), _| *account < first_skipped);
    let mut fetched = Fetched { empty: empty::find(plan, stores, &answers).await, own_account, ..Fetched::default() };
    for (place, account) in plan.accounts.iter().enumerate().skip(first_skipped) {
        let failure = skipped.remove(&place);
        fetched.skipped_accounts.push(SkippedAccount { source: account.source.clone(), failure });
    }
    fetched.indices = answers.values_mut().flat_map(|of_source| std::mem::take(&mut of_source.indices)).collect();
    for want in &plan.wants {
        let mut resolved = decide((plan, want), selection, &mut answers, first_skipped);
        if !fetched.skipped_accounts.is_empty() {
            resolved.unknown = std::mem::take(&mut resolved.missing);
        }
        fetched.kinds[want.kind] = resolved;
    }
    Ok(fetched)
}

/// What no run finds, whatever the accounts hold: ids that are asked for by name and that no account is ever asked for.
pub fn never_found(plan: &Plan, selection: &Selection) -> Fetched {
    let mut fetched = Fetched::default();
    for want in &plan.wants {
        let resolved = &mut fetched.kinds[want.kind];
        for (id, by) in asked_by(want, selection) {
            let keeps_it_out = |source| match outcome(source, &Answers::default(), id) {
                Some(out @ (Outcome::Pattern | Outcome::Team)) => Some(out),
                _ => None,
            };
            let outcomes: Option<Vec<Outcome>> = want.sources.iter().map(keeps_it_out).collect();
            if let Some(outcomes) = outcomes {
                resolved.missing.push(id.to_owned());
                resolved.asked.insert(id.to_owned(), asked((plan, want), id, by, outcomes));
            }
        }
    }
    fetched
}

/// Every id that is asked for by name, and who asks.
fn asked_by<'a>(want: &'a Want, selection: &Selection) -> BTreeMap<&'a str, BTreeSet<&'static str>> {
    let mut asked: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
    for (id, list) in want.asked_by() {
        asked.entry(id).or_default().insert(list);
    }
    for source in &want.sources {
        if let Enumerate::Ids(ids) = &source.enumerate {
            for id in ids.iter().filter(|id| selection.takes(want.kind, id)) {
                asked.entry(id).or_default().insert(source.ids_key());
            }
        }
    }
    asked
}

fn asked((plan, want): (&Plan, &Want), id: &str, by: BTreeSet<&'static str>, outcomes: Vec<Outcome>) -> Trace {
    let lookups = want.sources.iter().zip(outcomes).map(|(source, outcome)| Lookup {
        source: source.source.clone(),
        region: plan.region_of(&source.source),
        secrets: source
            .team_secret_id(id)
            .into_iter()
            .chain([source.secret_id(id)])
            .map(|id| id.as_str().to_owned())
            .collect(),
        outcome,
    });
    Trace { by: by.into_iter().collect(), lookups: lookups.collect() }
}

/// The first source that has an id wins.
fn decide(
    (plan, want): (&Plan, &Want),
    selection: &Selection,
    answers: &mut AllAnswers,
    first_skipped: usize,
) -> Resolved {
    let of_source = |source: &SourcePlan| answers.remove(&(want.kind, source.account)).unwrap_or_default();
    let of_sources: Vec<Answers> = want.sources.iter().map(of_source).collect();
    let mut resolved = Resolved::default();
    for (id, by) in asked_by(want, selection) {
        let winner = of_sources.iter().find_map(|answers| answers.reported.get(id)?.state.as_ref());
        match winner {
            Some(SecretState::Value(_) | SecretState::Refused(_)) => continue,
            Some(SecretState::Unreadable(_)) => {}
            None => resolved.missing.push(id.to_owned()),
        }
        let mut is_found = false;
        let outcomes = want.sources.iter().zip(&of_sources).map(|(source, answers)| match is_found {
            true => Outcome::NotAsked,
            false if source.account >= first_skipped => Outcome::SkippedAccount,
            false => {
                is_found = answers.has(id);
                outcome(source, answers, id).unwrap_or(Outcome::NotNamed)
            }
        });
        resolved.asked.insert(id.to_owned(), asked((plan, want), id, by, outcomes.collect()));
    }
    for (source, answers) in of_sources.into_iter().enumerate() {
        resolved.names.push(answers.names());
        resolved.skipped.extend(answers.skipped.into_iter().map(|(id, by)| Skipped { id, source, by }));
        for (id, reported) in answers.reported {
            let Some(state) = reported.state else {
                let reason = reported.not_there.filter(|_| reported.is_named);
                resolved.without_value.extend(reason.map(|reason| (id, source, reason)));
                continue;
            };
            match resolved.entries.entry(id) {
                Entry::Occupied(mut winner) => winner.get_mut().shadowed.push(source),
                Entry::Vacant(place) => {
                    let Reported { ambiguous, of_team, .. } = reported;
                    place.insert(Winner { source, state, shadowed: Vec::new(), ambiguous, of_team });
                }
            }
        }
    }
    resolved
}

/// What one account answered about an id, or why it is not asked; `None` where another account or a list is why.
fn outcome(source: &SourcePlan, answers: &Answers, id: &str) -> Option<Outcome> {
    match answers.reported.get(id) {
        Some(Reported { state: Some(_), .. }) => Some(Outcome::Unreadable),
        Some(reported) => reported.not_there.map(Outcome::NotThere),
        None if !source.looks_up(id) => Some(Outcome::Team),
        // What takes too long ends the run before it comes here.
        None if !source.pattern_takes(id).unwrap_or(true) => Some(Outcome::Pattern),
        None => None,
    }
}
