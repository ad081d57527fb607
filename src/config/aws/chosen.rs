//! Which profile counts.

use super::profiles::{Profile, Profiles};
use super::refusal::Refusal;
use crate::config::env::Env;
use crate::model::cause::Cause;
use crate::text::{printable, shown};

/// Which profile counts, and what says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Its name and the variable or key that holds it; `default` where nothing does.
    named: Option<(String, &'static str)>,
    /// By `profile_name`: the variables of the environment then do not count.
    pub is_explicit: bool,
}

impl Chosen {
    /// The profile that `profile_name` or the environment names.
    pub fn of(profile_name: Option<&str>, env: &Env) -> Self {
        let variable = |name: &'static str| env.raw(name).map(|value| (value.to_owned(), name));
        match profile_name {
            Some(name) => Self { named: Some((name.to_owned(), "profile_name")), is_explicit: true },
            None => {
                Self { named: variable("AWS_DEFAULT_PROFILE").or_else(|| variable("AWS_PROFILE")), is_explicit: false }
            }
        }
    }

    /// The profile's name.
    pub fn name(&self) -> &str {
        self.named.as_ref().map_or("default", |(name, _)| name)
    }

    /// The profile, if it is there.
    ///
    /// # Errors
    /// When one is named that is not.
    pub fn profile<'a>(&'a self, profiles: &'a Profiles) -> Result<Option<Profile<'a>>, Refusal> {
        let found = profiles.get(self.name());
        let Some((name, by)) = self.named.as_ref().filter(|_| found.is_none()) else { return Ok(found) };
        let files = format!("{} or {}", shown(&profiles.config.path), shown(&profiles.credentials.path));
        let words = if name.is_empty() {
            format!("{by} is set, but empty: take it away, or name a profile")
        } else {
            format!("the profile {} that {by} names is not in {files}", printable(name))
        };
        Err(Refusal::new(Cause::ProfileMissing, words))
    }
}
