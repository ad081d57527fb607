//! A template as it was read: its text, its front matter's meaning, and where in the file something stands.

use std::path::PathBuf;

use super::quote::Escape;
use crate::model::ask::Ask;
use crate::model::kind::{ByKind, Kind};

pub struct Template {
    pub source: PathBuf,
    pub target: PathBuf,
    /// The whole text, front matter included.
    pub(super) text: String,
    /// Where the front matter ends.
    pub(super) body: usize,
    /// What it takes of each kind.
    pub needs: ByKind<Ask>,
    /// The environment variables that it may read.
    pub env: Vec<String>,
    /// The mode of its target, where it is another than that of the run.
    pub mode: Option<u32>,
    /// How `{{ }}` writes a value.
    pub escape: Escape,
}

impl Template {
    /// What minijinja sees.
    pub fn body(&self) -> &str {
        self.text.get(self.body..).unwrap_or_default()
    }

    /// Line and column, from 1, of a byte of the body, as an editor shows them for the whole file.
    pub fn place_of(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..self.body + offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        (before.matches('\n').count() + 1, column + 1)
    }

    /// How many lines the front matter takes.
    pub fn lines_before_body(&self) -> usize {
        self.text.get(..self.body).unwrap_or_default().matches('\n').count()
    }
}

/// What templates call a kind.
pub const fn context_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Connection => "connections",
        Kind::Variable => "variables",
        Kind::Config => "configs",
    }
}
