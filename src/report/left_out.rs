//! What is not in the files, what is odd in them, and what a large file costs: named before the summary.

use std::collections::BTreeMap;

use tracing::{debug, warn};

use crate::airflow::lazy_backend;
use crate::airflow::masker::FirstLookup;
use crate::config::settings::Settings;
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::fetch::answers::{EmptyAccount, SkippedAccount, SkippedBy};
use crate::model::kind::Kind;
use crate::model::policy::{Policies, Policy};
use crate::model::team::Teams;
use crate::text::{count, printable};

/// From here on the CPU time of a first lookup is worth a warning: each task is a process, and pays it.
const SLOW_LOOKUP_SECONDS: u64 = 1;

/// The most ids in a sentence about many that have the same in common.
const FEW_NAMES: usize = 5;

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
    first_few(ids, MOST_NAMES)
}

fn first_few(ids: &[String], most: usize) -> String {
    let first = ids.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    let more = ids.len().saturating_sub(most);
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
pub fn large_set(entries: &Entries, settings: &Settings) {
    let outputs = &settings.outputs;
    if outputs.backend_module.is_some() || outputs.connections.is_none() {
        return;
    }
    let lookup = FirstLookup::of(&entries.connections, settings.target);
    let FirstLookup { connections, patterns, characters, .. } = lookup;
    debug!(
        "the first lookup by LocalFilesystemBackend builds {connections} connections, and the log masker learns {patterns} patterns of {characters} characters"
    );
    let seconds = lookup.cpu_time().as_secs();
    if seconds < SLOW_LOOKUP_SECONDS {
        return;
    }
    let twice: Vec<String> = lookup.twice.iter().map(|conn_id| printable(conn_id)).collect();
    let twice = match twice.as_slice() {
        [] => String::new(),
        ids => format!(
            " Of {} it learns two, because a URL escapes characters of the password: {}.",
            count(ids.len(), "connection"),
            first_few(ids, FEW_NAMES)
        ),
    };
    warn!(
        "{connections} connections are in the file: LocalFilesystemBackend builds them all, and the first lookup of each process takes more \
         than {seconds} s of CPU time, for the log masker compiles {patterns} patterns.{twice} Write what the component needs \
         (SECRETS_INIT_INCLUDE, SECRETS_INIT_EXCLUDE, SECRETS_INIT_CONN_IDS), or set SECRETS_INIT_BACKEND_MODULE_FILE and \
         let Airflow use {}; see docs/LARGE-SETS.md",
        lazy_backend::CLASS
    );
}
