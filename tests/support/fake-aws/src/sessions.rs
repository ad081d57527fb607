//! Temporary credentials, and who an access key stands for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use crate::arn::is_account;
use crate::caller::Caller;
use crate::rng;
use crate::scenario::Statement;
use crate::sync::{read, write};
use crate::time;
use crate::world::{StoredRole, World};

/// Credentials as the answers carry them.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    pub token: String,
    pub expiration: i64,
    pub session_arn: Arc<str>,
    /// The role's unique id and the session name.
    pub role_id: String,
    pub account: Arc<str>,
}

#[derive(Debug)]
struct Session {
    caller: Arc<Caller>,
    token: String,
    expires: i64,
    tagged: bool,
}

/// The sessions handed out so far.
#[derive(Debug, Default)]
pub struct Sessions {
    by_key: RwLock<HashMap<String, Session>>,
    issued: AtomicU64,
}

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKey {
    Unknown,
    Expired,
}

/// An authenticated key.
#[derive(Debug, Clone)]
pub struct Identity {
    pub caller: Arc<Caller>,
    /// Are the credentials themselves from `AssumeRole`?
    pub chained: bool,
    /// Do they carry transitive session tags?
    pub tagged: bool,
}

impl Sessions {
    /// Opens a session of a role, `tagged` with transitive session tags or not.
    pub fn open(&self, role: &StoredRole, name: &str, seconds: i64, tagged: bool) -> Credentials {
        self.open_narrowed(role, (name, seconds), tagged, None)
    }

    /// The same, narrowed by a session policy.
    pub fn open_narrowed(
        &self,
        role: &StoredRole,
        (name, seconds): (&str, i64),
        tagged: bool,
        session_policy: Option<Arc<[Statement]>>,
    ) -> Credentials {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let role_arn = role.role.arn.as_str();
        let role_name = role_arn.rsplit('/').next().unwrap_or_default();
        let session_arn: Arc<str> = format!("arn:aws:sts::{}:assumed-role/{role_name}/{name}", role.account).into();
        let key = format!("ASIA{:04}{}", number % 10_000, base32(rng::hash([role_arn, &number.to_string()])));
        let token = format!("fake-session-token-{key}");
        let expires = time::now().saturating_add(role.role.session_seconds.unwrap_or(seconds));
        let account: Arc<str> = role.account.as_str().into();
        let caller = Arc::new(Caller {
            account: Arc::clone(&account),
            arn: Arc::clone(&session_arn),
            role_arn: Some(role_arn.into()),
            full_access: false,
            policy: Arc::clone(&role.policy),
            session_policy,
        });
        write(&self.by_key).insert(key.clone(), Session { caller, token: token.clone(), expires, tagged });
        Credentials {
            secret_key: format!("fake-secret-key-of-{key}"),
            access_key: key,
            token,
            expiration: expires,
            session_arn,
            role_id: format!("AROA{}:{name}", base32(rng::hash([role_arn]))),
            account,
        }
    }

    /// Who the key stands for: a session, a registered principal, or the account
    /// it spells.
    pub fn identify(&self, world: &World, key: &str, token: Option<&str>) -> Result<Identity, BadKey> {
        let check_token = world.settings.check_session_token();
        if let Some(session) = read(&self.by_key).get(key) {
            if check_token && token != Some(session.token.as_str()) {
                return Err(BadKey::Unknown);
            }
            if session.expires <= time::now() {
                return Err(BadKey::Expired);
            }
            return Ok(Identity { caller: Arc::clone(&session.caller), chained: true, tagged: session.tagged });
        }
        if let Some(registered) = world.principals.get(key) {
            let wanted = registered.session_token.as_deref();
            if check_token && wanted.is_some() && token != wanted {
                return Err(BadKey::Unknown);
            }
            if registered.expired {
                return Err(BadKey::Expired);
            }
            return Ok(Identity { caller: Arc::clone(&registered.caller), chained: false, tagged: false });
        }
        if is_account(key) {
            return Ok(Identity { caller: Arc::new(account_itself(key)), chained: false, tagged: false });
        }
        Err(BadKey::Unknown)
    }
}

/// The principal of a twelve-digit access key.
fn account_itself(account: &str) -> Caller {
    Caller {
        account: account.into(),
        arn: format!("arn:aws:iam::{account}:root").into(),
        role_arn: None,
        full_access: true,
        policy: Arc::default(),
        session_policy: None,
    }
}

/// Twelve characters of the alphabet that access keys use.
fn base32(mut bits: u64) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..12)
        .map(|_| {
            let index = usize::try_from(bits & 31).unwrap_or(0);
            bits >>= 5;
            char::from(ALPHABET[index])
        })
        .collect()
}
