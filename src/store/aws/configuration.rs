//! AWS's own configuration of a run: of the pod, and of the own account where `profile_name` names another profile. Read, and the
//! `credential_process` run, before the process gives up to run programs.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Instant;

use super::sources::{self, Printed};
use crate::config::aws::chosen::Chosen;
use crate::config::aws::identity::{self, Identity};
use crate::config::aws::profiles::Profiles;
use crate::config::aws::proxies::Proxies;
use crate::config::aws::refusal::Refusal;
use crate::config::aws::session::Session;
use crate::config::env::Env;
use crate::config::settings::{Sandbox, Settings};
use crate::error::{Exit, Failure};
use crate::plan::{Plan, Source};

/// What AWS's variables and files say.
pub struct Configuration {
    pub pod: Side,
    pub own: Side,
    pub proxies: Proxies,
    /// When the reading of it began: the deadline of the run counts from here.
    pub begun: Instant,
}

/// Who asks, and where.
#[derive(Clone)]
pub struct Side {
    pub session: Session,
    /// Where the credentials come from; what is wrong with them is reported when they are needed.
    pub identity: Result<Identity, Refusal>,
    /// What its `credential_process` has printed.
    pub printed: Option<Arc<Printed>>,
}

/// The kinds of source that the pod's and the own account's credentials come from; `None` where none can be used.
pub type CredentialSource = [Option<Discriminant<Identity>>; 2];

impl Configuration {
    /// Of which kind the sources of the credentials are.
    pub fn source_of_credentials(&self) -> CredentialSource {
        [&self.pod, &self.own].map(|side| side.identity.as_ref().ok().map(discriminant))
    }

    /// Reads it.
    ///
    /// # Errors
    /// When a file, a profile or a setting of it can't be used, or a signal came.
    pub fn read(settings: &Settings, plan: &Plan, env: &Env) -> Result<Self, Failure> {
        let begun = Instant::now();
        let deadline = begun + settings.deadline;
        let proxies = Proxies::of(env).map_err(failure)?;
        let profiles = Profiles::read(env).map_err(failure)?;
        let access = &plan.own;
        let own = Chosen::of(access.profile_name.as_deref(), env);
        let own = Side::of(&own, env, &profiles, access.keys.is_none(), deadline)?;
        let is_pod = access.profile_name.is_none() && access.keys.is_none();
        // The profile of the environment may be anything where it is not used.
        let is_unused = access.profile_name.is_some()
            && access.role.is_none()
            && plan.accounts.iter().all(|account| account.source == Source::Own);
        let pod = if is_pod || is_unused {
            own.clone()
        } else {
            Side::of(&Chosen::of(None, env), env, &profiles, true, deadline)?
        };
        let is_run = pod.printed.is_some() || own.printed.is_some();
        if is_run && settings.refresh.is_some() && settings.sandbox == Sandbox::Auto {
            let line = "SECRETS_INIT_REFRESH: the profile's credential_process can't be run again in a process that has given up to run programs; set SECRETS_INIT_SANDBOX=off, or take other credentials";
            return Err(Failure::new(Exit::Config, line));
        }
        Ok(Self { pod, own, proxies, begun })
    }
}

impl Side {
    /// `is_asked`: whether its credentials are used.
    fn of(chosen: &Chosen, env: &Env, profiles: &Profiles, is_asked: bool, deadline: Instant) -> Result<Self, Failure> {
        let session = Session::of(chosen, env, profiles).map_err(failure)?;
        let identity = identity::find(chosen, env, profiles);
        let found = identity.as_ref().ok().filter(|_| is_asked);
        let printed = found.map_or(Ok(None), |identity| Printed::of(identity, deadline))?.map(Arc::new);
        Ok(Self { session, identity, printed })
    }
}

/// Ends the run: with the exit code of credentials where there is a cause, else with that of settings.
fn failure(refusal: Refusal) -> Failure {
    match refusal.cause {
        Some(_) => sources::refused(refusal).into_failure(),
        None => Failure::new(Exit::Config, refusal.words),
    }
}
