//! Who may call: principals with access keys, roles, web identity tokens, and
//! the two metadata endpoints that hand out credentials.

use serde::Deserialize;

use super::one_or_many::strings;
use super::statement::{Statement, policy};

/// A principal with an access key of its own.
///
/// Besides these, every twelve-digit access key stands for that account with
/// full access.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    pub(crate) access_key: String,
    #[serde(default)]
    pub(crate) secret_key: Option<String>,
    #[serde(default)]
    pub(crate) session_token: Option<String>,
    #[serde(default)]
    pub(crate) account: Option<String>,
    pub(crate) arn: String,
    #[serde(default, deserialize_with = "policy")]
    pub(crate) policy: Vec<Statement>,
    #[serde(default)]
    pub(crate) expired: bool,
}

impl Principal {
    /// A principal; its account is read from the ARN.
    pub fn new(access_key: impl Into<String>, arn: impl Into<String>) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key: None,
            session_token: None,
            account: None,
            arn: arn.into(),
            policy: Vec::new(),
            expired: false,
        }
    }

    /// Adds a statement to the identity policy.
    #[must_use]
    pub fn can(mut self, statement: Statement) -> Self {
        self.policy.push(statement);
        self
    }

    /// Adds several statements to the identity policy.
    #[must_use]
    pub fn can_all(mut self, statements: impl IntoIterator<Item = Statement>) -> Self {
        self.policy.extend(statements);
        self
    }

    /// Makes the key a temporary one, good only with this session token.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// Makes every call fail with the expired-token error.
    #[must_use]
    pub const fn expired(mut self) -> Self {
        self.expired = true;
        self
    }
}

/// Who may assume a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    #[serde(default, deserialize_with = "strings")]
    pub principals: Vec<String>,
    #[serde(default)]
    pub external_id: Option<String>,
    #[serde(default)]
    pub web_identity: bool,
    #[serde(default, deserialize_with = "strings")]
    pub subjects: Vec<String>,
    /// The trust policy itself; the short keys do not count beside it.
    #[serde(default, deserialize_with = "policy")]
    pub policy: Vec<Statement>,
}

/// An IAM role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub(crate) arn: String,
    #[serde(default)]
    pub(crate) trust: Trust,
    #[serde(default, deserialize_with = "policy")]
    pub(crate) policy: Vec<Statement>,
    #[serde(default)]
    pub(crate) session_seconds: Option<i64>,
    #[serde(default)]
    pub(crate) max_session_seconds: Option<i64>,
}

impl Role {
    /// A role that nobody may assume yet.
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            trust: Trust::default(),
            policy: Vec::new(),
            session_seconds: None,
            max_session_seconds: None,
        }
    }

    /// Trusts a principal: an ARN, an account number, `arn:...:root` or `*`.
    #[must_use]
    pub fn trust(mut self, principal: impl Into<String>) -> Self {
        self.trust.principals.push(principal.into());
        self
    }

    /// Requires this `sts:ExternalId`.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.trust.external_id = Some(id.into());
        self
    }

    /// Trusts web identity tokens whose subject matches (`*` and `?` allowed).
    #[must_use]
    pub fn trust_web_identity(mut self, subject: impl Into<String>) -> Self {
        self.trust.web_identity = true;
        self.trust.subjects.push(subject.into());
        self
    }

    /// Adds a statement to the role's permissions.
    #[must_use]
    pub fn can(mut self, statement: Statement) -> Self {
        self.policy.push(statement);
        self
    }

    /// Adds several statements to the role's permissions.
    #[must_use]
    pub fn can_all(mut self, statements: impl IntoIterator<Item = Statement>) -> Self {
        self.policy.extend(statements);
        self
    }

    /// Life of every session, whatever the caller asks; negative means that the
    /// credentials are expired when they are handed out.
    #[must_use]
    pub const fn session_seconds(mut self, seconds: i64) -> Self {
        self.session_seconds = Some(seconds);
        self
    }

    /// `MaxSessionDuration`; 3600 otherwise, as in IAM.
    #[must_use]
    pub const fn max_session_seconds(mut self, seconds: i64) -> Self {
        self.max_session_seconds = Some(seconds);
        self
    }
}

/// A token that `AssumeRoleWithWebIdentity` accepts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebIdentityToken {
    pub(crate) token: String,
    pub(crate) subject: String,
    #[serde(default = "issuer")]
    pub(crate) issuer: String,
    #[serde(default = "audience")]
    pub(crate) audience: String,
    #[serde(default)]
    pub(crate) expired: bool,
}

fn issuer() -> String {
    "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE".to_owned()
}

fn audience() -> String {
    "sts.amazonaws.com".to_owned()
}

impl WebIdentityToken {
    /// A good token of a subject such as `system:serviceaccount:NS:NAME`.
    pub fn new(token: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { token: token.into(), subject: subject.into(), issuer: issuer(), audience: audience(), expired: false }
    }

    /// The token is past its `exp`.
    #[must_use]
    pub const fn expired(mut self) -> Self {
        self.expired = true;
        self
    }
}

/// A container credentials endpoint, as the ECS agent and the EKS Pod Identity
/// agent offer it (`AWS_CONTAINER_CREDENTIALS_FULL_URI`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerCredentials {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) authorization: Option<String>,
    #[serde(default)]
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) access_key: Option<String>,
    #[serde(default)]
    pub(crate) session_tags: bool,
    /// The inline session policy of a Pod Identity association.
    #[serde(default, deserialize_with = "super::statement::some_policy")]
    pub(crate) session_policy: Option<Vec<Statement>>,
}

impl ContainerCredentials {
    /// `GET path` answers a fresh session of the role.
    pub fn for_role(path: impl Into<String>, role_arn: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            authorization: None,
            role: Some(role_arn.into()),
            access_key: None,
            session_tags: false,
            session_policy: None,
        }
    }

    /// `GET path` answers the keys of a registered principal or account.
    pub fn for_access_key(path: impl Into<String>, access_key: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            authorization: None,
            role: None,
            access_key: Some(access_key.into()),
            session_tags: false,
            session_policy: None,
        }
    }

    /// The sessions carry transitive tags, as those of EKS Pod Identity do:
    /// whoever takes a role with them needs `sts:TagSession` as well.
    #[must_use]
    pub const fn session_tags(mut self) -> Self {
        self.session_tags = true;
        self
    }

    /// Requires this exact `Authorization` header.
    #[must_use]
    pub fn authorization(mut self, token: impl Into<String>) -> Self {
        self.authorization = Some(token.into());
        self
    }
}

/// The instance metadata service (`IMDSv2` only).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imds {
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) region: Option<String>,
}

impl Imds {
    /// An instance whose profile holds this role.
    pub fn for_role(role_arn: impl Into<String>) -> Self {
        Self { role: role_arn.into(), region: None }
    }

    /// Answers `placement/region`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }
}
