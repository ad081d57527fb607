//! What the environment and the flags mean: one `Settings`, or every error in them.
//!
//! Takes the snapshot of the environment and the flags; gives typed settings. Reads only what the settings name (the file of
//! `SECRETS_INIT_BACKEND_KWARGS=@PATH`, the user's templates) and decides nothing about AWS beyond regions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use globset::GlobSet;
use tracing::Level;

use crate::airflow::versions::AirflowTarget;
use crate::config::cli::{RawSettings, VARIABLE_PREFIX};
use crate::config::env::Env;
use crate::config::files::parse_mode;
use crate::config::index::IndexSettings;
use crate::config::kwargs::BackendKwargs;
use crate::config::refresh::Refresh;
use crate::config::usage;
use crate::config::values::SettingsReader;
use crate::error::{ConfigErrors, Failure};
use crate::model::ask::Need;
use crate::model::aws::check_endpoint;
use crate::model::aws_names::variable;
use crate::model::kind::{ByKind, Kind};
use crate::model::policy::{Policies, Policy};
use crate::model::team::{SEPARATOR, Teams, is_team};
use crate::text::unique;

pub use crate::config::outputs::{ConfigOption, Dialect, EnvFile, Format, OutputFile, Outputs, TemplateFile};
pub use crate::config::regions::Regions;

/// Everything a run needs to know.
pub struct Settings {
    pub kwargs: BackendKwargs,
    /// Regions, filled from the environment.
    pub regions: Regions,
    pub selection: Selection,
    /// Whose secrets, where Airflow runs with teams.
    pub teams: Teams,
    /// What to do about each kind of trouble.
    pub policies: Policies,
    /// Which Airflow reads the file.
    pub target: AirflowTarget,
    /// What is written, and where.
    pub outputs: Outputs,
    /// The mode of every file, set at creation, but for a template that names another.
    pub file_mode: u32,
    pub store: StoreChoice,
    pub fetch: FetchMode,
    /// Requests in flight to one account at a time.
    pub concurrency: usize,
    /// Whether it is read again and again.
    pub refresh: Option<Refresh>,
    /// How long the whole run may take.
    pub deadline: Duration,
    /// Longest random wait at the start.
    pub jitter: Duration,
    /// Whether the process gives up what it does not need.
    pub sandbox: Sandbox,
    /// The form of the log, where it is named.
    pub log_format: Option<LogFormat>,
    /// The form of what `check`, `diff` and `iam` print.
    pub output: OutputForm,
    /// A file of CA certificates to trust instead of the system's (`AWS_CA_BUNDLE`, as boto3 reads it).
    pub ca_bundle: Option<PathBuf>,
    /// The index that is to be published.
    pub index: Option<IndexSettings>,
    /// Things an operator should know, in words, for WARN lines.
    pub notices: Vec<String>,
}

/// Which conn_ids and keys are wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Exactly these, by name, without listing.
    pub exactly: ByKind<Option<Vec<String>>>,
    /// conn_ids that must end up in the files.
    pub required: Vec<String>,
    /// Of the listed conn_ids only these.
    pub include: Option<GlobSet>,
    /// Of the listed conn_ids not these.
    pub exclude: Option<GlobSet>,
    /// Of an earlier reading: asked for by name where a listing no longer has them.
    pub known: ByKind<BTreeMap<String, KnownEntry>>,
}

/// Where an entry of an earlier reading is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownEntry {
    /// The account's place in the plan.
    pub account: usize,
    /// Whether it is the run's own team's.
    pub of_team: bool,
}

impl Selection {
    /// Whether a listed id passes `INCLUDE` and `EXCLUDE`, which are about conn_ids alone.
    pub fn takes(&self, kind: Kind, id: &str) -> bool {
        kind != Kind::Connection
            || self.include.as_ref().is_none_or(|set| set.is_match(id))
                && !self.exclude.as_ref().is_some_and(|set| set.is_match(id))
    }

    /// Whether neither is set.
    pub fn takes_everything(&self, kind: Kind) -> bool {
        kind != Kind::Connection || self.include.is_none() && self.exclude.is_none()
    }
}

/// Where secrets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    Aws,
    /// A YAML or JSON document, for dev stacks.
    File(PathBuf),
}

/// The levels of `SECRETS_INIT_LOG`.
pub const LOG_LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// The forms that `SECRETS_INIT_LOG_FORMAT` takes.
pub const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    /// One JSON object a line.
    Json,
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputForm {
    Text,
    Json,
    /// Terraform's language: of `iam` alone.
    Terraform,
}

