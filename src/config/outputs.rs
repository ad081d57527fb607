//! What is written, and where: the settings about files.

use std::path::{Path, PathBuf};

use crate::airflow::lazy_backend;
use crate::config::cli::RawSettings;
use crate::config::files::may_wait;
use crate::config::places::{DEFAULT_CONNECTIONS_FILE, NO_FILE, template_of_line};
use crate::config::values::SettingsReader;
use crate::model::aws_names::variable;
use crate::model::kind::Kind;
use crate::text::printable;

/// What is written, and where.
#[derive(Default)]
pub struct Outputs {
    pub connections: Option<OutputFile>,
    pub variables: Option<OutputFile>,
    /// The config values, for LocalFilesystemBackend of Airflow 3.2 and later.
    pub configs: Option<OutputFile>,
    /// All three as environment variables.
    pub airflow_env: Option<EnvFile>,
    pub templates: Vec<TemplateFile>,
    /// The Python module with the lazy backend.
    pub backend_module: Option<PathBuf>,
}

impl Outputs {
    /// The file of LocalFilesystemBackend for a kind.
    pub const fn file_of(&self, kind: Kind) -> Option<&OutputFile> {
        match kind {
            Kind::Connection => self.connections.as_ref(),
            Kind::Variable => self.variables.as_ref(),
            Kind::Config => self.configs.as_ref(),
        }
    }

    /// Where all of them go.
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
    pub source: PathBuf,
    pub target: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    pub path: PathBuf,
    /// In which of LocalFilesystemBackend's formats.
    pub format: Format,
}

/// The formats that LocalFilesystemBackend reads, recognised by the extension.
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
    pub path: PathBuf,
    /// Who is to read it.
    pub dialect: Dialect,
    /// Config options whose `_SECRET` form is in the environment.
    pub options: Vec<ConfigOption>,
}

/// The readers of a file of environment variables, recognised by the extension.
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

impl SettingsReader<'_> {
    /// What is written, and where.
    pub fn outputs(&mut self, raw: &RawSettings, templates: &[TemplateFile]) -> Outputs {
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
        self.refuse_shared_places(raw);
        self.refuse_files_that_wait();
        outputs
    }

    fn output_file(&mut self, name: &str, value: Option<&str>) -> Option<OutputFile> {
        let path = PathBuf::from(value?);
        let format = match extension(&path).as_str() {
            "json" => Ok(Format::Json),
            "yaml" | "yml" => Ok(Format::Yaml),
            "env" => Ok(Format::Env),
            _ => Err("must end in .json, .yaml, .yml or .env: Airflow tells the format by it"),
        };
        Some(OutputFile { format: self.checked(name, format)?, path })
    }

    fn env_file(&mut self, value: Option<&str>) -> Option<EnvFile> {
        let path = PathBuf::from(value?);
        let is_called = |name: &str| path.file_name().is_some_and(|file| file == name);
        let dialect = match extension(&path).as_str() {
            "env" => Ok(Dialect::Env),
            // Compose's own default name, which has no extension.
            _ if is_called(".env") => Ok(Dialect::Env),
            "list" => Ok(Dialect::List),
            _ => Err(
                "must end in .env (docker compose and shells) or .list (docker and podman run --env-file, which know no quotes)",
            ),
        };
        Some(EnvFile { dialect: self.checked("AIRFLOW_ENV_FILE", dialect)?, path, options: self.config_options() })
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

    /// The user's templates: `SRC=DEST`, one a line.
    pub fn templates(&mut self, value: Option<&str>) -> Vec<TemplateFile> {
        let lines = value.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
        let mut templates = Vec::new();
        for (position, line) in lines.enumerate() {
            match template_of_line(line) {
                Some((source, target)) => {
                    templates.push(TemplateFile { source: source.into(), target: target.into() });
                }
                None => self.wrong("TEMPLATES", format!("entry {} is not of the form SRC=DEST", position + 1)),
            }
        }
        templates
    }

    /// The SDK reads these on the one thread, for as long as that takes.
    fn refuse_files_that_wait(&mut self) {
        let home = self.env.get("HOME").ok().flatten().unwrap_or_default().to_owned();
        let defaults = ["config", "credentials"].map(|name| ("HOME", format!("{home}/.aws/{name}")));
        let named = variable::FILES.into_iter().filter_map(|name| Some((name, self.env.get(name).ok()??.to_owned())));
        for (name, path) in named.collect::<Vec<_>>().into_iter().chain(defaults) {
            if may_wait(Path::new(&path)) {
                self.errors.add(name, format!("{} is not a regular file", printable(&path)));
            }
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
}

/// In lower case, as Airflow compares it; empty where there is none.
fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase()
}
