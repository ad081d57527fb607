//! What is left out of the files, why, and whether that ends the run.

use std::borrow::Cow;

use crate::airflow::invalid::Invalid;
use crate::error::{Exit, Failure};
use crate::fetch::answers::{Outcome, Trace};
use crate::model::kind::Kind;
use crate::model::policy::{Policies, Policy};
use crate::plan::Source;
use crate::store::error::StoreError;
use crate::store::secret_store::NotThere;
use crate::text::printable;

/// One id that is not in the files, or not in one of them.
#[derive(Clone)]
pub struct LeftOut {
    /// A connection, a variable or a config value.
    pub kind: Kind,
    pub id: String,
    /// Whose secret it was; `None` when no account has it.
    pub source: Option<Source>,
    pub why: Why,
    /// `SECRETS_INIT_REQUIRED` names it: it must end up in the files.
    pub required: bool,
    /// Of a missing one: the nearest id that there is, if any is near.
    pub near: Option<String>,
    /// Of one that was asked for by name and gives nothing: who asked, and what each account answered.
    pub asked: Option<Trace>,
}

/// Why an id is not there.
#[derive(Clone)]
pub enum Why {
    /// The secret's text is no connection that Airflow could use.
    Invalid(Invalid),
    /// The same, and it is a variable or a config value as well: most likely it was meant to be that alone.
    InvalidAndOfOtherKind(Invalid),
    /// The entry is right, but this file can't carry it.
    NotForFile {
        /// Which, as a log line shows it.
        file: String,
        reason: Cow<'static, str>,
    },
    /// An index names it in a way that can't be trusted.
    Refused(&'static str),
    /// The secret can't be read.
    Unreadable(StoreError),
    /// A listing or an index names it, and there is no value. Known of later readings alone: a first one names it as it meets it.
    NoValue(NotThere),
    /// It was asked for by name and no source has it.
    Missing,
    /// The same, but a shared account that the run goes on without may have it. How the run would have ended.
    Unknown(Exit),
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.noun(), printable(&self.id))?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        match &self.why {
            Why::Invalid(invalid) => write!(f, " is invalid: {invalid}"),
            Why::InvalidAndOfOtherKind(invalid) => {
                write!(f, " is no connection, but a variable or config value under the same prefix: {invalid}")
            }
            Why::Refused(reason) => write!(f, " is not asked for: {reason}; correct the index"),
            Why::NotForFile { file, reason } => write!(f, " can't be written to {file}: {reason}"),
            Why::Unreadable(error) => write!(f, " can't be read: {error}"),
            Why::NoValue(reason) => {
                write!(f, " is named by the listing or index, and has no value: {}", Outcome::NotThere(*reason))
            }
            Why::Unknown(_) => f.write_str(
                " is not known: no account that could be read has it, and one that may have it is left out as a whole",
            ),
            Why::Missing => {
                f.write_str(" is missing")?;
                if let Some(asked) = &self.asked {
                    write!(f, ": asked for by {}", asked.by.join(", "))?;
                    asked.lookups.iter().try_for_each(|lookup| write!(f, "; {lookup}"))?;
                }
                if let Some(near) = &self.near {
                    write!(f, "; did you mean {}?", printable(near))?;
                }
                f.write_str("; check the name, the prefix and the region, or take it out of that list")
            }
        }
    }
}

impl LeftOut {
    /// Why, in one short clause without a value.
    pub fn clause(&self) -> String {
        match &self.why {
            Why::Invalid(invalid) => format!("its secret is malformed ({})", invalid.place),
            Why::InvalidAndOfOtherKind(_) => "its secret is no connection".to_owned(),
            Why::NotForFile { file, reason } => format!("{file} can't hold it: {reason}"),
            Why::Refused(_) => "its entry in the index is wrong".to_owned(),
            Why::Unreadable(error) => format!("its secret can't be read ({})", error.cause.code()),
            Why::NoValue(reason) => Outcome::NotThere(*reason).to_string(),
            Why::Missing => match &self.near {
                Some(near) => format!("no account has it; did you mean {}?", printable(near)),
                None => "no account has it".to_owned(),
            },
            Why::Unknown(_) => "no account that could be read has it".to_owned(),
        }
    }

    /// The policy that decides about this one. What is required must end up in the files, whatever the policies say.
    pub const fn policy(&self, policies: &Policies) -> Policy {
        match self.why {
            _ if self.required => Policy::Error,
            // `variables_prefix` set to the prefix of the connections must just work.
            Why::InvalidAndOfOtherKind(_) => Policy::Ignore,
            Why::Invalid(_) | Why::NotForFile { .. } | Why::Refused(_) => policies.invalid,
            Why::Unreadable(_) => policies.denied,
            // Nobody asks for it.
            Why::NoValue(_) => Policy::Warn,
            Why::Missing => policies.missing,
            Why::Unknown(_) => policies.shared,
        }
    }

    /// How the run ends where this one is an error.
    pub const fn exit(&self) -> Exit {
        match self.why {
            Why::Invalid(_) | Why::InvalidAndOfOtherKind(_) | Why::NotForFile { .. } | Why::Refused(_) => {
                Exit::InvalidData
            }
            Why::Unreadable(_) => Exit::Denied,
            Why::NoValue(_) | Why::Missing => Exit::NotFound,
            Why::Unknown(exit) => exit,
        }
    }
}

/// Applies the policies.
///
/// # Errors
/// When a policy says error: every id that it says it about, and the gravest exit code.
pub fn judge(left_out: &[LeftOut], policies: &Policies) -> Result<(), Failure> {
    let wrong: Vec<&LeftOut> = left_out.iter().filter(|left| left.policy(policies) == Policy::Error).collect();
    match gravest(wrong.iter().copied()) {
        None => Ok(()),
        Some(exit) => Err(Failure::with_lines(exit, wrong.iter().map(ToString::to_string).collect())),
    }
}

/// The gravest exit code; `None` where nothing is left out.
pub fn gravest<'a>(all: impl IntoIterator<Item = &'a LeftOut>) -> Option<Exit> {
    all.into_iter().map(LeftOut::exit).max_by_key(|exit| exit.gravity())
}
