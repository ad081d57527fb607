//! Which accounts are asked for what, in which order, with whose credentials, under which names. Pure and printable.

use crate::airflow::pattern::LookupPattern;
use crate::config::kwargs::{KnownBy, OwnAccess, Role, SharedAccount};
use crate::config::settings::{Regions, Settings, StoreChoice};
use crate::model::ask::Need;
use crate::model::aws::{AccountId, Arn, Region, SecretId};
use crate::model::kind::{ByKind, Kind};
use crate::model::team::{Meaning, SEPARATOR, Teams};
use crate::text::unique;

/// Accounts in order of precedence, and what is wanted of them.
#[derive(Debug)]
pub struct Plan {
    /// How the own account is reached.
    pub own: OwnAccess,
    /// Where the own account is read, and what a shared account without a region of its own takes.
    pub regions: Regions,
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
    pub source: Source,
    /// With whose credentials it is read.
    pub access: Access,
}

/// With whose credentials an account is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Those of the own account ([`Plan::own`]).
    Own,
    /// The pod's, let in by the resource policies of the secrets.
    Pod,
    /// Those of a role in the account.
    Role(Role),
}

impl AccountPlan {
    /// Whether it is a shared account without a role, which may be listed only if it turns out to be the own account.
    pub fn only_if_own(&self) -> bool {
        self.source != Source::Own && self.access == Access::Own
    }
}

/// What is wanted of one kind.
#[derive(Debug)]
pub struct Want {
    /// Connections, variables or config values.
    pub kind: Kind,
    /// Exactly these, by name; `None` takes what the sources enumerate.
    pub exactly: Option<Vec<String>>,
    /// Those that the setting of the kind names.
    pub chosen: Vec<String>,
    /// Those that templates and options name: asked for even where an enumeration misses them.
    pub named: Vec<String>,
    /// These must end up in the files.
    pub required: Vec<String>,
    /// Where they are looked up, in order of precedence. Empty when the kind's prefix is null.
    pub sources: Vec<SourcePlan>,
}

impl Want {
    /// Every id that is asked for by name, with the setting that asks for it.
    pub fn asked_by(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let chosen = self.chosen.iter().map(|id| (id.as_str(), self.kind.names_setting()));
        let named = self.named.iter().map(|id| (id.as_str(), "a template's front matter or a _SECRET option"));
        let required = self.required.iter().map(|id| (id.as_str(), "SECRETS_INIT_REQUIRED"));
        chosen.chain(named).chain(required)
    }

    /// Every id that is asked for by name.
    pub fn by_name(&self) -> impl Iterator<Item = &str> {
        self.asked_by().map(|(id, _)| id)
    }
}

/// The secrets of one kind in one account, and how their names are made.
#[derive(Debug)]
pub struct SourcePlan {
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
    /// How the names of teams' secrets are read.
    teams: Teams,
}

