//! What the environment and the flags mean: one `Settings`, or every mistake in them.
//!
//! Takes the snapshot of the environment and the flags; gives typed settings. Reads only what the settings name (the file of
//! `SECRETS_INIT_BACKEND_KWARGS=@PATH`, the user's templates) and decides nothing about AWS beyond regions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use tracing::Level;

use crate::airflow::lazy_backend;
use crate::airflow::versions::AirflowTarget;
use crate::config::cli::{RawSettings, VARIABLE_PREFIX};
use crate::config::env::{Env, NOT_UNICODE};
use crate::config::expand::expand;
use crate::config::files::parse_mode;
use crate::config::kwargs::{self, BackendKwargs, SharedNames};
use crate::error::ConfigErrors;
use crate::error::Failure;
use crate::model::ask::Need;
use crate::model::aws::{Region, check_endpoint, is_id};
use crate::model::aws_names::variable;
use crate::model::cause::Notice;
use crate::model::kind::{ByKind, Kind};
use crate::model::policy::{Policies, Policy};
use crate::text::nearest;
use crate::text::{printable, split_list, unique};

const DEFAULT_CONNECTIONS_FILE: &str = "/opt/airflow/secrets/connections.json";
/// In place of a path: no connections file is written.
const NO_FILE: &str = "none";

/// Everything a run needs to know.
pub struct Settings {
    /// The kwargs, read.
    pub kwargs: BackendKwargs,
    /// Regions, filled from the environment.
    pub regions: Regions,
    /// Which conn_ids and keys.
    pub selection: Selection,
    /// What to do about each kind of trouble.
    pub policies: Policies,
    /// Which Airflow reads the file.
    pub target: AirflowTarget,
    /// What is written, and where.
    pub outputs: Outputs,
    /// The mode of every file, set at creation, but for a template that names another.
    pub file_mode: u32,
    /// Where secrets come from.
    pub store: StoreChoice,
    /// How values are read.
    pub fetch: FetchMode,
    /// Requests in flight to one account at a time.
    pub concurrency: usize,
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
    /// Things an operator should know, in words, for WARN lines.
    pub notices: Vec<String>,
}

/// The two regions, which are independent of each other as in the Python backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// `region_name`, `AWS_DEFAULT_REGION`, `AWS_REGION`; `None` leaves it to the profile, then to `shared`.
    pub own: Option<Region>,
    /// `aws_region`, `AWS_REGION`, then `eu-central-1`.
    pub shared: Region,
}

/// What is written, and where.
#[derive(Default)]
pub struct Outputs {
    /// The connections, for LocalFilesystemBackend.
    pub connections: Option<OutputFile>,
    /// The variables, for LocalFilesystemBackend.
    pub variables: Option<OutputFile>,
    /// The config values, for LocalFilesystemBackend of Airflow 3.2 and later.
    pub configs: Option<OutputFile>,
    /// All three as environment variables.
    pub airflow_env: Option<EnvFile>,
    /// The user's own templates.
    pub templates: Vec<TemplateFile>,
    /// The Python module with the lazy backend.
    pub backend_module: Option<PathBuf>,
}

impl Outputs {
    /// The file of LocalFilesystemBackend for a kind.
    #[must_use]
    pub const fn file_of(&self, kind: Kind) -> Option<&OutputFile> {
        match kind {
            Kind::Connection => self.connections.as_ref(),
            Kind::Variable => self.variables.as_ref(),
            Kind::Config => self.configs.as_ref(),
        }
    }

    /// Where all of them go.
    #[must_use]
    pub fn targets(&self) -> Vec<&Path> {
        let files = [&self.connections, &self.variables, &self.configs].into_iter().flatten().map(|file| &file.path);
        let env = self.airflow_env.iter().map(|file| &file.path);
        let templates = self.templates.iter().map(|template| &template.target);
        files.chain(env).chain(templates).chain(&self.backend_module).map(PathBuf::as_path).collect()
    }
}

/// A template of the user's, and where what it renders goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    /// Where it is.
    pub source: PathBuf,
    /// Where its output goes.
    pub target: PathBuf,
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
}

