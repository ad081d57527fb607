//! What a store reports when a call fails: why, what was asked, where, what came back.

use std::fmt;
use std::sync::Arc;

use crate::error::Failure;
use crate::model::cause::Cause;
use crate::text::printable;

pub use crate::model::cause::ErrorKind;

/// The "action" of an error that came up before any call could be made.
pub const CREDENTIALS: &str = "credentials";

/// Trouble with one call: why, what was asked, where, what came back. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub cause: Cause,
    /// The API call, such as `secretsmanager:GetSecretValue`.
    pub action: &'static str,
    /// What it was about: a secret's name, a role, a file.
    pub subject: Option<String>,
    /// The service's code, such as `AccessDeniedException`.
    pub code: Option<String>,
    /// The service's words, or ours.
    pub message: String,
    pub request_id: Option<Box<str>>,
    /// Where it was asked and by whom, as far as that is known.
    pub asked: Option<Arc<CallContext>>,
}

/// Where a call went, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallContext {
    /// The account, where it is known.
    pub account: Option<String>,
    pub region: String,
    /// The caller's ARN, where it is known and the service's words do not name it.
    pub caller: Option<String>,
}

impl StoreError {
    /// An error in our own words.
    pub fn new(cause: impl Into<Cause>, action: &'static str, message: impl Into<String>) -> Self {
        let cause = cause.into();
        Self { cause, action, subject: None, code: None, message: message.into(), request_id: None, asked: None }
    }

    /// Why there are no credentials, in our own words.
    pub fn of_credentials(cause: Cause, message: impl Into<String>) -> Self {
        Self::new(cause, CREDENTIALS, message)
    }

    /// What kind of trouble it is.
    pub const fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }

    /// The same about a secret, where no subject is named yet. What fails before any secret is asked for (credentials,
    /// STS) is about none.
    pub fn about(mut self, secret: &str) -> Self {
        if self.action.starts_with("secretsmanager:") {
            self.subject.get_or_insert_with(|| secret.to_owned());
        }
        self
    }

    /// Ends the run with this.
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
