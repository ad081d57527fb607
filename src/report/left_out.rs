//! What is not in the files, what is odd in them, and what a large file costs: named before the summary.

use std::collections::BTreeMap;

use tracing::{debug, warn};

use crate::airflow::lazy_backend;
use crate::config::settings::Settings;
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::fetch::answers::{EmptyAccount, SkippedAccount, SkippedBy};
use crate::model::kind::Kind;
use crate::model::policy::{Policies, Policy};
use crate::model::team::Teams;
use crate::text::{count, printable};

/// From here on the time that Airflow takes shows in every task; docs/LARGE-SETS.md has the measurements.
const LARGE_SET: usize = 200;

/// The most ids in one line; each has a line of its own before.
const MOST_NAMES: usize = 100;

/// Names the shared accounts that the run goes on without, and why.
pub fn skipped_accounts(all: &[SkippedAccount], policies: &Policies) {
    let mut policy = policies.shared;
    for aside in all {
        // Those after the first that failed are left out because of it.
        if let Some(failure) = &aside.failure {
            policy = policies.about_shared(failure.exit());
        }
        for line in aside.lines() {
            match policy {
                Policy::Ignore => debug!("{line}"),
                Policy::Warn | Policy::Error => warn!("{line}"),
            }
        }
    }
}

/// Names the accounts that hold nothing while another does.
pub fn empty_accounts(all: &[EmptyAccount], policies: &Policies) {
    for empty in all {
        match policies.empty_account {
            Policy::Ignore => debug!("{empty}"),
            Policy::Warn => warn!("{empty}"),
            // Such a run fails with it.
            Policy::Error => {}
        }
    }
}

/// Names what is left out, as loudly as its policy says, and once more in one line for each kind and file at the end.
pub fn report<'a>(all: impl IntoIterator<Item = &'a LeftOut>, policies: &Policies) {
    let mut named: BTreeMap<(Kind, &str), Vec<String>> = BTreeMap::new();
    for left in all {
        match left.policy(policies) {
            Policy::Warn => {
                warn!("left out: {left}");
                let file = match &left.why {
                    Why::NotForFile { file, .. } => file.as_str(),
                    _ => "the file",
                };
                named.entry((left.kind, file)).or_default().push(printable(&left.id));
            }
            Policy::Ignore => debug!("left out: {left}"),
            // Such a run has failed before it comes here.
            Policy::Error => {}
        }
    }
    for ((kind, file), ids) in named {
        warn!("{} not in {file}: {}", count(ids.len(), kind.noun()), first_of(&ids));
    }
}

/// The first names of a list, and how many more there are.
pub fn first_of(ids: &[String]) -> String {
    let first = ids.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    let more = ids.len().saturating_sub(MOST_NAMES);
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// Names the secrets of teams where Airflow runs with teams and the files are for none.
pub fn teams(entries: &Entries, teams: &Teams) {
    for (kind, skipped) in entries.skipped.iter() {
        let ids: Vec<String> = skipped
            .iter()
            .filter(|skipped| skipped.by == SkippedBy::Team)
            .map(|skipped| printable(&skipped.id))
            .collect();
        if ids.is_empty() {
            continue;
        }
        let ids = format!("{}: {}", count(ids.len(), kind.noun()), first_of(&ids));
        match teams {
            Teams::Of(team) => debug!("left out: {ids}: the secrets of other teams than {team}"),
            Teams::Nobody | Teams::Off => warn!(
                "left out: {ids}: Airflow with teams looks up no id that holds --; set SECRETS_INIT_TEAM to render the file of a team"
            ),
        }
    }
}

/// Names the connections that say nothing, or less than their secrets: they are written as Airflow reads them.
pub fn notes(entries: &Entries) {
    let noted = entries.details[Kind::Connection].iter().filter_map(|(id, detail)| {
        let note = detail.note.as_ref()?;
        Some(format!("{} ({note})", printable(id)))
    });
    let noted: Vec<String> = noted.collect();
    if !noted.is_empty() {
        warn!(
            "{} may not say what was meant, here as with the live backend: {}; correct the secret, or name its keys in \
             extra_conn_words",
            count(noted.len(), "connection"),
            first_of(&noted)
        );
    }
}

/// Says what a large file costs Airflow, unless the module that makes it cheap is written beside it.
pub fn large_set(connections: usize, settings: &Settings) {
    let outputs = &settings.outputs;
    if connections <= LARGE_SET || outputs.backend_module.is_some() || outputs.connections.is_none() {
        return;
    }
    warn!(
        "{connections} connections are in the file, and LocalFilesystemBackend builds them all in each process that looks one \
         up: with 1000 the first lookup took 1.8 s on Airflow 2.8.1 and 23 s on 3.3.2. Write what the component needs \
         (SECRETS_INIT_INCLUDE, SECRETS_INIT_EXCLUDE, SECRETS_INIT_CONN_IDS), or set SECRETS_INIT_BACKEND_MODULE_FILE and \
         let Airflow use {}; see docs/LARGE-SETS.md",
        lazy_backend::CLASS
    );
}
