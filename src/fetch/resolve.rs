//! The way of asking: first what becomes known by listings and indexes, then by name what is still open.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::future::{Either, join_all, select};

use super::answers::{
    AllAnswers, Answers, Fetched, Lookup, Missing, Outcome, Resolved, Skipped, SkippedAccount, SkippedBy, Winner,
};
use super::by_name::ask_by_name;
use super::empty;
use super::enumerate::enumerate;
use super::shared::SharedPolicy;
use crate::config::settings::Selection;
use crate::error::Failure;
use crate::plan::{Enumerate, Plan, SourcePlan, Want};
use crate::store::secret_store::SecretStore;

/// Resolves the plan. `failed` is given every failure of an account as soon as it is known.
///
/// # Errors
/// When an account as a whole can't be asked (no credentials, listing denied, AWS away), or when a shared account has no way in
/// which its ids could become known.
pub async fn fetch<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: SharedPolicy,
    failed: &RefCell<Vec<Failure>>,
) -> Result<Fetched, Failure> {
    let preparing = pin!(join_all(stores.iter().map(SecretStore::prepare)));
    // What is asked first goes out first; what is prepared beside it is for what comes after.
    match select(pin!(resolve(plan, stores, selection, shared, failed)), preparing).await {
        Either::Left((fetched, _)) => fetched,
        Either::Right((_, resolving)) => resolving.await,
    }
}

async fn resolve<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    selection: &Selection,
    shared: SharedPolicy,
    failed: &RefCell<Vec<Failure>>,
) -> Result<Fetched, Failure> {
    let mut skipped = BTreeMap::new();
    let mut answers = enumerate(plan, stores, selection, shared, (&mut skipped, failed)).await?;
    ask_by_name(plan, stores, &mut answers, shared, &mut skipped).await?;
    let first_skipped = skipped.keys().next().copied().unwrap_or(stores.len());
    answers.retain(|(_, account), _| *account < first_skipped);
    let mut fetched = Fetched { empty: empty::find(plan, stores, &answers).await, ..Fetched::default() };
    for (place, account) in plan.accounts.iter().enumerate().skip(first_skipped) {
        let failure = skipped.remove(&place);
        fetched.skipped_accounts.push(SkippedAccount { source: account.source.clone(), failure });
    }
    for want in &plan.wants {
        let mut resolved = decide((plan, want), selection, &mut answers);
        if !fetched.skipped_accounts.is_empty() {
            resolved.unknown = resolved.missing.drain(..).map(|missing| missing.id).collect();
        }
        fetched.kinds[want.kind] = resolved;
    }
    Ok(fetched)
}

/// The first source that has an id wins.
fn decide((plan, want): (&Plan, &Want), selection: &Selection, answers: &mut AllAnswers) -> Resolved {
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
    let of_source = |source: &SourcePlan| answers.remove(&(want.kind, source.account)).unwrap_or_default();
    let of_sources: Vec<Answers> = want.sources.iter().map(of_source).collect();
    let mut resolved = Resolved::default();
    let found = |id: &str| of_sources.iter().any(|answers| answers.has(id));
    for (id, lists) in asked.into_iter().filter(|(id, _)| !found(id)) {
        let lookups = want.sources.iter().zip(&of_sources).map(|(source, answers)| {
            let region = plan.region_of(&source.source);
            let secret = source.secret_id(id).as_str().to_owned();
            Lookup { source: source.source.clone(), region, secret, outcome: outcome(source, answers, id) }
        });
        let lists = lists.into_iter().collect();
        resolved.missing.push(Missing { id: id.to_owned(), asked_by: lists, lookups: lookups.collect() });
    }
    for (source, answers) in of_sources.into_iter().enumerate() {
        resolved.listed.push(answers.names());
        resolved.skipped.extend(answers.skipped.into_iter().map(|(id, by)| Skipped { id, source, by }));
        for (id, reported) in answers.reported {
            let Some(state) = reported.state else { continue };
            match resolved.entries.entry(id) {
                Entry::Occupied(mut winner) => winner.get_mut().shadowed.push(source),
                Entry::Vacant(place) => {
                    place.insert(Winner { source, state, shadowed: Vec::new(), ambiguous: reported.ambiguous });
                }
            }
        }
    }
    resolved
}

/// What one account answered about an id that no account has.
fn outcome(source: &SourcePlan, answers: &Answers, id: &str) -> Outcome {
    match answers.reported.get(id) {
        Some(reported) => reported.not_there.map_or(Outcome::NotAsked, Outcome::NotThere),
        None if !source.looks_up(id) => Outcome::Team,
        None if answers.skipped.get(id) == Some(&SkippedBy::Pattern) || source.has_pattern() => Outcome::Pattern,
        None => Outcome::NotAsked,
    }
}
