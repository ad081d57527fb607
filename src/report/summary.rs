//! The last line of every run.

use std::path::Path;
use std::time::Instant;

use tracing::{error, info};

use crate::config::settings::{LogFormat, Settings};
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::error::Failure;
use crate::model::kind::Kind;
use crate::plan::{Plan, Source};
use crate::report::{log, stderr};
use crate::text::{count, shown};

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
    /// What each account has and gives.
    accounts: Option<String>,
    /// Shared accounts that the run went on without, if any.
    left_aside: Option<usize>,
    /// API calls, retries not counted.
    pub api_calls: u64,
}

/// The last line of a run, at this level: some fields, the counts, more fields.
macro_rules! last_line {
    ($level:ident, $summary:ident, $counted:ident, { $($first:tt)* }, { $($last:tt)* }, $message:literal) => {
        $level!(
            $($first)*,
            own = $counted($summary.own),
            shared = $counted($summary.shared),
            shadowed = $counted($summary.shadowed),
            variables = $summary.variables.and_then($counted),
            configs = $summary.configs.and_then($counted),
            invalid = $counted($summary.invalid),
            denied = $counted($summary.denied),
            missing = $counted($summary.missing),
            left_aside = $summary.left_aside,
            accounts = $summary.accounts,
            api_calls = $counted(usize::try_from($summary.api_calls).unwrap_or(usize::MAX)),
            elapsed_ms = $summary.elapsed_ms(),
            $($last)*
            $message
        )
    };
}

impl Summary {
    /// A summary that begins to count time now.
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
            accounts: None,
            left_aside: None,
            api_calls: 0,
        }
    }

    /// Takes the counts of what was resolved.
    pub fn take(&mut self, entries: &Entries, plan: &Plan) {
        let sources = plan.want_of(Kind::Connection).map_or(&[][..], |want| &want.sources);
        for (source, count) in sources.iter().zip(&entries.taken[Kind::Connection]) {
            match source.source {
                Source::Own => self.own += count,
                Source::Shared { .. } => self.shared += count,
            }
        }
        self.accounts = Some(accounts(entries, plan)).filter(|text| !text.is_empty());
        self.shadowed = entries.shadowed.iter().map(|(_, shadowed)| shadowed).sum();
        self.variables = plan.want_of(Kind::Variable).map(|_| entries.variables.len());
        self.configs = plan.want_of(Kind::Config).map(|_| entries.configs.len());
        self.left_aside = Some(entries.skipped_accounts.len()).filter(|count| *count > 0);
        self.take_left_out(&entries.left_out);
    }

    /// Takes the counts of an index that was published; `None` is a kind that it says nothing of.
    pub fn take_published(&mut self, count: impl Fn(Kind) -> Option<usize>) {
        self.own = count(Kind::Connection).unwrap_or_default();
        self.variables = count(Kind::Variable);
        self.configs = count(Kind::Config);
    }

    /// Adds what is left out.
    pub fn take_left_out(&mut self, left_out: &[LeftOut]) {
        for left in left_out {
            match left.why {
                Why::Invalid(_) | Why::NotForFile { .. } | Why::Refused(_) => self.invalid += 1,
                Why::Unreadable(_) => self.denied += 1,
                Why::NoValue(_) | Why::Missing | Why::Unknown(_) => self.missing += 1,
                Why::InvalidAndOfOtherKind(_) => {}
            }
        }
    }

    /// The last line of a run that did what it was to do.
    pub fn done(&self, outcome: &'static str, settings: &Settings) {
        let outputs = &settings.outputs;
        let path = |path: Option<&Path>| path.map(|path| tracing::field::display(shown(path)));
        stderr::urgently(stderr::report_dropped);
        let counted = counts_in(log::form(settings.log_format));
        let say = || {
            last_line!(
                info, self, counted,
                { outcome, connections = self.own + self.shared },
                {
                    file = path(outputs.connections.as_ref().map(|file| file.path.as_path())),
                    variables_file = path(outputs.variables.as_ref().map(|file| file.path.as_path())),
                    configs_file = path(outputs.configs.as_ref().map(|file| file.path.as_path())),
                    env_file = path(outputs.airflow_env.as_ref().map(|file| file.path.as_path())),
                    templates = Some(outputs.templates.len()).filter(|count| *count > 0),
                    module_file = path(outputs.backend_module.as_deref()),
                },
                "done"
            );
        };
        stderr::urgently(say);
    }

    /// The last line of a run that did not, with the first of its reasons: who reads one line reads this one.
    pub fn failed(&self, failure: &Failure, form: LogFormat) {
        stderr::urgently(stderr::report_dropped);
        let counted = counts_in(form);
        // For people it stands above.
        let reason = failure.lines().first().filter(|_| form == LogFormat::Json);
        let say = || {
            last_line!(
                error, self, counted,
                { outcome = "failed", exit_code = failure.exit().code() },
                { reason = reason.map(String::as_str), },
                "failed"
            );
        };
        stderr::urgently(say);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A count of none is of interest to programs alone.
const fn counts_in(form: LogFormat) -> impl Fn(usize) -> Option<usize> + Copy {
    move |count| if count > 0 || matches!(form, LogFormat::Json) { Some(count) } else { None }
}

/// `own: 3 connections of 12 names; 222222222222 eu-central-1: 1 connection of 2 names`.
fn accounts(entries: &Entries, plan: &Plan) -> String {
    let mut of_accounts: Vec<(String, Vec<String>)> = Vec::new();
    for want in &plan.wants {
        let counts = entries.names[want.kind].iter().zip(&entries.taken[want.kind]);
        for (source, (names, taken)) in want.sources.iter().zip(counts) {
            let of = match &source.source {
                Source::Own => "own".to_owned(),
                Source::Shared { account, region } => format!("{account} {region}"),
            };
            let taken = count(*taken, want.kind.thing());
            let counted = names.map_or_else(|| taken.clone(), |names| format!("{taken} of {}", count(names, "name")));
            match of_accounts.iter_mut().find(|(known, _)| *known == of) {
                Some((_, all)) => all.push(counted),
                None => of_accounts.push((of, vec![counted])),
            }
        }
    }
    of_accounts.iter().map(|(of, all)| format!("{of}: {}", all.join(", "))).collect::<Vec<_>>().join("; ")
}
