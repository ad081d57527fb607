//! What an error of the SDK means for us: its types, and what lies under them. Its texts are left out, since they may print
//! parts of a response.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::codes;
use crate::model::aws_names::action::ASSUME_ROLE_WITH_WEB_IDENTITY as WEB_IDENTITY;
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
    /// The variable of the proxy that it was to go through.
    proxy: Option<&'static str>,
    error: BoxError,
}

impl Unreached {
    /// Between a connector's error and its source; what kind of error it is stays.
    pub fn around(origin: String, proxy: Option<&'static str>, error: ConnectorError) -> ConnectorError {
        let (is_timeout, is_user, is_io, other) =
            (error.is_timeout(), error.is_user(), error.is_io(), error.as_other());
        let inner = Self { origin, proxy, error: error.into_source() }.into();
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
pub fn refused(action: &'static str, error: &(dyn Error + 'static)) -> Option<StoreError> {
    let refused = chain(error).find_map(|error| error.downcast_ref::<RefusedAnswer>())?;
    Some(StoreError::new(refused.cause, action, refused.message.clone()))
}

/// A request that got no answer: where it was to go, and what stood in its way.
pub fn unreached(action: &'static str, error: &(dyn Error + 'static)) -> StoreError {
    let (mut to, mut proxy) = (String::new(), None);
    let (mut is_timeout, mut is_name, mut is_http, mut is_cut, mut io, mut tls, mut tunnel) =
        (false, false, true, false, None, None, None);
    for current in chain(error) {
        if let Some(unreached) = current.downcast_ref::<Unreached>() {
            to = format!(" {}", unreached.origin);
            proxy = unreached.proxy;
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
        is_cut |= current.to_string() == "connection closed before message completed";
        // hyper-util's TunnelError, which says in fixed words what a proxy answered to CONNECT (hyper-util 0.1
        // `client/legacy/connect/proxy/tunnel.rs`).
        tunnel = tunnel.or_else(|| current.to_string().strip_prefix("tunnel error: ").map(str::to_owned));
    }
    // An answer that can't come any more was a connection at first.
    is_timeout |= matches!(io, Some(io) if io.kind() == std::io::ErrorKind::TimedOut);
    let words = io.map(|io| format!(": {}", os_error(io))).unwrap_or_default();
    let with = |preposition: &str| if to.is_empty() { String::new() } else { format!(" {preposition}{to}") };
    let (cause, message) = if let Some(tls) = tls {
        // No CA mends what is not the certificate's fault.
        let is_distrust = matches!(tls, rustls::Error::InvalidCertificate(_));
        (if is_distrust { Cause::Tls } else { Cause::NotAws }, format!("TLS with{to} fails: {tls}"))
    } else if let Some(tunnel) = tunnel {
        (Cause::Proxy, format!("the proxy lets nothing through to{to}: {tunnel}{words}"))
    } else if is_name {
        (Cause::Dns, format!("the name of{to} can't be resolved{words}"))
    } else if !is_http {
        (Cause::NotAws, format!("what{to} answers is not HTTP/1.1"))
    } else if is_timeout {
        (Cause::NoAnswer, format!("no answer in time{}", with("from")))
    } else if io.is_some()
        || chain(error).any(|e| e.downcast_ref::<ConnectorError>().is_some_and(ConnectorError::is_io))
    {
        (Cause::Connect, format!("can't connect{}{words}", with("to")))
    } else if is_cut {
        (Cause::Connect, format!("no answer: the connection{} was closed", with("to")))
    } else {
        (Cause::Unsent, "the request could not be made".to_owned())
    };
    match proxy {
        // Where no connection comes about, the proxy is the first suspect.
        Some(variable) if matches!(cause, Cause::Connect | Cause::NoAnswer | Cause::Proxy) => {
            StoreError::new(Cause::Proxy, action, format!("{message} ({variable} is set)"))
        }
        _ => StoreError::new(cause, action, message),
    }
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

/// A provider's error that is none of ours.
fn of_provider(error: &CredentialsError) -> StoreError {
    refused(CREDENTIALS, error)
        .unwrap_or_else(|| StoreError::of_credentials(Cause::Unaccepted, "the source of the credentials gives none"))
}
