//! Secrets held in memory: what a file store is once it is read, and what tests of later stages run on.

use std::cell::Cell;
use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::model::aws::SecretId;
use crate::store::error::StoreError;
use crate::store::secret_store::{Answer, Enumerated, Found, Listed, NotThere, SecretStore, SecretValue, Wanted};

/// Secret name to text; `None` stands for a secret without a current value.
#[derive(Default)]
pub struct MemoryStore {
    pub(crate) secrets: BTreeMap<String, Option<SecretString>>,
    calls: Cell<u64>,
}

impl MemoryStore {
    /// A store with these secrets.
    pub fn new(secrets: BTreeMap<String, Option<SecretString>>) -> Self {
        Self { secrets, calls: Cell::new(0) }
    }
}

impl SecretStore for MemoryStore {
    async fn prepare(&self) {}

    async fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>) -> Result<Enumerated, StoreError> {
        self.calls.set(self.calls.get() + 1);
        let is_under = |name: &&String| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let under: Vec<&String> = self.secrets.keys().filter(is_under).collect();
        let mut taken: Vec<&String> = Vec::new();
        for name in &under {
            // A pattern takes its time: the deadline and signals have their turn.
            if !wanted.everything {
                tokio::task::yield_now().await;
            }
            taken.extend((wanted.takes)(name).then_some(*name));
        }
        let ids: Vec<SecretId> = taken.iter().map(|name| SecretId::Name((*name).clone())).collect();
        let answers = if ids.is_empty() { Vec::new() } else { self.read(&ids).await };
        let listed = taken.iter().zip(&ids).map(|(name, id)| Listed { name: (*name).clone(), id: id.clone() });
        let skipped = under.len() - taken.len();
        Ok(Enumerated { secrets: listed.zip(answers).collect(), skipped, account: None })
    }

    async fn names_under(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.calls.set(self.calls.get() + 1);
        Ok(self.secrets.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        self.calls.set(self.calls.get() + 1);
        let found = |id: &SecretId| match self.secrets.get(name_of(id)) {
            Some(Some(text)) => Found::Value(SecretValue::of(text.clone(), None)),
            Some(None) | None => Found::NotThere(NotThere::NoSuchSecret),
        };
        ids.iter().map(|id| Ok(found(id))).collect()
    }

    async fn account(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn trouble(&self) -> Option<StoreError> {
        None
    }
}

/// The name in an id. A full ARN ends in a hyphen and six random characters, which a name here does not have.
fn name_of(id: &SecretId) -> &str {
    match id {
        SecretId::Name(name) => name,
        SecretId::Arn(arn) => {
            let resource = arn.split_once(":secret:").map_or(arn.as_str(), |(_, resource)| resource);
            resource.split_at_checked(resource.len().saturating_sub(7)).map_or(resource, |(name, _)| name)
        }
    }
}
