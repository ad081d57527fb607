//! Errors as AWS words them. Texts and statuses follow the API references'
//! error sections and "Common Errors" page, and recordings of real answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// An error answer, before it is put into a protocol's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    pub status: u16,
    pub code: Cow<'static, str>,
    pub message: Cow<'static, str>,
    pub headers: BTreeMap<String, String>,
    /// Raised before the service's own code (authentication, throttling):
    /// those spell the JSON key `message` in lower case.
    pub front_end: bool,
}

/// The text for a secret that does not exist.
pub const CANNOT_FIND: &str = "Secrets Manager can't find the specified secret.";
/// The text for reading a secret marked for deletion.
pub const MARKED_FOR_DELETION: &str =
    "You can't perform this operation on the secret because it was marked for deletion.";
/// The text for reading across accounts under the AWS-managed key.
pub const DEFAULT_KEY: &str = "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.";
/// The text for a customer-managed key that does not admit the caller.
pub const KMS_DENIED: &str = "Access to KMS is not allowed";
/// The text for a key that cannot decrypt.
pub const CANNOT_DECRYPT: &str = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
/// The text for a malformed secret name.
pub const BAD_NAME: &str =
    "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";

impl AwsError {
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into(), headers: BTreeMap::new(), front_end: false }
    }

    pub fn front_end(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { front_end: true, ..Self::new(status, code, message) }
    }

    pub fn not_found() -> Self {
        Self::new(400, "ResourceNotFoundException", CANNOT_FIND)
    }

    pub fn no_value(what: &str) -> Self {
        Self::new(
            400,
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified secret value for {what}"),
        )
    }

    pub fn invalid_request(message: &'static str) -> Self {
        Self::new(400, "InvalidRequestException", message)
    }

    pub fn invalid_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidParameterException", message)
    }

    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    /// Secrets Manager answers denials with status 400, not 403.
    pub fn access_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "AccessDeniedException", message)
    }

    pub fn invalid_token() -> Self {
        Self::new(400, "InvalidNextTokenException", "The NextToken value is invalid.")
    }
}

/// The text of a constraint that the request breaks, as AWS's request
/// validation words it.
pub fn constraint(value: impl std::fmt::Display, field: &str, rule: &str) -> String {
    format!("1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}")
}
