//! Which account the own one is, where the settings and AWS's own variables and files say it.

use super::chosen::Chosen;
use super::identity::{self, Identity};
use super::profiles::Profiles;
use crate::config::env::Env;
use crate::config::kwargs::OwnAccess;
use crate::model::aws::{AccountId, Arn};

/// The account of the role that the own secrets are read with; `None` where other credentials read them, whose account only AWS
/// knows, and where what is set up can't be used.
pub fn find(access: &OwnAccess, env: &Env) -> Option<AccountId> {
    if let Some(role) = &access.role {
        return Some(role.arn.account.clone());
    }
    if access.keys.is_some() {
        return None;
    }
    let profiles = Profiles::read(env).ok()?;
    let arn = match identity::find(&Chosen::of(access.profile_name.as_deref(), env), env, &profiles).ok()? {
        Identity::WebIdentity(identity) => identity.role,
        Identity::Role(role) => role.arn,
        Identity::Keys(_)
        | Identity::Sso(_)
        | Identity::Process(_)
        | Identity::Container(_)
        | Identity::Instance(_) => return None,
    };
    arn.parse::<Arn>().ok().map(|arn| arn.account)
}
