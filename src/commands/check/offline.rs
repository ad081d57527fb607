//! What `check --offline` says: what would be asked for. Settings and templates alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::report::{VERSION, outcome_of};
use super::rows::SecretPlace;
use crate::config::aws::identity::own_account;
use crate::config::env::Env;
use crate::config::settings::{Settings, StoreChoice};
use crate::convert::left_out::judge;
use crate::convert::{self, Entries};
use crate::error::{Exit, Failure};
use crate::fetch::answers::all_or_every_failure;
use crate::fetch::enumerate::no_way_in;
use crate::fetch::resolve::never_found;
use crate::model::aws::AccountId;
use crate::model::kind::Kind;
use crate::plan::{AddressedBy, Enumerate, Plan, Source, SourcePlan};
use crate::store;
use crate::text::{printable, shown};

/// What would be asked for: settings and templates alone.
#[derive(Debug, Serialize)]
pub struct OfflineReport {
    version: u32,
    command: &'static str,
    outcome: &'static str,
    exit_code: u8,
    errors: Vec<String>,
    /// What only AWS knows, and would end a render.
    warnings: Vec<String>,
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

/// What is known before anybody is asked.
pub struct Known<'a> {
    /// The own account, where AWS's variables and files or the role say it.
    own_account: Option<AccountId>,
    /// Sources that nothing names the ids of; a listing gives them if they are the own account's.
    unnamed: Vec<&'a SourcePlan>,
}

impl<'a> Known<'a> {
    /// What these settings, and AWS's own in the environment, say.
    pub fn of(plan: &'a Plan, env: &Env) -> Self {
        let sources = plan.wants.iter().flat_map(|want| &want.sources);
        let unnamed: Vec<&SourcePlan> =
            sources.filter(|source| source.enumerate == Enumerate::ListingIfOwnAccount).collect();
        // Nobody else's account is of interest.
        let own_account = if unnamed.is_empty() { None } else { own_account(&plan.own, env) };
        Self { own_account, unnamed }
    }

    /// Whether a source of which that matters is the own account's.
    fn is_own(&self, source: &SourcePlan) -> Option<bool> {
        let Source::Shared { account, .. } = &source.source else { return Some(true) };
        self.own_account.as_ref().map(|own| own == account)
    }

    /// What a render would stumble over, or not: only AWS knows.
    pub fn not_known(&self) -> Vec<String> {
        let open = self.unnamed.iter().filter(|source| self.is_own(source).is_none());
        let lines = open.map(|source| {
            format!(
                "nothing says which {}s {} holds: a run ends with {} unless that is the own account, which is not known \
                 without asking AWS; docs/CONFIGURATION.md has the other ways",
                source.kind.thing(),
                source.source,
                Exit::Config.code()
            )
        });
        lines.collect()
    }

    /// What a render would end with, whatever the accounts hold.
    pub fn verdict(&self, settings: &Settings, plan: &Plan) -> Result<(), Failure> {
        if let StoreChoice::File(path) = &settings.store {
            store::file::open(path, plan)?;
        }
        self.refuse_foreign()?;
        let rules = convert::rules(&settings.kwargs, settings.target);
        let entries = Entries::of(never_found(plan, &settings.selection), plan, &rules, BTreeMap::new());
        if plan.wants.iter().all(|want| want.sources.is_empty()) {
            return entries.judge(&settings.policies, plan);
        }
        judge(&entries.left_out, &settings.policies)
    }
}

impl Known<'_> {
    /// Refuses a source that nothing names the ids of and that is surely another account's.
    ///
    /// # Errors
    /// [`Exit::Config`], with the ways to name them.
    pub fn refuse_foreign(&self) -> Result<(), Failure> {
        let foreign = self.unnamed.iter().filter(|source| self.is_own(source) == Some(false));
        all_or_every_failure(foreign.map(|source| Err::<(), _>(no_way_in(source))).collect()).map(drop)
    }
}

impl OfflineReport {
    /// What these settings would ask for, and what that is certain to end with.
    pub fn of(settings: &Settings, plan: &Plan, known: &Known<'_>, verdict: &Result<(), Failure>) -> Self {
        let lookups = plan.wants.iter().flat_map(|want| {
            want.sources.iter().map(|source| {
                let (how, named) = how_of(source, known);
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
        let (outcome, exit, errors) = outcome_of(verdict);
        Self {
            version: VERSION,
            command: "check",
            outcome,
            exit_code: exit.code(),
            errors,
            warnings: known.not_known(),
            lookups: lookups.collect(),
            templates: outputs
                .templates
                .iter()
                .map(|template| TemplateRow { source: shown(&template.source), target: shown(&template.target) })
                .collect(),
            files: paths.chain(others).chain(targets).map(|path| shown(path)).collect(),
        }
    }
    /// A line for each.
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

fn how_of(source: &SourcePlan, known: &Known<'_>) -> (String, Vec<String>) {
    let by = match source.addressed_by {
        AddressedBy::Name => "by name",
        AddressedBy::PartialArn => "by ARN",
    };
    match &source.enumerate {
        Enumerate::Nothing => (by.to_owned(), Vec::new()),
        Enumerate::Listing => ("listed".to_owned(), Vec::new()),
        Enumerate::ListingIfOwnAccount if known.is_own(source) == Some(true) => {
            ("listed: it is the own account".to_owned(), Vec::new())
        }
        Enumerate::ListingIfOwnAccount => ("listed, if it is the caller's own account".to_owned(), Vec::new()),
        Enumerate::Ids(ids) => (by.to_owned(), ids.clone()),
        Enumerate::Index(names) => {
            let names: Vec<String> = names.iter().map(|name| printable(name)).collect();
            (format!("{by}, named by the index {}", names.join(", ")), Vec::new())
        }
    }
}
