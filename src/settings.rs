//! What the environment and the flags mean: one `Settings`, or every mistake in them.
//!
//! Takes the snapshot of the environment and the flags; gives typed settings. Reads one file at most (the one that
//! `SECRETS_INIT_BACKEND_KWARGS=@PATH` names) and decides nothing about AWS beyond regions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::backend_kwargs::{self, BackendKwargs};
use crate::backend_module;
use crate::cli::{RawSettings, VARIABLE_PREFIX};
use crate::connection::AirflowTarget;
use crate::env::Env;
use crate::exit::Failure;
use crate::expand::expand;
use crate::mistakes::{Mistakes, nearest};
use crate::text::{printable, split_list};

/// The Python backend's own default for the shared account's region (airflow-aws-shared-secrets 0.0.5).
const DEFAULT_SHARED_REGION: &str = "eu-central-1";
const DEFAULT_CONNECTIONS_FILE: &str = "/opt/airflow/secrets/connections.json";

/// Everything a run needs to know.
pub struct Settings {
    /// The kwargs, read.
    pub kwargs: BackendKwargs,
    /// Regions, filled from the environment.
    pub regions: Regions,
    /// Which conn_ids.
    pub selection: Selection,
    /// What to do about each kind of trouble.
    pub policies: Policies,
    /// Which Airflow reads the file.
    pub target: AirflowTarget,
    /// Where connections go.
    pub connections_file: OutputFile,
    /// Where the Python module with the lazy backend goes, if it is wanted.
    pub backend_module_file: Option<PathBuf>,
    /// The mode of every file, set at creation.
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
    /// A file of CA certificates to trust instead of the system's (`AWS_CA_BUNDLE`, as boto3 reads it).
    pub ca_bundle: Option<PathBuf>,
    /// Things an operator should know, in words, for WARN lines.
    pub notices: Vec<String>,
}

/// The two regions, which are independent of each other as in the Python backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// `region_name`, `AWS_DEFAULT_REGION`, `AWS_REGION`; `None` leaves it to the profile, then to `shared`.
    pub own: Option<String>,
    /// `aws_region`, `AWS_REGION`, then `eu-central-1`.
    pub shared: String,
}

/// Which conn_ids are wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Exactly these, by name, without listing.
    pub conn_ids: Option<Vec<String>>,
    /// These must end up in the file.
    pub required: Vec<String>,
    /// Of the listed ones only these.
    pub include: Option<GlobSet>,
    /// Of the listed ones not these.
    pub exclude: Option<GlobSet>,
}

impl Selection {
    /// Whether a listed conn_id passes `INCLUDE` and `EXCLUDE`.
    #[must_use]
    pub fn takes(&self, conn_id: &str) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(conn_id))
            && !self.exclude.as_ref().is_some_and(|set| set.is_match(conn_id))
    }

    /// Whether neither is set.
    #[must_use]
    pub const fn takes_everything(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }
}

/// What to do about one kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The run fails.
    Error,
    /// Left out, counted, named at WARN.
    Warn,
    /// Left out and counted.
    Ignore,
}

/// One policy for each kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies {
    /// A secret is malformed.
    pub invalid: Policy,
    /// A secret may not be read.
    pub denied: Policy,
    /// An id asked for by name is nowhere.
    pub missing: Policy,
    /// Nothing at all was found.
    pub empty: Policy,
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

/// Where secrets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// AWS Secrets Manager.
    Aws,
    /// A YAML or JSON document, for dev stacks.
    File(PathBuf),
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
    /// [`crate::exit::Exit::Config`] with one line for every mistake.
    pub fn load(env: &Env, flags: RawSettings) -> Result<Self, Failure> {
        let mut reader = Reader { env, mistakes: Mistakes::default(), notices: Vec::new(), unset: Vec::new() };
        reader.refuse_unknown_variables();
        reader.refuse_sensitive_bodies();
        let raw = flags.or(reader.raw_from_variables());
        reader.refuse_not_yet(&raw);
        let settings = reader.settings(&raw);
        match (settings, reader.mistakes) {
            (Some(settings), mistakes) => mistakes.into_result(settings),
            (None, mistakes) => Err(mistakes.into_failure()),
        }
    }
}

struct Reader<'a> {
    env: &'a Env,
    mistakes: Mistakes,
    notices: Vec<String>,
    /// What follows a `$` in the kwargs and is not set.
    unset: Vec<String>,
}

