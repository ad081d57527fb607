//! Log lines on stderr: text for people, JSON for machines. Only this program's own events: the AWS SDK's can hold
//! values.

use std::io::IsTerminal;

use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::settings::{LOG_LEVELS, LogFormat};
use crate::report::progress::Log;

/// Whether the log goes to a terminal, in the form for people.
pub fn is_for_people(format: Option<LogFormat>) -> bool {
    std::io::stderr().is_terminal() && form(format) == LogFormat::Text
}

/// The form of the log: the one that is named, else what fits who reads.
pub fn form(named: Option<LogFormat>) -> LogFormat {
    named.unwrap_or(if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json })
}

/// Starts logging on this thread until the guard is dropped. A word that is not known counts as unset here;
/// `settings.rs` reports it.
pub fn start(level: Option<&str>, format: Option<LogFormat>, colour: bool) -> DefaultGuard {
    let level = level.and_then(|word| known(word, &LOG_LEVELS)).unwrap_or(Level::INFO);
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    let registry = tracing_subscriber::registry().with(ours);
    match form(format) {
        LogFormat::Text => {
            let layer = fmt::layer()
                .with_writer(Log::default)
                .with_target(false)
                .with_ansi(colour && std::io::stderr().is_terminal());
            // A reader that has gone away must not end the run: without this the layer would panic about it.
            let layer = layer.log_internal_errors(false);
            tracing::subscriber::set_default(registry.with(layer))
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_target(false).with_writer(Log::default);
            let layer = layer.with_current_span(false).with_span_list(false).log_internal_errors(false);
            tracing::subscriber::set_default(registry.with(layer))
        }
    }
}

/// What a word stands for, upper and lower case alike.
pub fn known<T: Copy>(word: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim())).map(|(_, choice)| *choice)
}

#[cfg(test)]
pub(crate) mod tests {
    /// What a run says in the log.
    pub(crate) fn logged(run: impl FnOnce()) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let file = std::fs::File::create(&path).unwrap();
        let log = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_writer(file)
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE);
        tracing::subscriber::with_default(log.finish(), run);
        std::fs::read_to_string(path).unwrap()
    }
}
