//! A secret and the states it can be in.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::one_or_many::strings;
use super::statement::{Statement, policy};

/// The value of a secret's current version.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Binary(Vec<u8>),
    /// The secret exists but nothing carries the label `AWSCURRENT`.
    None,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Self::None => f.write_str("None"),
        }
    }
}

/// A customer-managed KMS key. A secret without one is under the account's
/// `aws/secretsmanager` key, which no other account can use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kms {
    /// ARN of the key.
    #[serde(alias = "cmk")]
    pub key_arn: String,
    /// Principals the key policy admits for `kms:Decrypt`: ARNs, account
    /// numbers, `arn:...:root` or `*`. Principals of another account also need
    /// `kms:Decrypt` in their identity policy, and so does everyone who is
    /// admitted only through the account.
    #[serde(default, deserialize_with = "strings")]
    pub allowed_principals: Vec<String>,
    /// The key policy itself; `allowed_principals` are admitted beside it.
    #[serde(default, deserialize_with = "policy")]
    pub policy: Vec<Statement>,
}

impl Kms {
    /// A key that nobody may use yet.
    pub fn customer(key_arn: impl Into<String>) -> Self {
        Self { key_arn: key_arn.into(), allowed_principals: Vec::new(), policy: Vec::new() }
    }

    /// Admits a principal in the key policy.
    #[must_use]
    pub fn admit(mut self, principal: impl Into<String>) -> Self {
        self.allowed_principals.push(principal.into());
        self
    }
}

/// A secret of a [`Scenario`](super::Scenario): its value and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub(crate) value: Value,
    pub(crate) spec: Spec,
}

/// Everything about a secret but its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    string: Option<String>,
    binary_base64: Option<String>,
    #[serde(default)]
    no_value: bool,
    pub description: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub suffix: Option<String>,
    #[serde(default)]
    pub pending_deletion: bool,
    #[serde(default)]
    pub hidden_from_list: bool,
    #[serde(default)]
    pub still_listed: bool,
    #[serde(default)]
    pub listed_but_gone: bool,
    #[serde(default)]
    pub decryption_failure: bool,
    pub kms: Option<Kms>,
    #[serde(default, deserialize_with = "policy")]
    pub policy: Vec<Statement>,
    pub owning_service: Option<String>,
    pub primary_region: Option<String>,
    pub created: Option<i64>,
    pub last_changed: Option<i64>,
    pub last_accessed: Option<i64>,
    pub version_id: Option<String>,
}

impl Secret {
    fn with(value: Value) -> Self {
        Self { value, spec: Spec::default() }
    }

    /// A `SecretString`.
    pub fn text(value: impl Into<String>) -> Self {
        Self::with(Value::Text(value.into()))
    }

    /// A `SecretBinary`.
    pub fn binary(value: impl Into<Vec<u8>>) -> Self {
        Self::with(Value::Binary(value.into()))
    }

    /// A secret without a current version.
    #[must_use]
    pub fn no_value() -> Self {
        Self::with(Value::None)
    }

    /// Free text, matched by the filter `description`.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.spec.description = Some(text.into());
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.tags.insert(key.into(), value.into());
        self
    }

    /// The six characters at the end of the ARN, instead of the derived ones.
    #[must_use]
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.spec.suffix = Some(suffix.into());
        self
    }

    /// Marks the secret for deletion: gone from lists, `InvalidRequestException`
    /// on reads.
    #[must_use]
    pub const fn pending_deletion(mut self) -> Self {
        self.spec.pending_deletion = true;
        self
    }

    /// Readable, but not listed (yet): `ListSecrets` is eventually consistent.
    #[must_use]
    pub const fn hidden_from_list(mut self) -> Self {
        self.spec.hidden_from_list = true;
        self
    }

    /// With [`pending_deletion`](Self::pending_deletion): the list has not
    /// noticed the deletion.
    #[must_use]
    pub const fn still_listed(mut self) -> Self {
        self.spec.still_listed = true;
        self
    }

    /// Listed, but already gone: `ResourceNotFoundException` on reads.
    #[must_use]
    pub const fn listed_but_gone(mut self) -> Self {
        self.spec.listed_but_gone = true;
        self
    }

    /// The KMS key does not decrypt the value: `DecryptionFailure`.
    #[must_use]
    pub const fn decryption_failure(mut self) -> Self {
        self.spec.decryption_failure = true;
        self
    }

    /// Puts the secret under a customer-managed key.
    #[must_use]
    pub fn kms(mut self, kms: Kms) -> Self {
        self.spec.kms = Some(kms);
        self
    }

    /// Adds a statement to the secret's resource policy.
    #[must_use]
    pub fn policy(mut self, statement: Statement) -> Self {
        self.spec.policy.push(statement);
        self
    }

    /// Adds a resource policy statement that lets a principal read the value.
    #[must_use]
    pub fn readable_by(self, principal: impl Into<String>) -> Self {
        self.policy(Statement::allow(["secretsmanager:GetSecretValue"]).to([principal.into()]))
    }

    /// `CreatedDate` in epoch seconds; decides the default order of lists.
    #[must_use]
    pub const fn created(mut self, epoch: i64) -> Self {
        self.spec.created = Some(epoch);
        self
    }

    /// `LastChangedDate` in epoch seconds.
    #[must_use]
    pub const fn last_changed(mut self, epoch: i64) -> Self {
        self.spec.last_changed = Some(epoch);
        self
    }

    /// `VersionId`, instead of the one derived from the value.
    #[must_use]
    pub fn version_id(mut self, id: impl Into<String>) -> Self {
        self.spec.version_id = Some(id.into());
        self
    }

    fn from_spec(mut spec: Spec) -> Result<Self, String> {
        let value = match (spec.string.take(), spec.binary_base64.take(), spec.no_value) {
            (Some(text), None, false) => Value::Text(text),
            (None, Some(text), false) => {
                Value::Binary(STANDARD.decode(text).map_err(|e| format!("binary_base64: {e}"))?)
            }
            (None, None, true) => Value::None,
            // A state in which the value is never read.
            (None, None, false) if spec.listed_but_gone || spec.pending_deletion => Value::None,
            _ => return Err("a secret has exactly one of string, binary_base64, no_value".to_owned()),
        };
        Ok(Self { value, spec })
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::text(value)
    }
}

impl From<&String> for Secret {
    fn from(value: &String) -> Self {
        Self::text(value.clone())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrSpec;

        impl<'de> Visitor<'de> for TextOrSpec {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret's text or an object describing it")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Secret, E> {
                Ok(Secret::text(value))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                let spec = Spec::deserialize(MapAccessDeserializer::new(map))?;
                Secret::from_spec(spec).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(TextOrSpec)
    }
}
