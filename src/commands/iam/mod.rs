//! `iam`: the policies that a run with these settings needs, and no more. Pure: takes the settings and the plan, makes no call.
//!
//! `build.rs` derives documents from the calls that `store/aws` makes; `json.rs` and `hcl.rs` write them down.

pub mod build;
mod document;
pub mod hcl;
pub mod json;
mod reads;
mod statements;
mod who;

#[cfg(test)]
mod tests;
