//! Reading again and again: when, what is kept of earlier readings, what is said of it.
//!
//! `pipeline.rs` has the loop around the steps of a run. Here is what it decides by: pure but for the clock that it is handed, and the
//! status file.

pub mod journal;
pub mod last_good;
pub mod mounts;
pub mod schedule;
pub mod status;

#[cfg(test)]
mod tests;
