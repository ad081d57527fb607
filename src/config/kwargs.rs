//! What `backend_kwargs` mean, as types.

use std::fmt;

use indexmap::IndexMap;
use secrecy::SecretString;

use crate::airflow::pattern::LookupPattern;
use crate::model::aws::{AccountId, Arn, Region};
use crate::model::connection::Field;
use crate::model::kind::ByKind;

/// What the kwargs say. Regions are as written; `regions.rs` fills them from the environment.
pub struct BackendKwargs {
    /// How the own account's secrets are called.
    pub names: ByKind<OwnNames>,
    /// What stands between a prefix and a conn_id or key.
    pub sep: String,
    /// Further key names for a field of a JSON secret.
    pub extra_conn_words: IndexMap<Field, Vec<String>>,
    /// `are_secret_values_urlencoded`, where it is given and true in Python's sense.
    pub urlencoded: bool,
    /// `region_name`: the own account's region.
    pub region_name: Option<Region>,
    /// `aws_region`: the shared account's region.
    pub aws_region: Option<Region>,
    /// How the own account is reached.
    pub own: OwnAccess,
    /// Shared accounts, in order of precedence.
    pub shared: Vec<SharedAccount>,
    /// Things an operator should know, in words.
    pub notices: Vec<String>,
}

/// How secrets of one kind are called in the own account.
#[derive(Clone, Debug)]
pub struct OwnNames {
    /// Trailing separators stripped; `None` switches the kind off, connections also in the shared accounts.
    pub prefix: Option<String>,
    /// Whether the prefix is the user's own, and not the default.
    pub is_given: bool,
    /// Which ids are asked from the own account; `None` is all.
    pub lookup_pattern: Option<LookupPattern>,
}

/// How the own account is reached, as the provider passes it to its AWS session.
#[derive(Clone, Debug, Default)]
pub struct OwnAccess {
    /// A profile of the AWS configuration files.
    pub profile_name: Option<String>,
    /// Static keys: id, secret, session token.
    pub keys: Option<StaticKeys>,
    /// A role to assume before anything is read.
    pub role: Option<Role>,
    /// The Secrets Manager endpoint of the own account alone.
    pub endpoint_url: Option<String>,
    /// A file with the CA certificates to trust, from `verify`.
    pub ca_file: Option<String>,
}

/// Static credentials from the kwargs.
#[derive(Clone)]
pub struct StaticKeys {
    pub id: String,
    pub secret: SecretString,
    pub token: Option<SecretString>,
}

/// A role to read with, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub arn: Arn,
    /// The external id that its trust policy asks for. Own account: `assume_role_kwargs.ExternalId`, or the deprecated `external_id`.
    pub external_id: Option<String>,
    /// Own account: `assume_role_kwargs.RoleSessionName`.
    pub session_name: Option<String>,
    /// How the role is taken.
    pub via: RoleVia,
    /// Own account: the token file for `web_identity`, where it is not `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: Option<String>,
}

/// How a role is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleVia {
    /// `sts:AssumeRole` with the pod's own credentials.
    #[default]
    AssumeRole,
    /// `sts:AssumeRoleWithWebIdentity` with the pod's IRSA token, straight into the role.
    WebIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAccount {
    pub account: AccountId,
    /// As written; `None` takes `aws_region`.
    pub region: Option<Region>,
    /// How its secrets are called; `None` is a kind that is not looked up there. Connections always are.
    pub names: ByKind<Option<SharedNames>>,
    /// The role to read with, if any.
    pub role: Option<Role>,
}

/// How secrets of one kind are called in a shared account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedNames {
    /// Trailing separators stripped.
    pub prefix: String,
    /// How its ids become known.
    pub known_by: KnownBy,
}

/// How the ids of a shared account become known. AWS has no ListSecrets across accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// A listing: with a role there, or because it is the caller's own account.
    Listing,
    /// `shared_connections`, `shared_variables`: these.
    Ids(Vec<String>),
    /// `shared_index`: the secrets with these names or ARNs say.
    Index(Vec<String>),
}

/// Never the keys.
impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeys").finish_non_exhaustive()
    }
}

/// Never the values: kwargs may hold static keys.
impl fmt::Debug for BackendKwargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKwargs").field("names", &self.names).finish_non_exhaustive()
    }
}
