//! Policy statements, written either in the short form of a scenario or as a
//! plain IAM policy document.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::one_or_many::strings;

/// What a statement does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Effect {
    /// Grants.
    #[serde(alias = "allow")]
    Allow,
    /// Refuses, whatever else grants.
    #[serde(alias = "deny")]
    Deny,
}

/// One statement of an identity policy, a resource policy or a VPC endpoint
/// policy.
///
/// The keys may be those of IAM (`Effect`, `Action`, `Resource`, `Principal`,
/// `Condition`) or the short ones (`effect`, `actions`, `resources`,
/// `principals`, `conditions`). `NotAction`, `NotResource` and `NotPrincipal`
/// are refused, as are condition keys the fake does not know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    #[serde(default, rename = "Sid", alias = "sid")]
    pub(crate) _sid: Option<String>,
    /// Allow or deny.
    #[serde(alias = "Effect")]
    pub effect: Effect,
    /// Who, in resource policies: an ARN, an account number, `arn:...:root`, `*`.
    #[serde(default, alias = "Principal", deserialize_with = "principals")]
    pub principals: Vec<String>,
    /// Action names with `*` and `?`, without regard to case.
    #[serde(alias = "Action", deserialize_with = "strings")]
    pub actions: Vec<String>,
    /// ARNs with `*` and `?`; everything when left out.
    #[serde(default = "everything", alias = "Resource", deserialize_with = "strings")]
    pub resources: Vec<String>,
    /// Operator (`StringEquals`, `StringLike`, with or without `Not`) to key to
    /// values. Known keys: `kms:ViaService`, `sts:ExternalId`, and `:aud` and
    /// `:sub` behind the issuer of a web identity token.
    #[serde(default, alias = "Condition")]
    pub conditions: BTreeMap<String, BTreeMap<String, ConditionValues>>,
}

/// The values of one condition key, of which one must match.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConditionValues(#[serde(deserialize_with = "strings")] pub Vec<String>);

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn owned<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}

impl Statement {
    fn new(effect: Effect, actions: Vec<String>) -> Self {
        Self {
            _sid: None,
            effect,
            principals: Vec::new(),
            actions,
            resources: everything(),
            conditions: BTreeMap::new(),
        }
    }

    /// Allows the actions on every resource.
    pub fn allow<S: Into<String>>(actions: impl IntoIterator<Item = S>) -> Self {
        Self::new(Effect::Allow, owned(actions))
    }

    /// Denies the actions on every resource.
    pub fn deny<S: Into<String>>(actions: impl IntoIterator<Item = S>) -> Self {
        Self::new(Effect::Deny, owned(actions))
    }

    /// Narrows the statement to these resources.
    #[must_use]
    pub fn on<S: Into<String>>(mut self, resources: impl IntoIterator<Item = S>) -> Self {
        self.resources = owned(resources);
        self
    }

    /// Names the principals (resource policies only).
    #[must_use]
    pub fn to<S: Into<String>>(mut self, principals: impl IntoIterator<Item = S>) -> Self {
        self.principals = owned(principals);
        self
    }

    /// Adds a condition on one key.
    #[must_use]
    pub fn when(mut self, operator: &str, key: &str, value: &str) -> Self {
        self.conditions
            .entry(operator.to_owned())
            .or_default()
            .insert(key.to_owned(), ConditionValues(vec![value.to_owned()]));
        self
    }

    /// The three grants a reader of `prefix*` in an account and region needs:
    /// list and batch on `*`, and the value itself on the prefix's ARNs.
    #[must_use]
    pub fn secrets_reader(account: &str, region: &str, prefix: &str) -> Vec<Self> {
        vec![
            Self::allow(["secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"]),
            Self::allow(["secretsmanager:GetSecretValue"])
                .on([format!("{}*", crate::arn::partial_secret_arn(account, region, prefix))]),
        ]
    }
}

/// `"*"`, `"arn"`, `["arn", ..]`, `{"AWS": ..}` or `{"Federated": ..}`.
fn principals<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Principals;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Typed {
        #[serde(default, rename = "AWS", deserialize_with = "strings")]
        aws: Vec<String>,
        #[serde(default, rename = "Federated", deserialize_with = "strings")]
        federated: Vec<String>,
    }

    impl<'de> Visitor<'de> for Principals {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(r#"a principal, a list of principals, {"AWS": ..} or {"Federated": ..}"#)
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<Vec<String>, E> {
            Ok(vec![value.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = seq.next_element()? {
                values.push(value);
            }
            Ok(values)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<String>, A::Error> {
            let typed = Typed::deserialize(MapAccessDeserializer::new(map))?;
            // An identity provider's ARN is no caller's, so they can stand in one list.
            Ok(typed.aws.into_iter().chain(typed.federated).collect())
        }
    }

    deserializer.deserialize_any(Principals)
}

/// The same where there may be none.
pub(crate) fn some_policy<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<Statement>>, D::Error> {
    policy(d).map(Some)
}

/// A list of statements, or an IAM document `{"Version", "Statement": ..}`.
pub(crate) fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Statement>, D::Error> {
    struct Policy;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        #[serde(default, rename = "Version")]
        _version: Option<String>,
        #[serde(default, rename = "Id")]
        _id: Option<String>,
        #[serde(rename = "Statement")]
        statements: Vec<Statement>,
    }

    impl<'de> Visitor<'de> for Policy {
        type Value = Vec<Statement>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of statements or an IAM policy document")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Statement>, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = seq.next_element()? {
                values.push(value);
            }
            Ok(values)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Statement>, A::Error> {
            Document::deserialize(MapAccessDeserializer::new(map)).map(|d| d.statements)
        }
    }

    deserializer.deserialize_any(Policy)
}
