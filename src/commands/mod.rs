//! The commands that print, and write no file. `publish_index` writes one secret.

pub mod check;
pub mod diff;
pub mod iam;
pub mod print;
pub mod publish_index;
