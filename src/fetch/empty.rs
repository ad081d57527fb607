//! Accounts that hold nothing while another holds something.

use super::answers::{AllAnswers, Answers, EmptyAccount, Under};
use crate::plan::{Enumerate, Plan, SourcePlan, Want};

/// The accounts of which that is known: those that are listed, or have an index.
pub fn find(plan: &Plan, answers: &AllAnswers) -> Vec<EmptyAccount> {
    let mut all = Vec::new();
    for want in &plan.wants {
        for source in &want.sources {
            let names = answers.get(&(want.kind, source.account)).and_then(Answers::names);
            if names != Some(0) || !another_has_some(want, source, answers) {
                continue;
            }
            let under = match &source.enumerate {
                Enumerate::Index(index) => Under::Index(index.clone()),
                _ => Under::Prefix(source.prefix().to_owned()),
            };
            let region = plan.region_of(&source.source);
            all.push(EmptyAccount { kind: want.kind, source: source.source.clone(), region, under });
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
