//! What is asked for by name: the live lookup.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::AllAnswers;
use super::reading::{SecretToRead, WhenNotThere, pattern_takes, read};
use super::shared::SharedPolicy;
use crate::config::settings::Selection;
use crate::error::Failure;
use crate::model::kind::ByKind;
use crate::plan::{Enumerate, Plan};
use crate::store::secret_store::SecretStore;

/// The live lookup: each account in order, and the next one only for what the ones before do not have.
///
/// What an earlier reading had from an account, and a listing of it no longer has, is asked of that account as well: a listing
/// lags, and may be cut short.
pub async fn ask_by_name<S: SecretStore>(
    (plan, selection): (&Plan, &Selection),
    stores: &[S],
    answers: &mut AllAnswers,
    shared: SharedPolicy,
    skipped_accounts: &mut BTreeMap<usize, Failure>,
) -> Result<(), Failure> {
    let mut open: ByKind<BTreeSet<&str>> = ByKind::default();
    for want in &plan.wants {
        open[want.kind] = want.by_name().collect();
    }
    for (account, (store, of)) in stores.iter().zip(&plan.accounts).enumerate() {
        if skipped_accounts.contains_key(&account) {
            break;
        }
        let mut asked = Vec::new();
        for source in plan.sources_of(account) {
            let known = answers.get(&(source.kind, account));
            let is_reported = |id: &str| known.is_some_and(|known| known.reported.contains_key(id));
            // An index is written as a whole: what it no longer names is no longer given. A listing lags.
            let may_lag = !matches!(source.enumerate, Enumerate::Index(_));
            // The team's own secret may be missing where the one without a team is there.
            let is_reported_as = |id: &str, of_team: bool| {
                let reported = known.and_then(|known| known.reported.get(id));
                reported.is_some_and(|reported| reported.of_team || !of_team)
            };
            let earlier = selection.known[source.kind]
                .iter()
                .filter(|(id, known)| may_lag && known.account == account && !is_reported_as(id, known.of_team));
            let earlier = earlier.map(|(id, _)| id.as_str()).filter(|id| !open[source.kind].contains(id));
            for id in open[source.kind].iter().copied().chain(earlier) {
                // A listing lags by minutes: what it does not name may be there all the same, and so may the team's.
                if source.has_pattern() {
                    tokio::task::yield_now().await;
                }
                if (!is_reported(id) || source.team_secret_id(id).is_some()) && pattern_takes(source, id)? {
                    asked.push(SecretToRead::of(source, id));
                }
            }
        }
        let reading = shared.wait(&of.source, read(store, asked, WhenNotThere::Expected));
        let read = match reading.await {
            Err(failure) if shared.can_do_without(&of.source, &failure) => {
                skipped_accounts.insert(account, failure);
                break;
            }
            read => read?,
        };
        for (source, more) in read {
            answers.entry(source).or_default().add_by_name(more.reported);
        }
        for source in plan.sources_of(account) {
            let Some(known) = answers.get(&(source.kind, account)) else { continue };
            open[source.kind].retain(|id| known.reported.get(*id).is_none_or(|reported| reported.state.is_none()));
        }
        if open.iter().all(|(_, open)| open.is_empty()) && selection.known.iter().all(|(_, known)| known.is_empty()) {
            break;
        }
    }
    Ok(())
}