impl Reader<'_> {
    fn refuse_unknown_variables(&mut self) {
        let known: Vec<String> = RawSettings::NAMES
            .iter()
            .filter(|name| **name != "template")
            .map(|name| format!("{VARIABLE_PREFIX}{}", name.to_uppercase()))
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for name in self.env.names_with_prefix(VARIABLE_PREFIX) {
            if !known.contains(&name) {
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
        self.mistakes.add(name, "is not UTF-8 text");
        None
    }

    fn raw_from_variables(&mut self) -> RawSettings {
        // `--template` is a flag alone; its variable is refused as unknown.
        let pairs: Vec<(String, String)> = RawSettings::NAMES
            .iter()
            .filter(|name| **name != "template")
            .map(|name| format!("{VARIABLE_PREFIX}{}", name.to_uppercase()))
            .filter_map(|name| Some((name.clone(), self.variable(&name)?)))
            .collect();
        match envy::prefixed(VARIABLE_PREFIX).from_iter(pairs) {
            Ok(raw) => raw,
            Err(_) => {
                // Every field is optional text, so this can't happen; the error itself could repeat a value.
                self.mistakes.add(VARIABLE_PREFIX, "variables can't be read; please report this as a bug");
                RawSettings::default()
            }
        }
    }

    fn refuse_not_yet(&mut self, raw: &RawSettings) {
        let not_yet = [
            ("VARIABLE_KEYS", &raw.variable_keys),
            ("CONFIG_KEYS", &raw.config_keys),
            ("VARIABLES_FILE", &raw.variables_file),
            ("CONFIGS_FILE", &raw.configs_file),
            ("AIRFLOW_ENV_FILE", &raw.airflow_env_file),
            ("TEMPLATES", &raw.templates),
        ];
        for (name, value) in not_yet {
            if value.is_some() {
                self.mistakes.add(
                    &format!("{VARIABLE_PREFIX}{name}"),
                    "not yet: this version renders connections only; remove it",
                );
            }
        }
        for (flag, value) in [("--template", &raw.template), ("--output", &raw.output)] {
            if value.is_some() {
                self.mistakes.add(flag, "not yet: this version renders connections only; remove it");
            }
        }
    }

    fn settings(&mut self, raw: &RawSettings) -> Option<Settings> {
        let kwargs = self.kwargs(raw);
        let strict = self.boolean("STRICT", raw.strict.as_deref(), false);
        let policies = Policies {
            invalid: self.policy("ON_INVALID", raw.on_invalid.as_deref(), Policy::Warn, strict),
            denied: self.policy("ON_DENIED", raw.on_denied.as_deref(), Policy::Warn, strict),
            missing: self.policy("ON_MISSING", raw.on_missing.as_deref(), Policy::Error, strict),
            empty: self.policy("ON_EMPTY", raw.on_empty.as_deref(), Policy::Error, strict),
        };
        let selection = Selection {
            conn_ids: self.ids("CONN_IDS", raw.conn_ids.as_deref()),
            required: self.ids("REQUIRED", raw.required.as_deref()).unwrap_or_default(),
            include: self.globs("INCLUDE", raw.include.as_deref()),
            exclude: self.globs("EXCLUDE", raw.exclude.as_deref()),
        };
        let connections_file = self.output_file("CONNECTIONS_FILE", raw.connections_file.as_deref());
        let backend_module_file = self.backend_module_file(raw.backend_module_file.as_deref());
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
        self.one_of("LOG", raw.log.as_deref().or(Some("info")), &crate::log::LEVELS);
        self.one_of("LOG_FORMAT", raw.log_format.as_deref(), &crate::log::FORMATS);
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS"] {
            if self.variable(name).is_some_and(|url| !backend_kwargs::is_endpoint(&url)) {
                self.mistakes.add(name, "is not a URL such as https://host or http://host:port");
            }
        }
        let ca_bundle = self.variable("AWS_CA_BUNDLE").map(PathBuf::from);
        let kwargs = kwargs?;
        let store = store?;
        let regions = self.regions(&kwargs, &store);
        if store == StoreChoice::Aws {
            self.check_names("CONN_IDS", selection.conn_ids.as_deref().unwrap_or_default());
            self.check_names("REQUIRED", &selection.required);
        }
        self.tell_unset_names(&kwargs);
        let target_given = raw.airflow_version.is_some();
        let kwargs = self.urlencoded_by_version(kwargs, target?, target_given);
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(kwargs.notices.iter().cloned());
        Some(Settings {
            kwargs,
            regions,
            selection,
            policies,
            target: target?,
            connections_file: connections_file?,
            backend_module_file,
            file_mode: file_mode?,
            store,
            fetch: fetch?,
            concurrency: concurrency?,
            deadline,
            jitter,
            ca_bundle,
            notices,
        })
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
        backend_kwargs::parse(place, &text, &overlay, &mut self.mistakes)
    }

    /// The text itself, or that of the file after `@`.
    fn kwargs_text(&mut self, given: &str) -> Option<String> {
        let Some(path) = given.strip_prefix('@') else { return Some(given.to_owned()) };
        match crate::files::read_text(Path::new(path), 1 << 20) {
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
        let shared = kwargs.shared.iter().map(|account| account.connections_prefix.as_str());
        let parts: Vec<&str> = kwargs.connections_prefix.as_deref().into_iter().chain(shared).collect();
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
            let value = self.variable(name)?;
            if !backend_kwargs::is_region(&value) {
                self.mistakes.add(name, "is not a region's name, such as eu-central-1");
            }
            Some(value)
        };
        let (aws_region, default_region) = (region("AWS_REGION"), region("AWS_DEFAULT_REGION"));
        if let (None, Some(first), Some(second)) = (&kwargs.region_name, &aws_region, &default_region)
            && first != second
        {
            self.notices.push(format!(
                "AWS_REGION ({first}) and AWS_DEFAULT_REGION ({second}) differ: the own account is read in {second}, as boto3 \
                 does; set region_name in the kwargs to be sure"
            ));
        }
        let shared = kwargs.aws_region.clone().or_else(|| aws_region.clone());
        if *store == StoreChoice::Aws
            && shared.is_none()
            && kwargs.shared.iter().any(|account| account.region.is_none())
        {
            self.notices.push(format!(
                "neither aws_region nor AWS_REGION is set: the shared account is read in {DEFAULT_SHARED_REGION}, the Python \
                 backend's default"
            ));
        }
        let own = kwargs.region_name.is_some() || aws_region.is_some() || default_region.is_some();
        if *store == StoreChoice::Aws && !own {
            self.notices.push(format!(
                "no region_name, AWS_REGION or AWS_DEFAULT_REGION: the own account is read in the profile's region, else in {}",
                shared.as_deref().unwrap_or(DEFAULT_SHARED_REGION)
            ));
        }
        Regions {
            // boto3, and so the live backend, reads AWS_DEFAULT_REGION; AWS's newer SDKs and EKS set AWS_REGION.
            own: kwargs.region_name.clone().or(default_region).or(aws_region),
            shared: shared.unwrap_or_else(|| DEFAULT_SHARED_REGION.to_owned()),
        }
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
        let legal = |id: &String| id.len() <= 512 && id.chars().all(backend_kwargs::is_name_character);
        for id in ids.iter().filter(|id| !legal(id)) {
            self.wrong(name, format!("{} is not a conn_id that a secret's name can hold", printable(id)));
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

    fn output_file(&mut self, name: &str, value: Option<&str>) -> Option<OutputFile> {
        let path = PathBuf::from(value.unwrap_or(DEFAULT_CONNECTIONS_FILE));
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        let format = match extension.as_str() {
            "json" => Format::Json,
            "yaml" | "yml" => Format::Yaml,
            "env" => Format::Env,
            _ => {
                self.wrong(name, "must end in .json, .yaml, .yml or .env: Airflow tells the format by it");
                return None;
            }
        };
        // `.env` alone has no extension for Rust nor for Airflow's pathlib; it was caught above.
        if path.file_name().is_none() || path.parent().is_none_or(|dir| dir == Path::new("")) && path.is_absolute() {
            self.wrong(name, "must be the path of a file");
            return None;
        }
        Some(OutputFile { path, format })
    }

    /// Its extension keeps it apart from the connections file.
    fn backend_module_file(&mut self, value: Option<&str>) -> Option<PathBuf> {
        let path = PathBuf::from(value?);
        if let Err(problem) = backend_module::check_path(&path) {
            self.wrong("BACKEND_MODULE_FILE", problem);
        }
        Some(path)
    }

    fn file_mode(&mut self, value: Option<&str>) -> Option<u32> {
        let text = value.unwrap_or("0440").trim();
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777);
        match mode {
            None => self.wrong("FILE_MODE", "must be octal, such as 0440"),
            Some(mode) if mode & 0o400 == 0 => self.wrong("FILE_MODE", "must let the owner read, such as 0440"),
            Some(mode) if mode & 0o007 != 0 => {
                self.wrong("FILE_MODE", "would let everybody on the machine at the secrets; the last digit must be 0");
            }
            Some(mode) if mode & 0o111 != 0 => {
                self.wrong("FILE_MODE", "would make the file executable; use 0440 or 0640");
            }
            Some(_) => {}
        }
        mode
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
        let number = value.unwrap_or("64").trim().parse().ok().filter(|n| (1..=64).contains(n));
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
