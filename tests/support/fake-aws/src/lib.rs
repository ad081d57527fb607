//! A fake of the AWS endpoints that `airflow-secrets-init` talks to: Secrets
//! Manager, STS, the container credentials endpoint and the instance metadata
//! service, on one port.
//!
//! It is stricter than the general emulators where that project can go wrong:
//! the 20-id limit of batches, per-id errors, authorisation in and across
//! accounts, KMS keys, misleading partial ARNs, eventually consistent lists,
//! quotas, and connections that break. What it does not model is written down
//! in the README.
//!
//! ```
//! use fake_aws::{FakeAws, Fault, Scenario};
//!
//! let aws = FakeAws::start(
//!     Scenario::new()
//!         .secret("111111111111", "eu-central-1", "airflow/connections/db", "postgres://u:p@h/d")
//!         .fault(Fault::on("ListSecrets").times(1).throttled()),
//! );
//! // Point a client at aws.endpoint(), with the access key "111111111111".
//! assert_eq!(aws.count("ListSecrets"), 0);
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod admin;
mod arn;
mod auth;
mod call;
mod caller;
pub mod certificates;
mod connection;
mod error;
mod faults;
mod form;
mod handle;
mod log;
mod metadata;
mod policy;
mod quotas;
mod reply;
mod rng;
mod router;
mod scenario;
mod secrets_manager;
mod server;
mod sessions;
mod shared;
mod sts;
mod sync;
mod time;
mod tls;
mod wildcard;
mod world;

pub use arn::{partial_secret_arn, secret_arn};
pub use handle::{Builder, FakeAws};
pub use log::{Call, Stats};
pub use scenario::{
    ConditionValues, ContainerCredentials, CrossAccountMissing, Effect, Fault, FaultEffect, ForeignBatch, Imds, Kms,
    Principal, Quota, Role, Scenario, ScenarioError, Secret, Settings, Statement, WebIdentityToken,
};
