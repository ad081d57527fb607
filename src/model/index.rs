//! The index of a shared account: one secret whose value says which conn_ids and keys the account holds. `publish-index` writes
//! it, `shared_index` reads it. docs/SHARED-ACCOUNT.md has its forms.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::aws::{AccountId, Arn, is_id};
use crate::model::kind::{ByKind, Kind};

/// The version of the form that is written here.
const VERSION: u32 = 1;
/// The longest value of a secret, in bytes (Secrets Manager user guide, "AWS Secrets Manager quotas").
pub const LARGEST: usize = 65_536;
/// What an index is.
pub const FORM: &str =
    "must be what publish-index writes, a JSON array of conn_ids, or an object of conn_id to full ARN";

/// Who may read an index, and the secrets that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    pub accounts: Vec<AccountId>,
    /// Every account of these organisations: `o-a1b2c3d4e5`.
    pub organizations: Vec<String>,
}

/// An index, in any of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// Written by `publish-index`.
    Published(IndexDocument),
    /// Written by hand: conn_ids.
    ConnIds(Vec<String>),
    /// Written by hand: conn_ids with full ARNs.
    Arns(Vec<(String, String)>),
}

/// What `publish-index` writes. The same names give the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDocument {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connections: Option<IndexNames>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables: Option<IndexNames>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<IndexNames>,
}

/// The secrets of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexNames {
    /// What their names begin with, separator included.
    pub prefix: String,
    /// Those that an ARN without its suffix finds, by conn_id or key.
    pub ids: BTreeSet<String>,
    /// Those that it does not find, because their names end as an ARN does: each with the six characters at the end of its ARN.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suffixes: BTreeMap<String, String>,
}

impl IndexNames {
    /// Every conn_id or key, with its suffix where it has one.
    pub fn all(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let plain = self.ids.iter().filter(|id| !self.suffixes.contains_key(*id)).map(|id| (id.as_str(), None));
        plain.chain(self.suffixes.iter().map(|(id, suffix)| (id.as_str(), Some(suffix.as_str()))))
    }
}

impl IndexDocument {
    /// A document of these names; a kind without any is one that the index says nothing of.
    pub fn of(names: ByKind<Option<IndexNames>>) -> Self {
        let mut document = Self { version: VERSION, ..Self::default() };
        for (kind, names) in names {
            match kind {
                Kind::Connection => document.connections = names,
                Kind::Variable => document.variables = names,
                Kind::Config => document.config = names,
            }
        }
        document
    }

    /// The names of a kind; `None` where the index says nothing of it.
    pub const fn names(&self, kind: Kind) -> Option<&IndexNames> {
        match kind {
            Kind::Connection => self.connections.as_ref(),
            Kind::Variable => self.variables.as_ref(),
            Kind::Config => self.config.as_ref(),
        }
    }

