//! What `check` found, in rows: names, places and sizes; never a value.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::fetch::answers::IndexSeen;
use crate::plan::Source;
use crate::text::{duration_in_words, printable, seconds_at};

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretPlace {
    /// `own`, or the 12 digits of a shared account.
    pub(super) account: String,
    /// Of a shared account.
    pub(super) region: Option<String>,
}

impl SecretPlace {
    /// In words for programs.
    pub fn of(source: &Source) -> Self {
        match source {
            Source::Own => Self { account: "own".to_owned(), region: None },
            Source::Shared { account, region } => {
                Self { account: account.to_string(), region: Some(region.to_string()) }
            }
        }
    }

    /// `own`, or the number and region.
    pub fn short(&self) -> String {
        match &self.region {
            None => self.account.clone(),
            Some(region) => format!("{} {region}", self.account),
        }
    }
}

/// One connection, variable or config value that was found.
#[derive(Debug, Serialize)]
pub struct FoundRow {
    pub(super) id: String,
    pub(super) from: SecretPlace,
    pub(super) also_in: Vec<SecretPlace>,
    /// Of a connection whose type Airflow's providers know.
    pub(super) conn_type: Option<String>,
    /// Of a connection: `json` or `uri`.
    pub(super) form: Option<&'static str>,
    pub(super) bytes: Option<usize>,
    pub(super) changed: Option<String>,
    /// In a word; `problems` has the sentence.
    pub(super) problem: Option<&'static str>,
    /// Of a connection that is written: what is odd about its secret.
    pub(super) note: Option<String>,
}

/// An id that a listing has and the settings leave out.
#[derive(Debug, Serialize)]
pub struct SkippedRow {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) from: SecretPlace,
    pub(super) by: &'static str,
}

/// What is wrong with one id, and what the policy says of it.
#[derive(Debug, Serialize)]
pub struct ProblemRow {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) what: &'static str,
    pub(super) policy: &'static str,
    pub(super) message: String,
}

/// A file that a run would write.
#[derive(Debug, Serialize)]
pub struct FileRow {
    pub(super) path: String,
    pub(super) bytes: usize,
    pub(super) mode: String,
}

/// What one account has of a kind.
#[derive(Debug, Serialize)]
pub struct AccountRow {
    pub(super) kind: &'static str,
    pub(super) from: SecretPlace,
    /// What the names of its secrets begin with.
    pub(super) prefix: String,
    /// How many names it has, before filters; null where it is only asked by name.
    pub(super) names: Option<usize>,
    /// How many it gives to the files.
    pub(super) taken: usize,
}

/// An index of a shared account.
#[derive(Debug, Serialize)]
pub struct IndexRow {
    pub(super) index: String,
    pub(super) from: SecretPlace,
    /// When it was written, and how long ago that is, where the store knows.
    pub(super) changed: Option<String>,
    pub(super) age_seconds: Option<u64>,
}

impl IndexRow {
    pub(super) fn of(seen: &IndexSeen) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let written = seen.changed.as_deref().and_then(seconds_at);
        Self {
            index: seen.name.clone(),
            from: SecretPlace::of(&seen.source),
            changed: seen.changed.clone(),
            age_seconds: written.map(|written| now.saturating_sub(written)),
        }
    }

    /// A line for people.
    pub(super) fn text(&self) -> String {
        let when = match (&self.changed, self.age_seconds) {
            (Some(changed), Some(age)) => format!("changed {changed}, {} ago", duration_in_words(age)),
            _ => "when it was changed is not known".to_owned(),
        };
        format!("index {} of {}: {when}", printable(&self.index), self.from.short())
    }
}

/// An id that was asked for by name and gives nothing.
#[derive(Debug, Serialize)]
pub struct AskedRow {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) what: &'static str,
    pub(super) policy: &'static str,
    pub(super) asked_by: Vec<&'static str>,
    /// The nearest id that there is, if any is near.
    pub(super) near: Option<String>,
    pub(super) accounts: Vec<AnswerRow>,
    /// How people call what the id is.
    #[serde(skip)]
    pub(super) noun: &'static str,
    /// Whether nothing else is to be said of it.
    #[serde(skip)]
    pub(super) says_all: bool,
}

/// What one account was asked for an id, and answered.
#[derive(Debug, Serialize)]
pub struct AnswerRow {
    pub(super) from: SecretPlace,
    pub(super) region: String,
    /// Names or ARNs, in the order in which they are asked for.
    pub(super) secrets: Vec<String>,
    pub(super) answer: &'static str,
    /// The same as a sentence.
    #[serde(skip)]
    pub(super) line: String,
}
