//! Accounts that hold nothing while another holds something, and where their names may be instead.

use super::answers::{AllAnswers, Answers, EmptyAccount, Under};
use crate::plan::{Enumerate, Plan, SourcePlan, Want};
use crate::store::secret_store::SecretStore;
use crate::text::nearest;

/// The accounts of which that is known: those that are listed, or have an index.
pub async fn find<S: SecretStore>(plan: &Plan, stores: &[S], answers: &AllAnswers) -> Vec<EmptyAccount> {
    let mut all = Vec::new();
    for want in &plan.wants {
        for source in &want.sources {
            let names = answers.get(&(want.kind, source.account)).and_then(Answers::names);
            if names != Some(0) || !another_has_some(want, source, answers) {
                continue;
            }
            let (under, near) = match &source.enumerate {
                Enumerate::Index(index) => (Under::Index(index.clone()), None),
                _ => {
                    let near = match stores.get(source.account) {
                        Some(store) => nearest_prefix(store, source.prefix()).await,
                        None => None,
                    };
                    (Under::Prefix(source.prefix().to_owned()), near)
                }
            };
            let region = plan.region_of(&source.source);
            all.push(EmptyAccount { kind: want.kind, source: source.source.clone(), region, under, near });
        }
    }
    all
}

fn another_has_some(want: &Want, empty: &SourcePlan, answers: &AllAnswers) -> bool {
    let others = want.sources.iter().filter(|source| source.account != empty.account);
    others.filter_map(|source| answers.get(&(want.kind, source.account))).any(|answers| {
        answers.names().is_some_and(|names| names > 0)
            || answers.reported.values().any(|reported| reported.state.is_some())
    })
}

/// The prefix of the same depth that is nearest to this one, and how many names a page shows under it. Only a hint: what can't be
/// listed gives none.
async fn nearest_prefix<S: SecretStore>(store: &S, prefix: &str) -> Option<(String, usize)> {
    let depth = prefix.matches('/').count().max(1);
    let mut above = prefix.trim_end_matches('/');
    loop {
        above = above.rsplit_once('/').map_or("", |(above, _)| above);
        let parent = if above.is_empty() { String::new() } else { format!("{above}/") };
        let names = store.names_under(&parent).await.ok()?;
        let prefixes: Vec<&str> = names.iter().filter_map(|name| first_parts(name, depth)).collect();
        if !prefixes.is_empty() {
            let most =
                prefixes.iter().copied().max_by_key(|prefix| prefixes.iter().filter(|other| *other == prefix).count());
            let near = nearest(prefix, &prefixes).or(most)?;
            return Some((near.to_owned(), prefixes.iter().filter(|other| **other == near).count()));
        }
        if parent.is_empty() {
            return None;
        }
    }
}

/// What a name begins with, up to and with so many slashes; all up to the last one where it has fewer.
fn first_parts(name: &str, depth: usize) -> Option<&str> {
    let ends: Vec<usize> = name.match_indices('/').map(|(at, _)| at + 1).take(depth).collect();
    ends.last().and_then(|end| name.get(..*end))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::FutureExt;

    use super::*;
    use crate::store::memory::MemoryStore;

    #[test]
    fn the_nearest_prefix_is_one_of_those_that_hold_names() {
        let near = |names: &[&str], prefix: &str| {
            let secrets: BTreeMap<_, _> = names.iter().map(|name| ((*name).to_owned(), None)).collect();
            nearest_prefix(&MemoryStore::new(secrets), prefix).now_or_never().unwrap()
        };
        let names = ["airflow/connections/a", "airflow/connections/b", "airflow/variables/c", "other"];
        let connections = Some(("airflow/connections/".to_owned(), 2));
        assert_eq!(near(&names, "airflow/conections/"), connections);
        assert_eq!(near(&names, "airfow/connections/"), connections, "a mistake in the first part");
        assert_eq!(near(&names, "team/x/y/"), connections, "the largest, where none is near");
        assert_eq!(near(&["other"], "airflow/connections/"), None);
        assert_eq!(near(&[], "airflow/connections/"), None);
    }
}
