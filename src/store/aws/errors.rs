//! What an error of the SDK means for us: its types, and what lies under them. Its texts are left out, since they may print
//! parts of a response.

use std::error::Error;
use std::fmt;

use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_config::meta::ProviderChainError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::codes;
use crate::model::aws_names::action::{ASSUME_ROLE, ASSUME_ROLE_WITH_WEB_IDENTITY as WEB_IDENTITY};
use crate::model::cause::Cause;
use crate::store::error::{CREDENTIALS, ErrorKind, StoreError};
use crate::text::os_error;

// ---- what our HTTP client adds ----------------------------------------------------------------------------------

/// An answer that was not read to its end.
#[derive(Debug)]
pub struct RefusedAnswer {
    pub cause: Cause,
    pub message: String,
}

impl fmt::Display for RefusedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RefusedAnswer {}

/// A request that got no answer, and where it was to go.
#[derive(Debug)]
pub struct Unreached {
    /// Such as `https://secretsmanager.eu-central-1.amazonaws.com`.
    pub origin: String,
    error: BoxError,
}

impl Unreached {
    /// Between a connector's error and its source; what kind of error it is stays.
    pub fn around(origin: String, error: ConnectorError) -> ConnectorError {
        let (is_timeout, is_user, is_io, other) =
            (error.is_timeout(), error.is_user(), error.is_io(), error.as_other());
        let inner = Self { origin, error: error.into_source() }.into();
        match (is_timeout, is_user, is_io) {
            (true, ..) => ConnectorError::timeout(inner),
            (_, true, _) => ConnectorError::user(inner),
            (_, _, true) => ConnectorError::io(inner),
            _ => ConnectorError::other(inner, other),
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from {}", self.origin)
    }
}

impl Error for Unreached {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

// ---- calls ------------------------------------------------------------------------------------------------------

/// Turns an SDK error into ours. The SDK's own text is left out: it may print parts of a response.
pub fn from_sdk<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(ours) = ours_in_chain(error).or_else(|| refused(action, error)) {
        return ours;
    }
    if let Some(credentials) = chain(error).find_map(|error| error.downcast_ref::<CredentialsError>()) {
        return of_provider(credentials);
    }
    let (service, status) = match error {
        SdkError::ServiceError(context) if context.err().code().is_none() => {
            let status = context.raw().status().as_u16();
            let cause = if status == 407 { Cause::Proxy } else { Cause::NotAws };
            let message = format!("HTTP {status} with a body that is not an answer of AWS (a proxy or gateway?)");
            return StoreError::new(cause, action, message);
        }
        SdkError::ServiceError(context) => (context.err(), context.raw().status().as_u16()),
        SdkError::ResponseError(_) => {
            return StoreError::new(Cause::NotAws, action, "the answer was cut off or is not an answer of AWS");
        }
        _ => return unreached(action, error),
    };
    let mut ours = codes::of_code(action, service.code().map(str::to_owned), service.message().map(str::to_owned));
    match status {
        429 => ours.cause = Cause::Throttled,
        500.. => ours.cause = Cause::ServerFault,
        _ => {}
    }
    ours.request_id = error.request_id().map(Box::from);
    ours
}

/// An answer that was not taken to its end.
fn refused(action: &'static str, error: &(dyn Error + 'static)) -> Option<StoreError> {
    let refused = chain(error).find_map(|error| error.downcast_ref::<RefusedAnswer>())?;
    Some(StoreError::new(refused.cause, action, refused.message.clone()))
}

