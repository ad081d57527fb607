//! Entries to the bytes of files: the built-in formats, and the user's templates. What a file can't carry is left out of that
//! file and named.

pub mod env_file;
pub mod files;
pub mod formats;
pub mod template;
pub mod user_templates;

#[cfg(test)]
mod tests;
