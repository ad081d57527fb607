//! The endpoints that hand out credentials to processes beside them: of a container, of the instance.
//!
//! Rules: botocore 1.44 `credentials.py` (`ContainerProvider`), `utils.py` (`ContainerMetadataFetcher`, `IMDSFetcher`,
//! `resolve_imds_endpoint_mode`).

use std::net::IpAddr;

use super::profiles::Profile;
use super::refusal::Refusal;
use crate::config::env::Env;
use crate::model::aws::address;
use crate::model::cause::Cause;

/// Where a relative URI leads.
const CONTAINER: &str = "http://169.254.170.2";
/// Where plain HTTP is allowed to go, beside the loopback's addresses.
const HOSTS: [&str; 4] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"];
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The endpoint of a container's credentials. Its path can be a secret, so this has no `Debug`.
#[derive(Clone)]
pub struct Container {
    pub uri: String,
    /// Which variable names it.
    pub variable: &'static str,
    /// What it wants to see.
    pub token: EndpointToken,
}

/// What a container's endpoint wants to see.
#[derive(Clone)]
pub enum EndpointToken {
    None,
    Text(String),
    /// What the file holds.
    File(String),
}

impl EndpointToken {
    /// The variable of a token, or of its file.
    pub const fn variable(&self) -> &'static str {
        match self {
            Self::File(_) => TOKEN_FILE,
            _ => TOKEN,
        }
    }
}

/// The endpoint that the environment names, if it names one.
///
/// # Errors
/// When the variable is empty, is no address, or leads where credentials must not be asked for in the clear.
pub fn container(env: &Env) -> Result<Option<Container>, Refusal> {
    let (uri, variable) = match (env.raw(RELATIVE), env.raw(FULL)) {
        (None, None) => return Ok(None),
        (Some(""), _) => return Err(empty(RELATIVE)),
        (None, Some("")) => return Err(empty(FULL)),
        (Some(path), _) => (format!("{CONTAINER}{path}"), RELATIVE),
        (None, Some(uri)) => (uri.to_owned(), FULL),
    };
    let refuse = |words: &str| Err(Refusal::new(Cause::UnusableValue, format!("{variable} {words}")));
    if variable == RELATIVE && !env.raw(RELATIVE).is_some_and(|path| path.starts_with('/')) {
        return refuse("must begin with a slash");
    }
    if let Some(problem) = super::refusal::unusable(&uri) {
        return refuse(problem);
    }
    let Some(host) = host(&uri) else { return refuse("is no address such as http://169.254.170.23/v1/credentials") };
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !uri.starts_with("https://") && !is_loopback && !HOSTS.contains(&host.as_str()) {
        return refuse(
            "leads to another host than the loopback, 169.254.170.2, 169.254.170.23 or fd00:ec2::23, and without TLS",
        );
    }
    let token = match (env.raw(TOKEN_FILE), env.raw(TOKEN)) {
        (Some(""), _) => return Err(empty(TOKEN_FILE)),
        (Some(path), _) => EndpointToken::File(path.to_owned()),
        (None, None) => EndpointToken::None,
        (None, Some(token)) => match super::refusal::unusable(token) {
            Some(problem) => return Err(Refusal::new(Cause::UnusableValue, format!("{TOKEN} {problem}"))),
            None => EndpointToken::Text(token.to_owned()),
        },
    };
    Ok(Some(Container { uri, variable, token }))
}

fn empty(variable: &str) -> Refusal {
    Refusal::new(Cause::EmptyVariable, format!("{variable} is set, but empty"))
}

/// The host of an address with a scheme and a path that a request can carry.
fn host(uri: &str) -> Option<String> {
    Some(address(uri)?.host()?.trim_matches(['[', ']']).to_owned())
}

/// The instance metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// Whether version 1, without a token, is asked where there is no token; else what forbids it.
    pub without_token: Result<(), &'static str>,
}

/// The instance metadata service, unless it is switched off.
///
/// # Errors
/// When the address is none.
pub fn instance(env: &Env, profile: Option<Profile<'_>>) -> Result<Option<Instance>, Refusal> {
    if env.raw("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let find = |variable: &'static str, key: &'static str| super::session::find(env, profile, Some(variable), key);
    let endpoint = find("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    let mode = find("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    let use_ipv6 = find("AWS_IMDS_USE_IPV6", "imds_use_ipv6");
    let is_ipv6 = match mode.filter(|(mode, _)| !mode.is_empty()) {
        None => use_ipv6.is_some_and(|(value, _)| value.eq_ignore_ascii_case("true")),
        Some((mode, _)) if mode.eq_ignore_ascii_case("ipv4") => false,
        Some((mode, _)) if mode.eq_ignore_ascii_case("ipv6") => true,
        Some((_, by)) => return Err(Refusal::new(Cause::UnusableValue, format!("{by} must be IPv4 or IPv6"))),
    };
    let endpoint = match endpoint.filter(|(endpoint, _)| !endpoint.is_empty()) {
        None if is_ipv6 => "http://[fd00:ec2::254]".to_owned(),
        None => "http://169.254.169.254".to_owned(),
        Some((endpoint, by)) => match host(endpoint).filter(|_| super::refusal::unusable(endpoint).is_none()) {
            Some(_) => endpoint.trim_end_matches('/').to_owned(),
            None => {
                return Err(Refusal::new(
                    Cause::UnusableValue,
                    format!("{by} is no address such as http://169.254.169.254"),
                ));
            }
        },
    };
    let forbidden = find("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
    let forbidden = forbidden.filter(|(value, _)| value.eq_ignore_ascii_case("true"));
    Ok(Some(Instance { endpoint, without_token: forbidden.map_or(Ok(()), |(_, by)| Err(by)) }))
}
