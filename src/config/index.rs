//! The settings of `publish-index`: which secret is the index, under which key, and who may read it.

use crate::config::cli::RawSettings;
use crate::config::values::SettingsReader;
use crate::model::aws::{Arn, is_id};
use crate::model::index::Readers;
use crate::text::{split_list, unique};

/// The index that `publish-index` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSettings {
    /// Its name or ARN.
    pub id: String,
    /// The KMS key that `--create` makes it under.
    pub kms_key: Option<Arn>,
    /// Who may read it.
    pub readers: Readers,
}

impl IndexSettings {
    /// Its name, where an ARN is given without the six characters at its end.
    pub fn name(&self) -> &str {
        match self.id.split_once(":secret:") {
            Some((_, name)) => name.len().checked_sub(7).and_then(|end| name.get(..end)).unwrap_or(name),
            None => &self.id,
        }
    }
}

impl SettingsReader<'_> {
    /// The index, where one is named.
    pub fn index(&mut self, raw: &RawSettings) -> Option<IndexSettings> {
        let kms_key = raw.index_kms_key.as_deref().and_then(|key| self.checked("INDEX_KMS_KEY", kms_key(key.trim())));
        let readers = raw.index_readers.as_deref().map(|list| self.readers(list)).unwrap_or_default();
        let Some(id) = raw.index.as_deref().map(str::trim) else {
            for (name, value) in [("INDEX_KMS_KEY", &raw.index_kms_key), ("INDEX_READERS", &raw.index_readers)] {
                if value.is_some() {
                    self.wrong(name, "needs SECRETS_INIT_INDEX beside it");
                }
            }
            return None;
        };
        let is_secret = |arn: Arn| arn.service == "secretsmanager" && arn.resource.starts_with("secret:");
        if !is_id(id) && !id.parse().is_ok_and(is_secret) {
            self.wrong("INDEX", "is neither a secret's name nor a secret's ARN");
        }
        Some(IndexSettings { id: id.to_owned(), kms_key, readers })
    }

    fn readers(&mut self, list: &str) -> Readers {
        let mut readers = Readers::default();
        let is_organization = |item: &str| {
            let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            item.strip_prefix("o-").is_some_and(|id| (10..=32).contains(&id.len()) && id.bytes().all(is_lower))
        };
        for (position, item) in unique(&split_list(list)).into_iter().enumerate() {
            match item.parse() {
                Ok(account) => readers.accounts.push(account),
                Err(_) if is_organization(&item) => readers.organizations.push(item),
                Err(_) => {
                    let problem = "is neither a 12-digit account nor the id of an organisation, such as o-a1b2c3d4e5";
                    self.wrong("INDEX_READERS", format!("item {} {problem}", position + 1));
                }
            }
        }
        if readers == Readers::default() {
            self.wrong("INDEX_READERS", "is set but names nobody");
        }
        readers
    }
}

/// The ARN of a key: policies take no alias.
fn kms_key(text: &str) -> Result<Arn, &'static str> {
    let is_key = |arn: &Arn| arn.service == "kms" && arn.resource.starts_with("key/");
    text.parse().ok().filter(is_key).ok_or("is not a key's ARN, such as arn:aws:kms:eu-central-1:123456789012:key/ID")
}