/// What `SECRETS_INIT_OUTPUT` takes.
pub const OUTPUT_FORMS: [(&str, OutputForm); 3] =
    [("text", OutputForm::Text), ("json", OutputForm::Json), ("terraform", OutputForm::Terraform)];

/// Whether the process gives up what it does not need (`harden.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// As far as the kernel knows how.
    Auto,
    Off,
}

/// How values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchMode {
    /// What suits: batches where AWS has them, single reads elsewhere.
    Auto,
    /// BatchGetSecretValue; single reads only where AWS refuses a batch.
    Batch,
    /// GetSecretValue, one secret a call.
    Single,
}

impl Settings {
    /// Reads the settings: flag beats variable beats default.
    ///
    /// # Errors
    /// [`crate::error::Exit::Config`] with one line for every error.
    pub fn load(env: &Env, flags: RawSettings) -> Result<Self, Failure> {
        let mut errors = ConfigErrors::default();
        let raw = flags.with_variables(env, &mut errors);
        let read = Self::read(env, &raw, &mut errors);
        errors.into_result(read.settings)
    }

    /// Reads the settings; what is wrong with them goes to `errors`.
    pub fn read(env: &Env, raw: &RawSettings, errors: &mut ConfigErrors) -> Read {
        let mut reader = SettingsReader { env, errors, notices: Vec::new() };
        reader.refuse_unknown_variables();
        reader.refuse_sensitive_bodies();
        let templates = reader.templates(raw.templates.as_deref());
        let settings = reader.settings(raw, &templates);
        Read { settings, templates }
    }

    /// What the files of this program's own form need. The user's templates are asked for theirs by their own step.
    pub fn needs(&self) -> ByKind<Need> {
        let outputs = &self.outputs;
        let mut needs: ByKind<Need> = ByKind::default();
        for kind in Kind::ALL {
            let env_takes_all = outputs.airflow_env.is_some() && kind != Kind::Config;
            needs[kind].everything = outputs.file_of(kind).is_some() || env_takes_all;
        }
        let options = outputs.airflow_env.iter().flat_map(|env| &env.options).map(|option| &option.key);
        needs[Kind::Config].named = unique(options);
        needs
    }
}

/// What came of reading the settings.
pub struct Read {
    /// As far as they can be read; `None` where too much is wrong. They hold only if nothing is.
    pub settings: Option<Settings>,
    /// The templates that they name, whatever else is wrong.
    pub templates: Vec<TemplateFile>,
}

