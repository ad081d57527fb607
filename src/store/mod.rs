//! The one seam to whatever holds the secrets. No type of the AWS SDK crosses it.

pub mod aws;
pub mod cause;
pub mod file;
pub mod memory;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use secrecy::SecretString;

use crate::error::{Exit, Failure};
use crate::model::aws::SecretId;
use crate::store::cause::Cause;
use crate::text::printable;

/// One secret of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How to read it: its full ARN where the store has ARNs.
    pub id: SecretId,
}

/// The text of a secret.
#[derive(Clone)]
pub struct Value {
    /// The text.
    pub text: SecretString,
    /// When the current version was made, in seconds since 1970, where the store knows.
    pub changed: Option<i64>,
}

/// What a store says about one secret that was asked for.
#[derive(Clone)]
pub enum Found {
    /// It is there and can be read.
    Value(Value),
    /// It is not there: the only answer that lets the next source be asked.
    NotThere(NotThere),
}

/// Why a secret counts as not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotThere {
    /// No such secret, or none with a current value.
    NoSuchSecret,
    /// Marked for deletion.
    MarkedForDeletion,
    /// Binary: the live backend reads SecretString alone.
    Binary,
}

/// What kind of trouble a store reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The secret is there, or may be, but may not be read.
    Denied,
    /// The key that encrypts it may not be used or can't be.
    Kms,
    /// AWS does not take the request as it is (a bad name, for example).
    Rejected,
    /// Throttled, after every retry.
    Throttled,
    /// Not reachable, or 5xx, after every retry.
    Unavailable,
    /// No credentials, or AWS does not take them.
    Credentials,
    /// More than a run takes.
    TooMuch,
}

impl ErrorKind {
    /// Whether the trouble belongs to one secret, so that the others can still be rendered.
    #[must_use]
    pub const fn is_of_one_secret(self) -> bool {
        matches!(self, Self::Denied | Self::Kms | Self::Rejected)
    }

    /// The exit code of a run that ends with it.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Denied | Self::Kms | Self::Credentials => Exit::Denied,
            Self::Throttled => Exit::TempFail,
            Self::TooMuch => Exit::InvalidData,
            Self::Unavailable => Exit::Unavailable,
            // A listing or an index that AWS does not take as it is named: the prefix or the name is wrong.
            Self::Rejected => Exit::Config,
        }
    }
}

impl Cause {
    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::NoCredentials
            | Self::TokenFile
            | Self::Expired
            | Self::ClockSkew
            | Self::Signature
            | Self::UnknownKey
            | Self::TokenRefused
            | Self::RoleDenied
            | Self::WebIdentityDenied
            | Self::AgentRefuses
            | Self::ImdsSilent
            | Self::BadConfiguration
            | Self::RoleRejected
            | Self::Unaccepted
            | Self::WrongRegion
            | Self::RegionDisabled => ErrorKind::Credentials,
            Self::NodeRole
            | Self::NoIdentityPolicy
            | Self::ListDenied
            | Self::NoResourcePolicy
            | Self::ExplicitDenyIdentity
            | Self::ExplicitDenyResource
            | Self::EndpointPolicy
            | Self::OrganizationPolicy
            | Self::Boundary
            | Self::Denied => ErrorKind::Denied,
            Self::KmsDenied | Self::KmsDefaultKey | Self::KmsUnusable => ErrorKind::Kms,
            Self::Rejected => ErrorKind::Rejected,
            Self::TooMuch => ErrorKind::TooMuch,
            Self::AgentUnreachable
            | Self::Dns
            | Self::Connect
            | Self::Tls
            | Self::Proxy
            | Self::NoAnswer
            | Self::NotAws
            | Self::ServerFault
            | Self::Unsent
            | Self::TooLarge => ErrorKind::Unavailable,
            Self::Throttled => ErrorKind::Throttled,
        }
    }
}

/// The cause of which no more is known than its kind.
impl From<ErrorKind> for Cause {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Kms => Self::KmsDenied,
            ErrorKind::Rejected => Self::Rejected,
            ErrorKind::Throttled => Self::Throttled,
            ErrorKind::Unavailable => Self::ServerFault,
            ErrorKind::Credentials => Self::Unaccepted,
            ErrorKind::TooMuch => Self::TooMuch,
        }
    }
}

/// The "action" of an error that came up before any call could be made.
pub const CREDENTIALS: &str = "credentials";

