//! The state of the fake, as a test writes it down: in Rust with a builder or
//! in JSON with the same names.

mod fault;
mod identity;
mod one_or_many;
mod secret;
mod settings;
mod statement;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use fault::{Fault, FaultEffect};
pub use identity::{ContainerCredentials, Imds, Principal, Role, WebIdentityToken};
pub use secret::{Kms, Secret};
pub(crate) use secret::{Spec, Value};
pub use settings::{CrossAccountMissing, ForeignBatch, Quota, Settings};
pub(crate) use statement::policy;
pub use statement::{ConditionValues, Effect, Statement};

/// One account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    #[serde(default)]
    pub regions: BTreeMap<String, Region>,
}

/// One region of an account. A secret that is `None` is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Region {
    #[serde(default)]
    pub secrets: BTreeMap<String, Option<Secret>>,
}

/// State for a fake AWS: what to load, or what to add to what is loaded.
///
/// ```
/// use fake_aws::{Role, Scenario, Statement};
///
/// let scenario = Scenario::new()
///     .secret("111111111111", "eu-central-1", "airflow/connections/db", "postgres://u:p@h/d")
///     .role(
///         Role::new("arn:aws:iam::222222222222:role/shared-reader")
///             .trust("111111111111")
///             .can_all(Statement::secrets_reader("222222222222", "eu-central-1", "airflow/")),
///     );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub(crate) accounts: BTreeMap<String, Account>,
    #[serde(default)]
    pub(crate) principals: Vec<Principal>,
    #[serde(default)]
    pub(crate) roles: Vec<Role>,
    #[serde(default)]
    pub(crate) web_identity_tokens: Vec<WebIdentityToken>,
    #[serde(default)]
    pub(crate) container_credentials: Vec<ContainerCredentials>,
    #[serde(default)]
    pub(crate) imds: Option<Imds>,
    /// Accounts by organisation: `aws:PrincipalOrgID`.
    #[serde(default)]
    pub(crate) organizations: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
}

impl Scenario {
    /// Nothing: no secrets, no principals, no faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    ///
    /// When the text is not JSON or not a scenario.
    pub fn from_json(json: &[u8]) -> Result<Self, ScenarioError> {
        serde_json::from_slice(json).map_err(|e| ScenarioError(e.to_string()))
    }

    /// Adds a secret, or replaces the one of that name.
    #[must_use]
    pub fn secret(mut self, account: &str, region: &str, name: &str, secret: impl Into<Secret>) -> Self {
        self.put(account, region, name, Some(secret.into()));
        self
    }

    /// Adds many secrets.
    #[must_use]
    pub fn secrets<N: AsRef<str>, S: Into<Secret>>(
        mut self,
        account: &str,
        region: &str,
        secrets: impl IntoIterator<Item = (N, S)>,
    ) -> Self {
        for (name, secret) in secrets {
            self.put(account, region, name.as_ref(), Some(secret.into()));
        }
        self
    }

    /// Puts accounts into an organisation.
    #[must_use]
    pub fn organization<A: Into<String>>(mut self, id: &str, accounts: impl IntoIterator<Item = A>) -> Self {
        self.organizations.entry(id.to_owned()).or_default().extend(accounts.into_iter().map(Into::into));
        self
    }

    /// Removes a secret that an earlier scenario loaded.
    #[must_use]
    pub fn without_secret(mut self, account: &str, region: &str, name: &str) -> Self {
        self.put(account, region, name, None);
        self
    }

    fn put(&mut self, account: &str, region: &str, name: &str, secret: Option<Secret>) {
        self.accounts
            .entry(account.to_owned())
            .or_default()
            .regions
            .entry(region.to_owned())
            .or_default()
            .secrets
            .insert(name.to_owned(), secret);
    }

    /// Registers a principal with its access key.
    #[must_use]
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principals.push(principal);
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// Accepts a web identity token.
    #[must_use]
    pub fn web_identity_token(mut self, token: WebIdentityToken) -> Self {
        self.web_identity_tokens.push(token);
        self
    }

    /// Offers a container credentials endpoint.
    #[must_use]
    pub fn container_credentials(mut self, endpoint: ContainerCredentials) -> Self {
        self.container_credentials.push(endpoint);
        self
    }

    /// Offers instance metadata.
    #[must_use]
    pub fn imds(mut self, imds: Imds) -> Self {
        self.imds = Some(imds);
        self
    }

    /// Changes settings.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Adds a token bucket of one operation's own.
    #[must_use]
    pub fn quota(mut self, operation: &str, rate: f64, burst: f64) -> Self {
        self.settings.quotas.get_or_insert_default().push(Quota::new(operation, rate, burst));
        self
    }

    /// Sets the quotas that AWS publishes.
    #[must_use]
    pub fn aws_quotas(mut self) -> Self {
        self.settings.quotas = Some(Quota::published_by_aws());
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }
}

/// Why a scenario was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError(pub(crate) String);

impl std::fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bad scenario: {}", self.0)
    }
}

impl std::error::Error for ScenarioError {}
