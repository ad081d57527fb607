//! IAM Identity Center: the credentials of a role for the token that `aws sso login` has left.
//!
//! A token that has expired is not renewed: a new one would have to be written into the home directory, and the old one would no
//! longer count. Rules: botocore 1.44 `credentials.py` (`SSOCredentialFetcher`); the API's `GetRoleCredentials`.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::request::Request;
use crate::config::aws::refusal::unusable;
use crate::config::aws::sso::Login;
use crate::model::cause::Cause;
use crate::python::str::quote;
use crate::store::error::StoreError;
use crate::text::{os_error, parse_time, printable};

const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the portal.
pub async fn ask(login: &Login, endpoint: Option<&str>, http: &SharedHttpClient) -> Result<Credentials, StoreError> {
    let token = token(login)?;
    let host = format!("https://portal.sso.{}.{}", login.region, suffix(&login.region));
    let endpoint = endpoint.map_or(host.as_str(), |endpoint| endpoint.trim_end_matches('/'));
    let [role, account] = [&login.role, &login.account].map(|text| quote(text));
    let uri = format!("{endpoint}/federation/credentials?role_name={role}&account_id={account}");
    let place = format!("the SSO portal of the profile {}", printable(&login.profile));
    let answer = Request::new("GET", uri).header("x-amz-sso_bearer_token", token).send(http, PATIENCE).await?;
    match answer.status {
        200 => {}
        401 => {
            return Err(StoreError::of_credentials(
                Cause::LoginExpired,
                format!("{place} does not take the token of the login (sso)"),
            ));
        }
        429 => return Err(StoreError::of_credentials(Cause::Throttled, format!("{place} answers HTTP 429"))),
        status @ 500.. => {
            return Err(StoreError::of_credentials(Cause::ServerFault, format!("{place} answers HTTP {status}")));
        }
        status => {
            let words = format!("{place} answers HTTP {status}: the account, the role, or that it is assigned");
            return Err(StoreError::of_credentials(Cause::RoleRejected, words));
        }
    }
    let json = answer.json();
    let keys = json.as_ref().and_then(|json| json.get("roleCredentials")).and_then(serde_json::Value::as_object);
    let keys = keys.ok_or_else(|| {
        StoreError::of_credentials(Cause::NotAws, format!("{place} gives something else than credentials"))
    })?;
    let names = ["accessKeyId", "secretAccessKey", "sessionToken", "expires"];
    let found = super::keys::from_json(keys, names, &place)?;
    let expiry = keys.get("expiration").and_then(serde_json::Value::as_u64).map(Duration::from_millis);
    let expiry = expiry.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    let token = found.session_token().map(str::to_owned);
    Ok(Credentials::new(found.access_key_id(), found.secret_access_key(), token, expiry, "sso"))
}

/// The token that the login has left.
fn token(login: &Login) -> Result<String, StoreError> {
    let (profile, path) = (printable(&login.profile), printable(&login.cache.display().to_string()));
    let refuse = |problem: &str| {
        StoreError::of_credentials(
            Cause::LoginExpired,
            format!("the profile {profile} uses sso, and {path}, where the login's token should be, {problem}"),
        )
    };
    let text = crate::config::files::read_text(&login.cache, 1 << 20)
        .map_err(|problem| refuse(&format!("can't be read: {}", os_error(&problem))))?;
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|_| refuse("is no JSON object"))?;
    let text = |key: &str| json.get(key).and_then(serde_json::Value::as_str);
    let (Some(token), Some(expiry)) = (text("accessToken"), text("expiresAt").and_then(parse_time)) else {
        return Err(refuse("lacks accessToken or expiresAt"));
    };
    if expiry <= SystemTime::now() {
        return Err(refuse("has one that has expired"));
    }
    match unusable(token) {
        Some(problem) => Err(refuse(problem)),
        None => Ok(token.to_owned()),
    }
}

/// What the names of a partition's services end in (`partitions.json`).
fn suffix(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}
