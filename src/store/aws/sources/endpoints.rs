//! The endpoints of containers and instances, asked as botocore 1.44 asks them (`utils.py`, `ContainerMetadataFetcher` and
//! `InstanceMetadataFetcher`; `credentials.py`, `ContainerProvider`).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::super::codes;
use super::keys::from_json;
use super::request::{EndpointAnswer, Request};
use crate::config::aws::metadata::{Container, EndpointToken, Instance};
use crate::config::aws::refusal::unusable;
use crate::model::cause::Cause;
use crate::store::error::StoreError;
use crate::text::{os_error, printable};

/// What a container's endpoint has for one answer: the Pod Identity agent asks AWS itself.
const AGENT: Duration = Duration::from_secs(5);
/// What the instance's has: it stands beside us, or is not there.
const INSTANCE: Duration = Duration::from_secs(1);
const SERVICE: &str = "the instance metadata service";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// What a status means that is no success.
fn refusal(place: &str, status: u16, otherwise: Cause) -> StoreError {
    let cause = match status {
        429 => Cause::Throttled,
        500.. => Cause::ServerFault,
        _ => otherwise,
    };
    StoreError::of_credentials(cause, format!("{place} answers HTTP {status}"))
}

/// Asks a container's endpoint.
pub async fn container(container: &Container, http: &SharedHttpClient) -> Result<Credentials, StoreError> {
    let place = format!("the endpoint that {} names", container.variable);
    let mut request = Request::new("GET", container.uri.clone()).header("accept", "application/json");
    if let Some(token) = token(container)? {
        request = request.header("authorization", token);
    }
    let answer = request.send(http, AGENT).await?;
    if answer.status != 200 {
        return Err(refusal(&place, answer.status, Cause::AgentRefuses));
    }
    let json = answer.json().ok_or_else(|| {
        StoreError::of_credentials(Cause::NotAws, format!("{place} gives something else than credentials"))
    })?;
    let mut keys = from_json(&json, ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"], &place);
    if !json.contains_key("Expiration") {
        keys =
            Err(StoreError::of_credentials(Cause::AgentRefuses, format!("{place} gives an answer without Expiration")));
    }
    keys.map_err(|problem| match problem.cause {
        Cause::NotAws => StoreError { cause: Cause::AgentRefuses, ..problem },
        _ => problem,
    })
}

fn token(container: &Container) -> Result<Option<String>, StoreError> {
    let variable = container.token.variable();
    let path = match &container.token {
        EndpointToken::None => return Ok(None),
        EndpointToken::Text(token) => return Ok(Some(token.clone())),
        EndpointToken::File(path) => path,
    };
    let shown = printable(path);
    let token = crate::config::files::read_text(path.as_ref(), 1 << 20).map_err(|problem| {
        StoreError::of_credentials(
            Cause::TokenFile,
            format!("{variable} names {shown}, which can't be read: {}", os_error(&problem)),
        )
    })?;
    match unusable(&token) {
        Some(problem) => Err(StoreError::of_credentials(
            Cause::UnusableValue,
            format!("the file {shown} that {variable} names {problem}"),
        )),
        None => Ok(Some(token)),
    }
}

/// Asks the instance's: for a token, the role's name, its credentials.
pub async fn instance(instance: &Instance, http: &SharedHttpClient) -> Result<Credentials, StoreError> {
    let ask = |method, path: &str| Request::new(method, format!("{}{path}", instance.endpoint));
    let mut fault = None;
    let token = match ask("PUT", "/latest/api/token")
        .header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        .send(http, INSTANCE)
        .await
    {
        Ok(answer) if answer.status == 200 => Some(text(&answer)?),
        Ok(answer) if answer.status == 400 => return Err(refusal(SERVICE, 400, Cause::ImdsSilent)),
        // Version 1 is tried. A token is not let through to where the hop limit is one; the rest may be.
        Ok(answer) => {
            fault = Some(answer.status).filter(|status| matches!(status, 429 | 500..));
            None
        }
        Err(error) if error.cause == Cause::NoAnswer => None,
        Err(unreached) => return Err(silent(unreached)),
    };
    let token = match (token, instance.without_token) {
        (None, Err(by)) => {
            return Err(StoreError::of_credentials(
                Cause::ImdsSilent,
                format!("{SERVICE} gives no token for version 2, and {by} forbids version 1"),
            ));
        }
        (token, _) => token,
    };
    let get = async |path: &str| {
        let request = ask("GET", path);
        let request = match &token {
            Some(token) => request.header("x-aws-ec2-metadata-token", token.clone()),
            None => request,
        };
        // Who has given a token is there: what it does not answer now may pass.
        let sent = request.send(http, INSTANCE).await;
        let answer = if token.is_some() { sent? } else { sent.map_err(silent)? };
        match (answer.status, fault) {
            (200, _) => Ok(answer),
            // Only the token was wanting, and that may pass.
            (_, Some(status)) => Err(refusal(SERVICE, status, Cause::ImdsSilent)),
            (401, _) if token.is_none() => {
                let words = format!("{SERVICE} does not answer the request for a token, and wants one");
                Err(StoreError::of_credentials(Cause::ImdsSilent, words))
            }
            (404, _) => Err(StoreError::of_credentials(
                Cause::ImdsSilent,
                format!("{SERVICE} gives none: the instance has no role"),
            )),
            (status, _) => Err(refusal(SERVICE, status, Cause::ImdsSilent)),
        }
    };
    let role = text(&get(ROLES).await?)?;
    if !is_role_name(&role) {
        return Err(StoreError::of_credentials(
            Cause::NotAws,
            format!("{SERVICE} gives something else than the name of a role"),
        ));
    }
    let answer = get(&format!("{ROLES}{role}")).await?;
    let json = answer.json().ok_or_else(|| {
        StoreError::of_credentials(Cause::NotAws, format!("{SERVICE} gives something else than credentials"))
    })?;
    let keys = ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
    if keys.iter().any(|key| !json.contains_key(*key)) {
        // Such as {"Code": "AssumeRoleUnauthorizedAccess", ...}: EC2 may not take the role.
        let code = json.get("Code").and_then(serde_json::Value::as_str).filter(|code| codes::is_code(code));
        let code = code.map(|code| format!(": {code}")).unwrap_or_default();
        return Err(StoreError::of_credentials(
            Cause::ImdsSilent,
            format!("{SERVICE} gives no keys of the instance's role{code}"),
        ));
    }
    from_json(&json, keys, SERVICE)
}

/// A text that a header and a path can carry.
fn text(answer: &EndpointAnswer) -> Result<String, StoreError> {
    let text = String::from_utf8(answer.body.clone()).ok().filter(|text| unusable(text).is_none());
    text.ok_or_else(|| {
        // A page of whatever stands in between may go away.
        let cause = if answer.body.starts_with(b"<") { Cause::NotAws } else { Cause::ImdsSilent };
        StoreError::of_credentials(cause, format!("{SERVICE} gives something else than a token or the name of a role"))
    })
}

/// No answer means that there is no instance role.
fn silent(unreached: StoreError) -> StoreError {
    if !matches!(unreached.cause, Cause::Connect | Cause::NoAnswer | Cause::Dns) {
        return unreached;
    }
    let message = format!(
        "none found: no AWS_* variables, profile, web identity or container role, and the instance metadata service does not \
         help: {}",
        unreached.message
    );
    StoreError::of_credentials(Cause::ImdsSilent, message)
}

/// Whether a path can hold it (IAM API reference, RoleName).
fn is_role_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::is_role_name;

    #[test]
    fn a_role_has_a_name_that_a_path_can_hold() {
        assert!(is_role_name("airflow+=,.@-_"));
        for name in ["", "<html>", "a b", "a\n", "a/../b", "\u{e9}"] {
            assert!(!is_role_name(name), "{name:?}");
        }
    }
}
