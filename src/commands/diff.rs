//! What a render would change in the files that are there: added, removed, changed, with the names of fields; never a value.
//!
//! Takes rendered files and what is in their places; gives text. No hash of a value either: from a hash, a short password is
//! found by trying, and of two runs it would tell that a password came back. docs/CHECK.md has the document's form.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::commands::check::report::VERSION;
use crate::config::files;
use crate::render::files::{Expected, Rendered};
use crate::text::{os_error, printable, shown};
use crate::verify::{self, Fields};

/// A larger file is none of ours.
const LARGEST: u64 = 256 << 20;

/// What would change.
#[derive(Debug, Serialize)]
pub struct DiffReport {
    version: u32,
    command: &'static str,
    pub different: bool,
    files: Vec<FileDiff>,
}

#[derive(Debug, Default, Serialize)]
struct FileDiff {
    path: String,
    /// `same`, `new`, `different`, or `unreadable`.
    state: &'static str,
    /// Why it can't be compared entry by entry.
    note: Option<String>,
    /// The mode that is there and the one that would be, where they differ.
    mode: Option<[String; 2]>,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<Changed>,
}

#[derive(Debug, Serialize)]
struct Changed {
    id: String,
    /// Of a connection: which fields.
    fields: Vec<String>,
}

impl Changed {
    /// Id and fields, with what stands around the fields where there are any.
    fn text(&self, [before, after]: [&str; 2]) -> String {
        let fields: Vec<String> = self.fields.iter().map(|field| printable(field)).collect();
        let id = printable(&self.id);
        if fields.is_empty() { id } else { format!("{id}{before}{}{after}", fields.join(", ")) }
    }
}

/// Compares each file with what is in its place.
pub fn report(files: &[Rendered<'_>]) -> DiffReport {
    let files: Vec<FileDiff> = files.iter().map(of_file).collect();
    DiffReport { version: VERSION, command: "diff", different: files.iter().any(|file| file.state != "same"), files }
}

fn of_file(file: &Rendered<'_>) -> FileDiff {
    let mut diff = FileDiff { path: shown(file.path), state: "same", ..FileDiff::default() };
    let new = verify::entries_of(&file.bytes, &file.expected);
    let (old_bytes, old_mode) = match there(file.path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            diff.state = "new";
            diff.added = new.unwrap_or_default().into_keys().collect();
            return diff;
        }
        Err(error) => {
            diff.state = "unreadable";
            diff.note = Some(os_error(&error));
            return diff;
        }
    };
    if old_mode != file.mode {
        diff.state = "different";
        diff.mode = Some([old_mode, file.mode].map(|mode| format!("{mode:04o}")));
    }
    if old_bytes == file.bytes {
        return diff;
    }
    diff.state = "different";
    match (verify::entries_of(&old_bytes, &file.expected), new) {
        (Some(old), Some(new)) => compare(&old, &new, &mut diff),
        _ if matches!(file.expected, Expected::Anything) => {}
        _ => diff.note = Some("what is there is not as this program writes it".to_owned()),
    }
    diff
}

fn there(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((files::read(path, LARGEST)?, metadata.mode() & 0o7777))
}

fn compare(old: &Fields, new: &Fields, diff: &mut FileDiff) {
    diff.added = new.keys().filter(|id| !old.contains_key(*id)).cloned().collect();
    diff.removed = old.keys().filter(|id| !new.contains_key(*id)).cloned().collect();
    for (id, new) in new {
        let Some(old) = old.get(id).filter(|old| *old != new) else { continue };
        let differs = |name: &&String| !name.is_empty() && old.get(*name) != new.get(*name);
        let mut fields: Vec<String> = old.keys().chain(new.keys()).filter(differs).cloned().collect();
        fields.sort();
        fields.dedup();
        diff.changed.push(Changed { id: id.clone(), fields });
    }
}

/// What changes in one file, for a log line.
#[derive(Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Which, as a log line shows it.
    pub path: String,
    /// Ids.
    pub added: Vec<String>,
    /// Ids, with the names of a connection's fields.
    pub changed: Vec<String>,
    /// Ids.
    pub removed: Vec<String>,
}

impl DiffReport {
    /// The files that change.
    pub fn changes(&self) -> impl Iterator<Item = FileChange> {
        let printed = |ids: &[String]| ids.iter().map(|id| printable(id)).collect();
        self.files.iter().filter(|file| file.state != "same").map(move |file| FileChange {
            path: file.path.clone(),
            added: printed(&file.added),
            changed: file.changed.iter().map(|changed| changed.text([" (", ")"])).collect(),
            removed: printed(&file.removed),
        })
    }

    /// A line for each file and each entry that would change.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            let (added, removed, changed) = (file.added.len(), file.removed.len(), file.changed.len());
            let counts = match (file.state, added + removed + changed) {
                ("new", _) => format!(", {added} added"),
                (_, 0) => String::new(),
                _ => format!(", {added} added, {removed} removed, {changed} changed"),
            };
            let mode = file.mode.as_ref().map(|[old, new]| format!(", mode {old} -> {new}")).unwrap_or_default();
            let note = file.note.as_ref().map(|note| format!(" ({})", printable(note))).unwrap_or_default();
            let _ = writeln!(out, "{}: {}{counts}{mode}{note}", file.path, file.state);
            let lines = [("+", &file.added), ("-", &file.removed)];
            for (sign, id) in lines.into_iter().flat_map(|(sign, ids)| ids.iter().map(move |id| (sign, id))) {
                let _ = writeln!(out, "  {sign} {}", printable(id));
            }
            for changed in &file.changed {
                let _ = writeln!(out, "  ~ {}", changed.text([": ", ""]));
            }
        }
        out
    }
}
