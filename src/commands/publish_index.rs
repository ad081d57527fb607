//! `publish-index`: which secrets the account holds, written into one of them, the index that other accounts read
//! (`model/index.rs`). Values are neither read nor written.
//!
//! The index is written as a whole, and only where it changes: whoever reads it, and however many write it, it is one of the whole
//! documents. A listing that fails anywhere ends the run, and an account without names does so by default.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::ExposeSecret;
use serde::Serialize;
use tracing::warn;

use crate::commands::check::report::VERSION;
use crate::commands::iam;
use crate::config::cli::CommandName;
use crate::config::index::IndexSettings;
use crate::config::outputs::Outputs;
use crate::config::settings::{Settings, StoreChoice};
use crate::error::{ConfigErrors, Exit, Failure};
use crate::fetch::enumerate::prefixes_of;
use crate::fetch::reading::pattern_takes;
use crate::model::ask::Need;
use crate::model::aws::{SecretId, ends_like_an_arn};
use crate::model::index::{FORM, Index, IndexDocument, IndexNames, LARGEST, Readers};
use crate::model::kind::{ByKind, Kind};
use crate::model::policy::Policy;
use crate::model::team::Teams;
use crate::plan::{Plan, SourcePlan};
use crate::store::error::StoreError;
use crate::store::secret_store::{Created, Found, IndexStore, Listed, NotThere};
use crate::text::{count, printable};

/// How it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishWay {
    /// Make the secret where it is not there.
    pub create: bool,
    /// Write nothing.
    pub dry_run: bool,
}

// ---- settings --------------------------------------------------------------------------------------------------

/// Whether a command is about an index to be published: `publish-index`, and `iam` where one is named. What is wrong with the
/// settings then goes to `errors`.
pub fn is_meant(command: CommandName, settings: Option<&Settings>, errors: &mut ConfigErrors) -> bool {
    let Some(settings) = settings else { return false };
    let create = match command {
        CommandName::PublishIndex { create, .. } => create,
        CommandName::Iam if settings.index.is_some() => false,
        _ => {
            if settings.index.is_some() {
                let problem =
                    "is of publish-index and iam alone; who reads an index names it in backend_kwargs, shared_index";
                errors.add("SECRETS_INIT_INDEX", problem);
            }
            return false;
        }
    };
    match &settings.index {
        None => errors.add("SECRETS_INIT_INDEX", "is not set; name the secret that is to be the index"),
        Some(index) if create => check_create(index, errors),
        Some(_) => {}
    }
    if settings.refresh.is_some() {
        errors.add(
            "SECRETS_INIT_REFRESH",
            "is of render alone; publish-index ends after one reading: start it by a CronJob, and unset this",
        );
    }
    if settings.store != StoreChoice::Aws {
        errors.add("SECRETS_INIT_STORE", "is a file, and an index is a secret in AWS; unset it");
    }
    if !settings.kwargs.shared.is_empty() {
        let problem = "name a shared account; an index is published in the account that holds the secrets, with kwargs that name \
                       no other";
        errors.add("backend_kwargs", problem);
    }
    for (kind, exactly) in settings.selection.exactly.iter() {
        if exactly.is_some() {
            let problem = "reads by name, and an index holds what a listing shows; narrow it with SECRETS_INIT_INCLUDE";
            errors.add(kind.names_setting(), problem);
        }
    }
    true
}

fn check_create(index: &IndexSettings, errors: &mut ConfigErrors) {
    if index.id.starts_with("arn:") {
        errors.add("SECRETS_INIT_INDEX", "is an ARN; --create needs the name");
    }
    if index.kms_key.is_none() {
        let problem = "is not set, and --create needs it: no other account can read a secret under aws/secretsmanager";
        errors.add("SECRETS_INIT_INDEX_KMS_KEY", problem);
    }
    if index.readers == Readers::default() {
        errors.add("SECRETS_INIT_INDEX_READERS", "is not set, and --create needs it: who is to read the index?");
    }
}

/// Makes the settings those of a publisher, and gives what it needs: connections, and the kinds whose prefix is set. No file is
/// written, and names of teams are ids like others: who reads them knows whose they are.
pub fn prepare(settings: &mut Settings) -> ByKind<Need> {
    settings.outputs = Outputs::default();
    settings.teams = Teams::Off;
    settings.selection.required.clear();
    let names = &settings.kwargs.names;
    ByKind::from_fn(|kind| Need { everything: kind == Kind::Connection || names[kind].is_given, ..Need::default() })
}

// ---- publishing ------------------------------------------------------------------------------------------------

