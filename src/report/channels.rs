//! Where a run speaks: the log and the termination message, as flags and variables say before anything is checked.

use tracing::error;
use tracing::subscriber::DefaultGuard;

use crate::config::cli::RawSettings;
use crate::config::env::Env;
use crate::config::places::NamedFiles;
use crate::config::settings::{LOG_FORMATS, LogFormat};
use crate::error::{Exit, Failure};
use crate::report::summary::Summary;
use crate::report::{log, stderr, termination};

#[derive(Clone, Default)]
pub struct Channels {
    level: Option<String>,
    format: Option<LogFormat>,
    colour: bool,
    /// `SECRETS_INIT_TERMINATION_LOG`.
    pub termination_log: Option<String>,
    /// Files that no reason may be written to.
    files: NamedFiles,
}

impl Channels {
    /// As these settings say.
    pub fn of(raw: &RawSettings, env: &Env) -> Self {
        Self {
            level: raw.log.clone(),
            format: raw.log_format.as_deref().and_then(|word| log::known(word, &LOG_FORMATS)),
            colour: env.wants_colour(),
            termination_log: raw.termination_log.clone(),
            files: NamedFiles::of(raw, env),
        }
    }

    /// Logs on this thread until the guard is dropped.
    pub fn start_log(&self) -> DefaultGuard {
        log::start(self.level.as_deref(), self.format, self.colour)
    }

    /// Says why a run failed, everywhere where that is said.
    pub fn failed(&self, failure: &Failure, summary: &Summary) -> Exit {
        let _logging = self.start_log();
        let (first, more) = failure.lines().split_at(1);
        for line in first {
            stderr::urgently(|| error!("{line}"));
        }
        for line in more {
            error!("{line}");
        }
        termination::write(self.termination_log.as_deref(), failure, &self.files);
        summary.failed(failure, log::form(self.format));
        failure.exit()
    }
}
