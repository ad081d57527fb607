//! What an error of the SDK means for us.
//!
//! By code first: Secrets Manager sends AccessDeniedException and ThrottlingException with 400, and InternalServiceError
//! with 400 or 500 (Secrets Manager API reference, "Common Errors"). A status of 5xx or 429 stands above any code.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::store::{ErrorKind, NotThere, StoreError};

/// What is said of a call that was not answered, or not even connected, in time.
pub const NO_ANSWER: &str = "no answer in time";

/// Turns an SDK error into ours. The SDK's own text is left out: it may print parts of a response.
pub fn from_sdk<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(ours) = ours_in_chain(error) {
        return ours;
    }
    let (service, status) = match error {
        SdkError::ServiceError(context) if context.err().code().is_none() => {
            let status = context.raw().status().as_u16();
            return unavailable(
                action,
                format!("HTTP {status} with a body that is not an answer of AWS (a proxy or gateway?)"),
            );
        }
        SdkError::ServiceError(context) => (context.err(), context.raw().status().as_u16()),
        SdkError::TimeoutError(_) => return unavailable(action, NO_ANSWER),
        SdkError::DispatchFailure(failure) => {
            let message = if failure.is_timeout() {
                NO_ANSWER.to_owned()
            } else if failure.is_io() {
                format!("can't connect{}", cause(error))
            } else {
                format!("the request could not be sent{}", cause(error))
            };
            return unavailable(action, message);
        }
        SdkError::ResponseError(_) => return unavailable(action, "the answer was cut off or is not an answer of AWS"),
        _ => return unavailable(action, format!("the request could not be made{}", cause(error))),
    };
    let mut ours = of_code(action, service.code().map(str::to_owned), service.message().map(str::to_owned));
    match status {
        429 => ours.kind = ErrorKind::Throttled,
        500.. => ours.kind = ErrorKind::Unavailable,
        _ => {}
    }
    ours.request_id = error.request_id().map(str::to_owned);
    ours
}

/// What a code and a message of Secrets Manager or STS mean.
pub fn of_code(action: &'static str, code: Option<String>, message: Option<String>) -> StoreError {
    let text = message.unwrap_or_else(|| "no message".to_owned());
    let name = code.as_deref().unwrap_or_default();
    let lower = text.to_lowercase();
    let is_about_kms =
        ["access to kms", "kms:decrypt", "kms key", "kms service key"].iter().any(|words| lower.contains(words));
    let kind = match name {
        "AccessDeniedException" | "AccessDenied" | "InvalidRequestException" if is_about_kms => ErrorKind::Kms,
        "DecryptionFailure" | "DecryptionFailureException" => ErrorKind::Kms,
        "AccessDeniedException" | "AccessDenied" => ErrorKind::Denied,
        "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidRequestException"
        | "InvalidNextTokenException"
        | "ResourceNotFoundException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "MalformedPolicyDocument"
        | "RegionDisabledException" => ErrorKind::Rejected,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown" => ErrorKind::Throttled,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "InvalidIdentityToken"
        | "IDPRejectedClaim"
        | "OptInRequired"
        | "NotAuthorized"
        | "RequestExpired" => ErrorKind::Credentials,
        // Server faults, whatever they are called, and what nobody has heard of: never taken for a trouble of one secret.
        _ => ErrorKind::Unavailable,
    };
    // What AWS says of a signature quotes the request, session token included.
    let message =
        if kind == ErrorKind::Credentials || lower.contains("x-amz-") { about_credentials(name) } else { text };
    StoreError { kind, action, subject: None, code, message, request_id: None }
}

/// What a code about credentials means, in our own words.
fn about_credentials(code: &str) -> String {
    let words = match code {
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => "the credentials or the token have expired",
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" => {
            "AWS does not accept the signature: a wrong secret key, a clock that is off, or a proxy that rewrites headers"
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" => "AWS does not know these credentials",
        "InvalidIdentityToken" | "IDPRejectedClaim" => {
            "AWS does not accept the web identity token: check the OIDC provider, its audience and the role's trust policy"
        }
        "OptInRequired" => "the account is not signed up for this service or region",
        _ => "AWS does not accept the credentials (its words are left out: they can quote the request)",
    };
    words.to_owned()
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

fn unavailable(action: &'static str, message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, action, message)
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

/// The innermost cause that is an I/O error, by its kind: what went wrong between here and there.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut next = error.source();
    let mut last = None;
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            last = Some(crate::text::os_error(io));
        }
        next = current.source();
    }
    last.map(|cause| format!(": {cause}")).unwrap_or_default()
}
