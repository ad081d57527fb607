//! All files of a run, in the order in which they are put in place, and what each of them can't carry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use crate::airflow::lazy_backend;
use crate::config::settings::{Dialect, Format, OutputFile, Settings};
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::error::{Exit, Failure};
use crate::model::connection::Connection;
use crate::model::kind::Kind;
use crate::model::policy::Policy;
use crate::render::env_file::{self, Assignments};
use crate::render::formats::{self, Formatted};
use crate::render::template::load::Templates;
use crate::render::user_templates;
use crate::text::shown;

/// One file, ready to be checked and written.
pub struct Rendered<'a> {
    pub path: &'a Path,
    pub bytes: Vec<u8>,
    pub mode: u32,
    /// What a reader must find in it.
    pub expected: Expected<'a>,
}

/// A file to be put in place; it no longer knows what it was rendered from.
pub struct FinishedFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub mode: u32,
}

impl From<Rendered<'_>> for FinishedFile {
    fn from(rendered: Rendered<'_>) -> Self {
        Self { path: rendered.path.to_owned(), bytes: rendered.bytes, mode: rendered.mode }
    }
}

/// What a file was rendered from: what a reader must find in it.
pub enum Expected<'a> {
    Connections(Format, BTreeMap<&'a str, &'a Connection>),
    /// These variables or config values.
    Texts(Format, BTreeMap<&'a str, &'a str>),
    Lines(Dialect, BTreeMap<String, String>),
    /// Nobody but its reader knows: a template of the user's, or a text that is always the same.
    Anything,
}

/// Every file that could be rendered.
pub struct AllFiles<'a> {
    /// In the order in which they are put in place.
    pub files: Vec<Rendered<'a>>,
    /// What one of them can't hold.
    pub not_carried: Vec<LeftOut>,
    /// Templates of the user's that could not: [`Exit::InvalidData`], which names template and place, never a value.
    pub templates: Result<(), Failure>,
}

/// Renders every file.
pub fn all<'a>(settings: &'a Settings, templates: &'a Templates, entries: &'a Entries) -> AllFiles<'a> {
    let outputs = &settings.outputs;
    let mode = settings.file_mode;
    let mut left_out = Vec::new();
    let mut files = Vec::new();
    // The module comes first: it serves any connections file, the old one too.
    if let Some(path) = &outputs.backend_module {
        files.push(Rendered { path, bytes: lazy_backend::SOURCE.into(), mode, expected: Expected::Anything });
    }
    let (of_user, templates) = user_templates(settings, templates, entries);
    files.extend(of_user);
    if let Some(file) = &outputs.airflow_env {
        let Assignments { bytes, values, refused } = env_file::render(file, entries);
        let refused =
            refused.into_iter().map(|(kind, id, reason)| not_for_file(kind, id, &file.path, reason, settings));
        left_out.extend(refused);
        for line in env_file::too_large_soon(&values) {
            tracing::warn!("{}: {line}", shown(&file.path));
        }
        files.push(Rendered { path: &file.path, bytes, mode, expected: Expected::Lines(file.dialect, values) });
    }
    for kind in [Kind::Config, Kind::Variable] {
        let (Some(OutputFile { path, format }), Some(all)) = (outputs.file_of(kind), entries.texts(kind)) else {
            continue;
        };
        let file = shown(path);
        let all = all.iter().map(|(id, text)| {
            let kept = entries.of_file(&file, kind, id).texts(kind).and_then(|texts| texts.get(id));
            (id.as_str(), kept.unwrap_or(text).expose_secret())
        });
        let Formatted { bytes, carried, refused } = formats::texts(all, *format);
        let refused = refused.into_iter().map(|(id, reason)| not_for_file(kind, id, path, reason, settings));
        left_out.extend(refused);
        files.push(Rendered { path, bytes, mode, expected: Expected::Texts(*format, carried) });
    }
    if let Some(OutputFile { path, format }) = &outputs.connections {
        let file = shown(path);
        let all = entries.connections.iter().map(|(id, connection)| {
            (id.as_str(), entries.of_file(&file, Kind::Connection, id).connections.get(id).unwrap_or(connection))
        });
        let Formatted { bytes, carried, refused } = formats::connections(all, *format);
        let refused =
            refused.into_iter().map(|(id, reason)| not_for_file(Kind::Connection, id, path, reason, settings));
        left_out.extend(refused);
        files.push(Rendered { path, bytes, mode, expected: Expected::Connections(*format, carried) });
    }
    AllFiles { files, not_carried: left_out, templates }
}

/// Renders the user's templates, as many as can be, and gives [`Exit::InvalidData`] with one line for each that can't.
pub fn user_templates<'a>(
    settings: &Settings,
    templates: &'a Templates,
    entries: &Entries,
) -> (Vec<Rendered<'a>>, Result<(), Failure>) {
    let mut files = Vec::new();
    let mut lines = Vec::new();
    for template in &templates.all {
        match user_templates::one(template, settings.target, entries) {
            Ok(text) => files.push(Rendered {
                path: &template.target,
                bytes: text.into_bytes(),
                mode: template.mode.unwrap_or(settings.file_mode),
                expected: Expected::Anything,
            }),
            Err(failure) => lines.extend(failure.lines().iter().cloned()),
        }
    }
    let done = if lines.is_empty() { Ok(()) } else { Err(Failure::with_lines(Exit::InvalidData, lines)) };
    (files, done)
}

/// Applies the policy for empty files to those that could carry nothing of what there is.
///
/// # Errors
/// [`Exit::InvalidData`], with every entry that could not be carried.
pub fn refuse_emptied(files: &[Rendered<'_>], not_carried: &[LeftOut], policy: Policy) -> Result<(), Failure> {
    if policy != Policy::Error {
        return Ok(());
    }
    for file in files {
        let emptied = match &file.expected {
            Expected::Connections(_, set) => set.is_empty(),
            Expected::Texts(_, set) => set.is_empty(),
            Expected::Lines(_, set) => set.is_empty(),
            Expected::Anything => false,
        };
        let path = shown(file.path);
        let is_of_file = |left: &&LeftOut| matches!(&left.why, Why::NotForFile { file, .. } if *file == path);
        let lost: Vec<&LeftOut> = not_carried.iter().filter(is_of_file).collect();
        if emptied && !lost.is_empty() {
            let first = format!("{path}: nothing is left that this file could carry; write another format");
            let lines = std::iter::once(first).chain(lost.iter().map(ToString::to_string)).collect();
            return Err(Failure::with_lines(Exit::InvalidData, lines));
        }
    }
    Ok(())
}

fn not_for_file(
    kind: Kind,
    id: &str,
    path: &Path,
    reason: impl Into<Cow<'static, str>>,
    settings: &Settings,
) -> LeftOut {
    let required = kind == Kind::Connection && settings.selection.required.iter().any(|required| required == id);
    LeftOut {
        kind,
        id: id.to_owned(),
        source: None,
        why: Why::NotForFile { file: shown(path), reason: reason.into() },
        required,
        near: None,
        asked: None,
    }
}