impl Selection {
    /// Whether a listed id passes `INCLUDE` and `EXCLUDE`, which are about conn_ids alone.
    #[must_use]
    pub fn takes(&self, kind: Kind, id: &str) -> bool {
        kind != Kind::Connection
            || self.include.as_ref().is_none_or(|set| set.is_match(id))
                && !self.exclude.as_ref().is_some_and(|set| set.is_match(id))
    }

    /// Whether neither is set.
    #[must_use]
    pub fn takes_everything(&self, kind: Kind) -> bool {
        kind != Kind::Connection || self.include.is_none() && self.exclude.is_none()
    }
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Where.
    pub path: PathBuf,
    /// In which of LocalFilesystemBackend's formats.
    pub format: Format,
}

/// The formats that LocalFilesystemBackend reads, told apart by the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.yaml`, `.yml`
    Yaml,
    /// `.env`
    Env,
}

/// A file of environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFile {
    /// Where.
    pub path: PathBuf,
    /// Who is to read it.
    pub dialect: Dialect,
    /// Config options whose `_SECRET` form is in the environment.
    pub options: Vec<ConfigOption>,
}

/// The readers of a file of environment variables, told apart by the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `.env`: `env_file` of docker compose, and `set -a; . file` in a shell.
    Env,
    /// `.list`: `--env-file` of docker and podman, which know no quotes.
    List,
}

/// A config option whose value is a secret: `AIRFLOW__<SECTION>__<KEY>_SECRET` is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigOption {
    /// The variable that holds the value itself: `AIRFLOW__<SECTION>__<KEY>`.
    pub variable: String,
    /// Under which key the secrets backend is asked.
    pub key: String,
}

/// Where secrets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// AWS Secrets Manager.
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
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputForm {
    /// For people.
    Text,
    /// One JSON document.
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
    /// Not.
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
    /// [`crate::error::Exit::Config`] with one line for every mistake.
    pub fn load(env: &Env, flags: RawSettings) -> Result<Self, Failure> {
        let mut errors = ConfigErrors::default();
        let raw = flags.with_variables(env, &mut errors);
        let read = Self::read(env, &raw, &mut errors);
        errors.into_result(read.settings)
    }

    /// Reads the settings; what is wrong with them goes to `errors`.
    #[must_use]
    pub fn read(env: &Env, raw: &RawSettings, errors: &mut ConfigErrors) -> Read {
        let mut reader = Reader { env, mistakes: errors, notices: Vec::new(), unset: Vec::new() };
        reader.refuse_unknown_variables();
        reader.refuse_sensitive_bodies();
        let templates = reader.templates(raw.templates.as_deref());
        let settings = reader.settings(raw, &templates);
        Read { settings, templates }
    }

    /// What the files of this program's own form need. The user's templates are asked for theirs by their own step.
    #[must_use]
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
    /// `None` where they are wrong.
    pub settings: Option<Settings>,
    /// The templates that they name, whatever else is wrong.
    pub templates: Vec<TemplateFile>,
}

struct Reader<'a> {
    env: &'a Env,
    mistakes: &'a mut ConfigErrors,
    notices: Vec<String>,
    /// What follows a `$` in the kwargs and is not set.
    unset: Vec<String>,
}