/// Lists the account, and writes its index where it has changed.
///
/// # Errors
/// When the account can't be listed or has nothing ([`Exit::NotFound`], unless `SECRETS_INIT_ON_EMPTY` says otherwise), when the
/// secret is not there ([`Exit::NotFound`]) or holds something else ([`Exit::InvalidData`]) or names of another prefix ([`Exit::Config`]), when the names do not fit
/// ([`Exit::InvalidData`]), or can't be written.
pub async fn publish<S: IndexStore>(
    way: PublishWay,
    settings: &Settings,
    plan: &Plan,
    store: &S,
) -> Result<PublishReport, Failure> {
    let Some(index) = &settings.index else {
        return Err(Failure::new(Exit::Bug, "no index is named; please report this as a bug"));
    };
    let id =
        if index.id.starts_with("arn:") { SecretId::Arn(index.id.clone()) } else { SecretId::Name(index.id.clone()) };
    // On the heap: the futures of the SDK are large.
    let (listed, there) =
        tokio::join!(Box::pin(names(settings, plan, store, index)), Box::pin(there(store, &id, index)));
    let (document, there) = (listed?, there?);
    let before = there.as_deref().map(Index::parse).transpose().map_err(|problem| {
        let line = format!("{}: the secret is left as it is: it {problem}", shown(index));
        Failure::new(Exit::InvalidData, line)
    })?;
    check_prefixes(before.as_ref(), &document, index)?;
    let text = document.text();
    let mut report = PublishReport::of(index, &document, before.as_ref(), text.len());
    judge_empty(&report, settings, plan)?;
    if text.len() > LARGEST {
        return Err(too_long(index, &document, text.len()));
    }
    report.outcome = match (there.as_deref() == Some(text.as_str()), way.dry_run) {
        (true, true) => PublishOutcome::Same,
        (true, false) => PublishOutcome::Unchanged,
        (false, true) => PublishOutcome::Different,
        (false, false) => PublishOutcome::Published,
    };
    if report.outcome == PublishOutcome::Published {
        if there.is_none() {
            create(way, plan, store, (&id, index)).await?;
        }
        store.write(&id, &text).await.map_err(StoreError::into_failure)?;
    }
    Ok(report)
}

/// A misspelt prefix would take every consumer's secrets away: they all name the prefix of the index.
fn check_prefixes(before: Option<&Index>, document: &IndexDocument, index: &IndexSettings) -> Result<(), Failure> {
    let Some(Index::Published(before)) = before else { return Ok(()) };
    for kind in Kind::ALL {
        let (Some(old), Some(new)) = (before.names(kind), document.names(kind)) else { continue };
        if old.prefix != new.prefix {
            let line = format!(
                "{}: it names {}s under \"{}\", and these settings under \"{}\": correct {}; for another prefix publish another index, which consumers \
                 name together with its prefix",
                shown(index),
                kind.noun(),
                printable(&old.prefix),
                printable(&new.prefix),
                kind.prefix_key()
            );
            return Err(Failure::new(Exit::Config, line));
        }
    }
    Ok(())
}

fn shown(index: &IndexSettings) -> String {
    format!("SECRETS_INIT_INDEX {}", printable(&index.id))
}

/// The names of the account, by kind.
async fn names<S: IndexStore>(
    settings: &Settings,
    plan: &Plan,
    store: &S,
    index: &IndexSettings,
) -> Result<IndexDocument, Failure> {
    let sources: Vec<&SourcePlan> = plan.sources_of(0).collect();
    let listed = store.list(&prefixes_of(&sources)).await.map_err(StoreError::into_failure)?;
    let mut names: ByKind<Option<IndexNames>> = ByKind::default();
    for source in &sources {
        let mut of_kind = IndexNames { prefix: source.prefix().to_owned(), ..IndexNames::default() };
        for secret in listed.iter().filter(|secret| secret.name != index.name()) {
            let Some(id) = source.id_of(&secret.name) else { continue };
            // A pattern takes its time: the deadline and signals have their turn.
            if source.has_pattern() {
                tokio::task::yield_now().await;
            }
            if !settings.selection.takes(source.kind, id) || !pattern_takes(source, id)? {
                continue;
            }
            match suffix_of(secret) {
                Some(suffix) => drop(of_kind.suffixes.insert(id.to_owned(), suffix)),
                None => drop(of_kind.ids.insert(id.to_owned())),
            }
        }
        names[source.kind] = Some(of_kind);
    }
    Ok(IndexDocument::of(names))
}