/// A request that got no answer: where it was to go, and what stood in its way.
pub fn unreached(action: &'static str, error: &(dyn Error + 'static)) -> StoreError {
    let mut to = String::new();
    let (mut is_timeout, mut is_name, mut is_http, mut io, mut tls, mut tunnel) =
        (false, false, true, None, None, None);
    for current in chain(error) {
        if let Some(unreached) = current.downcast_ref::<Unreached>() {
            to = format!(" {}", unreached.origin);
        } else if let Some(connector) = current.downcast_ref::<ConnectorError>() {
            is_timeout |= connector.is_timeout();
        } else if current.is::<ResolveDnsError>() {
            is_name = true;
        } else if let Some(found) = current.downcast_ref::<rustls::Error>() {
            tls = Some(found);
        } else if let Some(found) = current.downcast_ref::<std::io::Error>() {
            io = Some(found);
        }
        is_http &= !is_parse_error(&current.to_string());
        // hyper-util's TunnelError, which says in fixed words what a proxy answered to CONNECT (hyper-util 0.1
        // `client/legacy/connect/proxy/tunnel.rs`).
        tunnel = tunnel.or_else(|| current.to_string().strip_prefix("tunnel error: ").map(str::to_owned));
    }
    // An answer that can't come any more was a connection at first.
    is_timeout |= matches!(io, Some(io) if io.kind() == std::io::ErrorKind::TimedOut);
    let words = io.map(|io| format!(": {}", os_error(io))).unwrap_or_default();
    let (cause, message) = if let Some(tls) = tls {
        (Cause::Tls, format!("TLS with{to} fails: {tls}"))
    } else if let Some(tunnel) = tunnel {
        (Cause::Proxy, format!("the proxy lets nothing through to{to}: {tunnel}{words}"))
    } else if is_name {
        (Cause::Dns, format!("the name of{to} can't be resolved{words}"))
    } else if !is_http {
        (Cause::NotAws, format!("what{to} answers is not HTTP/1.1"))
    } else if is_timeout {
        (Cause::NoAnswer, format!("no answer in time{}", if to.is_empty() { to } else { format!(" from{to}") }))
    } else if io.is_some()
        || chain(error).any(|e| e.downcast_ref::<ConnectorError>().is_some_and(ConnectorError::is_io))
    {
        (Cause::Connect, format!("can't connect{}{words}", if to.is_empty() { to } else { format!(" to{to}") }))
    } else {
        (Cause::Unsent, "the request could not be made".to_owned())
    };
    StoreError::new(cause, action, message)
}

/// Whether hyper says in these fixed words that it can't read the head of an answer (hyper 1.x `error.rs`).
fn is_parse_error(words: &str) -> bool {
    words.starts_with("invalid HTTP ")
        || ["invalid content-length parsed", "message head is too large"].contains(&words)
}

/// Ours in the chain of another error: trouble with credentials comes wrapped in a dispatch failure.
fn ours_in_chain(error: &(dyn Error + 'static)) -> Option<StoreError> {
    chain(error).find_map(|error| error.downcast_ref::<StoreError>()).cloned()
}

/// An error and what lies under it, the payload of I/O errors included, which `source` skips.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |current| {
        let current: &'a (dyn Error + 'static) = *current;
        let payload = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        payload.map_or_else(|| current.source(), |payload| Some(payload as &(dyn Error + 'static)))
    })
}

// ---- credentials ------------------------------------------------------------------------------------------------

/// A refusal by STS is about the role. Whether it throttles or is down stays what it is.
pub fn about_role(error: StoreError) -> StoreError {
    let cause = match (error.kind(), error.action) {
        (ErrorKind::Denied, WEB_IDENTITY) => Cause::WebIdentityDenied,
        (ErrorKind::Denied, _) => Cause::RoleDenied,
        (kind, _) if kind.is_of_one_secret() => Cause::RoleRejected,
        _ => error.cause,
    };
    StoreError { cause, ..error }
}

/// What a provider's error says, in words that quote nothing.
pub fn of_credentials(error: &CredentialsError) -> StoreError {
    ours_in_chain(error).unwrap_or_else(|| of_provider(error))
}

