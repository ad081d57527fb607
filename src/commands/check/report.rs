//! What `check` says: a table for people, a document for programs. Names, places and sizes; never a value.
//!
//! Takes what a run has resolved and would write; gives text. docs/CHECK.md has the document's form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::rows::{AccountRow, AnswerRow, AskedRow, FileRow, FoundRow, IndexRow, ProblemRow, SecretPlace, SkippedRow};
use super::table::{RED, YELLOW, paint, table};
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::convert::placeholders::shown_type;
use crate::error::{Exit, Failure};
use crate::fetch::answers::{Lookup, SkippedAccount};
use crate::model::connection::SecretForm;
use crate::model::kind::Kind;
use crate::model::policy::Policies;
use crate::plan::Plan;
use crate::render::files::Rendered;
use crate::text::{count, printable, shown};

/// The version of the document. A new field does not change it; a field that goes or means something else does.
pub const VERSION: u32 = 1;

/// What a run would do.
#[derive(Debug, Default, Serialize)]
pub struct CheckReport {
    version: u32,
    command: &'static str,
    /// `ok` or `failed`.
    outcome: &'static str,
    exit_code: u8,
    /// Why it failed.
    errors: Vec<String>,
    connections: Vec<FoundRow>,
    variables: Vec<FoundRow>,
    configs: Vec<FoundRow>,
    /// What each account has.
    accounts: Vec<AccountRow>,
    /// How old the indices are that were read.
    indices: Vec<IndexRow>,
    skipped: Vec<SkippedRow>,
    /// Why the run goes on without a shared account.
    left_aside: Vec<String>,
    problems: Vec<ProblemRow>,
    /// Of what was asked for by name and gives nothing: what each account answered.
    asked: Vec<AskedRow>,
    files: Vec<FileRow>,
}

/// What `check` found.
pub fn report(
    plan: &Plan,
    entries: &Entries,
    not_carried: &[LeftOut],
    files: &[Rendered<'_>],
    policies: &Policies,
    verdict: &Result<(), Failure>,
) -> CheckReport {
    let left_out: Vec<&LeftOut> = entries.left_out.iter().chain(not_carried).collect();
    let rows = |kind| rows(kind, plan, entries, &left_out);
    let skipped = entries.skipped.iter().flat_map(|(kind, all)| {
        all.iter().filter_map(move |skipped| {
            let source = plan.want_of(kind)?.sources.get(skipped.source)?;
            Some(SkippedRow {
                kind: kind.thing(),
                id: skipped.id.clone(),
                from: SecretPlace::of(&source.source),
                by: skipped.by.settings(kind),
            })
        })
    });
    CheckReport {
        skipped: skipped.collect(),
        left_aside: entries.skipped_accounts.iter().flat_map(SkippedAccount::lines).collect(),
        accounts: accounts(plan, entries),
        indices: entries.indices.iter().map(IndexRow::of).collect(),
        asked: left_out.iter().filter_map(|left| asked(left, *policies)).collect(),
        problems: left_out.iter().map(|left| problem(left, *policies)).collect(),
        files: files
            .iter()
            .map(|file| FileRow { path: shown(file.path), bytes: file.bytes.len(), mode: format!("{:04o}", file.mode) })
            .collect(),
        connections: rows(Kind::Connection),
        variables: rows(Kind::Variable),
        configs: rows(Kind::Config),
        ..CheckReport::of_verdict("check", verdict)
    }
}

impl CheckReport {
    /// A report of a run that ended before anything was found.
    pub fn of_verdict(command: &'static str, verdict: &Result<(), Failure>) -> Self {
        let (outcome, exit, errors) = outcome_of(verdict);
        Self { version: VERSION, command, outcome, exit_code: exit.code(), errors, ..Self::default() }
    }

    /// As tables. With `colour`, what is wrong stands out.
    pub fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        for (title, id, rows) in [
            ("connection", "conn_id", &self.connections),
            ("variable", "variable", &self.variables),
            ("config value", "config key", &self.configs),
        ] {
            if !rows.is_empty() {
                let _ = writeln!(out, "{}", count(rows.len(), title));
                out.push_str(&table(id, rows, colour));
                out.push('\n');
            }
        }
        for row in &self.accounts {
            let (prefix, kind) = (printable(&row.prefix), row.kind);
            let names = row.names.map_or_else(|| "asked by name".to_owned(), |names| count(names, "name"));
            let line = format!("{kind}s of {} under \"{prefix}\": {names}, {} taken", row.from.short(), row.taken);
            let is_empty = row.names == Some(0);
            let _ = writeln!(out, "{}", if is_empty { paint(&line, YELLOW, colour) } else { line });
        }
        for row in &self.indices {
            let _ = writeln!(out, "{}", row.text());
        }
        let mut skipped: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for row in &self.skipped {
            skipped.entry((row.by, row.kind)).or_default().push(printable(&row.id));
        }
        for ((by, kind), ids) in skipped {
            let _ = writeln!(out, "skipped by {by}: {}: {}", count(ids.len(), kind), ids.join(", "));
        }
        for line in &self.left_aside {
            let _ = writeln!(out, "{}: {line}", paint("warn", YELLOW, colour));
        }
        let policy = |policy| paint(policy, if policy == "error" { RED } else { YELLOW }, colour);
        let is_asked = |problem: &&ProblemRow| {
            self.asked.iter().any(|asked| asked.kind == problem.kind && asked.id == problem.id && asked.says_all)
        };
        for problem in self.problems.iter().filter(|problem| !is_asked(problem)) {
            let painted = policy(problem.policy);
            let _ = writeln!(out, "{painted}: {}", problem.message);
        }
        for row in &self.asked {
            let near =
                row.near.as_ref().map_or_else(String::new, |near| format!("; did you mean {}?", printable(near)));
            let (noun, id, by) = (row.noun, printable(&row.id), row.asked_by.join(", "));
            let _ = writeln!(out, "{}: {noun} {id} is {}: asked for by {by}{near}", policy(row.policy), row.what);
            for answer in &row.accounts {
                let _ = writeln!(out, "  {}", answer.line);
            }
        }
        for file in &self.files {
            let _ = writeln!(out, "{} would hold {} with mode {}", file.path, count(file.bytes, "byte"), file.mode);
        }
        out
    }
}

