//! What the settings say about each kind of trouble.

use crate::error::Exit;

/// What to do about one kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Error,
    /// Left out, counted, named at WARN.
    Warn,
    /// Left out and counted.
    Ignore,
}

impl Policy {
    pub const ALL: [Self; 3] = [Self::Error, Self::Warn, Self::Ignore];

    /// Its name in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Ignore => "ignore",
        }
    }
}

/// One policy for each kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies {
    /// A secret is malformed.
    pub invalid: Policy,
    /// A secret may not be read.
    pub denied: Policy,
    /// An id asked for by name is nowhere.
    pub missing: Policy,
    /// Nothing at all was found.
    pub empty: Policy,
    /// One account that is asked holds nothing while another does.
    pub empty_account: Policy,
    /// A shared account can't be read as a whole.
    pub shared: Policy,
}

impl Policies {
    /// What is done about a shared account that fails with this code. What it holds is a matter of invalid secrets as well.
    pub fn about_shared(&self, exit: Exit) -> Policy {
        if exit == Exit::InvalidData && self.shared == Policy::Error { self.invalid } else { self.shared }
    }

    /// Those of a later reading: what is wrong with one secret or one account keeps nothing of the others from being refreshed. That
    /// an account is empty is judged by what it held before.
    pub const fn of_a_later_reading(self) -> Self {
        let warn = Policy::Warn;
        Self { invalid: warn, denied: warn, missing: warn, shared: warn, empty_account: Policy::Ignore, ..self }
    }
}
