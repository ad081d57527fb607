//! What came of asking: of one source, and once it is decided who wins.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Exit, Failure};
use crate::model::kind::{ByKind, Kind};
use crate::plan::Source;
use crate::store::error::StoreError;
use crate::store::secret_store::{NotThere, SecretValue};
use crate::text::{count, printable};

/// What came of asking: for each kind that is wanted.
#[derive(Default)]
pub struct Fetched {
    /// The own account's number, where its listing tells it.
    pub own_account: Option<String>,
    /// What is there and what is missing.
    pub kinds: ByKind<Resolved>,
    /// Shared accounts that the run goes on without, in order.
    pub skipped_accounts: Vec<SkippedAccount>,
    /// Accounts that hold nothing while another holds something.
    pub empty: Vec<EmptyAccount>,
    /// The indices that were read.
    pub indices: Vec<IndexSeen>,
}

/// An index that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSeen {
    pub source: Source,
    /// As the kwargs name it.
    pub name: String,
    /// When it was written, where the store knows.
    pub changed: Option<String>,
}

/// One account that holds nothing of a kind under its prefix, before filters, while another does: a misspelt prefix or region
/// looks like that, and the other account's secrets then take its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyAccount {
    /// What it holds none of.
    pub kind: Kind,
    pub source: Source,
    /// Where it was looked for.
    pub region: String,
    /// What the names would begin with, or the index that names none.
    pub under: Under,
    /// The nearest prefix that holds names, and how many, where a listing shows one.
    pub near: Option<(String, usize)>,
}

/// What an account was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Under {
    /// Names under this prefix.
    Prefix(String),
    /// What these indices name.
    Index(Vec<String>),
}

/// A shared account that the run goes on without.
#[derive(Clone)]
pub struct SkippedAccount {
    pub source: Source,
    /// Why; `None` where it comes after one that failed: it is not known which of its secrets that one would have replaced.
    pub failure: Option<Failure>,
}

impl SkippedAccount {
    /// What is to be reported of it.
    pub fn lines(&self) -> Vec<String> {
        let left_out = format!("{} is left out as a whole", self.source);
        match &self.failure {
            Some(failure) => failure.lines().iter().map(|line| format!("{left_out}: {line}")).collect(),
            None => vec![format!("{left_out}: it comes after one that is")],
        }
    }
}

impl std::fmt::Display for EmptyAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let thing = self.kind.thing();
        write!(f, "{}", self.source)?;
        if self.source == Source::Own {
            write!(f, " in {}", self.region)?;
        }
        match &self.under {
            Under::Prefix(prefix) => write!(f, " has no {thing} under \"{}\"", printable(prefix))?,
            Under::Index(names) => {
                let names: Vec<String> = names.iter().map(|name| printable(name)).collect();
                write!(f, ": its index {} names no {thing}", names.join(", "))?;
            }
        }
        f.write_str(", while another account has some, which then takes every name")?;
        match &self.near {
            Some((near, names)) => write!(f, "; \"{}\" has {}", printable(near), count(*names, "name"))?,
            None => f.write_str("; no other prefix with names was seen")?,
        }
        f.write_str(
            "; correct the prefix or the region, or set SECRETS_INIT_ON_EMPTY_ACCOUNT=ignore where that is right",
        )
    }
}

impl std::fmt::Display for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.source)?;
        if self.source == Source::Own {
            write!(f, " in {}", self.region)?;
        }
        write!(f, ", {}: {}", self.names(), self.outcome)
    }
}

impl Lookup {
    /// The names or ARNs, in the order in which they are asked for.
    pub fn names(&self) -> String {
        self.secrets.iter().map(|secret| printable(secret)).collect::<Vec<_>>().join(", then ")
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words().1)
    }
}

impl Outcome {
    /// In a word, for programs, and as the end of a sentence.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotThere(NotThere::NoSuchSecret) => ("not there", "no such secret, or none with a current value"),
            Self::NotThere(NotThere::MarkedForDeletion) => ("marked for deletion", "marked for deletion"),
            Self::NotThere(NotThere::Binary) => ("binary", "a binary secret, which Airflow does not read"),
            Self::Unreadable => ("denied", "there, but can't be read"),
            Self::Pattern => ("pattern", "not asked, because the lookup pattern does not match"),
            Self::Team => ("team", "not asked, because Airflow with teams looks up no id that holds --"),
            Self::NotNamed => ("not named", "not asked, because its listing, index or list of ids does not name it"),
            Self::SkippedAccount => ("left aside", "not known, because the account is left out as a whole"),
            Self::NotAsked => ("not asked", "not asked, because an account before it has the id"),
        }
    }
}

/// What came of asking for one kind.
#[derive(Default)]
pub struct Resolved {
    /// By conn_id or key, in order.
    pub entries: BTreeMap<String, Winner>,
    /// Asked for by name, and no source has it.
    pub missing: Vec<String>,
    /// The same, but there is one that the run goes on without and that may have it.
    pub unknown: Vec<String>,
    /// Of each id that was asked for by name and gives nothing: who asks for it, and what each source answered.
    pub asked: BTreeMap<String, Trace>,
    /// How many names each source has, before filters; `None` where it is only asked by name.
    pub names: Vec<Option<usize>>,
    /// Listed, and not asked for.
    pub skipped: Vec<Skipped>,
    /// Named by the listing or index of this source, and no value is there.
    pub without_value: Vec<(String, usize, NotThere)>,
}

