//! The commands that print instead of writing.

pub mod check;
pub mod diff;
pub mod iam;
pub mod print;
