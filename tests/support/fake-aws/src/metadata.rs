//! Where pods and instances get credentials: the container credentials
//! endpoint (ECS task metadata, EKS Pod Identity agent) and `IMDSv2`.

use std::borrow::Cow;
use std::io;

use hyper::{HeaderMap, Method, Response};
use serde_json::json;

use crate::arn::{account_of, is_account};
use crate::call::{Answer, Call, Peer, conduct};
use crate::error::AwsError;
use crate::reply::{Protocol, Reply, ReplyBody};
use crate::scenario::ContainerCredentials;
use crate::sessions::Credentials;
use crate::shared::Shared;
use crate::sync::read;
use crate::time::{iso8601, now};

const IMDS_TOKEN: &str = "fake-imds-token";
const IMDS_ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Answers a request that is for neither service; `None` when no endpoint of
/// the scenario has that path.
pub async fn handle(
    shared: &Shared,
    peer: &Peer,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<io::Result<Response<ReplyBody>>> {
    let endpoint = read(&shared.world).container_credentials.get(path).cloned();
    if let Some(endpoint) = endpoint {
        return Some(container(shared, peer, headers, &endpoint).await);
    }
    if path.starts_with("/latest/") {
        return Some(imds(shared, peer, method, path, headers).await);
    }
    None
}

fn call<'a>(operation: &'a str, account: &'a str, ids: Vec<String>) -> Call<'a> {
    Call { operation, account: Cow::Borrowed(account), region: "", principal: None, ids, protocol: Protocol::Plain }
}

async fn container(
    shared: &Shared,
    peer: &Peer,
    headers: &HeaderMap,
    endpoint: &ContainerCredentials,
) -> io::Result<Response<ReplyBody>> {
    let account = endpoint
        .role
        .as_deref()
        .or(endpoint.access_key.as_deref())
        .map_or("", |who| account_of(who).unwrap_or(if is_account(who) { who } else { "" }));
    let call = call("ContainerCredentials", account, endpoint.role.iter().cloned().collect());
    conduct(shared, peer, headers, call, |_| {
        let token = headers.get("authorization").and_then(|t| t.to_str().ok());
        match (&endpoint.authorization, token) {
            (Some(_), None) => {
                return Err(AwsError::new(400, "400", "Service account token cannot be empty"));
            }
            (Some(wanted), Some(token)) if wanted != token => {
                return Err(AwsError::new(403, "AccessDeniedException", "(AccessDeniedException): Unauthorized"));
            }
            _ => {}
        }
        let credentials = vend(shared, endpoint)
            .ok_or_else(|| AwsError::new(404, "ResourceNotFoundException", "no credentials here"))?;
        Ok(Reply::json(
            200,
            &json!({
                "AccessKeyId": credentials.access_key,
                "SecretAccessKey": credentials.secret_key,
                "Token": credentials.token,
                "AccountId": &*credentials.account,
                "Expiration": iso8601(credentials.expiration),
            }),
        )
        .into())
    })
    .await
}

fn vend(shared: &Shared, endpoint: &ContainerCredentials) -> Option<Credentials> {
    let world = read(&shared.world);
    if let Some(role) = &endpoint.role {
        // EKS Pod Identity and ECS sessions last six hours.
        let narrowed = endpoint.session_policy.clone().map(Into::into);
        let session = ("fake-container", 6 * 3600);
        return Some(shared.sessions.open_narrowed(world.roles.get(role)?, session, endpoint.session_tags, narrowed));
    }
    let key = endpoint.access_key.as_ref()?;
    let registered = world.principals.get(key);
    let account = registered.map_or_else(|| key.as_str().into(), |r| r.caller.account.clone());
    (registered.is_some() || is_account(key)).then(|| Credentials {
        access_key: key.clone(),
        secret_key: registered.and_then(|r| r.secret_key.clone()).unwrap_or_else(|| "fake".to_owned()),
        token: registered.and_then(|r| r.session_token.clone()).unwrap_or_else(|| "fake".to_owned()),
        expiration: now() + 6 * 3600,
        session_arn: registered.map_or_else(|| "".into(), |r| r.caller.arn.clone()),
        role_id: String::new(),
        account,
    })
}

async fn imds(
    shared: &Shared,
    peer: &Peer,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> io::Result<Response<ReplyBody>> {
    let issue = path == "/latest/api/token" && method == Method::PUT;
    let operation = if issue { "ImdsToken" } else { "ImdsMetadata" };
    conduct(shared, peer, headers, call(operation, "", Vec::new()), |_| {
        let missing = || AwsError::new(404, "404", "Not Found");
        let imds = read(&shared.world).imds.clone().ok_or_else(missing)?;
        if issue {
            let ttl = headers
                .get("x-aws-ec2-metadata-token-ttl-seconds")
                .and_then(|ttl| ttl.to_str().ok())
                .filter(|ttl| ttl.parse::<u32>().is_ok_and(|ttl| (1..=21_600).contains(&ttl)))
                .ok_or_else(|| AwsError::new(400, "400", "Bad Request"))?;
            let mut reply = Reply::ok(Protocol::Plain, IMDS_TOKEN);
            reply.headers.push(("x-aws-ec2-metadata-token-ttl-seconds".to_owned(), ttl.to_owned()));
            return Ok(reply.into());
        }
        if headers.get("x-aws-ec2-metadata-token").is_none_or(|token| token != IMDS_TOKEN) {
            return Err(AwsError::new(401, "401", "Unauthorized"));
        }
        if path == "/latest/meta-data/placement/region" {
            let region = imds.region.ok_or_else(missing)?;
            return Ok(Reply::ok(Protocol::Plain, region).into());
        }
        let role_name = imds.role.rsplit('/').next().unwrap_or_default().to_owned();
        let asked = format!("{path}/");
        let asked = asked.strip_prefix(IMDS_ROLES).ok_or_else(missing)?.trim_end_matches('/');
        if asked.is_empty() {
            return Ok(Reply::ok(Protocol::Plain, role_name).into());
        }
        if asked != role_name {
            return Err(missing());
        }
        instance_credentials(shared, &imds.role).ok_or_else(missing)
    })
    .await
}

fn instance_credentials(shared: &Shared, role: &str) -> Option<Answer> {
    let world = read(&shared.world);
    let credentials = shared.sessions.open(world.roles.get(role)?, "i-0fake0fake0fake00", 6 * 3600, false);
    let document = json!({
        "Code": "Success",
        "LastUpdated": iso8601(now()),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret_key,
        "Token": credentials.token,
        "Expiration": iso8601(credentials.expiration),
    });
    Some(Reply::json(200, &document).into())
}
