//! What a code and a message of Secrets Manager or STS mean.
//!
//! By code first: Secrets Manager sends AccessDeniedException and ThrottlingException with 400, and InternalServiceError
//! with 400 or 500 (Secrets Manager API reference, "Common Errors").

use crate::model::aws_names::action::{ASSUME_ROLE_WITH_WEB_IDENTITY, LIST_SECRETS};
use crate::model::cause::Cause;
use crate::store::error::{ErrorKind, StoreError};
use crate::store::secret_store::NotThere;

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
    StoreError { code: code.filter(|code| is_code(code)), ..StoreError::new(cause, action, message) }
}

/// Whether a text is a code, such as `AccessDeniedException` or `InvalidParameter.Value`: nothing is repeated of a garbled one.
pub fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
}

fn cause_of(action: &str, code: &str, lower: &str) -> Cause {
    match code {
        "AccessDeniedException" | "AccessDenied" | "InvalidRequestException" if is_about_kms(lower) => kms(lower),
        "DecryptionFailure" | "DecryptionFailureException" | "EncryptionFailure" => Cause::KmsUnusable,
        "AccessDeniedException" | "AccessDenied" => denial(action, lower),
        "RegionDisabledException" | "OptInRequired" | "SubscriptionRequiredException" | "SubscriptionRequired" => {
            Cause::RegionDisabled
        }
        "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidRequestException"
        | "InvalidNextTokenException"
        | "ResourceNotFoundException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "ResourceExistsException"
        | "PublicPolicyException"
        | "PreconditionNotMetException"
        | "MalformedPolicyDocumentException"
        | "MalformedPolicyDocument"
        | "PackedPolicyTooLarge" => Cause::Rejected,
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
        "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "AccountSuspended"
        | "AccountSuspendedException" => Cause::Unaccepted,
        // Server faults, whatever they are called, and unknown codes: never taken for a trouble of one secret.
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
    } else if action == LIST_SECRETS {
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
        Cause::Expired if action == ASSUME_ROLE_WITH_WEB_IDENTITY => "the web identity token has expired",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> StoreError {
        of_code("secretsmanager:GetSecretValue", Some(code.to_owned()), Some(message.to_owned()))
    }

    /// The texts of the IAM user guide, "Troubleshoot access denied error messages".
    #[test]
    fn a_code_is_a_word() {
        assert!(is_code("AssumeRoleUnauthorizedAccess"));
        for text in ["", "a b", "<SecretAccessKey>x</SecretAccessKey>", "a\n", &"a".repeat(65)] {
            assert!(!is_code(text), "{text:?}");
        }
    }

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
            ("SubscriptionRequiredException", "x", Cause::RegionDisabled),
            ("AccountSuspended", "x", Cause::Unaccepted),
            ("PackedPolicyTooLarge", "x", Cause::Rejected),
            ("Unheard", "x", Cause::ServerFault),
        ] {
            assert_eq!(error(code, message).cause, cause, "{code} {message}");
        }
    }
}