/// Trouble with one call: why, what was asked, where, what came back. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// Why.
    pub cause: Cause,
    /// The API call, such as `secretsmanager:GetSecretValue`.
    pub action: &'static str,
    /// What it was about: a secret's name, a role, a file.
    pub subject: Option<String>,
    /// The service's code, such as `AccessDeniedException`.
    pub code: Option<String>,
    /// The service's words, or ours.
    pub message: String,
    /// The service's request id.
    pub request_id: Option<Box<str>>,
    /// Where it was asked and by whom, as far as that is known.
    pub asked: Option<Arc<Asked>>,
}

/// Where a call went, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The account, where it is known.
    pub account: Option<String>,
    /// The region.
    pub region: String,
    /// The caller's ARN, where it is known and the service's words do not name it.
    pub caller: Option<String>,
}

impl StoreError {
    /// An error in our own words.
    #[must_use]
    pub fn new(cause: impl Into<Cause>, action: &'static str, message: impl Into<String>) -> Self {
        let cause = cause.into();
        Self { cause, action, subject: None, code: None, message: message.into(), request_id: None, asked: None }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }

    /// The same about a secret, where no subject is named yet. What fails before any secret is asked for (credentials,
    /// STS) is about none.
    #[must_use]
    pub fn about(mut self, secret: &str) -> Self {
        if self.action.starts_with("secretsmanager:") {
            self.subject.get_or_insert_with(|| secret.to_owned());
        }
        self
    }

    /// Ends the run with this.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        Failure::new(self.kind().exit(), self.to_string())
    }
}

/// Code, action, subject, place, caller; the service's words; what to do.
impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cause.code(), self.action)?;
        if let Some(subject) = &self.subject {
            write!(f, " of {}", printable(subject))?;
        }
        if let Some(asked) = &self.asked {
            // An ARN says both already.
            if !self.subject.as_deref().is_some_and(|subject| subject.starts_with("arn:")) {
                let account = asked.account.as_deref().map(|account| format!("{}/", printable(account)));
                write!(f, " in {}{}", account.unwrap_or_default(), printable(&asked.region))?;
            }
            if let Some(caller) = &asked.caller {
                write!(f, " as {}", printable(caller))?;
            }
        }
        f.write_str(": ")?;
        if let Some(code) = &self.code {
            write!(f, "{} ", printable(code))?;
        }
        write!(f, "{}", printable(&self.message))?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {})", printable(id))?;
        }
        write!(f, "; {}", self.cause.remedy())
    }
}

impl std::error::Error for StoreError {}

/// What a store says to one secret.
pub type Answer = Result<Found, StoreError>;

/// Which secrets of a listing are to be read.
pub struct Wanted<'a> {
    /// Whether a secret of this name is.
    pub takes: &'a dyn Fn(&str) -> bool,
    /// Whether there is none that is not.
    pub everything: bool,
}

/// What is under the prefixes.
#[derive(Default)]
pub struct Enumerated {
    /// Every secret that was wanted, once, in no order.
    pub secrets: Vec<(Listed, Answer)>,
    /// How many were there and not wanted.
    pub skipped: usize,
    /// Whose they are, where the store knows accounts and has listed at least one secret.
    pub account: Option<String>,
}

/// Something that holds secrets: one account as seen with one identity.
pub trait SecretStore {
    /// Does ahead what takes time and needs no secret's name: credentials, connections. Tells of no trouble.
    fn prepare(&self) -> impl Future<Output = ()>;

    /// Lists the secrets whose name begins with one of `prefixes` and reads those that are wanted. No prefix begins with
    /// another one, and there are ten at most.
    ///
    /// # Errors
    /// When the listing fails. That one secret can't be read is its answer.
    fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>)
    -> impl Future<Output = Result<Enumerated, StoreError>>;

    /// Reads these secrets: one answer for each id, in the same order.
    fn read(&self, ids: &[SecretId]) -> impl Future<Output = Vec<Answer>>;

    /// The account that the identity belongs to, where the store knows accounts.
    fn account(&self) -> impl Future<Output = Result<Option<String>, StoreError>>;

    /// How many API calls were made so far, retries not counted.
    fn calls(&self) -> u64;

    /// The last trouble that was met and tried again: what to say when the deadline ends the trying.
    fn trouble(&self) -> Option<StoreError>;
}
