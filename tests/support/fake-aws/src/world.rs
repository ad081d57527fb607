//! The loaded state: secrets by account and region, principals, roles.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::arn::{account_of, is_account, is_name, partial_secret_arn, suffix};
use crate::caller::Caller;
use crate::policy::{CONDITION_OPERATORS, is_condition_key};
use crate::rng;
use crate::scenario::{
    ContainerCredentials, Imds, Kms, Principal, Role, Scenario, ScenarioError, Secret, Settings, Spec, Statement,
    Value, WebIdentityToken,
};

/// Secrets Manager quotas: a secret value is at most 65,536 bytes.
pub const MAX_VALUE: usize = 65_536;

/// A secret in place.
#[derive(Debug)]
pub struct Stored {
    pub name: String,
    pub arn: String,
    pub account: String,
    pub version_id: String,
    pub created: i64,
    pub changed: i64,
    pub value: Value,
    pub spec: Spec,
    pub loaded: Instant,
}

/// The secrets of one account in one region.
#[derive(Debug, Default)]
pub struct Store {
    pub by_name: BTreeMap<String, Arc<Stored>>,
    /// The default order of lists.
    pub by_created: Vec<Arc<Stored>>,
}

/// A principal with a key of its own.
#[derive(Debug)]
pub struct Registered {
    pub caller: Arc<Caller>,
    pub secret_key: Option<String>,
    pub session_token: Option<String>,
    pub expired: bool,
}

/// A role and what its sessions may do.
#[derive(Debug)]
pub struct StoredRole {
    pub role: Role,
    pub account: String,
    pub policy: Arc<[Statement]>,
}

/// Everything a scenario sets, except the faults.
#[derive(Debug, Default)]
pub struct World {
    stores: HashMap<String, HashMap<String, Store>>,
    pub principals: HashMap<String, Registered>,
    pub roles: HashMap<String, StoredRole>,
    pub web_identity_tokens: HashMap<String, WebIdentityToken>,
    pub container_credentials: HashMap<String, ContainerCredentials>,
    pub imds: Option<Imds>,
    pub settings: Settings,
    /// By account.
    organizations: HashMap<String, String>,
    loaded: i64,
}

impl World {
    /// Adds a scenario to the state. Nothing is changed when it is refused.
    pub fn load(&mut self, scenario: Scenario) -> Result<(), ScenarioError> {
        check(&scenario)?;
        for (account, regions) in scenario.accounts {
            for (region, secrets) in regions.regions {
                let store = self.stores.entry(account.clone()).or_default().entry(region.clone()).or_default();
                for (name, secret) in secrets.secrets {
                    match secret {
                        Some(secret) => {
                            self.loaded += 1;
                            store.put(&account, &region, name, secret, self.loaded);
                        }
                        None => {
                            store.by_name.remove(&name);
                        }
                    }
                }
                store.order();
            }
        }
        for principal in scenario.principals {
            let (key, registered) = register(principal);
            self.principals.insert(key, registered);
        }
        for role in scenario.roles {
            let stored = StoredRole {
                account: account_of(&role.arn).unwrap_or_default().to_owned(),
                policy: role.policy.clone().into(),
                role,
            };
            self.roles.insert(stored.role.arn.clone(), stored);
        }
        for token in scenario.web_identity_tokens {
            self.web_identity_tokens.insert(token.token.clone(), token);
        }
        for endpoint in scenario.container_credentials {
            self.container_credentials.insert(endpoint.path.clone(), endpoint);
        }
        for (organization, accounts) in scenario.organizations {
            self.organizations.extend(accounts.into_iter().map(|account| (account, organization.clone())));
        }
        if scenario.imds.is_some() {
            self.imds = scenario.imds;
        }
        self.settings.merge(scenario.settings);
        Ok(())
    }

    /// Puts a secret in place, as an operation does that writes one.
    pub fn put(&mut self, account: &str, region: &str, name: &str, secret: Secret) {
        self.loaded += 1;
        let store = self.stores.entry(account.to_owned()).or_default().entry(region.to_owned()).or_default();
        store.put(account, region, name.to_owned(), secret, self.loaded);
        store.order();
    }

    /// A key, with the policy that it has where some secret is under it. Of another one the account decides.
    pub fn key(&self, arn: &str) -> Kms {
        let secrets = self.stores.values().flat_map(HashMap::values).flat_map(|store| store.by_name.values());
        let mut keys = secrets.filter_map(|secret| secret.spec.kms.as_ref());
        let made = || Kms::customer(arn).admit(account_of(arn).unwrap_or_default());
        keys.find(|key| key.key_arn == arn).cloned().unwrap_or_else(made)
    }

    /// The organisation that an account is in.
    pub fn organization_of(&self, account: &str) -> Option<&str> {
        self.organizations.get(account).map(String::as_str)
    }

    /// The secrets of an account in a region.
    pub fn store(&self, account: &str, region: &str) -> Option<&Store> {
        self.stores.get(account)?.get(region)
    }
}

impl Store {
    fn order(&mut self) {
        self.by_created = self.by_name.values().cloned().collect();
        self.by_created.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    }