/// The SDK's own chain failed. Its words name providers and files, but an STS body can be among them: only what we
/// know to be harmless is repeated.
fn of_provider(error: &CredentialsError) -> StoreError {
    if let Some(refused) = refused(CREDENTIALS, error) {
        return refused;
    }
    for current in chain(error) {
        if let Some(sts) = current.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>() {
            return about_role(from_sdk(WEB_IDENTITY, sts));
        }
        if let Some(sts) = current.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            return about_role(from_sdk(ASSUME_ROLE, sts));
        }
        if let Some(sts) = current.downcast_ref::<AssumeRoleWithWebIdentityError>() {
            return refused_by_sts(WEB_IDENTITY, sts);
        }
        if let Some(sts) = current.downcast_ref::<AssumeRoleError>() {
            return refused_by_sts(ASSUME_ROLE, sts);
        }
        if current.is::<ConnectorError>() {
            return unreached(CREDENTIALS, current);
        }
        if let Some(imds) = current.downcast_ref::<ImdsError>() {
            return of_imds(imds);
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return of_io(io);
        }
        if let Some(status) = http_status(&current.to_string()) {
            let cause = match status {
                429 => Cause::Throttled,
                500.. => Cause::ServerFault,
                _ => Cause::AgentRefuses,
            };
            return StoreError::new(cause, CREDENTIALS, format!("the credentials endpoint answers HTTP {status}"));
        }
        if let Some(tried) = current.downcast_ref::<ProviderChainError<CredentialsError>>() {
            let mut tried = tried.attempts().iter().flat_map(|attempt| chain(attempt.error()));
            // Not configured says every provider without more; this one alone was asked.
            if let Some(silent) = tried.find(|error| error.is::<ConnectorError>()) {
                let message = format!(
                    "none found: no AWS_* variables, profile, web identity or container role, and the instance metadata service \
                     does not help: {}",
                    unreached(CREDENTIALS, silent).message
                );
                return StoreError::new(Cause::ImdsSilent, CREDENTIALS, message);
            }
        }
    }
    let (cause, message) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            Cause::NoCredentials,
            "none found: no AWS_* variables, profile, web identity, container or instance role (or the profile that is named \
             is not there)",
        ),
        CredentialsError::ProviderTimedOut(_) => (Cause::NoAnswer, "the provider did not answer in time"),
        CredentialsError::InvalidConfiguration(_) => (
            Cause::BadConfiguration,
            "the profile or the AWS_* variables of the credentials are not right (SSO and credential_process are not supported)",
        ),
        // The SDK's word for an answer that it can't read.
        CredentialsError::Unhandled(_) => (
            Cause::NotAws,
            "the endpoint for credentials (STS, the container's or the instance's) answers something else",
        ),
        _ => (Cause::Unaccepted, "the provider that the environment names gave none"),
    };
    StoreError::new(cause, CREDENTIALS, message)
}

/// The instance metadata service is there, or was.
fn of_imds(error: &ImdsError) -> StoreError {
    let status = match error {
        ImdsError::ErrorResponse(answer) => Some(answer.response().status()),
        ImdsError::FailedToLoadToken(_) => {
            let token = error.source().and_then(|error| error.downcast_ref());
            token.and_then(|error: &SdkError<TokenError, HttpResponse>| error.raw_response()).map(HttpResponse::status)
        }
        _ => None,
    };
    let service = "the instance metadata service";
    let (cause, message) = match status.map(u16::from) {
        Some(429) => (Cause::Throttled, format!("{service} answers HTTP 429")),
        Some(status @ 500..) => (Cause::ServerFault, format!("{service} answers HTTP {status}")),
        Some(300..) => (Cause::ImdsSilent, format!("{service} gives none")),
        _ => (Cause::NotAws, format!("{service} is cut off, or answers something else")),
    };
    StoreError::new(cause, CREDENTIALS, message)
}

/// A file that can't be read is a mistake of the Pod's; a connection that can't be made may pass.
fn of_io(error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind as Io;
    let passes = matches!(
        error.kind(),
        Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NotConnected
            | Io::BrokenPipe
            | Io::TimedOut
            | Io::UnexpectedEof
    );
    let (cause, what) = if passes {
        (Cause::Connect, "the endpoint for credentials (STS, the container's or the instance's) can't be reached")
    } else {
        (Cause::TokenFile, "a token or credentials file that the environment or profile names can't be read")
    };
    StoreError::new(cause, CREDENTIALS, format!("{what}: {}", os_error(error)))
}

/// The status in the SDK's words for an answer of the container's endpoint (aws-config 1.13
/// `http_credential_provider.rs`); of those words nothing but the number is used.
fn http_status(words: &str) -> Option<u16> {
    words.split_once("StatusCode(")?.1.get(..3)?.parse().ok()
}

fn refused_by_sts(action: &'static str, sts: &impl aws_sdk_sts::error::ProvideErrorMetadata) -> StoreError {
    use aws_sdk_sts::operation::RequestId;
    let ours = codes::of_code(action, sts.code().map(str::to_owned), sts.message().map(str::to_owned));
    StoreError { request_id: sts.meta().request_id().map(Box::from), ..about_role(ours) }
}