/// The six characters at the end of the ARN of a secret that is not found without them.
fn suffix_of(secret: &Listed) -> Option<String> {
    let SecretId::Arn(arn) = &secret.id else { return None };
    let end = arn.len().checked_sub(6)?;
    ends_like_an_arn(&secret.name).then(|| arn.get(end..).map(str::to_owned))?
}

/// What the index holds; `None` where it is not there or has no value yet.
async fn there<S: IndexStore>(store: &S, id: &SecretId, index: &IndexSettings) -> Result<Option<String>, Failure> {
    match store.read(std::slice::from_ref(id)).await.into_iter().next() {
        Some(Ok(Found::Value(value))) => Ok(Some(value.text.expose_secret().to_owned())),
        Some(Ok(Found::NotThere(NotThere::NoSuchSecret))) => Ok(None),
        Some(Ok(Found::NotThere(NotThere::MarkedForDeletion))) => {
            let line = format!("{}: the secret is marked for deletion; restore it, or name another", shown(index));
            Err(Failure::new(Exit::NotFound, line))
        }
        Some(Ok(Found::NotThere(NotThere::Binary))) => {
            let line = format!("{}: the secret is left as it is: it is binary; it {FORM}", shown(index));
            Err(Failure::new(Exit::InvalidData, line))
        }
        Some(Err(error)) => Err(error.into_failure()),
        None => Err(Failure::new(Exit::Bug, "the store gave no answer; please report this as a bug")),
    }
}

/// A kind without a name: of one that had names before a misspelt prefix or a missing permission looks the same.
fn judge_empty(report: &PublishReport, settings: &Settings, plan: &Plan) -> Result<(), Failure> {
    let all_empty = report.kinds().all(|(_, changes)| changes.names == 0);
    let emptied: Vec<Kind> = report
        .kinds()
        .filter(|(_, changes)| changes.names == 0 && (all_empty || !changes.removed.is_empty()))
        .map(|(kind, _)| kind)
        .collect();
    if emptied.is_empty() || settings.policies.empty == Policy::Ignore {
        return Ok(());
    }
    let lines = emptied.into_iter().map(|kind| {
        let mut sources = plan.sources_of(0).filter(|source| source.kind == kind);
        let under =
            sources.next().map(|source| format!(" under \"{}\"", printable(source.prefix()))).unwrap_or_default();
        format!(
            "the account has no {}{under} that the filters take; check prefix, region and account, or set \
             SECRETS_INIT_ON_EMPTY=ignore where that is right",
            kind.thing()
        )
    });
    if settings.policies.empty == Policy::Warn {
        lines.for_each(|line| warn!("{line}"));
        return Ok(());
    }
    Err(Failure::with_lines(Exit::NotFound, lines.map(|line| format!("the index is left as it is: {line}")).collect()))
}

/// Makes the secret, without a value: until it has its policy there is nothing to read. One that is there without a value was left so
/// by a run that was cut off, and gets its policy now.
async fn create<S: IndexStore>(
    way: PublishWay,
    plan: &Plan,
    store: &S,
    (id, index): (&SecretId, &IndexSettings),
) -> Result<(), Failure> {
    let Some(key) = index.kms_key.as_ref().filter(|_| way.create) else {
        let line = format!(
            "{}: there is no such secret, or none with a current value; publish-index --create makes it, and so does the \
             Terraform module in examples/shared-account",
            shown(index)
        );
        return Err(Failure::new(Exit::NotFound, line));
    };
    match store.create(index.name(), &key.to_string()).await.map_err(StoreError::into_failure)? {
        Created::Made | Created::WasThere => {}
    }
    let policy = iam::publisher::index_policy(&index.readers, plan);
    // AWS may take "everybody in the organisation" for everybody.
    let refuse_public = index.readers.organizations.is_empty();
    store.set_policy(id, &policy, refuse_public).await.map_err(StoreError::into_failure)?;
    if ends_like_an_arn(index.name()) {
        warn!(
            "{}: its name ends in a hyphen and six characters, which AWS takes for a whole ARN; other accounts have to name its \
             full ARN in shared_index",
            shown(index)
        );
    }
    Ok(())
}

