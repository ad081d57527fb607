//! What a run says at its end: what was left out, why it failed, one summary line, and the termination message.

pub mod log;
pub mod progress;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tracing::{debug, error, info, warn};

use crate::airflow::lazy_backend;
use crate::commands::check;
use crate::commands::diff;
use crate::config::env::Env;
use crate::config::files::NO_WAITING;
use crate::config::settings::{OutputForm, Policies, Policy, Settings};
use crate::convert::{Entries, LeftOut, Why};
use crate::error::Failure;
use crate::fetch::Aside;
use crate::model::kind::Kind;
use crate::plan::{Plan, Source};
use crate::render::File;
use crate::text::{count, printable};
use crate::write::shown;

/// Where Kubernetes looks for the reason of a failure, unless the Pod says otherwise.
pub const TERMINATION_LOG: &str = "/dev/termination-log";
/// Kubernetes keeps this much of it.
const LONGEST_TERMINATION_MESSAGE: usize = 4096;

/// From here on the time that Airflow takes shows in every task; docs/LARGE-SETS.md has the measurements.
const LARGE_SET: usize = 200;

/// The most ids in one line; each has a line of its own before.
const MOST_NAMES: usize = 100;

/// What there is to count. Filled as the run goes on, so that a failed run has a summary as well.
pub struct Summary {
    started: Instant,
    own: usize,
    shared: usize,
    shadowed: usize,
    /// Variables and config values, where some output wants them.
    variables: Option<usize>,
    configs: Option<usize>,
    invalid: usize,
    denied: usize,
    missing: usize,
    /// Shared accounts that the run went on without, if any.
    left_aside: Option<usize>,
    /// API calls, retries not counted.
    pub api_calls: u64,
}