    fn put(&mut self, account: &str, region: &str, name: String, secret: Secret, seq: i64) {
        // Dates of load order, a second apart, so that lists sort the same
        // every time.
        let tick = 1_700_000_000 + seq;
        let before = self.by_name.get(&name);
        let Secret { value, spec } = secret;
        let version_id = spec.version_id.clone().unwrap_or_else(|| version_id(&name, &value));
        let created = spec.created.or(before.map(|s| s.created)).unwrap_or(tick);
        let changed = spec.last_changed.unwrap_or_else(|| match before {
            Some(old) if old.version_id == version_id => old.changed,
            Some(_) => tick,
            None => created,
        });
        let tail = match &spec.suffix {
            Some(suffix) => suffix.clone(),
            None => suffix(account, region, &name),
        };
        let stored = Stored {
            arn: format!("{}-{tail}", partial_secret_arn(account, region, &name)),
            account: account.to_owned(),
            version_id,
            created,
            changed,
            value,
            loaded: before.map_or_else(Instant::now, |s| s.loaded),
            spec,
            name: name.clone(),
        };
        self.by_name.insert(name, Arc::new(stored));
    }
}

/// A UUID-like id that changes with the value.
fn version_id(name: &str, value: &Value) -> String {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::None => String::new(),
    };
    let (a, b) = (rng::hash([name, &text]), rng::hash([&text, name]));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xFFFF,
        a & 0xFFF,
        b >> 52,
        b & 0xFFFF_FFFF_FFFF
    )
}

fn register(principal: Principal) -> (String, Registered) {
    let account = principal.account.or_else(|| account_of(&principal.arn).map(str::to_owned)).unwrap_or_default();
    let registered = Registered {
        caller: Arc::new(Caller {
            account: account.into(),
            arn: principal.arn.into(),
            role_arn: None,
            full_access: false,
            policy: principal.policy.into(),
            session_policy: None,
        }),
        secret_key: principal.secret_key,
        session_token: principal.session_token,
        expired: principal.expired,
    };
    (principal.access_key, registered)
}

/// Refuses what AWS could not hold and what the fake would silently ignore.
fn check(scenario: &Scenario) -> Result<(), ScenarioError> {
    let fail = |text: String| Err(ScenarioError(text));
    for (account, regions) in &scenario.accounts {
        if !is_account(account) {
            return fail(format!("account {account:?} is not twelve digits"));
        }
        for secrets in regions.regions.values() {
            for (name, secret) in &secrets.secrets {
                if let Some(secret) = secret {
                    check_secret(name, secret).map_err(|e| ScenarioError(format!("secret {name:?}: {e}")))?;
                }
            }
        }
    }
    for principal in &scenario.principals {
        if principal.account.is_none() && account_of(&principal.arn).is_none() {
            return fail(format!("principal {:?} has no account", principal.arn));
        }
        check_policy(&principal.policy, false).map_err(ScenarioError)?;
    }
    for role in &scenario.roles {
        if account_of(&role.arn).is_none() || !role.arn.contains(":role/") {
            return fail(format!("{:?} is not a role's ARN", role.arn));
        }
        check_policy(&role.policy, false).map_err(ScenarioError)?;
        check_policy(&role.trust.policy, true).map_err(ScenarioError)?;
    }
    for endpoint in &scenario.container_credentials {
        if !endpoint.path.starts_with('/') || endpoint.role.is_some() == endpoint.access_key.is_some() {
            return fail(format!("container credentials {:?}: a path, and one of role and access_key", endpoint.path));
        }
        // The EKS API takes a session policy only where session tags are off.
        if endpoint.session_policy.is_some() && (endpoint.session_tags || endpoint.role.is_none()) {
            return fail(format!(
                "container credentials {:?}: a session policy needs a role without tags",
                endpoint.path
            ));
        }
        check_policy(endpoint.session_policy.as_deref().unwrap_or_default(), false).map_err(ScenarioError)?;
    }
    let settings = &scenario.settings;
    if settings.empty_page_every == Some(1) {
        return fail("empty_page_every 1 would never list anything".to_owned());
    }
    if settings.list_page_cap == Some(0) || settings.batch_page_cap == Some(0) {
        return fail("a page cap of 0 would never list anything".to_owned());
    }
    for policy in [&settings.vpc_endpoint_policy, &settings.sts_endpoint_policy].into_iter().flatten() {
        check_policy(policy, true).map_err(ScenarioError)?;
    }
    Ok(())
}

fn check_secret(name: &str, secret: &Secret) -> Result<(), String> {
    if !is_name(name) {
        return Err("not a valid name".to_owned());
    }
    let size = match &secret.value {
        Value::Text(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::None => 1,
    };
    if !(1..=MAX_VALUE).contains(&size) {
        return Err(format!("a value has 1 to {MAX_VALUE} bytes, not {size}"));
    }
    let odd = |s: &String| s.len() != 6 || !s.bytes().all(|b| b.is_ascii_alphanumeric());
    if secret.spec.suffix.as_ref().is_some_and(odd) {
        return Err("a suffix is six alphanumerics".to_owned());
    }
    if let Some(key) = &secret.spec.kms {
        check_policy(&key.policy, true)?;
    }
    check_policy(&secret.spec.policy, true)
}

fn check_policy(policy: &[Statement], with_principals: bool) -> Result<(), String> {
    for statement in policy {
        if statement.principals.is_empty() == with_principals {
            let rule = if with_principals { "needs principals" } else { "takes no principals" };
            return Err(format!("this kind of policy {rule}"));
        }
        for (operator, keys) in &statement.conditions {
            if !CONDITION_OPERATORS.contains(&operator.as_str()) {
                return Err(format!("condition operator {operator:?} is not modelled"));
            }
            for key in keys.keys() {
                if !is_condition_key(key) {
                    return Err(format!("condition key {key:?} is not modelled"));
                }
            }
        }
    }
    Ok(())
}
