//! Single values out of text: booleans, words, durations, globs, lists. What is wrong is reported, and the default taken.

use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::config::cli::VARIABLE_PREFIX;
use crate::config::env::{Env, NOT_UNICODE};
use crate::error::ConfigErrors;
use crate::model::aws::is_id;
use crate::model::policy::Policy;
use crate::text::{nearest, parse_duration, printable, split_list, unique};

/// Reads settings, and collects what is to be said of them.
pub struct SettingsReader<'a> {
    /// The snapshot of the environment.
    pub env: &'a Env,
    pub errors: &'a mut ConfigErrors,
    /// Things an operator should know, in words.
    pub notices: Vec<String>,
}

impl SettingsReader<'_> {
    /// Reports what is wrong with a setting, by its name without the prefix.
    pub fn wrong(&mut self, name: &str, problem: impl AsRef<str>) {
        self.errors.add(&format!("{VARIABLE_PREFIX}{name}"), problem);
    }

    /// What a setting comes to; what is wrong with it is reported.
    pub fn checked<T>(&mut self, name: &str, result: Result<T, impl AsRef<str>>) -> Option<T> {
        result.map_err(|problem| self.wrong(name, problem)).ok()
    }

    /// A variable's value, unset and empty alike `None`; text that is not UTF-8 is a mistake.
    pub fn variable(&mut self, name: &str) -> Option<String> {
        if let Ok(value) = self.env.get(name) {
            return value.map(str::to_owned);
        }
        self.errors.add(name, NOT_UNICODE);
        None
    }

    /// A boolean, in any of the forms that Airflow takes.
    pub fn boolean(&mut self, name: &str, value: Option<&str>, default: bool) -> bool {
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

    /// One of some words; unset is the first. `None` where it is none of them.
    pub fn one_of<T: Copy>(&mut self, name: &str, value: Option<&str>, choices: &[(&str, T)]) -> Option<T> {
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

    /// A policy; `strict` makes each of them an error.
    pub fn policy(&mut self, name: &str, value: Option<&str>, default: Policy, strict: bool) -> Policy {
        let policy = match value {
            None => default,
            Some(_) => self.one_of(name, value, &Policy::ALL.map(|policy| (policy.word(), policy))).unwrap_or(default),
        };
        if strict { Policy::Error } else { policy }
    }

    /// A list of ids, each once.
    pub fn ids(&mut self, name: &str, value: Option<&str>) -> Option<Vec<String>> {
        let ids = unique(&split_list(value?));
        if ids.is_empty() {
            self.wrong(name, "is set but names nothing");
        }
        Some(ids)
    }

    /// An id that no secret can be called by would be refused by AWS, one call each.
    pub fn check_names(&mut self, name: &str, ids: &[String]) {
        for id in ids.iter().filter(|id| !is_id(id)) {
            self.errors.add(name, format!("{} is not an id that a secret's name can hold", printable(id)));
        }
    }

    /// A list of globs.
    pub fn globs(&mut self, name: &str, value: Option<&str>) -> Option<GlobSet> {
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

    /// A duration of at most an hour.
    pub fn duration(&mut self, name: &str, value: Option<&str>, default: Duration) -> Duration {
        let Some(text) = value.map(str::trim) else { return default };
        let parsed = parse_duration(text, Duration::from_hours(1));
        if parsed.is_none() {
            self.wrong(name, "must be a duration such as 500ms, 60s or 2m, at most 1h");
        }
        parsed.unwrap_or(default)
    }
}