    /// As it is written.
    pub fn text(&self) -> String {
        // Only maps with keys that are no text can't be written, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Index {
    /// Reads the value of an index.
    ///
    /// # Errors
    /// When it is none: another secret may be a list or mapping of texts as well, and its items must not be taken for conn_ids. An
    /// index written by hand has one conn_id at least, if it has any item, and full ARNs alone where it is an object. The words are
    /// the end of a sentence, and repeat nothing of the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("is not JSON (line {} column {}); it {FORM}", error.line(), error.column()))?;
        let index = match &value {
            Value::Array(items) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>().map(Self::ConnIds)
            }
            Value::Object(items) if items.get("version").is_some_and(Value::is_number) => {
                if items.get("version") != Some(&VERSION.into()) {
                    return Err("is of another version than this program reads; update the program".to_owned());
                }
                IndexDocument::deserialize(&value).ok().map(Self::Published)
            }
            Value::Object(items) => {
                let with_arn = |(conn_id, arn): (&String, &Value)| {
                    let arn = arn.as_str().filter(|arn| arn.parse::<Arn>().is_ok())?;
                    Some((conn_id.clone(), arn.to_owned()))
                };
                items.iter().map(with_arn).collect::<Option<_>>().map(Self::Arns)
            }
            _ => None,
        };
        index.filter(Self::may_be_one).ok_or_else(|| FORM.to_owned())
    }

    fn may_be_one(&self) -> bool {
        let ids: Vec<&String> = match self {
            Self::Published(_) => return true,
            Self::ConnIds(ids) => ids.iter().collect(),
            Self::Arns(arns) => arns.iter().map(|(conn_id, _)| conn_id).collect(),
        };
        ids.is_empty() || ids.into_iter().any(|id| is_id(id))
    }

    /// The conn_ids or keys of a kind, each with what it says of the secret's ARN; `None` where it says nothing of the kind.
    pub fn ids(&self, kind: Kind) -> Option<BTreeMap<&str, Option<&str>>> {
        match self {
            Self::Published(document) => document.names(kind).map(|names| names.all().collect()),
            _ if kind != Kind::Connection => None,
            Self::ConnIds(ids) => Some(ids.iter().map(|id| (id.as_str(), None)).collect()),
            Self::Arns(arns) => Some(arns.iter().map(|(id, arn)| (id.as_str(), Some(arn.as_str()))).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(ids: impl IntoIterator<Item = String>, suffixes: impl IntoIterator<Item = String>) -> IndexDocument {
        let suffixes = suffixes.into_iter().map(|id| (id, "AbCdEf".to_owned())).collect();
        let names = IndexNames { prefix: "airflow/connections/".to_owned(), ids: ids.into_iter().collect(), suffixes };
        IndexDocument::of(ByKind::from_fn(|kind| (kind == Kind::Connection).then(|| names.clone())))
    }

    #[test]
    fn what_is_written_is_read_again_and_the_same_names_are_the_same_bytes() {
        let document = published(["b", "a"].map(str::to_owned), ["my-secret".to_owned()]);
        let text = r#"{"version":1,"connections":{"prefix":"airflow/connections/","ids":["a","b"],"suffixes":{"my-secret":"AbCdEf"}}}"#;
        assert_eq!(document.text(), text);
        let index = Index::parse(text).unwrap();
        assert_eq!(index, Index::Published(document));
        let ids = index.ids(Kind::Connection).unwrap();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), [("a", None), ("b", None), ("my-secret", Some("AbCdEf"))]);
        assert_eq!(index.ids(Kind::Variable), None);
        // A field to come is not looked at.
        assert!(Index::parse(r#"{"version":1,"connections":{"prefix":"","ids":[],"more":1},"other":{}}"#).is_ok());
    }

    /// The figures of docs/SHARED-ACCOUNT.md.
    #[test]
    fn so_many_names_of_thirty_characters_fit() {
        let names = |count: usize| (0..count).map(|number| format!("{number:030}"));
        let fits = |document: &IndexDocument| document.text().len() <= LARGEST;
        assert!(fits(&published(names(1_983), [])) && !fits(&published(names(1_984), [])));
        // Every one of them with its suffix.
        assert!(fits(&published([], names(1_558))) && !fits(&published([], names(1_559))));
    }

    #[test]
    fn what_is_no_index_is_refused_as_a_whole_and_not_repeated() {
        for (text, word) in [
            ("[1]", "array"),
            ("\"x\"", "array"),
            ("canary", "not JSON"),
            (r#"["canary canary\n", "canary#"]"#, "array"),
            (r#"{"canary": "canary", "password": "canary"}"#, "full ARN"),
            (r#"{"version": 2, "canary": {}}"#, "another version"),
            (r#"{"version": 1, "connections": {"prefix": "canary"}}"#, "array"),
            (r#"{"version": 1, "connections": {"prefix": "canary", "ids": [1]}}"#, "array"),
            (r#"{"version": "1"}"#, "full ARN"),
        ] {
            let problem = Index::parse(text).unwrap_err();
            assert!(problem.contains(word) && !problem.contains("canary"), "{problem}");
        }
    }
}