impl Reader<'_> {
    fn refuse_unknown_variables(&mut self) {
        let known: Vec<String> =
            RawSettings::NAMES.iter().map(|name| format!("{VARIABLE_PREFIX}{}", name.to_uppercase())).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for name in self.env.names_with_prefix(VARIABLE_PREFIX) {
            if name == "SECRETS_INIT_TEMPLATE" {
                self.mistakes.add(
                    name,
                    "--template is a flag alone; the variable is SECRETS_INIT_TEMPLATES, one SRC=DEST a line",
                );
            } else if !known.contains(&name) {
                self.mistakes.add_unknown("variable", name, &known);
            }
        }
    }

    /// With this variable set the SDK writes whole bodies, secrets included, into its logs.
    fn refuse_sensitive_bodies(&mut self) {
        const NAME: &str = "LOG_SENSITIVE_BODIES";
        if self.env.get(NAME) != Ok(None) {
            self.mistakes.add(NAME, "makes the AWS SDK log secret values; unset it");
        }
    }

    /// A variable's value, unset and empty alike `None`; text that is not UTF-8 is a mistake.
    fn variable(&mut self, name: &str) -> Option<String> {
        if let Ok(value) = self.env.get(name) {
            return value.map(str::to_owned);
        }
        self.mistakes.add(name, NOT_UNICODE);
        None
    }

    fn settings(&mut self, raw: &RawSettings, templates: &[TemplateFile]) -> Option<Settings> {
        let kwargs = self.kwargs(raw);
        let strict = self.boolean("STRICT", raw.strict.as_deref(), false);
        let policies = Policies {
            invalid: self.policy("ON_INVALID", raw.on_invalid.as_deref(), Policy::Warn, strict),
            denied: self.policy("ON_DENIED", raw.on_denied.as_deref(), Policy::Warn, strict),
            missing: self.policy("ON_MISSING", raw.on_missing.as_deref(), Policy::Error, strict),
            empty: self.policy("ON_EMPTY", raw.on_empty.as_deref(), Policy::Error, strict),
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
        };
        let outputs = self.outputs(raw, templates);
        let file_mode = self.file_mode(raw.file_mode.as_deref());
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
                self.mistakes.add(name, problem);
            }
        }
        let sandbox = self.one_of("SANDBOX", raw.sandbox.as_deref(), &[("auto", Sandbox::Auto), ("off", Sandbox::Off)]);
        let output = self.one_of("OUTPUT", raw.output.as_deref(), &OUTPUT_FORMS);
        let ca_bundle = self.variable(variable::CA_BUNDLE).map(PathBuf::from);
        let kwargs = kwargs?;
        let store = store?;
        let regions = self.regions(&kwargs, &store);
        if store == StoreChoice::Aws {
            for (kind, ids) in selection.exactly.iter() {
                self.check_names(kind.names_setting(), ids.as_deref().unwrap_or_default());
            }
            self.check_names("SECRETS_INIT_REQUIRED", &selection.required);
        }
        self.tell_unset_names(&kwargs);
        let target_given = raw.airflow_version.is_some();
        let kwargs = self.urlencoded_by_version(kwargs, target?, target_given);
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(kwargs.notices.iter().cloned());
        let settings = Settings {
            kwargs,
            regions,
            selection,
            policies,
            target: target?,
            outputs,
            file_mode: file_mode?,
            store,
            fetch: fetch?,
            concurrency: concurrency?,
            deadline,
            jitter,
            sandbox: sandbox?,
            log_format: log_format.filter(|_| raw.log_format.is_some()),
            output: output?,
            ca_bundle,
            notices,
        };
        Some(settings)
    }

    fn wrong(&mut self, name: &str, problem: impl AsRef<str>) {
        self.mistakes.add(&format!("{VARIABLE_PREFIX}{name}"), problem);
    }

    // ---- backend_kwargs --------------------------------------------------------------------------------------

    fn kwargs(&mut self, raw: &RawSettings) -> Option<BackendKwargs> {
        let expand_env = self.boolean("EXPAND_ENV", raw.expand_env.as_deref(), true);
        let mut overlay = self.overlay("AIRFLOW__SECRETS__BACKEND_KWARG__");
        let (place, text) = if let Some(given) = raw.backend_kwargs.as_deref() {
            ("SECRETS_INIT_BACKEND_KWARGS", self.kwargs_text(given)?)
        } else if let Some(text) = self.variable("AIRFLOW__SECRETS__BACKEND_KWARGS") {
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", text)
        } else if let Some(text) = self.variable("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS") {
            overlay.extend(self.overlay("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__"));
            ("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS", text)
        } else if overlay.is_empty() {
            self.no_kwargs();
            return None;
        } else {
            ("AIRFLOW__SECRETS__BACKEND_KWARG__*", "{}".to_owned())
        };
        let text = if expand_env { self.expanded(place, &text)? } else { text };
        kwargs::parse(place, &text, &overlay, self.mistakes)
    }

    /// The text itself, or that of the file after `@`.
    fn kwargs_text(&mut self, given: &str) -> Option<String> {
        let Some(path) = given.strip_prefix('@') else { return Some(given.to_owned()) };
        match crate::config::files::read_text(Path::new(path), 1 << 20) {
            Ok(text) => Some(text),
            Err(error) => {
                self.wrong(
                    "BACKEND_KWARGS",
                    format!("can't read the file {}: {}", printable(path), crate::text::os_error(&error)),
                );
                None
            }
        }
    }

    /// Airflow 3.2's per-key variables: the key in lower case, the value as raw text (not JSON, not expanded).
    /// Source: Airflow 3.3.2 `airflow/_shared/configuration/parser.py`.
    fn overlay(&mut self, prefix: &str) -> Vec<(String, String)> {
        let names: Vec<String> = self.env.names_with_prefix(prefix).map(str::to_owned).collect();
        names
            .into_iter()
            .filter_map(|name| {
                let value = match self.env.raw(&name) {
                    Some(value) => value.to_owned(),
                    None => self.variable(&name)?,
                };
                Some((name[prefix.len()..].to_lowercase(), value))
            })
            .collect()
    }

    fn no_kwargs(&mut self) {
        let places = "AIRFLOW__SECRETS__BACKEND_KWARGS";
        for (form, why) in [
            ("_CMD", "runs a command, which this container has no shell for"),
            ("_SECRET", "would ask the secrets backend for its own configuration"),
        ] {
            for place in [places, "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS"] {
                let name = format!("{place}{form}");
                if self.env.get(&name) != Ok(None) {
                    self.mistakes.add(&name, format!("is not supported: it {why}; give the JSON object itself"));
                    return;
                }
            }
        }
        self.mistakes.add(
            places,
            "is not set; give the init container the JSON object that Airflow's AWS secrets backend takes ('{}' takes \
             the defaults). Helm charts do not pass it on to extra init containers by themselves",
        );
    }

    fn expanded(&mut self, place: &str, text: &str) -> Option<String> {
        let Ok(expanded) = expand(text, self.env) else {
            self.mistakes.add(place, "holds a $NAME whose value leads back to itself");
            return None;
        };
        if !expanded.unset.is_empty() {
            // Which ones is told once it is known that they stand in names: a `$` in a password is no name of a variable.
            self.unset = expanded.unset.into_iter().collect();
        }
        Some(expanded.text)
    }

    /// A name that is not set stays as it stands, as in Airflow, and then no secret is found by it.
    fn tell_unset_names(&mut self, kwargs: &BackendKwargs) {
        let own = kwargs.names.iter().filter_map(|(_, names)| names.prefix.as_deref());
        let of_account = |names: &'_ ByKind<Option<SharedNames>>| {
            names.iter().filter_map(|(_, names)| Some(names.as_ref()?.prefix.clone())).collect::<Vec<_>>()
        };
        let shared: Vec<String> = kwargs.shared.iter().flat_map(|account| of_account(&account.names)).collect();
        let parts: Vec<&str> = own.chain(shared.iter().map(String::as_str)).collect();
        for name in std::mem::take(&mut self.unset) {
            let forms = [format!("${name}"), format!("${{{name}}}")];
            if parts.iter().any(|part| forms.iter().any(|form| part.contains(form))) {
                self.notices.push(format!(
                    "${} is not set, so it stays as it stands in a prefix, as in Airflow: no secret can have such a name",
                    printable(&name)
                ));
            } else {
                self.notices.push(
                    "a value of the kwargs holds a $ that is followed by no name that is set; it stays".to_owned(),
                );
            }
        }
    }

    fn regions(&mut self, kwargs: &BackendKwargs, store: &StoreChoice) -> Regions {
        let mut region = |name: &str| {
            let region = self.variable(name)?.parse::<Region>();
            region.map_err(|problem| self.mistakes.add(name, problem)).ok()
        };
        let (aws_region, default_region) = (region(variable::REGION), region(variable::DEFAULT_REGION));
        if let (None, Some(first), Some(second)) = (&kwargs.region_name, &aws_region, &default_region)
            && first != second
        {
            self.notices.push(format!(
                "AWS_REGION ({first}) and AWS_DEFAULT_REGION ({second}) differ: the own account is read in {second}, as boto3 \
                 does; set region_name in the kwargs to be sure"
            ));
        }
        let given = kwargs.aws_region.clone().or_else(|| aws_region.clone());
        let shared = given.clone().unwrap_or_else(Region::of_shared_by_default);
        let is_aws = *store == StoreChoice::Aws;
        let (code, remedy) = (Notice::NoRegion.code(), Notice::NoRegion.remedy());
        if is_aws && given.is_none() && kwargs.shared.iter().any(|account| account.region.is_none()) {
            self.notices.push(format!(
                "{code} neither aws_region nor AWS_REGION is set: the shared account is read in {shared}, the Python backend's \
                 default; {remedy}"
            ));
        }
        // boto3, and so the live backend, reads AWS_DEFAULT_REGION; AWS's newer SDKs and EKS set AWS_REGION.
        let own = kwargs.region_name.clone().or(default_region).or(aws_region);
        if is_aws && own.is_none() {
            self.notices.push(format!(
                "{code} no region_name, AWS_REGION or AWS_DEFAULT_REGION: the own account is read in the profile's region, else in \
                 {shared}; {remedy}"
            ));
        }
        Regions { own, shared }
    }

    /// `are_secret_values_urlencoded` had an effect before providers-amazon 9.0.0 alone, and no 3.x runs with those.
    fn urlencoded_by_version(
        &mut self,
        mut kwargs: BackendKwargs,
        target: AirflowTarget,
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
        } else if target != AirflowTarget::V2 {
            kwargs.urlencoded = false;
            self.notices.push(
                "are_secret_values_urlencoded has no effect with Airflow 3, as in providers-amazon 9.0.0 and later; remove it"
                    .to_owned(),
            );
        }
        kwargs
    }

    // ---- single values ---------------------------------------------------------------------------------------

    fn boolean(&mut self, name: &str, value: Option<&str>, default: bool) -> bool {
        let Some(value) = value else { return default };
        match value.trim().to_lowercase().as_str() {
            "true" | "t" | "1" | "yes" | "on" => true,
            "false" | "f" | "0" | "no" | "off" => false,
            _ => {
                self.wrong(name, "must be true or false");
                default
            }
        }
    }

    fn one_of<T: Copy>(&mut self, name: &str, value: Option<&str>, choices: &[(&str, T)]) -> Option<T> {
        let Some(value) = value else { return choices.first().map(|(_, choice)| *choice) };
        let value = value.trim().to_lowercase();
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == value) {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let near = nearest(&value, &words).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        self.wrong(name, format!("must be one of {}{near}", words.join(", ")));
        None
    }

    fn policy(&mut self, name: &str, value: Option<&str>, default: Policy, strict: bool) -> Policy {
        let choices = [("error", Policy::Error), ("warn", Policy::Warn), ("ignore", Policy::Ignore)];
        let policy = match value {
            None => default,
            Some(_) => self.one_of(name, value, &choices).unwrap_or(default),
        };
        if strict { Policy::Error } else { policy }
    }

    fn ids(&mut self, name: &str, value: Option<&str>) -> Option<Vec<String>> {
        let mut ids = split_list(value?);
        if ids.is_empty() {
            self.wrong(name, "is set but names nothing");
        }
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        Some(ids)
    }

    /// An id that no secret can be called by would be refused by AWS, one call each.
    fn check_names(&mut self, name: &str, ids: &[String]) {
        for id in ids.iter().filter(|id| !is_id(id)) {
            self.mistakes.add(name, format!("{} is not an id that a secret's name can hold", printable(id)));
        }
    }

    fn globs(&mut self, name: &str, value: Option<&str>) -> Option<GlobSet> {
        let mut set = GlobSetBuilder::new();
        for (position, glob) in split_list(value?).iter().enumerate() {
            match GlobBuilder::new(glob).literal_separator(false).backslash_escape(true).build() {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => self.wrong(name, format!("glob {} is not right: {}", position + 1, error.kind())),
            }
        }
        match set.build() {
            Ok(set) => Some(set),
            Err(_) => {
                self.wrong(name, "the globs are too large together");
                None
            }
        }
    }

    // ---- outputs -----------------------------------------------------------------------------------------------

    fn outputs(&mut self, raw: &RawSettings, templates: &[TemplateFile]) -> Outputs {
        let connections = match raw.connections_file.as_deref() {
            Some(NO_FILE) => None,
            given => self.output_file("CONNECTIONS_FILE", given.or(Some(DEFAULT_CONNECTIONS_FILE))),
        };
        let outputs = Outputs {
            connections,
            variables: self.output_file("VARIABLES_FILE", raw.variables_file.as_deref()),
            configs: self.output_file("CONFIGS_FILE", raw.configs_file.as_deref()),
            airflow_env: self.env_file(raw.airflow_env_file.as_deref()),
            templates: templates.to_vec(),
            backend_module: self.backend_module_file(raw.backend_module_file.as_deref()),
        };
        let paths = [&raw.variables_file, &raw.configs_file, &raw.airflow_env_file, &raw.templates];
        if raw.connections_file.as_deref() == Some(NO_FILE) && paths.iter().all(|path| path.is_none()) {
            self.wrong("CONNECTIONS_FILE", "is none, and nothing else is to be written");
        }
        self.refuse_shared_targets(&outputs);
        outputs
    }

    fn output_file(&mut self, name: &str, value: Option<&str>) -> Option<OutputFile> {
        let path = PathBuf::from(value?);
        let format = match extension(&path).as_str() {
            "json" => Format::Json,
            "yaml" | "yml" => Format::Yaml,
            "env" => Format::Env,
            _ => {
                self.wrong(name, "must end in .json, .yaml, .yml or .env: Airflow tells the format by it");
                return None;
            }
        };
        Some(OutputFile { path, format })
    }

    fn env_file(&mut self, value: Option<&str>) -> Option<EnvFile> {
        let path = PathBuf::from(value?);
        let is_called = |name: &str| path.file_name().is_some_and(|file| file == name);
        let dialect = match extension(&path).as_str() {
            "env" => Dialect::Env,
            // Compose's own default name, which has no extension.
            _ if is_called(".env") => Dialect::Env,
            "list" => Dialect::List,
            _ => {
                let problem = "must end in .env (docker compose and shells) or .list (docker and podman run --env-file, \
                               which know no quotes)";
                self.wrong("AIRFLOW_ENV_FILE", problem);
                return None;
            }
        };
        Some(EnvFile { path, dialect, options: self.config_options() })
    }

    /// The options whose `_SECRET` form is set. Those of the backend itself can't come from it.
    /// Source: Airflow 2.8.1 `airflow/configuration.py` `_get_env_var_option`.
    fn config_options(&mut self) -> Vec<ConfigOption> {
        const END: &str = "_SECRET";
        let names: Vec<String> = self.env.names_with_prefix("AIRFLOW__").map(str::to_owned).collect();
        let options = names.into_iter().filter_map(|name| {
            let of_backend = ["AIRFLOW__SECRETS__BACKEND", "AIRFLOW__WORKERS__SECRETS_BACKEND"];
            let is_of_backend = |variable: &str| of_backend.iter().any(|start| variable.starts_with(start));
            let variable = name.strip_suffix(END).filter(|variable| !is_of_backend(variable))?;
            let (section, key) = variable.strip_prefix("AIRFLOW__")?.split_once("__")?;
            let key_in_backend = self.variable(&name).filter(|_| !section.is_empty() && !key.is_empty())?;
            Some(ConfigOption { variable: variable.to_owned(), key: key_in_backend })
        });
        options.collect()
    }

    fn templates(&mut self, value: Option<&str>) -> Vec<TemplateFile> {
        let lines = value.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
        let mut templates = Vec::new();
        for (position, line) in lines.enumerate() {
            match line.split_once('=').map(|(source, target)| (source.trim(), target.trim())) {
                Some((source, target)) if !source.is_empty() && !target.is_empty() => {
                    templates.push(TemplateFile { source: source.into(), target: target.into() });
                }
                _ => self.wrong("TEMPLATES", format!("entry {} is not of the form SRC=DEST", position + 1)),
            }
        }
        templates
    }

    /// Two outputs in one place: the second would replace the first.
    fn refuse_shared_targets(&mut self, outputs: &Outputs) {
        let files = [
            ("CONNECTIONS_FILE", outputs.connections.as_ref().map(|file| &file.path)),
            ("VARIABLES_FILE", outputs.variables.as_ref().map(|file| &file.path)),
            ("CONFIGS_FILE", outputs.configs.as_ref().map(|file| &file.path)),
            ("AIRFLOW_ENV_FILE", outputs.airflow_env.as_ref().map(|file| &file.path)),
            ("BACKEND_MODULE_FILE", outputs.backend_module.as_ref()),
        ];
        let files = files.into_iter().filter_map(|(name, path)| Some((name, path?)));
        let templates = outputs.templates.iter().map(|template| ("TEMPLATES", &template.target));
        // Links and `..` in the way to a file do not make it another.
        let absolute = |path: &Path| {
            let directory = crate::config::files::directory_of(path).canonicalize().ok();
            let place = directory.zip(path.file_name()).map(|(directory, name)| directory.join(name));
            place.or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_owned())
        };
        let mut seen: Vec<(&str, PathBuf)> = Vec::new();
        for (name, path) in files.chain(templates) {
            let place = absolute(path);
            if let Some((other, _)) = seen.iter().find(|(_, other)| *other == place) {
                let shown = crate::text::shown(path);
                self.wrong(
                    name,
                    format!("{shown} is where {VARIABLE_PREFIX}{other} is written; give each its own file"),
                );
            }
            if outputs.templates.iter().any(|template| absolute(&template.source) == place) {
                self.wrong(name, format!("{} is a template; it would be overwritten", crate::text::shown(path)));
            }
            seen.push((name, place));
        }
    }

    /// Its extension keeps it apart from the connections file.
    fn backend_module_file(&mut self, value: Option<&str>) -> Option<PathBuf> {
        let path = PathBuf::from(value?);
        if let Err(problem) = lazy_backend::check_path(&path) {
            self.wrong("BACKEND_MODULE_FILE", problem);
        }
        Some(path)
    }

    fn file_mode(&mut self, value: Option<&str>) -> Option<u32> {
        match parse_mode(value.unwrap_or("0440")) {
            Ok(mode) => Some(mode),
            Err(problem) => {
                self.wrong("FILE_MODE", problem);
                None
            }
        }
    }

    /// Which rules of reading hold: URI query values are JSON-decoded in 3.1.6 and later 3.1 (Airflow 3.1.8
    /// `airflow/models/connection.py`), and an extra must be a JSON object from 3.0 on.
    fn airflow_version(&mut self, value: Option<&str>) -> Option<AirflowTarget> {
        let text = value.unwrap_or("3").trim();
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        let target = match numbers.as_deref() {
            Some([2]) => Some(AirflowTarget::V2),
            Some([2, minor, ..]) if *minor >= 3 => Some(AirflowTarget::V2),
            Some([3, 1, patch, ..]) if *patch >= 6 => Some(AirflowTarget::V3QueryJson),
            Some([3, ..]) => Some(AirflowTarget::V3),
            _ => None,
        };
        if target.is_none() {
            self.wrong("AIRFLOW_VERSION", "must be 2, 3 or an exact version from 2.3 to 3.x, such as 3.1.7");
        }
        target
    }

    fn store(&mut self, value: Option<&str>) -> Option<StoreChoice> {
        match value.map(str::trim) {
            None | Some("aws") => Some(StoreChoice::Aws),
            Some(text) => match text.strip_prefix("file:").filter(|path| !path.is_empty()) {
                Some(path) => Some(StoreChoice::File(PathBuf::from(path))),
                None => {
                    self.wrong("STORE", "must be aws or file:PATH");
                    None
                }
            },
        }
    }

    fn concurrency(&mut self, value: Option<&str>) -> Option<usize> {
        let number = value.unwrap_or("40").trim().parse().ok().filter(|n| (1..=64).contains(n));
        if number.is_none() {
            self.wrong("CONCURRENCY", "must be a number from 1 to 64");
        }
        number
    }

    fn duration(&mut self, name: &str, value: Option<&str>, default: Duration) -> Duration {
        let Some(text) = value.map(str::trim) else { return default };
        let parsed = parse_duration(text);
        if parsed.is_none() {
            self.wrong(name, "must be a duration such as 500ms, 60s or 2m, at most 1h");
        }
        parsed.unwrap_or(default)
    }
}

/// In lower case, as Airflow compares it; empty where there is none.
fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase()
}

/// `500ms`, `60s`, `1.5s`, `2m`, `1h`, or seconds without a unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value = number.parse::<f64>().ok().filter(|_| plain)? * seconds;
    (value <= 3600.0).then(|| Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests;
