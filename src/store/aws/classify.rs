//! What an error of the SDK means for us.
//!
//! By code first: Secrets Manager sends AccessDeniedException and ThrottlingException with 400, and InternalServiceError
//! with 400 or 500 (Secrets Manager API reference, "Common Errors"). A status of 5xx or 429 stands above any code.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::limits::Refused;
use super::logging_client::Unreached;
use crate::model::aws_names::action;
use crate::model::cause::Cause;
use crate::store::error::{ErrorKind, StoreError};
use crate::store::secret_store::NotThere;

/// Turns an SDK error into ours. The SDK's own text is left out: it may print parts of a response.
pub fn from_sdk<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(ours) = ours_in_chain(error).or_else(|| refused(action, error)) {
        return ours;
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
    let mut ours = of_code(action, service.code().map(str::to_owned), service.message().map(str::to_owned));
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
    let refused = chain(error).find_map(|error| error.downcast_ref::<Refused>())?;
    Some(StoreError::new(refused.cause, action, refused.message.clone()))
}

/// A request that got no answer: where it was to go, and what stood in its way.
pub fn unreached(action: &'static str, error: &(dyn Error + 'static)) -> StoreError {
    let mut to = String::new();
    let (mut is_timeout, mut is_name, mut io, mut tls, mut tunnel) = (false, false, None, None, None);
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
        // hyper-util's TunnelError, which says in fixed words what a proxy answered to CONNECT (hyper-util 0.1
        // `client/legacy/connect/proxy/tunnel.rs`).
        tunnel = tunnel.or_else(|| current.to_string().strip_prefix("tunnel error: ").map(str::to_owned));
    }
    // An answer that can't come any more was a connection at first.
    is_timeout |= matches!(io, Some(io) if io.kind() == std::io::ErrorKind::TimedOut);
    let words = io.map(|io| format!(": {}", crate::text::os_error(io))).unwrap_or_default();
    let (cause, message) = if let Some(tls) = tls {
        (Cause::Tls, format!("TLS with{to} fails: {tls}"))
    } else if let Some(tunnel) = tunnel {
        (Cause::Proxy, format!("the proxy lets nothing through to{to}: {tunnel}{words}"))
    } else if is_name {
        (Cause::Dns, format!("the name of{to} can't be resolved{words}"))
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

/// What a code and a message of Secrets Manager or STS mean.
pub fn of_code(action: &'static str, code: Option<String>, message: Option<String>) -> StoreError {
    let text = message.unwrap_or_else(|| "no message".to_owned());
    let name = code.as_deref().unwrap_or_default();
    let lower = text.to_lowercase();
    let cause = cause_of(action, name, &lower);
    // What AWS says of a signature quotes the request, session token included.
    let message = if cause.kind() == ErrorKind::Credentials || lower.contains("x-amz-") {
        about_credentials(cause, action, &text)
    } else {
        text
    };
    StoreError { code, ..StoreError::new(cause, action, message) }
}

fn cause_of(action: &str, code: &str, lower: &str) -> Cause {
    match code {
        "AccessDeniedException" | "AccessDenied" | "InvalidRequestException" if is_about_kms(lower) => kms(lower),
        "DecryptionFailure" | "DecryptionFailureException" => Cause::KmsUnusable,
        "AccessDeniedException" | "AccessDenied" => denial(action, lower),
        "RegionDisabledException" | "OptInRequired" => Cause::RegionDisabled,
        "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidRequestException"
        | "InvalidNextTokenException"
        | "ResourceNotFoundException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "MalformedPolicyDocument" => Cause::Rejected,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown" => Cause::Throttled,
        "UnrecognizedClientException" | "InvalidClientTokenId" => Cause::UnknownKey,
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" => signature(lower),
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => Cause::ClockSkew,
        "ExpiredTokenException" | "ExpiredToken" => Cause::Expired,
        "InvalidIdentityToken" | "IDPRejectedClaim" => Cause::TokenRefused,
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "NotAuthorized" => Cause::Unaccepted,
        // Server faults, whatever they are called, and what nobody has heard of: never taken for a trouble of one secret.
        _ => Cause::ServerFault,
    }
}

fn is_about_kms(lower: &str) -> bool {
    ["access to kms", "kms:decrypt", "kms key", "kms service key", "customer master key"]
        .iter()
        .any(|words| lower.contains(words))
}

/// "default KMS service key": recorded against AWS by LocalStack's validated tests.
fn kms(lower: &str) -> Cause {
    if lower.contains("default kms service key") { Cause::KmsDefaultKey } else { Cause::KmsDenied }
}

/// Which policy does not allow it, by AWS's words (IAM user guide, "Troubleshoot access denied error messages").
fn denial(action: &str, lower: &str) -> Cause {
    let says = |words: &str| lower.contains(words);
    if says("vpc endpoint policy") {
        Cause::EndpointPolicy
    } else if says("service control policy") || says("resource control policy") {
        Cause::OrganizationPolicy
    } else if says("permissions boundary") || says("session policy") {
        Cause::Boundary
    } else if says("explicit deny in a resource-based policy") {
        Cause::ExplicitDenyResource
    } else if says("explicit deny") {
        Cause::ExplicitDenyIdentity
    } else if says("no resource-based policy allows") {
        Cause::NoResourcePolicy
    } else if action == action::LIST_SECRETS {
        Cause::ListDenied
    } else if says("no identity-based policy allows") {
        Cause::NoIdentityPolicy
    } else {
        Cause::Denied
    }
}

/// What is wrong with a signature, by AWS's words (IAM user guide, "Troubleshoot Signature Version 4 requests").
fn signature(lower: &str) -> Cause {
    let says = |words: &str| lower.contains(words);
    if says("signature expired") || says("signature not yet current") {
        Cause::ClockSkew
    } else if says("credential should be scoped to a valid region") {
        Cause::WrongRegion
    } else {
        Cause::Signature
    }
}

/// What a refusal of credentials means, in our own words: AWS's can quote the request.
fn about_credentials(cause: Cause, action: &str, text: &str) -> String {
    let words = match cause {
        Cause::Expired if action == action::ASSUME_ROLE_WITH_WEB_IDENTITY => "the web identity token has expired",
        Cause::Expired => "the credentials have expired",
        Cause::ClockSkew => return clocks(text),
        Cause::Signature => "AWS does not accept the signature: a wrong secret key, or a proxy that rewrites headers",
        Cause::UnknownKey => "AWS does not know these credentials",
        Cause::TokenRefused => "AWS does not accept the web identity token",
        Cause::WrongRegion => "the endpoint is of another region than the one that the request was signed for",
        Cause::RegionDisabled => "the account is not signed up for this service or region",
        _ => "AWS does not accept the credentials (its words are left out: they can quote the request)",
    };
    words.to_owned()
}

/// Our time and AWS's, from "Signature expired: OURS is now earlier than LIMIT (THEIRS - 5 min.)" and its counterpart "not yet
/// current: OURS is still later than LIMIT (THEIRS + 5 min.)". Nothing but the two times is used of these words.
fn clocks(text: &str) -> String {
    let words = "this clock and AWS's differ by more than five minutes";
    let times: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_basic_time(word)).collect();
    match times[..] {
        [ours, _, theirs] => format!("{words}: here it is {ours}, at AWS {theirs}"),
        _ => words.to_owned(),
    }
}

