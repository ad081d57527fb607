//! IAM Identity Center: which role of which account, and where the token of the login is kept.
//!
//! Rules: botocore 1.44 `credentials.py` (`SSOProvider`), `utils.py` (`SSOTokenLoader`, `JSONFileCache`).

use std::path::PathBuf;

use super::profiles::{Profile, Profiles, text};
use super::refusal::Refusal;
use crate::config::env::Env;
use crate::model::cause::Cause;
use crate::text::printable;

/// A role of IAM Identity Center.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The profile that names it.
    pub profile: String,
    /// The account of the role.
    pub account: String,
    pub role: String,
    pub region: String,
    /// Where `aws sso login` leaves its token.
    pub cache: PathBuf,
}

impl Login {
    /// The login of a profile, if it has one.
    ///
    /// # Errors
    /// When it is incomplete, or contradicts its session.
    pub fn of(profile: Profile<'_>, profiles: &Profiles, env: &Env) -> Result<Option<Self>, Refusal> {
        if !profile.has("sso_role_name") && !profile.has("sso_account_id") {
            return Ok(None);
        }
        let name = printable(profile.name);
        let refuse = |words: String| Err(Refusal::new(Cause::BadConfiguration, words));
        let session = match profile.text("sso_session") {
            None => None,
            Some(session) => match profiles.sso_session(session) {
                Some(keys) => Some((session, keys)),
                None => {
                    return refuse(format!(
                        "the sso_session {} of the profile {name} is not there",
                        printable(session)
                    ));
                }
            },
        };
        if let Some((_, keys)) = session {
            let differs = |key: &&String| profile.has(key) && profile.text(key) != text(keys, key);
            if let Some(key) = keys.keys().find(differs) {
                return refuse(format!("{} differs between the profile {name} and its sso-session", printable(key)));
            }
        }
        let value = |key: &str| session.and_then(|(_, keys)| text(keys, key)).or_else(|| profile.text(key));
        let keys = ["sso_role_name", "sso_account_id", "sso_start_url", "sso_region"];
        let missing: Vec<&str> = keys.into_iter().filter(|key| value(key).is_none()).collect();
        let [Some(role), Some(account), Some(start_url), Some(region)] = keys.map(value) else {
            return refuse(format!("the profile {name} uses SSO, but lacks {}", missing.join(", ")));
        };
        if !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') || region.is_empty() {
            return refuse(format!("the sso_region of the profile {name} is no region"));
        }
        let key = session.map_or(start_url, |(session, _)| session);
        let cache = super::profiles::expanded(env, &format!("~/.aws/sso/cache/{}.json", sha1(key)));
        let [role, account, region] = [role, account, region].map(str::to_owned);
        Ok(Some(Self { profile: profile.name.to_owned(), account, role, region, cache: PathBuf::from(cache) }))
    }
}

fn sha1(text: &str) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
