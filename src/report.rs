//! What a run says at its end: what was left out, why it failed, one summary line, and the termination message.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use tracing::{debug, error, info, warn};

use crate::backend_module;
use crate::connections::{Connections, Why};
use crate::exit::{Exit, Failure};
use crate::output::{Change, shown};
use crate::plan::{Plan, Source};
use crate::settings::{Policies, Policy, Settings};
use crate::text::{count, printable};

/// Where Kubernetes looks for the reason of a failure, unless the Pod says otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";
/// Kubernetes keeps this much of it.
const LONGEST_TERMINATION_MESSAGE: usize = 4096;

/// From here on the time that Airflow takes shows in every task; docs/LARGE-SETS.md has the measurements.
const LARGE_SET: usize = 200;

/// What there is to count. Filled as the run goes on, so that a failed run has a summary as well.
pub struct Summary {
    started: Instant,
    own: usize,
    shared: usize,
    shadowed: usize,
    invalid: usize,
    denied: usize,
    missing: usize,
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
            invalid: 0,
            denied: 0,
            missing: 0,
            api_calls: 0,
        }
    }

    /// Takes the counts of what was resolved.
    pub fn take(&mut self, connections: &Connections, plan: &Plan) {
        for (source, count) in plan.sources.iter().zip(&connections.by_source) {
            match source.source {
                Source::Own => self.own += count,
                Source::Shared { .. } => self.shared += count,
            }
        }
        self.shadowed = connections.shadowed;
        self.invalid = connections.count(|why| matches!(why, Why::Invalid(_) | Why::NotForFormat(_) | Why::Refused(_)));
        self.denied = connections.count(|why| matches!(why, Why::Unreadable(_)));
        self.missing = connections.count(|why| matches!(why, Why::Missing));
    }

    /// The last line of a run that wrote.
    pub fn written(&self, settings: &Settings, change: Change) {
        let outcome = match change {
            Change::Written => "written",
            Change::Unchanged => "unchanged",
        };
        info!(
            outcome,
            connections = self.own + self.shared,
            own = self.own,
            shared = self.shared,
            shadowed = self.shadowed,
            invalid = self.invalid,
            denied = self.denied,
            missing = self.missing,
            api_calls = self.api_calls,
            elapsed_ms = self.elapsed_ms(),
            file = %shown(&settings.connections_file.path),
            module_file = settings.backend_module_file.as_deref().map(|path| tracing::field::display(shown(path))),
            "done"
        );
    }

    /// The last line of a run that did not.
    pub fn failed(&self, exit: Exit) {
        error!(
            outcome = "failed",
            exit_code = exit.code(),
            own = self.own,
            shared = self.shared,
            shadowed = self.shadowed,
            invalid = self.invalid,
            denied = self.denied,
            missing = self.missing,
            api_calls = self.api_calls,
            elapsed_ms = self.elapsed_ms(),
            "failed"
        );
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Names what is left out, as loudly as its policy says, and once more in one line at the end.
pub fn left_out(connections: &Connections, policies: &Policies) {
    let mut named = Vec::new();
    for left in &connections.left_out {
        match left.policy(policies) {
            Policy::Warn => {
                warn!("left out: {left}");
                named.push(printable(&left.conn_id));
            }
            Policy::Ignore => debug!("left out: {left}"),
            // Such a run has failed before it comes here.
            Policy::Error => {}
        }
    }
    if !named.is_empty() {
        warn!("{} not in the file: {}", count(named.len(), "conn_id"), named.join(", "));
    }
}

/// Says what a large file costs Airflow, unless the module that makes it cheap is written beside it.
pub fn large_set(connections: usize, settings: &Settings) {
    if connections <= LARGE_SET || settings.backend_module_file.is_some() {
        return;
    }
    warn!(
        "{connections} connections are in the file, and LocalFilesystemBackend builds them all in each process that looks one \
         up: with 1000 the first lookup took 1.8 s on Airflow 2.8.1 and 23 s on 3.3.2. Write what the component needs \
         (SECRETS_INIT_INCLUDE, SECRETS_INIT_EXCLUDE, SECRETS_INIT_CONN_IDS), or set SECRETS_INIT_BACKEND_MODULE_FILE and \
         let Airflow use {}; see docs/LARGE-SETS.md",
        backend_module::CLASS
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
    options.write(true).truncate(true).create(chosen.is_some());
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
