//! Which shared accounts a run can do without.

use std::future::Future;

use tokio::time::{Instant, timeout_at};

use crate::error::{Exit, Failure};
use crate::plan::Source;

/// Which shared accounts the run can do without.
#[derive(Clone, Copy, Debug)]
pub struct SharedPolicy {
    /// Any that can't be read, and it is waited for no longer than this. `None`: the run fails.
    pub until: Option<Instant>,
    /// One that holds what no run takes: an index that is none, or too much. So says `SECRETS_INIT_ON_INVALID`; who writes
    /// secrets there has no say in whether the own connections are there.
    pub may_be_invalid: bool,
    /// It was read with these settings before: what is wrong with them now is what the account holds.
    pub was_read: bool,
}

impl SharedPolicy {
    /// What asking gives, unless it takes longer than this account is waited for.
    pub async fn wait<T>(self, of: &Source, asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match self.until {
            Some(end) if *of != Source::Own => {
                timeout_at(end, asking).await.unwrap_or_else(|_| Err(Failure::new(Exit::TempFail, TOO_SLOW)))
            }
            _ => asking.await,
        }
    }

    /// Whether the run can go on without this account. A mistake in the settings is none of the account's, where they have not
    /// served before.
    pub fn can_do_without(self, of: &Source, failure: &Failure) -> bool {
        let by_policy = match failure.exit() {
            Exit::Bug => false,
            Exit::Config => self.was_read,
            Exit::InvalidData => self.may_be_invalid,
            _ => self.until.is_some(),
        };
        by_policy && *of != Source::Own
    }
}

pub(super) const TOO_SLOW: &str = "it was not read within nine tenths of SECRETS_INIT_DEADLINE";
