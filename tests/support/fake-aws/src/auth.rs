//! Reads the credential scope of a Signature Version 4 `Authorization` header.
//! The signature itself is not checked.

use hyper::HeaderMap;

use crate::error::AwsError;
use crate::sessions::{BadKey, Identity, Sessions};
use crate::time::{basic, now, parse_basic};
use crate::world::World;

/// `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    pub access_key: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

/// The scope of the request, when it is signed.
pub fn scope(headers: &HeaderMap) -> Option<Scope<'_>> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let credential = header.split("Credential=").nth(1)?.split([',', ' ']).next()?;
    let mut parts = credential.split('/');
    let access_key = parts.next()?;
    let _date = parts.next()?;
    Some(Scope { access_key, region: parts.next()?, service: parts.next()? })
}

/// Signatures are good for five minutes (IAM user guide, "Troubleshoot Signature
/// Version 4 requests"; the texts are those of its examples).
fn check_clock(ahead: i64, headers: &HeaderMap) -> Result<(), String> {
    let date = headers.get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
    let Some(signed) = parse_basic(date) else { return Ok(()) };
    let here = now() + ahead;
    if signed < here - 300 {
        let limit = basic(here - 300);
        return Err(format!("Signature expired: {date} is now earlier than {limit} ({} - 5 min.)", basic(here)));
    }
    if signed > here + 300 {
        let limit = basic(here + 300);
        return Err(format!(
            "Signature not yet current: {date} is still later than {limit} ({} + 5 min.)",
            basic(here)
        ));
    }
    Ok(())
}

/// Authenticates a call to Secrets Manager (JSON) or STS (query): the two give
/// the same failures different codes and statuses.
pub fn authenticate(
    world: &World,
    sessions: &Sessions,
    headers: &HeaderMap,
    service: &str,
) -> Result<Identity, AwsError> {
    let sts = service == "sts";
    let Some(scope) = scope(headers) else {
        return Err(if sts {
            AwsError::front_end(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        } else {
            AwsError::front_end(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        });
    };
    if scope.service != service {
        let message = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(if sts {
            AwsError::front_end(403, "SignatureDoesNotMatch", message)
        } else {
            AwsError::front_end(400, "InvalidSignatureException", message)
        });
    }
    if let Err(message) = check_clock(world.settings.clock_ahead_seconds(), headers) {
        let code = if sts { "SignatureDoesNotMatch" } else { "InvalidSignatureException" };
        return Err(AwsError::front_end(if sts { 403 } else { 400 }, code, message));
    }
    let token = headers.get("x-amz-security-token").and_then(|t| t.to_str().ok());
    sessions.identify(world, scope.access_key, token).map_err(|bad| match (bad, sts) {
        (BadKey::Unknown, true) => {
            AwsError::front_end(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        }
        (BadKey::Unknown, false) => AwsError::front_end(
            400,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (BadKey::Expired, true) => {
            AwsError::front_end(403, "ExpiredToken", "The security token included in the request is expired")
        }
        (BadKey::Expired, false) => {
            AwsError::front_end(400, "ExpiredTokenException", "The security token included in the request is expired")
        }
    })
}