impl Summary {
    /// A summary that begins to count time now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            own: 0,
            shared: 0,
            shadowed: 0,
            variables: None,
            configs: None,
            invalid: 0,
            denied: 0,
            missing: 0,
            left_aside: None,
            api_calls: 0,
        }
    }

    /// Takes the counts of what was resolved.
    pub fn take(&mut self, entries: &Entries, plan: &Plan) {
        let sources = plan.want_of(Kind::Connection).map_or(&[][..], |want| &want.sources);
        for (source, count) in sources.iter().zip(&entries.connections_by_source) {
            match source.source {
                Source::Own => self.own += count,
                Source::Shared { .. } => self.shared += count,
            }
        }
        self.shadowed = entries.shadowed.iter().map(|(_, shadowed)| shadowed).sum();
        self.variables = plan.want_of(Kind::Variable).map(|_| entries.variables.len());
        self.configs = plan.want_of(Kind::Config).map(|_| entries.configs.len());
        self.left_aside = Some(entries.aside.len()).filter(|count| *count > 0);
        self.take_left_out(&entries.left_out);
    }

    /// Adds what is left out.
    pub fn take_left_out(&mut self, left_out: &[LeftOut]) {
        for left in left_out {
            match left.why {
                Why::Invalid(_) | Why::NotForFile { .. } | Why::Refused(_) => self.invalid += 1,
                Why::Unreadable(_) => self.denied += 1,
                Why::Missing | Why::Unknown(_) => self.missing += 1,
                Why::InvalidAndOfOtherKind(_) => {}
            }
        }
    }

    /// The last line of a run that did what it was to do.
    pub fn done(&self, outcome: &'static str, settings: &Settings) {
        let outputs = &settings.outputs;
        let path = |path: Option<&Path>| path.map(|path| tracing::field::display(shown(path)));
        info!(
            outcome,
            connections = self.own + self.shared,
            own = self.own,
            shared = self.shared,
            shadowed = self.shadowed,
            variables = self.variables,
            configs = self.configs,
            invalid = self.invalid,
            denied = self.denied,
            missing = self.missing,
            left_aside = self.left_aside,
            api_calls = self.api_calls,
            elapsed_ms = self.elapsed_ms(),
            file = path(outputs.connections.as_ref().map(|file| file.path.as_path())),
            variables_file = path(outputs.variables.as_ref().map(|file| file.path.as_path())),
            configs_file = path(outputs.configs.as_ref().map(|file| file.path.as_path())),
            env_file = path(outputs.airflow_env.as_ref().map(|file| file.path.as_path())),
            templates = Some(outputs.templates.len()).filter(|count| *count > 0),
            module_file = path(outputs.backend_module.as_deref()),
            "done"
        );
    }

    /// The last line of a run that did not, with the first of its reasons: who reads one line reads this one.
    pub fn failed(&self, failure: &Failure) {
        error!(
            outcome = "failed",
            exit_code = failure.exit().code(),
            own = self.own,
            shared = self.shared,
            shadowed = self.shadowed,
            variables = self.variables,
            configs = self.configs,
            invalid = self.invalid,
            denied = self.denied,
            missing = self.missing,
            left_aside = self.left_aside,
            api_calls = self.api_calls,
            elapsed_ms = self.elapsed_ms(),
            reason = failure.lines().first().map(String::as_str),
            "failed"
        );
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Names the shared accounts that the run goes on without, and why.
pub fn aside(all: &[Aside], policies: &Policies) {
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

/// Names what is left out, as loudly as its policy says, and once more in one line for each kind and file at the end.
pub fn left_out<'a>(all: impl IntoIterator<Item = &'a LeftOut>, policies: &Policies) {
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
        let first = ids.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        let more = ids.len().saturating_sub(MOST_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        warn!("{} not in {file}: {first}{more}", count(ids.len(), kind.noun()));
    }
}

/// How a `diff` ends that found something.
pub const DIFFERENT: &str = "different";

/// Prints data. A closed pipe (`check | head`) is no failure of ours.
pub fn data(text: &str, stdout: &mut dyn Write) {
    drop(stdout.write_all(text.as_bytes()));
}

/// Prints what a command found, as text for people or as a document.
pub fn in_form(form: OutputForm, found: &impl Serialize, text: impl FnOnce() -> String, stdout: &mut dyn Write) {
    let text = match form {
        OutputForm::Text | OutputForm::Terraform => text(),
        OutputForm::Json => check::document(found),
    };
    data(&text, stdout);
}

/// Prints what `check` found: in colour on a terminal, unless `NO_COLOR` is set.
pub fn found(found: &check::Report, form: OutputForm, stdout: &mut dyn Write, env: &Env) {
    let colour = std::io::stdout().is_terminal() && env.raw("NO_COLOR").is_none_or(str::is_empty);
    in_form(form, found, || found.text(colour), stdout);
}

/// Prints what would change; gives the outcome in a word.
pub fn difference(difference: &diff::Report, form: OutputForm, stdout: &mut dyn Write) -> &'static str {
    in_form(form, difference, || difference.text(), stdout);
    if difference.different { DIFFERENT } else { "same" }
}

/// Prints templates that were rendered with placeholders; several with a line before each that names its target.
pub fn placeholders(files: &[File], stdout: &mut dyn Write) {
    for file in files {
        if files.len() > 1 {
            data(&format!("==> {} <==\n", shown(&file.path)), stdout);
        }
        drop(stdout.write_all(&file.bytes));
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

/// Logs why a run failed, line by line.
pub fn failure(failure: &Failure) {
    for line in failure.lines() {
        error!("{line}");
    }
}

/// Writes the reason where `kubectl describe pod` shows it: one line first, 4 KiB at most.
///
/// The default file is written only where Kubernetes made it; one that the user names is made if it is missing.
pub fn termination_message(chosen: Option<&str>, failure: &Failure) {
    let mut text =
        format!("airflow-secrets-init failed with {}: {}\n", failure.exit().code(), failure.lines().join("\n"));
    if text.len() > LONGEST_TERMINATION_MESSAGE {
        let mut end = LONGEST_TERMINATION_MESSAGE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(true).create(chosen.is_some()).custom_flags(NO_WAITING);
    let path = chosen.unwrap_or(TERMINATION_LOG);
    match options.open(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(problem) if chosen.is_some() => {
            warn!(
                "the termination message can't be written to {}: {}",
                printable(path),
                crate::text::os_error(&problem)
            );
        }
        Err(_) => debug!("no termination message: {TERMINATION_LOG} is not there"),
    }
}
