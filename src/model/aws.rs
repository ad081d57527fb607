//! How AWS names things: secrets, accounts, regions, partitions.

/// How a secret is addressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretId {
    /// By name, in the account of the credentials.
    Name(String),
    /// By full or partial ARN.
    Arn(String),
}

impl SecretId {
    /// The text that goes to AWS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(text) | Self::Arn(text) => text,
        }
    }
}

/// The ARN of a secret without its random suffix. The partition follows from the region.
#[must_use]
pub fn arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:secretsmanager:{region}:{account}:secret:{name}", partition(region))
}

/// The partition that a region lies in (botocore `partitions.json`, the region prefixes of each partition).
#[must_use]
pub fn partition(region: &str) -> &'static str {
    let of_prefix = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    of_prefix.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}
