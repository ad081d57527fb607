//! How AWS names things: accounts, regions, ARNs, secrets, endpoints. Each is checked where it is made from text; the error is
//! the end of a sentence that begins with the place of the text.

use std::fmt;
use std::str::FromStr;

/// The number of an account: 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl FromStr for AccountId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        is_account.then(|| Self(text.to_owned())).ok_or("is not a 12-digit account number in quotes")
    }
}

/// A region's name. Only its shape is checked, for it becomes part of a host name; which regions there are is AWS's business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// The Python backend's own default for the shared account's region (airflow-aws-shared-secrets 0.0.5).
    pub fn of_shared_by_default() -> Self {
        Self("eu-central-1".to_owned())
    }

    /// The partition that the region lies in (botocore `partitions.json`, the region prefixes of each partition).
    pub fn partition(&self) -> &'static str {
        let of_prefix = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
            ("eusc-", "aws-eusc"),
        ];
        of_prefix.iter().find(|(prefix, _)| self.0.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
    }
}

impl FromStr for Region {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let is_region = (3..=64).contains(&text.len()) && text.contains('-') && text.bytes().all(shape);
        if text.starts_with("fips-") || text.ends_with("-fips") {
            return Err("is a region of old for FIPS; write the region without it, and set AWS_USE_FIPS_ENDPOINT=true");
        }
        is_region.then(|| Self(text.to_owned())).ok_or("is not a region's name, such as eu-central-1")
    }
}

/// The ARN of something that an account has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn` and the like.
    pub partition: String,
    /// `secretsmanager`, `iam`, `sts`.
    pub service: String,
    /// `None` for what has no region, as in IAM.
    pub region: Option<Region>,
    pub account: AccountId,
    /// The rest, which can hold colons: `secret:NAME`, `role/NAME`.
    pub resource: String,
}

impl Arn {
    /// The ARN of a secret, without the random suffix where `name` has none. The partition follows from the region.
    pub fn of_secret(account: &AccountId, region: &Region, name: &str) -> Self {
        Self {
            partition: region.partition().to_owned(),
            service: "secretsmanager".to_owned(),
            region: Some(region.clone()),
            account: account.clone(),
            resource: format!("secret:{name}"),
        }
    }

    /// Reads the ARN of a role.
    ///
    /// # Errors
    /// When it is that of anything else, or none.
    pub fn of_role(text: &str) -> Result<Self, &'static str> {
        let is_role = |arn: &Self| arn.service == "iam" && arn.region.is_none() && arn.resource.starts_with("role/");
        text.parse().ok().filter(is_role).ok_or("is not a role's ARN, such as arn:aws:iam::123456789012:role/NAME")
    }
}

impl FromStr for Arn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let arn = match *parts.as_slice() {
            ["arn", partition, service, region, account, resource] if partition.starts_with("aws") => {
                let region = Some(region).filter(|region| !region.is_empty()).map(str::parse).transpose();
                region.ok().zip(account.parse().ok()).map(|(region, account)| Self {
                    partition: partition.to_owned(),
                    service: service.to_owned(),
                    region,
                    account,
                    resource: resource.to_owned(),
                })
            }
            _ => None,
        };
        arn.ok_or("is not an ARN")
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        let region = region.as_ref().map_or("", Region::as_str);
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

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
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(text) | Self::Arn(text) => text,
        }
    }
}

/// Whether AWS allows a character in a secret's name (CreateSecret, Name; `!` is in the names of secrets that AWS
/// services manage).
pub fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c)
}

/// The longest name of a secret (CreateSecret, Name).
pub const LONGEST_NAME: usize = 512;

/// Whether a text can be a conn_id or key whose secret has a name that AWS allows.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_NAME && id.chars().all(is_name_character)
}

/// Whether AWS takes an ARN that ends in this name for one with its random suffix, so that it finds no secret without it
/// (GetSecretValue, SecretId): a hyphen and six characters.
pub fn ends_like_an_arn(name: &str) -> bool {
    let tail = name.as_bytes().split_last_chunk::<7>().map(|(_, tail)| tail);
    tail.is_some_and(|[hyphen, six @ ..]| *hyphen == b'-' && six.iter().all(u8::is_ascii_alphanumeric))
}

/// Checks an endpoint: `http` or `https`, a host, and a port where one is given.
pub fn check_endpoint(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // An IPv6 address stands in brackets and holds colons of its own.
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    let port_fits = match after_host.rsplit_once(':') {
        None => true,
        Some((_, port)) => port.is_empty() || port.parse::<u16>().is_ok(),
    };
    let has_host = !authority.starts_with(':') && !authority.is_empty();
    let is_endpoint = has_host && port_fits && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    is_endpoint.then_some(()).ok_or("is not a URL such as https://host or http://host:port")
}

/// The address of an endpoint, where a request can carry it.
pub fn address(url: &str) -> Option<http::Uri> {
    check_endpoint(url).ok()?;
    url.parse().ok().filter(|uri: &http::Uri| uri.host().is_some_and(|host| !host.is_empty()))
}

/// Gives a checked text its plain reading.
macro_rules! text {
    ($($name:ident),*) => {
        $(impl $name {
            /// As AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        })*
    };
}

text!(AccountId, Region);