/// Such as 20261123T101500Z.
fn is_basic_time(word: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    word.len() == 16
        && word.ends_with('Z')
        && word.as_bytes().get(8) == Some(&b'T')
        && word.get(..8).is_some_and(digits)
        && word.get(9..15).is_some_and(digits)
}

/// Whether an error says that the secret is not there, in the sense in which the next source may be asked.
///
/// "Marked for deletion" is an InvalidRequestException like others; its words tell it apart (recorded against AWS
/// by LocalStack's validated tests).
pub fn not_there(error: &StoreError) -> Option<NotThere> {
    match error.code.as_deref() {
        Some("ResourceNotFoundException") => Some(NotThere::NoSuchSecret),
        Some("InvalidRequestException") => {
            let text = error.message.to_lowercase();
            (text.contains("marked for deletion")
                || text.contains("scheduled for deletion")
                || text.contains("marked deleted"))
            .then_some(NotThere::MarkedForDeletion)
        }
        _ => None,
    }
}

/// Trouble with credentials comes wrapped in a dispatch failure; ours is somewhere in its chain.
fn ours_in_chain(error: &(dyn Error + 'static)) -> Option<StoreError> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(ours) = current.downcast_ref::<StoreError>() {
            return Some(ours.clone());
        }
        if let Some(credentials) = current.downcast_ref::<CredentialsError>() {
            let inner = credentials.source().and_then(ours_in_chain);
            return Some(inner.unwrap_or_else(|| super::credentials::explain(credentials)));
        }
        next = current.source();
    }
    None
}

