//! Switches for behaviour that AWS leaves open, documents without a number, or
//! shows only sometimes.

use serde::Deserialize;

use super::one_or_many::strings;
use super::statement::{Statement, some_policy};

/// What a batch does with an ARN of another account.
///
/// `BatchGetSecretValue` is not in AWS's list of operations that work across
/// accounts; what it answers is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignBatch {
    /// The whole call is denied.
    #[default]
    CallAccessDenied,
    /// An `AccessDeniedException` among `Errors`.
    PerIdAccessDenied,
    /// A `ResourceNotFoundException` among `Errors`.
    PerIdNotFound,
    /// Works like `GetSecretValue`.
    Allowed,
}

/// What `GetSecretValue` says of a secret that another account does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossAccountMissing {
    /// `ResourceNotFoundException`, when the identity policy allows the ARN.
    #[default]
    NotFound,
    /// `AccessDeniedException`: no resource policy can allow.
    AccessDenied,
}

/// A token bucket per account and region, shared by the operations named.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Operation names.
    #[serde(alias = "operation", deserialize_with = "strings")]
    pub operations: Vec<String>,
    /// Tokens per second.
    pub rate: f64,
    /// Size of the bucket, full at the start.
    pub burst: f64,
}

impl Quota {
    /// A bucket of its own for one operation.
    #[must_use]
    pub fn new(operation: &str, rate: f64, burst: f64) -> Self {
        Self { operations: vec![operation.to_owned()], rate, burst }
    }

    /// The numbers AWS publishes for Secrets Manager (service quotas page and
    /// the announcements of November 2022 and March 2025), and 600 per second
    /// for STS. AWS publishes no burst sizes: these hold one second's worth.
    #[must_use]
    pub fn published_by_aws() -> Vec<Self> {
        vec![
            Self::new("GetSecretValue", 10_000.0, 10_000.0),
            Self::new("DescribeSecret", 40_000.0, 40_000.0),
            Self::new("BatchGetSecretValue", 100.0, 100.0),
            Self::new("ListSecrets", 100.0, 100.0),
            Self {
                operations: ["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"]
                    .map(str::to_owned)
                    .to_vec(),
                rate: 600.0,
                burst: 600.0,
            },
        ]
    }
}

/// Declares the settings once: the optional fields, their merging, and getters
/// with defaults for the fake's own use.
macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr;)*) => {
        /// Switches of the fake. A field left `None` keeps the value set by an
        /// earlier scenario, or its default.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $($(#[$doc])* pub $field: Option<$type>,)*
            /// The token buckets, replaced as a whole.
            pub quotas: Option<Vec<Quota>>,
            /// A VPC endpoint policy that every Secrets Manager call must pass.
            /// When it denies one id of a batch, the whole batch is denied
            /// (Secrets Manager user guide, "Retrieve a group of secrets").
            #[serde(default, deserialize_with = "some_policy")]
            pub vpc_endpoint_policy: Option<Vec<Statement>>,
            /// The same for the calls of STS.
            #[serde(default, deserialize_with = "some_policy")]
            pub sts_endpoint_policy: Option<Vec<Statement>>,
        }

        impl Settings {
            pub(crate) fn merge(&mut self, later: Self) {
                $(if later.$field.is_some() { self.$field = later.$field; })*
                if later.quotas.is_some() {
                    self.quotas = later.quotas;
                }
                if later.vpc_endpoint_policy.is_some() {
                    self.vpc_endpoint_policy = later.vpc_endpoint_policy;
                }
                if later.sts_endpoint_policy.is_some() {
                    self.sts_endpoint_policy = later.sts_endpoint_policy;
                }
            }

            $(pub(crate) fn $field(&self) -> $type {
                self.$field.unwrap_or($default)
            })*
        }
    };
}

settings! {
    /// Seed of everything random (fault probabilities, latency ranges). 1.
    seed: u64 = 1;
    /// Most names a page of `ListSecrets` holds, below `MaxResults`. 100.
    list_page_cap: usize = 100;
    /// `MaxResults` of `ListSecrets` when the caller sends none. 100.
    list_default_page: usize = 100;
    /// Most values a page of a filtered `BatchGetSecretValue` holds. 20.
    batch_page_cap: usize = 20;
    /// Every n-th page is empty and still carries a `NextToken`; at least 2.
    empty_page_every: u64 = 0;
    /// The last page carries a `NextToken` to one more, empty page.
    trailing_empty_page: bool = false;
    /// Every page but the first repeats the last entry of the one before.
    repeat_across_pages: bool = false;
    /// The entries of a page come in an order of their own, drawn with `seed`, whatever was asked.
    shuffle_pages: bool = false;
    /// Secrets are listed only this long after they were loaded.
    list_lag_ms: u64 = 0;
    /// Default order of lists: newest first? AWS only says "by `CreatedDate`".
    newest_first: bool = false;
    /// Seed of the order of a batch's `SecretValues`; 0 keeps the order asked. 1.
    shuffle_seed: u64 = 1;
    /// See [`ForeignBatch`].
    foreign_batch: ForeignBatch = ForeignBatch::default();
    /// See [`CrossAccountMissing`].
    cross_account_missing: CrossAccountMissing = CrossAccountMissing::default();
    /// Are temporary keys refused without their session token? Yes.
    check_session_token: bool = true;
    /// How far the fake's clock is ahead of the machine's, in seconds: signatures
    /// older or newer than five minutes are refused.
    clock_ahead_seconds: i64 = 0;
    /// Largest request body taken, in bytes; 413 beyond. 1 MiB.
    max_request_bytes: usize = 1 << 20;
    /// Wait before a new connection is served, standing for the round trips of
    /// TCP and TLS.
    connect_latency_ms: u64 = 0;
    /// Calls kept in the log, beyond which only counts go on. 200,000.
    log_limit: usize = 200_000;
}

impl Settings {
    /// Makes the VPC endpoint deny reading the secrets whose ARN matches.
    pub fn vpc_endpoint_denies(&mut self, arn_pattern: &str) {
        let policy = self.vpc_endpoint_policy.get_or_insert_with(|| vec![Statement::allow(["*"]).to(["*"])]);
        policy.push(Statement::deny(["secretsmanager:GetSecretValue"]).to(["*"]).on([arn_pattern]));
    }
}
