//! The file of a web identity token.

use std::path::PathBuf;

/// The file of a web identity's token, and what names it.
#[derive(Clone, Debug)]
pub struct TokenFile {
    pub path: PathBuf,
    pub named_by: String,
}

impl TokenFile {
    pub fn new(path: &str, named_by: &str) -> Self {
        Self { path: PathBuf::from(path), named_by: named_by.to_owned() }
    }

    pub fn of(found: &crate::config::aws::identity::WebIdentity) -> Self {
        Self::new(&found.file, &found.file_is_named_by)
    }
}