/// How to split what does not fit.
fn too_long(index: &IndexSettings, document: &IndexDocument, bytes: usize) -> Failure {
    let mut lines = vec![format!(
        "{}: {} do not fit into one secret: {bytes} bytes, and at most {LARGEST}. Publish several indices, each under a name of \
         its own; shared_index takes an array of their names",
        shown(index),
        Kind::ALL
            .into_iter()
            .filter_map(|kind| document.names(kind).map(|names| count(names.all().count(), kind.thing())))
            .collect::<Vec<_>>()
            .join(" and "),
    )];
    let has_others = [Kind::Variable, Kind::Config].into_iter().any(|kind| document.names(kind).is_some());
    if has_others {
        lines.push("  one for each kind: set the other prefixes to null".to_owned());
    }
    lines.push(
        "  or one with SECRETS_INIT_INCLUDE and one with SECRETS_INIT_EXCLUDE, both set to the same globs".to_owned(),
    );
    Failure::with_lines(Exit::InvalidData, lines)
}

// ---- the report ------------------------------------------------------------------------------------------------

/// What became of the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishOutcome {
    /// It was written.
    Published,
    /// It was as it is to be.
    #[default]
    Unchanged,
    /// It would be written.
    Different,
    /// It would not.
    Same,
}

impl PublishOutcome {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Unchanged => "unchanged",
            Self::Different => "different",
            Self::Same => "same",
        }
    }

    /// How the run ends.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Different => Exit::Different,
            Self::Published | Self::Unchanged | Self::Same => Exit::Ok,
        }
    }
}

/// What changes in an index. IndexNames, never a value.
#[derive(Debug, Serialize)]
pub struct PublishReport {
    version: u32,
    command: &'static str,
    /// What became of it.
    pub outcome: PublishOutcome,
    index: String,
    bytes: usize,
    connections: Option<IndexChanges>,
    variables: Option<IndexChanges>,
    configs: Option<IndexChanges>,
}

/// What changes of one kind.
#[derive(Debug, Default, Serialize)]
pub struct IndexChanges {
    names: usize,
    added: Vec<String>,
    removed: Vec<String>,
    /// Made anew under the same name, so that their ARNs differ.
    replaced: Vec<String>,
}

impl PublishReport {
    fn of(index: &IndexSettings, document: &IndexDocument, before: Option<&Index>, bytes: usize) -> Self {
        let changes = |kind| {
            let old = before.and_then(|before| before.ids(kind));
            let new = document.names(kind);
            (old.is_some() || new.is_some()).then(|| changes(&old.unwrap_or_default(), new, before))
        };
        Self {
            version: VERSION,
            command: "publish-index",
            outcome: PublishOutcome::default(),
            index: index.id.clone(),
            bytes,
            connections: changes(Kind::Connection),
            variables: changes(Kind::Variable),
            configs: changes(Kind::Config),
        }
    }

    fn kinds(&self) -> impl Iterator<Item = (Kind, &IndexChanges)> {
        let kinds = [&self.connections, &self.variables, &self.configs];
        Kind::ALL.into_iter().zip(kinds).filter_map(|(kind, changes)| Some((kind, changes.as_ref()?)))
    }

    /// How many names of a kind it holds.
    pub fn count(&self, kind: Kind) -> Option<usize> {
        self.kinds().find(|(of, _)| *of == kind).map(|(_, changes)| changes.names)
    }

    /// A line for each change.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let counts: Vec<String> = self.kinds().map(|(kind, changes)| count(changes.names, kind.thing())).collect();
        let _ = writeln!(
            out,
            "index {}: {}; {} of {LARGEST} bytes; {}",
            printable(&self.index),
            counts.join(", "),
            self.bytes,
            self.outcome.word()
        );
        for (kind, changes) in self.kinds() {
            for (sign, ids) in [("+", &changes.added), ("-", &changes.removed), ("~", &changes.replaced)] {
                for id in ids {
                    let _ = writeln!(out, "{sign} {} {}", kind.noun(), printable(id));
                }
            }
        }
        out
    }
}

fn changes(old: &BTreeMap<&str, Option<&str>>, new: Option<&IndexNames>, before: Option<&Index>) -> IndexChanges {
    let new: BTreeMap<&str, Option<&str>> = new.into_iter().flat_map(IndexNames::all).collect();
    let only = |one: &BTreeMap<&str, Option<&str>>, other: &BTreeMap<&str, Option<&str>>| {
        one.keys().filter(|id| !other.contains_key(*id)).map(|id| (*id).to_owned()).collect()
    };
    // An index that is written by hand gives no suffixes to compare.
    let is_published = matches!(before, Some(Index::Published(_)));
    let is_replaced = |id: &&&str| is_published && old.get(*id).is_some_and(|old| Some(old) != new.get(*id));
    IndexChanges {
        names: new.len(),
        added: only(&new, old),
        removed: only(old, &new),
        replaced: new.keys().filter(is_replaced).map(|id| (*id).to_owned()).collect(),
    }
}
