//! Reads the user's templates: their text, their front matter, and what they need. Nothing is rendered here.
//!
//! Takes a path, gives a template that is known to be right in its syntax. The front matter is YAML between two lines
//! `---` at the very start; docs/TEMPLATES.md has its keys.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;

use super::engine;
use super::quote::Escape;
use super::source::{Template, context_name};
use crate::config::env::{Env, NOT_UNICODE};
use crate::config::files::{self, parse_mode};
use crate::config::settings::TemplateFile;
use crate::error::ConfigErrors;
use crate::model::ask::{Ask, Need};
use crate::model::aws::is_id;
use crate::model::kind::{ByKind, Kind};
use crate::text::nearest;
use crate::text::shown;
use crate::text::{os_error, printable};

/// A template larger than this is none.
const LARGEST: u64 = 4 << 20;
const KEYS: [&str; 6] = ["conn_ids", "variables", "configs", "env", "mode", "escape"];

/// The user's templates of a run.
#[derive(Default)]
pub struct Templates {
    /// In the order of the settings.
    pub all: Vec<Template>,
    /// The environment variables that their front matter names, as far as they are set.
    pub env: BTreeMap<String, SecretString>,
}

impl Templates {
    /// Reads and checks each template, so that an error in one is reported before AWS is asked for anything.
    pub fn load(files: &[TemplateFile], env: &Env, errors: &mut ConfigErrors) -> Self {
        let all: Vec<Template> =
            files.iter().filter_map(|file| Template::load(&file.source, &file.target, errors)).collect();
        let mut values = BTreeMap::new();
        for name in all.iter().flat_map(|template| &template.env) {
            match env.raw(name) {
                Some(value) => drop(values.insert(name.clone(), SecretString::from(value))),
                None if env.get(name).is_err() => errors.add(name, NOT_UNICODE),
                None => {}
            }
        }
        Self { all, env: values }
    }

    /// Adds what they ask for.
    pub fn add_needs(&self, needs: &mut ByKind<Need>) {
        for template in &self.all {
            for kind in Kind::ALL {
                needs[kind].add(&template.needs[kind]);
            }
        }
    }
}

/// The front matter as it is written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct FrontMatter {
    conn_ids: Option<Vec<String>>,
    variables: Option<Vec<String>>,
    configs: Option<Vec<String>>,
    env: Vec<String>,
    mode: Option<String>,
    escape: Option<String>,
}

impl Template {
    /// Reads a template and checks everything about it that can be checked without secrets: front matter and syntax.
    ///
    /// Returns `None` when there is at least one error; all of them are in `errors` then.
    pub fn load(source: &Path, target: &Path, errors: &mut ConfigErrors) -> Option<Self> {
        let place = format!("template {}", shown(source));
        let text = match files::read_text(source, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                errors.add_not_found(&place, format!("{}; check the path", os_error(&error)));
                return None;
            }
            Err(error) => {
                errors.add(&place, format!("can't be read: {}", os_error(&error)));
                return None;
            }
        };
        Self::parse(source, target, text, errors)
    }

    /// As [`Template::load`], of a text that is at hand.
    pub fn parse(source: &Path, target: &Path, text: String, errors: &mut ConfigErrors) -> Option<Self> {
        let place = format!("template {}", shown(source));
        let before = errors.len();
        let (front, body) = front_matter(&text, &place, errors);
        let mode = front.mode.as_deref().and_then(|mode| match parse_mode(mode) {
            Ok(mode) => Some(mode),
            Err(problem) => {
                errors.add(&place, format!("front matter, mode: {problem}"));
                None
            }
        });
        let escape = match front.escape.as_deref() {
            None => Escape::of_target(target),
            Some(name) => Escape::of_name(name).unwrap_or_else(|| {
                let names = Escape::NAMES.map(|(name, _)| name);
                let near = nearest(name, &names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                errors.add(&place, format!("front matter, escape: must be one of {}{near}", names.join(", ")));
                Escape::None
            }),
        };
        let mut template = Self {
            source: source.to_owned(),
            target: target.to_owned(),
            text,
            body,
            needs: ByKind::from_fn(|_| Ask::Nothing),
            env: front.env,
            mode,
            escape,
        };
        if let Err(problem) = engine::check_syntax(&template) {
            errors.add_line(problem);
        }
        for (kind, named) in
            [(Kind::Connection, front.conn_ids), (Kind::Variable, front.variables), (Kind::Config, front.configs)]
        {
            template.needs[kind] = match named {
                Some(ids) => Ask::Named(ids),
                None if engine::mentions(&template, context_name(kind)) => Ask::Everything,
                None => Ask::Nothing,
            };
        }
        (errors.len() == before).then_some(template)
    }
}