/// Whose secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Own,
    /// A shared account.
    Shared {
        account: AccountId,
        region: Region,
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
    /// By secrets there that hold the list.
    Index(Vec<String>),
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
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of the secret that would hold this connection, variable or config value.
    pub fn secret_name(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    /// The name that is asked for before that one: the id of the run's own team.
    pub fn team_secret_name(&self, id: &str) -> Option<String> {
        let Teams::Of(team) = &self.teams else { return None };
        Some(self.secret_name(&format!("{team}{SEPARATOR}{id}")))
    }

    /// How to ask this source for one id.
    pub fn secret_id(&self, id: &str) -> SecretId {
        self.by_name(self.secret_name(id))
    }

    /// How to ask this source for one id of the run's own team, which beats the id without a team.
    pub fn team_secret_id(&self, id: &str) -> Option<SecretId> {
        self.team_secret_name(id).map(|name| self.by_name(name))
    }

    /// Whether a secret that is read for this id is the run's own team's.
    pub fn is_secret_of_team(&self, id: &str, secret: &SecretId) -> bool {
        let Some(team) = self.team_secret_id(id) else { return false };
        // An ARN has six more characters than one that is made of the name.
        secret.as_str().strip_prefix(team.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    fn by_name(&self, name: String) -> SecretId {
        match (&self.source, self.addressed_by) {
            (Source::Shared { account, region }, AddressedBy::PartialArn) => {
                SecretId::Arn(Arn::of_secret(account, region, &name).to_string())
            }
            _ => SecretId::Name(name),
        }
    }

    /// The key of the kwargs that names ids of this source.
    pub const fn ids_key(&self) -> &'static str {
        match self.kind {
            Kind::Variable => "shared_variables",
            Kind::Connection | Kind::Config => "shared_connections",
        }
    }

    /// Whether only some ids are asked of this source.
    pub fn has_pattern(&self) -> bool {
        self.pattern.is_some() || self.teams != Teams::Off
    }

    /// The id of what a secret of this name holds; `None` when it is not under the prefix, is the bare prefix, or is another
    /// team's.
    pub fn id_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.teams.meaning(self.after_prefix(name)?) {
            Meaning::Id(id) | Meaning::OfTeam(id) => Some(id),
            Meaning::OfOthers => None,
        }
    }

    /// Whether a secret of this name is the run's own team's.
    pub fn is_of_team(&self, name: &str) -> bool {
        self.after_prefix(name).is_some_and(|name| matches!(self.teams.meaning(name), Meaning::OfTeam(_)))
    }

    /// The name without its prefix, where it is another team's.
    pub fn of_other_team<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.after_prefix(name).filter(|name| self.teams.meaning(name) == Meaning::OfOthers)
    }

    fn after_prefix<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.prefix.as_str()).filter(|id| !id.is_empty())
    }

    /// Whether Airflow looks this id up at all.
    pub fn looks_up(&self, id: &str) -> bool {
        self.teams.take(id)
    }

    /// Whether the lookup pattern lets this id be asked from this source.
    ///
    /// # Errors
    /// When the pattern takes too long on this id.
    pub fn pattern_takes(&self, id: &str) -> Result<bool, crate::airflow::pattern::PatternError> {
        if !self.looks_up(id) {
            return Ok(false);
        }
        self.pattern.as_ref().map_or(Ok(true), |pattern| pattern.is_match(id))
    }
}

impl Plan {
    /// Makes the plan, for outputs with these needs. Nothing can go wrong any more: the settings were checked.
    pub fn of(settings: &Settings, needs: &ByKind<Need>) -> Self {
        let (mut wants, mut notices) = (Vec::new(), Vec::new());
        for (kind, need) in needs.iter() {
            let exactly = settings.selection.exactly[kind].as_ref();
            let chosen = exactly.cloned().unwrap_or_default();
            let exactly = if need.everything {
                exactly.cloned()
            } else if need.named.is_empty() {
                notices.extend(exactly.map(|_| {
                    format!("{} is set, but no file wants a {}; name one", kind.names_setting(), kind.thing())
                }));
                continue;
            } else {
                Some(unique(chosen.iter().chain(&need.named)))
            };
            let named = need.named.clone();
            let required = if kind == Kind::Connection { settings.selection.required.clone() } else { Vec::new() };
            wants.push(Want { kind, exactly, chosen, named, required, sources: Vec::new() });
        }
        let (own, regions) = (settings.kwargs.own.clone(), settings.regions.clone());
        let mut plan = Self { own, regions, accounts: Vec::new(), wants, notices };
        for shared in std::iter::once(None).chain(settings.kwargs.shared.iter().map(Some)) {
            plan.add_account(settings, shared);
        }
        plan
    }

    /// The region of a source, in words.
    pub fn region_of(&self, source: &Source) -> String {
        match source {
            Source::Own => {
                self.regions.own.as_ref().map_or_else(|| "the profile's region".to_owned(), ToString::to_string)
            }
            Source::Shared { region, .. } => region.to_string(),
        }
    }

    /// The sources of one account, of every kind.
    pub fn sources_of(&self, account: usize) -> impl Iterator<Item = &SourcePlan> {
        self.wants.iter().flat_map(|want| &want.sources).filter(move |source| source.account == account)
    }

    /// What is wanted of a kind, if anything is.
    pub fn want_of(&self, kind: Kind) -> Option<&Want> {
        self.wants.iter().find(|want| want.kind == kind)
    }

