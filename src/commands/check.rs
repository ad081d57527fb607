//! What `check` says: a table for people, a document for programs. Names, places and sizes; never a value.
//!
//! Takes what a run has resolved and would write; gives text. docs/CHECK.md has the document's form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::config::settings::Settings;
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::convert::placeholders::shown_type;
use crate::error::{Exit, Failure};
use crate::fetch::answers::SkippedAccount;
use crate::model::connection::SecretForm;
use crate::model::kind::Kind;
use crate::model::policy::Policies;
use crate::plan::{AddressedBy, Enumerate, Plan, Source, SourcePlan};
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
    errors: Vec<String>,
    connections: Vec<FoundRow>,
    variables: Vec<FoundRow>,
    configs: Vec<FoundRow>,
    skipped: Vec<SkippedRow>,
    /// Why the run goes on without a shared account.
    left_aside: Vec<String>,
    problems: Vec<ProblemRow>,
    files: Vec<FileRow>,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SecretPlace {
    /// `own`, or the 12 digits of a shared account.
    account: String,
    /// Of a shared account.
    region: Option<String>,
}

impl SecretPlace {
    fn of(source: &Source) -> Self {
        match source {
            Source::Own => Self { account: "own".to_owned(), region: None },
            Source::Shared { account, region } => {
                Self { account: account.to_string(), region: Some(region.to_string()) }
            }
        }
    }

    fn short(&self) -> String {
        match &self.region {
            None => self.account.clone(),
            Some(region) => format!("{} {region}", self.account),
        }
    }
}

/// One connection, variable or config value that was found.
#[derive(Debug, Serialize)]
struct FoundRow {
    id: String,
    from: SecretPlace,
    also_in: Vec<SecretPlace>,
    /// Of a connection whose type Airflow's providers know.
    conn_type: Option<String>,
    /// Of a connection: `json` or `uri`.
    form: Option<&'static str>,
    bytes: Option<usize>,
    changed: Option<String>,
    /// In a word; `problems` has the sentence.
    problem: Option<&'static str>,
    /// Of a connection that is written: what is odd about its secret.
    note: Option<String>,
}

/// An id that a listing has and the settings leave out.
#[derive(Debug, Serialize)]
struct SkippedRow {
    kind: &'static str,
    id: String,
    from: SecretPlace,
    by: &'static str,
}

/// What is wrong with one id, and what the policy says of it.
#[derive(Debug, Serialize)]
struct ProblemRow {
    kind: &'static str,
    id: String,
    what: &'static str,
    policy: &'static str,
    message: String,
}

/// A file that a run would write.
#[derive(Debug, Serialize)]
struct FileRow {
    path: String,
    bytes: usize,
    mode: String,
}

