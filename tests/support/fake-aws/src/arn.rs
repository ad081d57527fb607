//! Secret ARNs: their form, their six-character suffix and what a `SecretId`
//! may look like (Secrets Manager API reference, `GetSecretValue.SecretId`).

use crate::rng;

/// The parts of `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:RESOURCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretArn<'a> {
    pub region: &'a str,
    pub account: &'a str,
    /// The name, with the suffix when the ARN is complete.
    pub resource: &'a str,
}

/// Splits a secret's ARN; `None` when the text is not one.
pub fn parse(id: &str) -> Option<SecretArn<'_>> {
    let mut parts = id.splitn(7, ':');
    let head = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, kind, resource) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (head.0 == "arn" && head.2 == "secretsmanager" && kind == "secret" && !resource.is_empty()).then_some(SecretArn {
        region,
        account,
        resource,
    })
}

/// The account field of any ARN.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| is_account(account))
}

/// Twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Splits `NAME-SUFFIX` when the text ends in a hyphen and six alphanumerics.
/// Secrets Manager takes every such ARN for a complete one, so a partial ARN of
/// a secret whose own name ends like that finds nothing.
pub fn split_suffix(resource: &str) -> Option<(&str, &str)> {
    let at = resource.len().checked_sub(7)?;
    let tail = resource.get(at..)?;
    let suffix = tail.strip_prefix('-')?;
    (at > 0 && suffix.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| (&resource[..at], suffix))
}

/// The suffix the fake gives to a secret: real ones are random, these derive
/// from the name so that a test can write the ARN down.
pub fn suffix(account: &str, region: &str, name: &str) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut state = rng::hash([account, region, name]);
    (0..6)
        .map(|_| {
            let index = usize::try_from(state % 62).unwrap_or(0);
            state /= 62;
            char::from(ALPHABET[index])
        })
        .collect()
}

/// The partition a region belongs to.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The ARN without suffix, which is also what IAM sees for a secret that does
/// not exist.
#[must_use]
pub fn partial_secret_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:secretsmanager:{region}:{account}:secret:{name}", partition(region))
}

/// The full ARN that the fake gives to a secret, unless the scenario sets
/// another suffix.
///
/// ```
/// let arn = fake_aws::secret_arn("111111111111", "eu-central-1", "airflow/connections/db");
/// assert!(arn.starts_with("arn:aws:secretsmanager:eu-central-1:111111111111:secret:airflow/connections/db-"));
/// ```
#[must_use]
pub fn secret_arn(account: &str, region: &str, name: &str) -> String {
    format!("{}-{}", partial_secret_arn(account, region, name), suffix(account, region, name))
}

/// Names are 1 to 512 characters of `[A-Za-z0-9/_+=.@!-]` (API reference,
/// `CreateSecret.Name`; the `!` is in AWS's own error text).
pub fn is_name(name: &str) -> bool {
    (1..=512).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-/_+=.@!".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::{parse, partial_secret_arn, secret_arn, split_suffix};

    #[test]
    fn arns() {
        let arn = secret_arn("111111111111", "eu-central-1", "a/b");
        let parts = parse(&arn).expect("an ARN");
        assert_eq!((parts.account, parts.region), ("111111111111", "eu-central-1"));
        assert_eq!(split_suffix(parts.resource).map(|(name, _)| name), Some("a/b"));
        assert_eq!(parse("a/b"), None);
        assert_eq!(parse("arn:aws:iam::111111111111:role/x"), None);
    }

    #[test]
    fn hyphen_and_six() {
        let arn = partial_secret_arn("111111111111", "eu-central-1", "my-secret");
        let parts = parse(&arn).expect("an ARN");
        assert_eq!(split_suffix(parts.resource), Some(("my", "secret")));
        assert_eq!(split_suffix("my-secret1"), None);
        assert_eq!(split_suffix("-secret"), None);
        assert_eq!(split_suffix("short"), None);
        assert_eq!(split_suffix("ünï-cödé"), None);
    }
}
