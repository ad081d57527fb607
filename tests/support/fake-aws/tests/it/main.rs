//! The fake's own tests, over HTTP with a client that shares no code with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]

mod accounts;
mod batch;
mod client;
mod faults;
mod keys;
mod listing;
mod log;
mod metadata;
mod policies;
mod program;
mod quotas;
mod reading;
mod scenarios;
mod sts;
#[cfg(feature = "tls")]
mod tls;
mod writing;