fn rows(kind: Kind, plan: &Plan, entries: &Entries, left_out: &[&LeftOut]) -> Vec<FoundRow> {
    let Some(want) = plan.want_of(kind) else { return Vec::new() };
    let place = |source: usize| want.sources.get(source).map(|source| SecretPlace::of(&source.source));
    let mut problems: BTreeMap<&str, &'static str> = BTreeMap::new();
    for left in left_out.iter().filter(|left| left.kind == kind) {
        problems.entry(left.id.as_str()).or_insert_with(|| word_of(&left.why));
    }
    let row = |(id, detail): (&String, &crate::convert::Detail)| {
        let connection = entries.connections.get(id).filter(|_| kind == Kind::Connection);
        Some(FoundRow {
            id: id.clone(),
            from: place(detail.source)?,
            also_in: detail.shadowed.iter().filter_map(|source| place(*source)).collect(),
            conn_type: connection.and_then(shown_type).map(str::to_owned),
            form: connection.map(|connection| match connection.form {
                SecretForm::Json => "json",
                SecretForm::Uri => "uri",
            }),
            bytes: detail.bytes,
            changed: detail.changed.clone(),
            problem: problems.get(id.as_str()).copied(),
            note: detail.note.as_ref().map(ToString::to_string),
        })
    };
    entries.details[kind].iter().filter_map(row).collect()
}

const fn word_of(why: &Why) -> &'static str {
    match why {
        Why::Invalid(_) => "invalid",
        Why::InvalidAndOfOtherKind(_) => "no connection",
        Why::NotForFile { .. } => "not carried",
        Why::Refused(_) => "refused",
        Why::Unreadable(_) => "denied",
        Why::NoValue(_) | Why::Missing => "missing",
        Why::Unknown(_) => "unknown",
    }
}

fn problem(left: &LeftOut, policies: Policies) -> ProblemRow {
    ProblemRow {
        kind: left.kind.thing(),
        id: left.id.clone(),
        what: word_of(&left.why),
        policy: left.policy(&policies).word(),
        message: left.to_string(),
    }
}

/// The outcome in a word, its code, and why.
pub fn outcome_of(verdict: &Result<(), Failure>) -> (&'static str, Exit, Vec<String>) {
    match verdict {
        Ok(()) => ("ok", Exit::Ok, Vec::new()),
        Err(failure) => ("failed", failure.exit(), failure.lines().to_vec()),
    }
}

/// What each account has of each kind, in order of precedence.
fn accounts(plan: &Plan, entries: &Entries) -> Vec<AccountRow> {
    let of_want = |want: &crate::plan::Want| {
        let counts = entries.names[want.kind].iter().zip(&entries.taken[want.kind]);
        let rows = want.sources.iter().zip(counts).map(|(source, (names, taken))| AccountRow {
            kind: want.kind.thing(),
            from: SecretPlace::of(&source.source),
            prefix: source.prefix().to_owned(),
            names: *names,
            taken: *taken,
        });
        rows.collect::<Vec<_>>()
    };
    plan.wants.iter().flat_map(of_want).collect()
}

fn asked(left: &LeftOut, policies: Policies) -> Option<AskedRow> {
    let asked = left.asked.as_ref()?;
    let answer = |lookup: &Lookup| AnswerRow {
        from: SecretPlace::of(&lookup.source),
        region: lookup.region.clone(),
        secrets: lookup.secrets.clone(),
        answer: lookup.outcome.words().0,
        line: lookup.to_string(),
    };
    Some(AskedRow {
        kind: left.kind.thing(),
        id: left.id.clone(),
        what: word_of(&left.why),
        policy: left.policy(&policies).word(),
        asked_by: asked.by.clone(),
        near: left.near.clone(),
        accounts: asked.lookups.iter().map(answer).collect(),
        noun: left.kind.noun(),
        says_all: matches!(left.why, Why::Missing | Why::Unknown(_)),
    })
}
