//! Keys out of an answer in JSON.

use aws_credential_types::Credentials;

use crate::config::aws::refusal::unusable;
use crate::model::cause::Cause;
use crate::store::error::StoreError;

/// The keys of an answer in JSON, under these names: id, secret, token, expiry. `place` is what gave it.
pub fn from_json(
    answer: &serde_json::Map<String, serde_json::Value>,
    [id, secret, token, expiry]: [&str; 4],
    place: &str,
) -> Result<Credentials, StoreError> {
    let text = |key: &str| answer.get(key).and_then(serde_json::Value::as_str);
    let missing =
        |key: &str| StoreError::of_credentials(Cause::NotAws, format!("{place} gives an answer without {key}"));
    let (key, hidden) = (text(id).ok_or_else(|| missing(id))?, text(secret).ok_or_else(|| missing(secret))?);
    let session = text(token).filter(|token| !token.is_empty());
    for (name, value) in [(id, Some(key)), (secret, Some(hidden)), (token, session)] {
        let problem = |value: &str| if value.is_empty() { Some("is empty") } else { unusable(value) };
        if let Some(problem) = value.and_then(problem) {
            return Err(StoreError::of_credentials(
                Cause::UnusableValue,
                format!("the {name} that {place} gives {problem}"),
            ));
        }
    }
    let expiry = match answer.get(expiry) {
        None | Some(serde_json::Value::Null) => None,
        Some(value) => Some(value.as_str().and_then(crate::text::parse_time).ok_or_else(|| {
            StoreError::of_credentials(Cause::NotAws, format!("the {expiry} that {place} gives is no time"))
        })?),
    };
    Ok(Credentials::new(key, hidden, session.map(str::to_owned), expiry, "endpoint"))
}
