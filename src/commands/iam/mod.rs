//! `iam`: the policies that a run with these settings needs, and no more. Pure: takes the settings and the plan, makes no call.
//!
//! `build.rs` derives documents from the calls that `store/aws` makes, `publisher.rs` those of an account that publishes an index; `json.rs` and `hcl.rs` write them down.

pub mod build;
mod document;
pub mod hcl;
pub mod json;
pub mod publisher;
mod reads;
mod statements;
mod who;

#[cfg(test)]
mod tests;