    /// Adds what is wanted of a shared account, or of the own one. It is there twice where kinds are read with different
    /// credentials.
    fn add_account(&mut self, settings: &Settings, shared: Option<&SharedAccount>) {
        let first = self.accounts.len();
        for want in &mut self.wants {
            // The Python backend then makes no call, not even to the shared account.
            let Some(own_prefix) = &settings.kwargs.names[want.kind].prefix else { continue };
            let made = match shared {
                None => Some(own_source(settings, want, own_prefix)),
                Some(shared) => shared_source(settings, want, shared),
            };
            let Some((access, mut source)) = made else { continue };
            let account = AccountPlan { source: source.source.clone(), access };
            let known = self.accounts.iter().skip(first).position(|known| *known == account);
            source.account = known.map_or(self.accounts.len(), |known| first + known);
            if known.is_none() {
                self.accounts.push(account);
            }
            want.sources.push(source);
        }
    }
}

/// How names are read of a kind: options know no team.
fn teams_of(settings: &Settings, kind: Kind) -> Teams {
    if kind == Kind::Config { without_team(&settings.teams) } else { settings.teams.clone() }
}

fn without_team(teams: &Teams) -> Teams {
    if *teams == Teams::Off { Teams::Off } else { Teams::Nobody }
}

/// The own account's secrets of a kind; which place the account has is added later.
fn own_source(settings: &Settings, want: &Want, prefix: &str) -> (Access, SourcePlan) {
    let source = SourcePlan {
        kind: want.kind,
        account: 0,
        source: Source::Own,
        enumerate: if want.exactly.is_some() { Enumerate::Nothing } else { Enumerate::Listing },
        addressed_by: AddressedBy::Name,
        // Airflow 2.8.1 providers/amazon/aws/secrets/secrets_manager.py _get_secret: an empty prefix means
        // that the secret is called as the connection.
        prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}{}", settings.kwargs.sep) },
        pattern: settings.kwargs.names[want.kind].lookup_pattern.clone(),
        teams: if prefix.is_empty() { without_team(&settings.teams) } else { teams_of(settings, want.kind) },
    };
    (Access::Own, source)
}

/// The same of a shared account; `None` where the kind is not looked up there.
fn shared_source(settings: &Settings, want: &Want, shared: &SharedAccount) -> Option<(Access, SourcePlan)> {
    let names = shared.names[want.kind].as_ref()?;
    let in_file = matches!(settings.store, StoreChoice::File(_));
    let enumerate = match &names.known_by {
        _ if want.exactly.is_some() => Enumerate::Nothing,
        KnownBy::Ids(ids) => Enumerate::Ids(unique(ids)),
        // An index that is written by hand names connections alone. What can be listed needs no index for the rest.
        KnownBy::Index(_) if want.kind != Kind::Connection && (shared.role.is_some() || in_file) => Enumerate::Listing,
        KnownBy::Index(names) => Enumerate::Index(names.clone()),
        KnownBy::Listing if shared.role.is_some() || in_file => Enumerate::Listing,
        KnownBy::Listing => Enumerate::ListingIfOwnAccount,
    };
    let access = match &shared.role {
        Some(role) => Access::Role(role.clone()),
        None if enumerate == Enumerate::ListingIfOwnAccount => Access::Own,
        None => Access::Pod,
    };
    let is_across = access == Access::Pod && !in_file;
    let source = SourcePlan {
        kind: want.kind,
        account: 0,
        source: Source::Shared {
            account: shared.account.clone(),
            region: shared.region.clone().unwrap_or_else(|| settings.regions.shared.clone()),
        },
        enumerate,
        addressed_by: if is_across { AddressedBy::PartialArn } else { AddressedBy::Name },
        // airflow-aws-shared-secrets 0.0.5 joins with the separator even after an empty prefix.
        prefix: format!("{}{}", names.prefix, settings.kwargs.sep),
        pattern: None,
        teams: teams_of(settings, want.kind),
    };
    Some((access, source))
}

#[cfg(test)]
mod tests;