/// The front matter and where it ends; the default and 0 where there is none.
fn front_matter(text: &str, place: &str, errors: &mut ConfigErrors) -> (FrontMatter, usize) {
    let none = (FrontMatter::default(), 0);
    let mut lines = text.split_inclusive('\n');
    if lines.next().map(str::trim_end) != Some("---") {
        return none;
    }
    let start = text.find('\n').map_or(text.len(), |at| at + 1);
    let mut end = start;
    let Some(closing) = lines.find(|line| {
        let is_end = line.trim_end() == "---";
        end += if is_end { 0 } else { line.len() };
        is_end
    }) else {
        return none;
    };
    let yaml = text.get(start..end).unwrap_or_default();
    let body = end + closing.len();
    (read_front_matter(yaml, place, errors), body)
}

fn read_front_matter(yaml: &str, place: &str, errors: &mut ConfigErrors) -> FrontMatter {
    const AMBIGUOUS: &str =
        "a target that itself begins with --- needs a front matter before it, an empty one (two lines ---) will do";
    if yaml.trim().is_empty() {
        return FrontMatter::default();
    }
    let options = || serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    let keys: Result<serde_json::Map<String, serde_json::Value>, _> =
        serde_saphyr::from_str_with_options(yaml, options());
    let place_in = |error: &serde_saphyr::Error| {
        // The opening line comes before the YAML.
        error.location().map(|at| format!(" at line {} column {}", at.line() + 1, at.column())).unwrap_or_default()
    };
    let keys = match keys {
        Ok(keys) => keys,
        Err(error) => {
            let at = place_in(&error);
            errors.add(place, format!("the front matter is not a YAML mapping{at}; {AMBIGUOUS}"));
            return FrontMatter::default();
        }
    };
    let unknown: Vec<&String> = keys.keys().filter(|key| !KEYS.contains(&key.as_str())).collect();
    for key in &unknown {
        let near = nearest(key, &KEYS).map(|near| format!("did you mean {near}?"));
        let near = near.unwrap_or_else(|| format!("there are {}; {AMBIGUOUS}", KEYS.join(", ")));
        errors.add(place, format!("front matter: unknown key {}; {near}", printable(key)));
    }
    if !unknown.is_empty() {
        return FrontMatter::default();
    }
    let front: FrontMatter = match serde_saphyr::from_str_with_options(yaml, options()) {
        Ok(front) => front,
        Err(error) => {
            let form = "conn_ids, variables, configs and env are lists of names, mode is an octal number in quotes, escape a name";
            errors.add(place, format!("the front matter can't be read{}: {form}", place_in(&error)));
            return FrontMatter::default();
        }
    };
    let ids = [("conn_ids", &front.conn_ids), ("variables", &front.variables), ("configs", &front.configs)];
    for (key, ids) in ids {
        for id in ids.iter().flatten().filter(|id| !is_id(id)) {
            errors.add(
                place,
                format!("front matter, {key}: {} is not an id that a secret's name can hold", printable(id)),
            );
        }
    }
    front
}

#[cfg(test)]
mod tests;