/// How an id was asked for by name that gives nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The settings and keys that ask for it.
    pub by: Vec<&'static str>,
    /// What each source was asked for it, and answered.
    pub lookups: Vec<Lookup>,
}

/// One account that gives nothing for an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub source: Source,
    pub region: String,
    /// The names or ARNs of the secrets that are asked for, the team's own first.
    pub secrets: Vec<String>,
    pub outcome: Outcome,
}

/// What came of looking for one id in one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    NotThere(NotThere),
    /// It has the secret, and does not give it.
    Unreadable,
    /// The lookup pattern keeps it from being asked.
    Pattern,
    /// It holds what stands between a team and an id.
    Team,
    /// Its listing, its index or the ids of the kwargs do not name it, and nobody else asks for it.
    NotNamed,
    /// The run goes on without the account.
    SkippedAccount,
    /// One before it has the id.
    NotAsked,
}

/// An id that a listing has and the settings leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub id: String,
    /// Which of the kind's sources has it.
    pub source: usize,
    pub by: SkippedBy,
}

/// What leaves an id out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkippedBy {
    /// `SECRETS_INIT_INCLUDE` or `SECRETS_INIT_EXCLUDE`.
    Globs,
    Pattern,
    /// It is the secret of a team that the files are not for.
    Team,
}

impl SkippedBy {
    /// The settings that leave it out.
    pub const fn settings(self, kind: Kind) -> &'static str {
        match self {
            Self::Globs => "SECRETS_INIT_INCLUDE or SECRETS_INIT_EXCLUDE",
            Self::Pattern => kind.pattern_key(),
            Self::Team => "SECRETS_INIT_TEAM",
        }
    }
}

/// The winner for one conn_id or key.
pub struct Winner {
    /// Which of the kind's sources won.
    pub source: usize,
    /// Its text, or why it can't be read.
    pub state: SecretState,
    /// The sources that have it as well and lost.
    pub shadowed: Vec<usize>,
    /// The secret stands under the prefix of another kind too, and a listing can't tell which it is meant for.
    pub ambiguous: bool,
    /// It is the run's own team's.
    pub of_team: bool,
}

/// A secret that is there.
#[derive(Clone)]
pub enum SecretState {
    Value(SecretValue),
    /// It could not; the trouble is this secret's alone.
    Unreadable(StoreError),
    /// It was not asked for: an index names it in a way that can't be trusted.
    Refused(&'static str),
}

/// What one source reported about one id.
#[derive(Clone)]
pub struct Reported {
    /// `None` is "not there".
    pub state: Option<SecretState>,
    /// Why it is not there.
    pub not_there: Option<NotThere>,
    /// A listing or an index names it.
    pub is_named: bool,
    /// As [`Winner::ambiguous`].
    pub ambiguous: bool,
    /// As [`Winner::of_team`].
    pub of_team: bool,
}

/// What one source reported about the ids it was asked for.
#[derive(Default)]
pub struct Answers {
    pub reported: BTreeMap<String, Reported>,
    /// Listed, and not asked for.
    pub skipped: BTreeMap<String, SkippedBy>,
    /// Whether the ids come from a listing or an index.
    pub is_enumerated: bool,
    /// How many of `reported` only a question by name was about, which found nothing.
    pub in_vain: usize,
    /// The indices that were read for it, and for the other kinds of its account.
    pub indices: Vec<IndexSeen>,
}

impl Answers {
    /// Adds a report, in the place of the one on the same id before. That a team has no secret of its own reports nothing.
    pub fn add(&mut self, id: &str, reported: Reported) {
        if reported.state.is_some() || !self.reported.contains_key(id) {
            self.reported.insert(id.to_owned(), reported);
        }
    }

    /// Adds what came of asking by name.
    pub fn add_by_name(&mut self, more: BTreeMap<String, Reported>) {
        self.in_vain += more.iter().filter(|(id, new)| new.state.is_none() && !self.reported.contains_key(*id)).count();
        self.reported.extend(more);
    }

    /// Whether there is a secret for this id, readable or not.
    pub fn has(&self, id: &str) -> bool {
        self.reported.get(id).is_some_and(|reported| reported.state.is_some())
    }

    /// How many names an account has that was listed or has an index, wanted or not.
    pub fn names(&self) -> Option<usize> {
        self.is_enumerated.then(|| (self.reported.len() + self.skipped.len()).saturating_sub(self.in_vain))
    }
}

/// The answers of every source that was asked, by kind and by its account's place in the plan: in order of precedence.
pub type AllAnswers = BTreeMap<(Kind, usize), Answers>;

/// All values, or one failure with the lines of every one that failed and the exit code of the first that is not about content:
/// what can be done without must not hide what can't.
pub fn all_or_every_failure<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let mut values = Vec::with_capacity(results.len());
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.iter().find(|failure| failure.exit() != Exit::InvalidData).or(failures.first()) {
        None => Ok(values),
        Some(first) => {
            let exit = first.exit();
            let mut lines: Vec<String> = failures.iter().flat_map(|failure| failure.lines().iter().cloned()).collect();
            // Two sources that fail with the same credentials fail with the same words.
            let mut seen = BTreeSet::new();
            lines.retain(|line| seen.insert(line.clone()));
            Err(Failure::with_lines(exit, lines))
        }
    }
}