/// An error and what lies under it, the payload of I/O errors included, which `source` skips.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |current| {
        let current: &'a (dyn Error + 'static) = *current;
        let payload = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        payload.map_or_else(|| current.source(), |payload| Some(payload as &(dyn Error + 'static)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "secretsmanager:GetSecretValue";

    fn error(code: &str, message: &str) -> StoreError {
        of_code(GET, Some(code.to_owned()), Some(message.to_owned()))
    }

    /// The texts of the IAM user guide, "Troubleshoot access denied error messages".
    #[test]
    fn a_denial_is_told_by_the_policy_that_aws_names() {
        let user =
            "User: arn:aws:iam::777788889999:user/JohnDoe is not authorized to perform: secretsmanager:GetSecretValue";
        for (words, cause) in [
            (
                "because no identity-based policy allows the secretsmanager:GetSecretValue action",
                Cause::NoIdentityPolicy,
            ),
            ("with an explicit deny in an identity-based policy", Cause::ExplicitDenyIdentity),
            (
                "because no resource-based policy allows the secretsmanager:GetSecretValue action",
                Cause::NoResourcePolicy,
            ),
            ("with an explicit deny in a resource-based policy", Cause::ExplicitDenyResource),
            ("because no VPC endpoint policy allows the secretsmanager:GetSecretValue action", Cause::EndpointPolicy),
            ("with an explicit deny in a VPC endpoint policy", Cause::EndpointPolicy),
            (
                "because no service control policy allows the secretsmanager:GetSecretValue action",
                Cause::OrganizationPolicy,
            ),
            ("with an explicit deny in a service control policy", Cause::OrganizationPolicy),
            ("with an explicit deny in a resource control policy", Cause::OrganizationPolicy),
            ("because no permissions boundary allows the secretsmanager:GetSecretValue action", Cause::Boundary),
            ("with an explicit deny in a permissions boundary", Cause::Boundary),
            ("because no session policy allows the secretsmanager:GetSecretValue action", Cause::Boundary),
            ("with an explicit deny", Cause::ExplicitDenyIdentity),
            ("", Cause::Denied),
        ] {
            let error = error("AccessDeniedException", &format!("{user} on resource: x {words}"));
            assert_eq!(error.cause, cause, "{words}");
            assert_eq!(error.kind(), ErrorKind::Denied);
        }
    }

    #[test]
    fn clocks_that_differ_are_shown_and_nothing_else_of_the_message() {
        let expired =
            "Signature expired: 20200102T030405Z is now earlier than 20261123T100959Z (20261123T101459Z - 5 min.)";
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired"] {
            let error = error(code, expired);
            assert_eq!(error.cause, Cause::ClockSkew);
            assert!(
                error.message.ends_with("here it is 20200102T030405Z, at AWS 20261123T101459Z"),
                "{}",
                error.message
            );
        }
        let odd = error("RequestTimeTooSkewed", "x-amz-security-token:c4nary 20200102T030405Z");
        assert_eq!(odd.message, "this clock and AWS's differ by more than five minutes");
    }

    #[test]
    fn codes_of_keys_regions_and_signatures() {
        for (code, message, cause) in [
            ("AccessDeniedException", "Access to KMS is not allowed", Cause::KmsDenied),
            (
                "AccessDeniedException",
                "The ciphertext refers to a customer master key that does not exist",
                Cause::KmsDenied,
            ),
            ("InvalidRequestException", "... with the default KMS service key.", Cause::KmsDefaultKey),
            ("DecryptionFailure", "x", Cause::KmsUnusable),
            ("InvalidSignatureException", "Credential should be scoped to a valid region.", Cause::WrongRegion),
            ("InvalidSignatureException", "The request signature we calculated does not match", Cause::Signature),
            ("OptInRequired", "x", Cause::RegionDisabled),
            ("Unheard", "x", Cause::ServerFault),
        ] {
            assert_eq!(error(code, message).cause, cause, "{code} {message}");
        }
    }
}
