//! Which files the settings name, and whether two of them are one file.
//!
//! Names say little: a directory can be reached by links and by several mounts. What is compared is the directory itself
//! (device and inode) and the name in it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::cli::{RawSettings, VARIABLE_PREFIX};
use crate::config::env::Env;
use crate::config::files::{TEMPORARY_PREFIX, directory_of};
use crate::config::values::SettingsReader;
use crate::model::aws_names::variable;
use crate::text::shown;

/// Where connections are written, unless the settings say otherwise.
pub const DEFAULT_CONNECTIONS_FILE: &str = "/opt/airflow/secrets/connections.json";
/// In place of a path: no connections file is written.
pub const NO_FILE: &str = "none";
/// Where Kubernetes looks for the reason of a failure, unless the Pod says otherwise.
pub const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";

/// What the status file is called, beside the connections file.
const STATUS_NAME: &str = "refresh-status.json";

/// A file, and the setting or variable that names it.
pub type NamedFile = (String, PathBuf);

/// Every file that the settings name, whether or not the rest of them is right.
#[derive(Clone, Debug, Default)]
pub struct NamedFiles {
    pub read: Vec<NamedFile>,
    pub written: Vec<NamedFile>,
}

impl NamedFiles {
    /// As settings and environment name them.
    pub fn of(raw: &RawSettings, env: &Env) -> Self {
        let ours = |name: &str, path: &str| (format!("{VARIABLE_PREFIX}{name}"), PathBuf::from(path));
        let mut named = Self::default();
        let connections = raw.connections_file.as_deref().unwrap_or(DEFAULT_CONNECTIONS_FILE);
        let outputs = [
            ("CONNECTIONS_FILE", Some(connections).filter(|path| *path != NO_FILE)),
            ("VARIABLES_FILE", raw.variables_file.as_deref()),
            ("CONFIGS_FILE", raw.configs_file.as_deref()),
            ("AIRFLOW_ENV_FILE", raw.airflow_env_file.as_deref()),
            ("BACKEND_MODULE_FILE", raw.backend_module_file.as_deref()),
        ];
        named.written.extend(outputs.into_iter().filter_map(|(name, path)| Some(ours(name, path?))));
        named.written.extend(raw.refresh.as_ref().map(|_| (format!("{VARIABLE_PREFIX}STATUS_FILE"), status_file(raw))));
        for (source, target) in raw.templates.iter().flat_map(|text| text.lines()).filter_map(template_of_line) {
            named.read.push(ours("TEMPLATES", source));
            named.written.push(ours("TEMPLATES", target));
        }
        let store = raw.store.as_deref().and_then(|store| store.trim().strip_prefix("file:"));
        let kwargs = raw.backend_kwargs.as_deref().and_then(|kwargs| kwargs.strip_prefix('@'));
        let inputs = [("STORE", store), ("BACKEND_KWARGS", kwargs)];
        named.read.extend(inputs.into_iter().filter_map(|(name, path)| Some(ours(name, path?))));
        let variables = variable::FILES.into_iter().filter_map(|name| Some((name, env.get(name).ok()??)));
        named.read.extend(variables.map(|(name, path)| (name.to_owned(), PathBuf::from(path))));
        named
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &NamedFile> {
        self.read.iter().chain(&self.written)
    }
}

/// Source and target of a line of `SECRETS_INIT_TEMPLATES`; `None` where it has another form.
pub fn template_of_line(line: &str) -> Option<(&str, &str)> {
    let (source, target) = line.split_once('=').map(|(source, target)| (source.trim(), target.trim()))?;
    (!source.is_empty() && !target.is_empty()).then_some((source, target))
}

/// Where the status is: as it is named, else beside the connections file, else beside the first file that is named.
pub fn status_file(raw: &RawSettings) -> PathBuf {
    if let Some(path) = &raw.status_file {
        return path.into();
    }
    let connections = raw.connections_file.as_deref().unwrap_or(DEFAULT_CONNECTIONS_FILE);
    let named =
        [&raw.variables_file, &raw.configs_file, &raw.airflow_env_file].into_iter().flatten().map(String::as_str);
    let of_templates = raw.templates.iter().flat_map(|text| text.lines()).filter_map(template_of_line);
    let mut all =
        std::iter::once(connections).filter(|path| *path != NO_FILE).chain(named).chain(of_templates.map(|(_, to)| to));
    directory_of(Path::new(all.next().unwrap_or_default())).join(STATUS_NAME)
}

/// Where a file is, or is to be.
#[derive(Clone, Debug)]
pub struct Place {
    /// Device and inode of its directory, where that is there.
    directory: Option<(u64, u64)>,
    name: OsString,
    spelled: PathBuf,
}

impl Place {
    /// Of a file that is replaced: a link there is not followed.
    pub fn of_target(path: &Path) -> Self {
        let directory = fs::metadata(directory_of(path)).ok().map(|found| (found.dev(), found.ino()));
        Self {
            directory,
            name: path.file_name().unwrap_or_default().to_owned(),
            spelled: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    }

    /// Of a file that is read: that to which links lead.
    pub fn of_source(path: &Path) -> Self {
        Self::of_target(&path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    /// Whether both are one.
    pub fn is(&self, other: &Self) -> bool {
        match (self.directory, other.directory) {
            (Some(one), Some(two)) => one == two && self.name == other.name,
            _ => self.spelled == other.spelled,
        }
    }
}

impl SettingsReader<'_> {
    /// Two files in one place: one would replace the other, or a cleaning remove it.
    pub fn refuse_shared_places(&mut self, raw: &RawSettings) {
        let named = NamedFiles::of(raw, self.env);
        let read: Vec<_> = named.read.iter().map(|(name, path)| (name, Place::of_source(path), path)).collect();
        let reason = raw.termination_log.as_deref().unwrap_or(DEFAULT_TERMINATION_LOG);
        let reason = (format!("{VARIABLE_PREFIX}TERMINATION_LOG"), PathBuf::from(reason));
        let mut seen: Vec<(&String, Place)> = Vec::new();
        for (name, path) in named.written.iter().chain([&reason]) {
            if [&b"/"[..], b"/.", b"/.."].iter().any(|end| path.as_os_str().as_encoded_bytes().ends_with(end)) {
                self.errors.add(name, format!("{} names a directory; add the name of a file", shown(path)));
            }
            let place = Place::of_target(path);
            if let Some((other, _)) = seen.iter().find(|(_, other)| other.is(&place)) {
                self.errors.add(name, format!("{} is where {other} is written; give each its own file", shown(path)));
            }
            if let Some((other, ..)) = read.iter().find(|(_, other, _)| other.is(&place)) {
                self.errors.add(name, format!("{} is what {other} reads; write to another file", shown(path)));
            }
            seen.push((name, place));
        }
        for (name, path) in named.all().chain([&reason]) {
            let file = path.file_name().unwrap_or_default().as_encoded_bytes();
            if file.starts_with(TEMPORARY_PREFIX.as_bytes()) {
                let problem =
                    "has a name as temporary files of this program have it, which runs remove; give it another";
                self.errors.add(name, format!("{} {problem}", shown(path)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_and_a_name_however_it_is_spelled() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("real/below")).unwrap();
        std::os::unix::fs::symlink("real", at("link")).unwrap();
        fs::write(at("real/a"), "").unwrap();
        std::os::unix::fs::symlink("real/a", at("b")).unwrap();
        let is = |one: &str, two: &str| Place::of_target(&at(one)).is(&Place::of_target(&at(two)));
        for (one, two, expected) in [
            ("real/a", "link/a", true),
            ("real/a", "real/below/../a", true),
            ("real/new", "link/new", true),
            ("real/a", "b", false),
            ("real/a", "real/b", false),
            ("real/a", "real/below/a", false),
            ("none/a", "none/./a", true),
            ("none/a", "none/b", false),
            ("none/a", "real/a", false),
        ] {
            assert_eq!(is(one, two), expected, "{one} {two}");
        }
        assert!(Place::of_source(&at("b")).is(&Place::of_target(&at("link/a"))), "what is read is read through links");
    }
}
