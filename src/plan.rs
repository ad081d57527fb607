//! Which accounts are asked for what, in which order, under which names. Pure, printable, and holds no secret.

use crate::airflow::pattern::LookupPattern;
use crate::config::kwargs::{KnownBy, SharedAccount};
use crate::config::settings::{Settings, StoreChoice};
use crate::model::ask::Need;
use crate::model::aws::{AccountId, Arn, Region, SecretId};
use crate::model::kind::{ByKind, Kind};
use crate::text::unique;

/// Accounts in order of precedence, and what is wanted of them.
#[derive(Debug)]
pub struct Plan {
    /// The own account first, then the shared ones in order; those alone of which something is wanted. One store each.
    pub accounts: Vec<AccountPlan>,
    /// One for each kind that some output asks for.
    pub wants: Vec<Want>,
    /// Names that nothing will be done with: mostly a forgotten file. For WARN lines.
    pub notices: Vec<String>,
}

/// One account, seen with one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// Which.
    pub source: Source,
    /// Of a shared account: its place in the kwargs.
    pub shared: Option<usize>,
    /// Whether secrets are addressed by name (credentials of the owner's account) or by ARN.
    pub addressed_by: AddressedBy,
    /// Whether it has no role of its own and may be listed only if it turns out to be the caller's account.
    pub only_if_own: bool,
}

/// What is wanted of one kind.
#[derive(Debug)]
pub struct Want {
    /// Connections, variables or config values.
    pub kind: Kind,
    /// Exactly these, by name; `None` takes what the sources enumerate.
    pub exactly: Option<Vec<String>>,
    /// These are asked for by name even where an enumeration misses them.
    pub named: Vec<String>,
    /// These must end up in the files.
    pub required: Vec<String>,
    /// Where they are looked up, in order of precedence. Empty when the kind's prefix is null.
    pub sources: Vec<SourcePlan>,
}

impl Want {
    /// Every id that is asked for by name.
    pub fn by_name(&self) -> impl Iterator<Item = &str> {
        self.exactly.iter().flatten().chain(&self.named).chain(&self.required).map(String::as_str)
    }
}

/// The secrets of one kind in one account, and how their names are made.
#[derive(Debug)]
pub struct SourcePlan {
    /// What they are.
    pub kind: Kind,
    /// Whose: the place in [`Plan::accounts`].
    pub account: usize,
    /// Whose, in words.
    pub source: Source,
    /// How the ids become known.
    pub enumerate: Enumerate,
    /// Whether secrets are addressed by name or by ARN.
    pub addressed_by: AddressedBy,
    /// What a secret's name begins with, separator included; empty means that the name is the id.
    prefix: String,
    /// Own account only: which ids are asked.
    pattern: Option<LookupPattern>,
}

/// Whose secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The own account.
    Own,
    /// A shared account.
    Shared {
        /// Its number.
        account: AccountId,
        /// Where its secrets are.
        region: Region,
    },
}

#[cfg(test)]
impl Source {
    /// A shared account of a test's own making.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn shared(account: &str, region: &str) -> Self {
        Self::Shared { account: account.parse().unwrap(), region: region.parse().unwrap() }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("own account"),
            Self::Shared { account, region } => write!(f, "shared account {account} in {region}"),
        }
    }
}

/// How the ids of a source become known.
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

    /// The name of the secret that would hold this connection, variable or config value.
    #[must_use]
    pub fn secret_name(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    /// How to ask this source for one id.
    #[must_use]
    pub fn secret_id(&self, id: &str) -> SecretId {
        let name = self.secret_name(id);
        match (&self.source, self.addressed_by) {
            (Source::Shared { account, region }, AddressedBy::PartialArn) => {
                SecretId::Arn(Arn::of_secret(account, region, &name).to_string())
            }
            _ => SecretId::Name(name),
        }
    }

    /// Whether only some ids are asked of this source.
    #[must_use]
    pub const fn has_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// The id of what a secret of this name holds; `None` when it is not under the prefix, or is the bare prefix.
    #[must_use]
    pub fn id_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.prefix.as_str()).filter(|id| !id.is_empty())
    }

    /// A source of a test's own making.
    #[cfg(test)]
    #[must_use]
    pub fn for_tests(
        (kind, account): (Kind, usize),
        source: Source,
        enumerate: Enumerate,
        addressed_by: AddressedBy,
        prefix: &str,
    ) -> Self {
        Self { kind, account, source, enumerate, addressed_by, prefix: prefix.to_owned(), pattern: None }
    }

    /// Whether the lookup pattern lets this id be asked from this source.
    ///
    /// # Errors
    /// When the pattern takes too long on this id.
    pub fn pattern_takes(&self, id: &str) -> Result<bool, crate::airflow::pattern::PatternError> {
        self.pattern.as_ref().map_or(Ok(true), |pattern| pattern.is_match(id))
    }
}