/// What `check` found.
#[must_use]
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
    #[must_use]
    pub fn of_verdict(command: &'static str, verdict: &Result<(), Failure>) -> Self {
        let (outcome, exit, errors) = match verdict {
            Ok(()) => ("ok", Exit::Ok, Vec::new()),
            Err(failure) => ("failed", failure.exit(), failure.lines().to_vec()),
        };
        Self { version: VERSION, command, outcome, exit_code: exit.code(), errors, ..Self::default() }
    }

    /// As tables. With `colour`, what is wrong stands out.
    #[must_use]
    pub fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        for (title, id, rows) in [
            ("connections", "conn_id", &self.connections),
            ("variables", "variable", &self.variables),
            ("config values", "config key", &self.configs),
        ] {
            if !rows.is_empty() {
                let _ = writeln!(out, "{} {title}", rows.len());
                out.push_str(&table(id, rows, colour));
                out.push('\n');
            }
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
        for problem in &self.problems {
            let painted = paint(problem.policy, if problem.policy == "error" { RED } else { YELLOW }, colour);
            let _ = writeln!(out, "{painted}: {}", problem.message);
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
        Why::Missing(_) => "missing",
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

// ---- tables ----------------------------------------------------------------------------------------------------

const RED: &str = "31";
const YELLOW: &str = "33";

fn paint(text: &str, with: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{with}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn table(id: &str, rows: &[FoundRow], colour: bool) -> String {
    let has = |is: fn(&FoundRow) -> bool| rows.iter().any(is);
    let places = |places: &[SecretPlace]| places.iter().map(SecretPlace::short).collect::<Vec<_>>().join(", ");
    let mut columns: Vec<(&str, Vec<String>)> = vec![
        (id, rows.iter().map(|row| printable(&row.id)).collect()),
        ("from", rows.iter().map(|row| row.from.short()).collect()),
    ];
    let mut add = |title, cell: &dyn Fn(&FoundRow) -> Option<String>| {
        columns.push((title, rows.iter().map(|row| cell(row).unwrap_or_else(|| "-".to_owned())).collect()));
    };
    if has(|row| !row.also_in.is_empty()) {
        add("also in", &|row| Some(places(&row.also_in)).filter(|text| !text.is_empty()));
    }
    if has(|row| row.form.is_some()) {
        add("conn_type", &|row| row.conn_type.clone());
        add("form", &|row| row.form.map(str::to_owned));
    }
    add("bytes", &|row| row.bytes.map(|bytes| bytes.to_string()));
    if has(|row| row.changed.is_some()) {
        add("changed", &|row| row.changed.clone());
    }
    if has(|row| row.problem.is_some()) {
        add("problem", &|row| row.problem.map(str::to_owned));
    }
    if has(|row| row.note.is_some()) {
        add("note", &|row| row.note.clone());
    }
    let widths: Vec<usize> = columns
        .iter()
        .map(|(title, cells)| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0).max(title.len()))
        .collect();
    let mut out = String::new();
    let mut line = |cells: &[&str], with: Option<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = padded.join("  ");
        let line = line.trim_end();
        out.push_str(&with.map_or_else(|| line.to_owned(), |with| paint(line, with, colour)));
        out.push('\n');
    };
    line(&columns.iter().map(|(title, _)| *title).collect::<Vec<_>>(), Some("1"));
    for (position, row) in rows.iter().enumerate() {
        let cells: Vec<&str> =
            columns.iter().filter_map(|(_, cells)| cells.get(position).map(String::as_str)).collect();
        let is_odd = !row.also_in.is_empty() || row.note.is_some();
        let with = row.problem.map(|_| RED).or(is_odd.then_some(YELLOW));
        line(&cells, with);
    }
    out
}

// ---- offline ---------------------------------------------------------------------------------------------------

/// What would be asked for: settings and templates alone.
#[derive(Debug, Serialize)]
pub struct OfflineReport {
    version: u32,
    command: &'static str,
    outcome: &'static str,
    exit_code: u8,
    errors: Vec<String>,
    lookups: Vec<LookupRow>,
    templates: Vec<TemplateRow>,
    files: Vec<String>,
}

/// One kind in one account.
#[derive(Debug, Serialize)]
struct LookupRow {
    kind: &'static str,
    from: SecretPlace,
    prefix: String,
    how: String,
    #[serde(skip)]
    is_listed: bool,
    /// Asked for by name.
    ids: Vec<String>,
}

/// A template that is right as far as can be checked without secrets.
#[derive(Debug, Serialize)]
struct TemplateRow {
    source: String,
    target: String,
}

/// What these settings would ask for. Nothing is asked.
#[must_use]
pub fn offline(settings: &Settings, plan: &Plan) -> OfflineReport {
    let lookups = plan.wants.iter().flat_map(|want| {
        want.sources.iter().map(|source| {
            let (how, named) = how_of(source);
            let mut ids: Vec<String> = named.into_iter().chain(want.by_name().map(str::to_owned)).collect();
            ids.sort();
            ids.dedup();
            LookupRow {
                kind: want.kind.thing(),
                from: SecretPlace::of(&source.source),
                prefix: source.prefix().to_owned(),
                how,
                is_listed: matches!(source.enumerate, Enumerate::Listing | Enumerate::ListingIfOwnAccount),
                ids,
            }
        })
    });
    let outputs = &settings.outputs;
    let paths = Kind::ALL.iter().filter_map(|kind| outputs.file_of(*kind)).map(|file| &file.path);
    let others = outputs.airflow_env.iter().map(|file| &file.path).chain(&outputs.backend_module);
    let targets = outputs.templates.iter().map(|template| &template.target);
    OfflineReport {
        version: VERSION,
        command: "check",
        outcome: "ok",
        exit_code: Exit::Ok.code(),
        errors: Vec::new(),
        lookups: lookups.collect(),
        templates: outputs
            .templates
            .iter()
            .map(|template| TemplateRow { source: shown(&template.source), target: shown(&template.target) })
            .collect(),
        files: paths.chain(others).chain(targets).map(|path| shown(path)).collect(),
    }
}

fn how_of(source: &SourcePlan) -> (String, Vec<String>) {
    let by = match source.addressed_by {
        AddressedBy::Name => "by name",
        AddressedBy::PartialArn => "by ARN",
    };
    match &source.enumerate {
        Enumerate::Nothing => (by.to_owned(), Vec::new()),
        Enumerate::Listing => ("listed".to_owned(), Vec::new()),
        Enumerate::ListingIfOwnAccount => ("listed, if it is the caller's own account".to_owned(), Vec::new()),
        Enumerate::Ids(ids) => (by.to_owned(), ids.clone()),
        Enumerate::Index(index) => (format!("{by}, named by the index {}", printable(index)), Vec::new()),
    }
}

impl OfflineReport {
    /// A line for each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for lookup in &self.lookups {
            let ids: Vec<String> = lookup.ids.iter().map(|id| printable(id)).collect();
            let ids = match ids.as_slice() {
                [] => String::new(),
                ids if lookup.is_listed => format!("; those that the list lacks by name: {}", ids.join(", ")),
                ids => format!(": {}", ids.join(", ")),
            };
            let (kind, prefix) = (lookup.kind, printable(&lookup.prefix));
            let _ = writeln!(out, "{kind}s of {} under \"{prefix}\", {}{ids}", lookup.from.short(), lookup.how);
        }
        for template in &self.templates {
            let _ = writeln!(out, "template {} is right in its syntax", template.source);
        }
        for file in &self.files {
            let _ = writeln!(out, "{file} would be written");
        }
        out
    }
}
