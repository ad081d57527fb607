//! The two configuration files together: profiles, SSO sessions, endpoints by service.
//!
//! Rules: botocore 1.44 `configloader.py` (`build_profile_map`) and `session.py` (`full_config`, `get_scoped_config`).

use std::path::PathBuf;

use super::ini::{self, IniValue, Section, Sections};
use super::refusal::Refusal;
use crate::config::env::Env;
use crate::config::{expand, files};
use crate::model::cause::Cause;
use crate::text::{os_error, printable, shown};

/// The most bytes that a configuration file may have.
const LIMIT: u64 = 4 << 20;
/// The two variables that name the files, and where they are otherwise.
const CONFIG: (&str, &str) = ("AWS_CONFIG_FILE", "~/.aws/config");
const CREDENTIALS: (&str, &str) = ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");

/// One of the two files.
#[derive(Clone, Default)]
pub struct ProfileFile {
    /// Its path, for messages.
    pub path: PathBuf,
    pub profiles: Sections,
}

/// What the files hold.
#[derive(Clone, Default)]
pub struct Profiles {
    /// The profiles of both files, keys of the credentials file before those of the configuration file.
    merged: Sections,
    pub config: ProfileFile,
    pub credentials: ProfileFile,
    sso_sessions: Sections,
    services: Sections,
}

/// A profile, by its name.
#[derive(Clone, Copy)]
pub struct Profile<'a> {
    pub name: &'a str,
    keys: &'a Section,
}

impl<'a> Profile<'a> {
    /// A key's text; `None` where it is not there, or holds indented lines.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        text(self.keys, key)
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }
}

/// A key's text in a section.
pub fn text<'a>(keys: &'a Section, key: &str) -> Option<&'a str> {
    match keys.get(key)? {
        IniValue::Text(text) => Some(text),
        IniValue::Nested(_) => None,
    }
}

impl Profiles {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// When one is there and can't be read, or is no configuration file.
    pub fn read(env: &Env) -> Result<Self, Refusal> {
        let [config, credentials] =
            [CONFIG, CREDENTIALS].map(|(variable, default)| read(env, env.raw(variable).unwrap_or(default)));
        Ok(Self::of(config?, credentials?))
    }

    /// The same from what stands in them.
    ///
    /// # Errors
    /// When one is no configuration file.
    pub fn parse(config: &str, credentials: &str) -> Result<Self, Refusal> {
        let [config, credentials] = [("config", config), ("credentials", credentials)]
            .map(|(name, text)| ProfileFile::parse(PathBuf::from(name), text));
        Ok(Self::of(config?, credentials?))
    }

    /// `config` still has its sections under their headers.
    fn of(config: ProfileFile, credentials: ProfileFile) -> Self {
        let (path, sections) = (config.path, config.profiles);
        let mut known = Self { config: ProfileFile { path, ..ProfileFile::default() }, credentials, ..Self::default() };
        for (header, keys) in sections {
            let kinds = [
                ("profile", &mut known.config.profiles),
                ("sso-session", &mut known.sso_sessions),
                ("services", &mut known.services),
            ];
            if let Some((_, places)) = kinds.into_iter().find(|(kind, _)| header.starts_with(kind)) {
                if let Some([_, name]) = super::shell::split(&header).as_deref() {
                    places.insert(name.clone(), keys);
                }
            } else if header == "default" {
                known.config.profiles.entry(header).or_insert(keys);
            }
        }
        known.merged = known.config.profiles.clone();
        for (name, keys) in &known.credentials.profiles {
            known.merged.entry(name.clone()).or_default().extend(keys.clone());
        }
        known
    }

    /// A profile of either file.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<Profile<'a>> {
        self.merged.get(name).map(|keys| Profile { name, keys })
    }

    pub fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// The endpoint that a profile's `services` section names for a service, such as `secrets_manager`.
    ///
    /// # Errors
    /// When the profile names a section that is not there.
    pub fn endpoint_of_service(&self, profile: &Profile<'_>, service: &str) -> Result<Option<&str>, Refusal> {
        let Some(name) = profile.text("services") else { return Ok(None) };
        let Some(section) = self.services.get(name).filter(|section| !section.is_empty()) else {
            let words = format!(
                "the profile {} names the services section {}, which is not there: write [services {}], or take the key out",
                printable(profile.name),
                printable(name),
                printable(name),
            );
            return Err(Refusal::of_setting(words));
        };
        match section.get(service) {
            None => Ok(None),
            Some(IniValue::Nested(keys)) => Ok(keys.get("endpoint_url").map(String::as_str)),
            Some(IniValue::Text(_)) => {
                let words = format!(
                    "{service} in the services section {} must have indented lines, such as endpoint_url",
                    printable(name)
                );
                Err(Refusal::of_setting(words))
            }
        }
    }
}

/// Reads one file that has no profiles by other names than its sections.
pub fn read(env: &Env, path: &str) -> Result<ProfileFile, Refusal> {
    let path = PathBuf::from(expanded(env, path));
    // As `os.path.isfile`: what is no regular file is not there, whatever the reason.
    if !path.is_file() {
        return Ok(ProfileFile { path, profiles: Sections::new() });
    }
    let text = files::read_text(&path, LIMIT).map_err(|error| {
        let words = format!("the configuration file {} can't be read: {}", shown(&path), os_error(&error));
        Refusal::new(Cause::BadConfigurationFile, words)
    })?;
    ProfileFile::parse(path, &text)
}

impl ProfileFile {
    fn parse(path: PathBuf, text: &str) -> Result<Self, Refusal> {
        match ini::parse(text) {
            Ok(profiles) => Ok(Self { path, profiles }),
            Err(malformed) => {
                let (shown, line, problem) = (shown(&path), malformed.line, malformed.problem);
                let words = format!("the configuration file {shown} is malformed at line {line}: {problem}");
                Err(Refusal::new(Cause::BadConfigurationFile, words))
            }
        }
    }
}

/// A path with `$NAME`, `${NAME}` and a leading `~` as Python's `expandvars` and `expanduser` have them.
pub fn expanded(env: &Env, path: &str) -> String {
    let out = expand::once(path, env).map_or_else(|_| path.to_owned(), |(expanded, _)| expanded);
    let home = env.get("HOME").ok().flatten().map(|home| home.trim_end_matches('/'));
    match (out.strip_prefix('~'), home) {
        (Some(beyond), Some(home)) if beyond.is_empty() || beyond.starts_with('/') => format!("{home}{beyond}"),
        _ => out,
    }
}