impl SettingsReader<'_> {
    fn refuse_unknown_variables(&mut self) {
        let known: Vec<String> =
            RawSettings::NAMES.iter().map(|name| format!("{VARIABLE_PREFIX}{}", name.to_uppercase())).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for name in self.env.names_with_prefix(VARIABLE_PREFIX) {
            if name == "SECRETS_INIT_TEMPLATE" {
                self.errors.add(
                    name,
                    "--template is a flag alone; the variable is SECRETS_INIT_TEMPLATES, one SRC=DEST a line",
                );
            } else if known.contains(&name) || self.is_service_link(name) {
                // Known, or not meant for this program.
            } else if let Some(meant) = name.strip_prefix(VARIABLE_PREFIX).and_then(usage::meant_by) {
                self.errors.add(name, format!("unknown variable; did you mean {meant}?"));
            } else {
                self.errors.add_unknown("variable", name, &known);
            }
        }
    }

    /// Whether Kubernetes made the variable of a Service in the namespace whose name begins with `secrets-init`: each has one that
    /// ends in `_SERVICE_HOST` (pkg/kubelet/envvars/envvars.go, `FromServices`).
    fn is_service_link(&self, name: &str) -> bool {
        let hosts = self.env.names_with_prefix(VARIABLE_PREFIX);
        let mut services = hosts.filter_map(|host| host.strip_suffix("_SERVICE_HOST"));
        services.any(|service| {
            let rest = name.strip_prefix(service).unwrap_or_default();
            rest == "_PORT" || ["_SERVICE_", "_PORT_"].iter().any(|start| rest.starts_with(start))
        })
    }

    /// With this variable set the SDK writes whole bodies, secrets included, into its logs.
    fn refuse_sensitive_bodies(&mut self) {
        const NAME: &str = "LOG_SENSITIVE_BODIES";
        if self.env.get(NAME) != Ok(None) {
            self.errors.add(NAME, "makes the AWS SDK log secret values; unset it");
        }
    }

    fn settings(&mut self, raw: &RawSettings, templates: &[TemplateFile]) -> Option<Settings> {
        let kwargs = self.kwargs(raw);
        let strict = self.boolean("STRICT", raw.strict.as_deref(), false);
        let policies = Policies {
            invalid: self.policy("ON_INVALID", raw.on_invalid.as_deref(), Policy::Warn, strict),
            denied: self.policy("ON_DENIED", raw.on_denied.as_deref(), Policy::Warn, strict),
            missing: self.policy("ON_MISSING", raw.on_missing.as_deref(), Policy::Error, strict),
            empty: self.policy("ON_EMPTY", raw.on_empty.as_deref(), Policy::Error, strict),
            empty_account: self.policy("ON_EMPTY_ACCOUNT", raw.on_empty_account.as_deref(), Policy::Warn, strict),
            shared: self.policy("ON_SHARED", raw.on_shared.as_deref(), Policy::Error, strict),
        };
        let selection = Selection {
            exactly: ByKind::from_fn(|kind| match kind {
                Kind::Connection => self.ids("CONN_IDS", raw.conn_ids.as_deref()),
                Kind::Variable => self.ids("VARIABLE_KEYS", raw.variable_keys.as_deref()),
                Kind::Config => self.ids("CONFIG_KEYS", raw.config_keys.as_deref()),
            }),
            required: self.ids("REQUIRED", raw.required.as_deref()).unwrap_or_default(),
            include: self.globs("INCLUDE", raw.include.as_deref()),
            exclude: self.globs("EXCLUDE", raw.exclude.as_deref()),
            known: ByKind::default(),
        };
        let teams = self.teams(raw.team.as_deref());
        for (kind, ids) in selection.exactly.iter() {
            self.check_teams(kind.names_setting(), ids.as_deref().unwrap_or_default(), &teams);
        }
        self.check_teams("SECRETS_INIT_REQUIRED", &selection.required, &teams);
        let outputs = self.outputs(raw, templates);
        let refresh = self.refresh(raw);
        let file_mode = self.checked("FILE_MODE", parse_mode(raw.file_mode.as_deref().unwrap_or("0440")));
        let target = self.airflow_version(raw.airflow_version.as_deref());
        let store = self.store(raw.store.as_deref());
        let fetch = self.one_of(
            "FETCH",
            raw.fetch.as_deref(),
            &[("auto", FetchMode::Auto), ("batch", FetchMode::Batch), ("single", FetchMode::Single)],
        );
        let concurrency = self.concurrency(raw.concurrency.as_deref());
        let deadline = self.duration("DEADLINE", raw.deadline.as_deref(), Duration::from_mins(1));
        if deadline.is_zero() {
            self.wrong("DEADLINE", "must be longer than 0s");
        }
        let jitter = self.duration("JITTER", raw.jitter.as_deref(), Duration::ZERO);
        if jitter >= deadline && !jitter.is_zero() {
            self.wrong("JITTER", "must be shorter than the deadline, which holds for the whole run");
        }
        self.one_of("LOG", raw.log.as_deref().or(Some("info")), &LOG_LEVELS);
        let log_format = self.one_of("LOG_FORMAT", raw.log_format.as_deref(), &LOG_FORMATS);
        for name in variable::ENDPOINTS {
            if let Some(Err(problem)) = self.variable(name).as_deref().map(check_endpoint) {
                self.errors.add(name, problem);
            }
        }
        let sandbox = self.one_of("SANDBOX", raw.sandbox.as_deref(), &[("auto", Sandbox::Auto), ("off", Sandbox::Off)]);
        let output = self.one_of("OUTPUT", raw.output.as_deref(), &OUTPUT_FORMS);
        let index = self.index(raw);
        let ca_bundle = self.variable(variable::CA_BUNDLE).map(PathBuf::from);
        let is_aws = store == Some(StoreChoice::Aws);
        let regions = self.regions(kwargs.as_ref(), is_aws);
        if is_aws {
            for (kind, ids) in selection.exactly.iter() {
                self.check_names(kind.names_setting(), ids.as_deref().unwrap_or_default());
            }
            self.check_names("SECRETS_INIT_REQUIRED", &selection.required);
        }
        let kwargs = kwargs.map(|kwargs| self.urlencoded_by_version(kwargs, target, raw.airflow_version.is_some()));
        Some(Settings {
            kwargs: kwargs?,
            regions: regions?,
            selection,
            teams,
            policies,
            target: target?,
            outputs,
            file_mode: file_mode?,
            store: store?,
            fetch: fetch?,
            concurrency: concurrency?,
            refresh,
            deadline,
            jitter,
            sandbox: sandbox?,
            log_format: log_format.filter(|_| raw.log_format.is_some()),
            output: output?,
            ca_bundle,
            index,
            notices: std::mem::take(&mut self.notices),
        })
    }

    /// Whose secrets. Airflow's own switch says whether it runs with teams (Airflow 3.3.2
    /// `airflow/_shared/configuration/parser.py` `getboolean`).
    fn teams(&mut self, team: Option<&str>) -> Teams {
        const MULTI_TEAM: &str = "AIRFLOW__CORE__MULTI_TEAM";
        let switch = self.variable(MULTI_TEAM).unwrap_or_default().to_lowercase();
        let is_on = match switch.split('#').next().unwrap_or_default().trim() {
            "t" | "true" | "1" => true,
            "f" | "false" | "0" => false,
            _ if switch.is_empty() => false,
            _ => {
                self.errors.add(MULTI_TEAM, "must be t, true, 1, f, false or 0, as Airflow takes it");
                false
            }
        };
        match team.map(str::trim) {
            Some(team) if is_team(team) => Teams::Of(team.to_owned()),
            Some(_) => {
                self.wrong("TEAM", "must be a team's name: 3 to 50 letters, digits, _ and -");
                Teams::Nobody
            }
            None if is_on => Teams::Nobody,
            None => Teams::Off,
        }
    }

    fn check_teams(&mut self, name: &str, ids: &[String], teams: &Teams) {
        for id in ids.iter().filter(|id| !teams.take(id)) {
            let id = crate::text::printable(id);
            let problem = format!(
                "{id} holds {SEPARATOR}, which stands between a team and an id: Airflow with teams looks no such id up; give the id alone"
            );
            self.errors.add(name, problem);
        }
    }

    /// `are_secret_values_urlencoded` had an effect before providers-amazon 9.0.0 alone, and no 3.x runs with those.
    fn urlencoded_by_version(
        &mut self,
        mut kwargs: BackendKwargs,
        target: Option<AirflowTarget>,
        given: bool,
    ) -> BackendKwargs {
        if !kwargs.urlencoded {
            return kwargs;
        }
        if !given {
            self.wrong(
                "AIRFLOW_VERSION",
                "must be set because are_secret_values_urlencoded is true: 2 decodes the values, as providers-amazon \
                 before 9.0.0 did; 3 leaves them as they are, as 9.0.0 and later do",
            );
        } else if target != Some(AirflowTarget::V2) {
            kwargs.urlencoded = false;
            self.notices.push(
                "are_secret_values_urlencoded has no effect with Airflow 3, as in providers-amazon 9.0.0 and later; remove it"
                    .to_owned(),
            );
        }
        kwargs
    }

    /// Which rules of reading hold: URI query values are JSON-decoded in 3.1.6 and later 3.1 (Airflow 3.1.8
    /// `airflow/models/connection.py`), and an extra must be a JSON object from 3.0 on.
    fn airflow_version(&mut self, value: Option<&str>) -> Option<AirflowTarget> {
        let text = value.unwrap_or("3").trim();
        let target = match release_numbers(text).as_deref() {
            Some([2]) => Ok(AirflowTarget::V2),
            Some([2, minor, ..]) if *minor >= 3 => Ok(AirflowTarget::V2),
            Some([3, 1, patch, ..]) if *patch >= 6 => Ok(AirflowTarget::V3QueryJson),
            Some([3, ..]) => Ok(AirflowTarget::V3),
            _ => Err("must be 2, 3 or an exact version from 2.3 to 3.x, such as 3.1.7 or 3.4.0b2"),
        };
        self.checked("AIRFLOW_VERSION", target)
    }

    fn store(&mut self, value: Option<&str>) -> Option<StoreChoice> {
        let file =
            |text: &str| Some(StoreChoice::File(text.strip_prefix("file:").filter(|path| !path.is_empty())?.into()));
        let store = match value.map(str::trim) {
            None | Some("aws") => Some(StoreChoice::Aws),
            Some(text) => file(text),
        };
        self.checked("STORE", store.ok_or("must be aws or file:PATH"))
    }

    fn concurrency(&mut self, value: Option<&str>) -> Option<usize> {
        let number = value.unwrap_or("40").trim().parse().ok().filter(|n| (1..=64).contains(n));
        self.checked("CONCURRENCY", number.ok_or("must be a number from 1 to 64"))
    }
}

/// The numbers of a version, `3.4.0b2` being `3.4.0`: a pre-release (`a1`, `b2`, `rc1`, PEP 440) has the rules of its release.
fn release_numbers(version: &str) -> Option<Vec<u32>> {
    let (release, stage) = version.split_at(version.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(version.len()));
    let number = ["a", "b", "rc"].iter().find_map(|name| stage.strip_prefix(name));
    if !stage.is_empty() && number.and_then(|number| number.parse::<u32>().ok()).is_none() {
        return None;
    }
    release.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