impl Plan {
    /// Makes the plan, for outputs with these needs. Nothing can go wrong any more: the settings were checked.
    #[must_use]
    pub fn of(settings: &Settings, needs: &ByKind<Need>) -> Self {
        let mut plan = Self { accounts: Vec::new(), wants: Vec::new(), notices: Vec::new() };
        for (kind, need) in needs.iter() {
            let exactly = settings.selection.exactly[kind].as_ref();
            let want = if need.everything {
                plan.want(settings, kind, exactly.cloned(), need.named.clone())
            } else if need.named.is_empty() {
                plan.notices.extend(exactly.map(|_| {
                    format!("{} is set, but no file wants a {}; name one", kind.names_setting(), kind.thing())
                }));
                continue;
            } else {
                let exactly = unique(exactly.into_iter().flatten().chain(&need.named));
                plan.want(settings, kind, Some(exactly), Vec::new())
            };
            plan.wants.push(want);
        }
        plan.in_order();
        plan
    }

    /// The sources of one account, of every kind.
    pub fn sources_of(&self, account: usize) -> impl Iterator<Item = &SourcePlan> {
        self.wants.iter().flat_map(|want| &want.sources).filter(move |source| source.account == account)
    }

    /// What is wanted of a kind, if anything is.
    #[must_use]
    pub fn want_of(&self, kind: Kind) -> Option<&Want> {
        self.wants.iter().find(|want| want.kind == kind)
    }

    fn want(&mut self, settings: &Settings, kind: Kind, exactly: Option<Vec<String>>, named: Vec<String>) -> Want {
        let required = if kind == Kind::Connection { settings.selection.required.clone() } else { Vec::new() };
        let sources = self.sources(settings, kind, exactly.is_some());
        Want { kind, exactly, named, required, sources }
    }

    fn sources(&mut self, settings: &Settings, kind: Kind, by_name_alone: bool) -> Vec<SourcePlan> {
        let kwargs = &settings.kwargs;
        let own = &kwargs.names[kind];
        // The Python backend then asks nobody, not even the shared account.
        let Some(prefix) = &own.prefix else { return Vec::new() };
        let enumerated = |how: Enumerate| if by_name_alone { Enumerate::Nothing } else { how };
        let mut sources = vec![SourcePlan {
            kind,
            account: self.account(AccountPlan {
                source: Source::Own,
                shared: None,
                addressed_by: AddressedBy::Name,
                only_if_own: false,
            }),
            source: Source::Own,
            enumerate: enumerated(Enumerate::Listing),
            addressed_by: AddressedBy::Name,
            // Airflow 2.8.1 providers/amazon/aws/secrets/secrets_manager.py _get_secret: an empty prefix means
            // that the secret is called as the connection.
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}{}", kwargs.sep) },
            pattern: own.lookup_pattern.clone(),
        }];
        for (place, shared) in kwargs.shared.iter().enumerate() {
            let Some(names) = &shared.names[kind] else { continue };
            let in_file = matches!(settings.store, StoreChoice::File(_));
            let has_role = shared.role.is_some();
            let how = match &names.known_by {
                KnownBy::Ids(ids) => Enumerate::Ids(unique(ids)),
                KnownBy::Index(index) => Enumerate::Index(index.clone()),
                KnownBy::Listing if has_role || in_file => Enumerate::Listing,
                KnownBy::Listing => Enumerate::ListingIfOwnAccount,
            };
            let only_if_own = how == Enumerate::ListingIfOwnAccount && !by_name_alone;
            let addressed_by =
                if has_role || in_file || only_if_own { AddressedBy::Name } else { AddressedBy::PartialArn };
            let source = source_of(shared, settings);
            let account =
                self.account(AccountPlan { source: source.clone(), shared: Some(place), addressed_by, only_if_own });
            sources.push(SourcePlan {
                kind,
                account,
                source,
                enumerate: enumerated(how),
                addressed_by,
                // airflow-aws-shared-secrets 0.0.5 joins with the separator even after an empty prefix.
                prefix: format!("{}{}", names.prefix, kwargs.sep),
                pattern: None,
            });
        }
        sources
    }

    /// The place of an account, added if it is new.
    fn account(&mut self, account: AccountPlan) -> usize {
        self.accounts.iter().position(|known| *known == account).unwrap_or_else(|| {
            self.accounts.push(account);
            self.accounts.len() - 1
        })
    }

    /// Puts the accounts into the order of precedence, in which their answers are weighed against each other.
    fn in_order(&mut self) {
        let mut order: Vec<usize> = (0..self.accounts.len()).collect();
        order.sort_by_key(|place| self.accounts.get(*place).and_then(|account| account.shared));
        let new_place = |old: usize| order.iter().position(|place| *place == old).unwrap_or(old);
        for source in self.wants.iter_mut().flat_map(|want| &mut want.sources) {
            source.account = new_place(source.account);
        }
        self.accounts = order.iter().filter_map(|place| self.accounts.get(*place).cloned()).collect();
    }
}

fn source_of(shared: &SharedAccount, settings: &Settings) -> Source {
    let region = shared.region.clone().unwrap_or_else(|| settings.regions.shared.clone());
    Source::Shared { account: shared.account.clone(), region }
}

#[cfg(test)]
mod tests;
