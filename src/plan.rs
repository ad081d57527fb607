//! Which sources are asked, in which order, under which names. Pure, printable, and holds no secret.

use std::collections::HashSet;

use crate::backend_kwargs::KnownBy;
use crate::connection::pattern::LookupPattern;
use crate::settings::{Settings, StoreChoice};
use crate::store::SecretId;

/// Sources in order of precedence, and what is wanted of them.
#[derive(Debug)]
pub struct Plan {
    /// The own account first, then the shared ones in order. Empty when `connections_prefix` is null: the Python
    /// backend then asks nobody, not even the shared account.
    pub sources: Vec<SourcePlan>,
    /// Exactly these conn_ids, by name; `None` takes what the sources enumerate.
    pub exactly: Option<Vec<String>>,
    /// These must be resolved even where an enumeration misses them.
    pub required: Vec<String>,
}

/// One source and how its names are made.
#[derive(Debug)]
pub struct SourcePlan {
    /// Which account.
    pub source: Source,
    /// How its conn_ids become known.
    pub enumerate: Enumerate,
    /// Whether secrets are addressed by name (credentials of the owner's account) or by ARN.
    pub addressed_by: AddressedBy,
    /// What a secret's name begins with, separator included; empty means that the name is the conn_id.
    prefix: String,
    /// Own account only: which conn_ids are asked.
    pattern: Option<LookupPattern>,
}

/// Whose secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The own account.
    Own,
    /// A shared account.
    Shared {
        /// 12 digits.
        account: String,
        /// Where its secrets are.
        region: String,
    },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("own account"),
            Self::Shared { account, region } => write!(f, "shared account {account} in {region}"),
        }
    }
}

/// How the conn_ids of a source become known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enumerate {
    /// They do not: only ids that are asked for by name are looked up.
    Nothing,
    /// By a listing under the prefix.
    Listing,
    /// By a listing, if it turns out that the credentials belong to this account; else the settings are wrong.
    ListingIfOwnAccount,
    /// By the kwargs.
    Ids(Vec<String>),
    /// By a secret there that holds the list.
    Index(String),
}

/// How a secret is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressedBy {
    /// By its name.
    Name,
    /// By an ARN without the random suffix, as the Python backend does across accounts.
    PartialArn,
}

impl SourcePlan {
    /// What the names of this source's secrets begin with; what a listing filters on.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of the secret that would hold this connection.
    #[must_use]
    pub fn secret_name(&self, conn_id: &str) -> String {
        format!("{}{conn_id}", self.prefix)
    }

    /// How to ask this source for one conn_id.
    #[must_use]
    pub fn secret_id(&self, conn_id: &str) -> SecretId {
        let name = self.secret_name(conn_id);
        match (&self.source, self.addressed_by) {
            (Source::Shared { account, region }, AddressedBy::PartialArn) => SecretId::Arn(arn(account, region, &name)),
            _ => SecretId::Name(name),
        }
    }

    /// Whether only some conn_ids are asked of this source.
    #[must_use]
    pub const fn has_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// The conn_id that a secret of this name holds; `None` when it is not under the prefix, or is the bare prefix.
    #[must_use]
    pub fn conn_id_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.prefix.as_str()).filter(|conn_id| !conn_id.is_empty())
    }

    /// A source of a test's own making.
    #[cfg(test)]
    #[must_use]
    pub fn for_tests(source: Source, enumerate: Enumerate, addressed_by: AddressedBy, prefix: &str) -> Self {
        Self { source, enumerate, addressed_by, prefix: prefix.to_owned(), pattern: None }
    }

    /// Whether the lookup pattern lets this conn_id be asked from this source.
    ///
    /// # Errors
    /// When the pattern takes too long on this conn_id.
    pub fn pattern_takes(&self, conn_id: &str) -> Result<bool, crate::connection::pattern::PatternError> {
        self.pattern.as_ref().map_or(Ok(true), |pattern| pattern.is_match(conn_id))
    }
}

/// The ARN of a secret without its random suffix. The partition follows from the region.
#[must_use]
pub fn arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:secretsmanager:{region}:{account}:secret:{name}", partition(region))
}

/// The partition that a region lies in (botocore `partitions.json`, the region prefixes of each partition).
#[must_use]
pub fn partition(region: &str) -> &'static str {
    let of_prefix = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    of_prefix.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

impl Plan {
    /// Makes the plan. Nothing can go wrong any more: the settings were checked.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let kwargs = &settings.kwargs;
        let exactly = settings.selection.conn_ids.clone();
        let enumerated = |how: Enumerate| if exactly.is_some() { Enumerate::Nothing } else { how };
        let mut sources = Vec::new();
        if let Some(prefix) = &kwargs.connections_prefix {
            sources.push(SourcePlan {
                source: Source::Own,
                enumerate: enumerated(Enumerate::Listing),
                addressed_by: AddressedBy::Name,
                // Airflow 2.8.1 providers/amazon/aws/secrets/secrets_manager.py _get_secret: an empty prefix means
                // that the secret is called as the connection.
                prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}{}", kwargs.sep) },
                pattern: kwargs.connections_lookup_pattern.clone(),
            });
            sources.extend(kwargs.shared.iter().map(|shared| {
                let region = shared.region.clone().unwrap_or_else(|| settings.regions.shared.clone());
                let in_file = matches!(settings.store, StoreChoice::File(_));
                let has_role = shared.role.is_some();
                let how = match &shared.known_by {
                    KnownBy::Ids(ids) => Enumerate::Ids(unique(ids)),
                    KnownBy::Index(index) => Enumerate::Index(index.clone()),
                    KnownBy::Listing if has_role || in_file => Enumerate::Listing,
                    KnownBy::Listing => Enumerate::ListingIfOwnAccount,
                };
                let own_account = how == Enumerate::ListingIfOwnAccount && exactly.is_none();
                let by_name = has_role || in_file || own_account;
                SourcePlan {
                    source: Source::Shared { account: shared.account.clone(), region },
                    enumerate: enumerated(how),
                    addressed_by: if by_name { AddressedBy::Name } else { AddressedBy::PartialArn },
                    // airflow-aws-shared-secrets 0.0.5 joins with the separator even after an empty prefix.
                    prefix: format!("{}{}", shared.connections_prefix, kwargs.sep),
                    pattern: None,
                }
            }));
        }
        Self { sources, exactly, required: settings.selection.required.clone() }
    }
}

fn unique(ids: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.iter().filter(|id| seen.insert(id.as_str())).cloned().collect()
}
