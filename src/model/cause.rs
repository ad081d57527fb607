//! Why AWS can't be asked or does not answer: each cause with its code and what to do about it, once, in two tables.
//!
//! A code never changes its meaning and is never used again; docs/TROUBLESHOOTING.md has a section for each. The hundreds: 1
//! who we are, 2 what we may do, 3 keys, 4 region and request, 5 the network and the service.

use crate::error::Exit;

/// Makes an enum of causes with their codes, kinds where they have one, and what to do about them.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident: $($(#[$about:meta])* $name:ident $code:literal $kind:ident $remedy:literal;)*) => {
        table! { $(#[$doc])* $table: $($(#[$about])* $name $code $remedy;)* }

        impl $table {
            /// What kind of trouble it is.
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)* }
            }
        }
    };
    ($(#[$doc:meta])* $table:ident: $($(#[$about:meta])* $name:ident $code:literal $remedy:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $table {
            $($(#[$about])* $name,)*
        }

        impl $table {
            /// Every one, in the order of the codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code that names it for good.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

/// What kind of trouble a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The secret is there, or may be, but may not be read.
    Denied,
    /// The key that encrypts it may not be used or can't be.
    Kms,
    /// AWS does not take the request as it is (a bad name, for example).
    Rejected,
    /// Throttled, after every retry.
    Throttled,
    /// Not reachable, or 5xx, after every retry.
    Unavailable,
    /// No credentials, or AWS does not take them.
    Credentials,
    /// More than a run takes.
    TooMuch,
}

impl ErrorKind {
    /// Whether the trouble belongs to one secret, so that the others can still be rendered.
    pub const fn is_of_one_secret(self) -> bool {
        matches!(self, Self::Denied | Self::Kms | Self::Rejected)
    }

    /// The exit code of a run that ends with it.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Denied | Self::Kms | Self::Credentials => Exit::Denied,
            Self::Throttled => Exit::TempFail,
            Self::TooMuch => Exit::InvalidData,
            Self::Unavailable => Exit::Unavailable,
            // A listing or an index that AWS does not take as it is named: the prefix or the name is wrong.
            Self::Rejected => Exit::Config,
        }
    }
}

table! {
    /// Why a call failed.
    Cause:
    /// No provider of the chain has credentials.
    NoCredentials "ASI-101" Credentials "check the service account's role (IRSA or Pod Identity), the AWS_* variables or the profile";
    /// A file with a token or credentials can't be read.
    TokenFile "ASI-102" Credentials
        "let the container's user or group read it: set fsGroup in the pod's securityContext, and recreate pods that are older than their service account's annotation";
    /// The credentials or the web identity token have expired.
    Expired "ASI-103" Credentials "renew them; in a cluster recreate the pod, and check the clock of its node";
    /// Our clock and AWS's differ by more than AWS allows.
    ClockSkew "ASI-104" Credentials "set the clock of the node (NTP, chrony); AWS allows five minutes";
    /// The signature is wrong for another reason.
    Signature "ASI-105" Credentials "check the secret key for missing or extra characters, and that no proxy rewrites headers";
    /// AWS does not know the access key.
    UnknownKey "ASI-106" Credentials "check the access key and its account: a deleted key, a key of another partition, or a session token that is missing";
    /// STS does not take the web identity token.
    TokenRefused "ASI-107" Credentials "check that IAM has the cluster's OIDC provider, with its issuer and the audience sts.amazonaws.com, in the role's account";
    /// The role may not be assumed.
    RoleDenied "ASI-108" Credentials "allow the action in the caller's policy, and the caller (with the external id, if any) in the role's trust policy";
    /// The role may not be assumed with this web identity.
    WebIdentityDenied "ASI-109" Credentials "check the role's ARN, and its trust policy: the cluster's OIDC provider, and the pod's namespace and service account as sub";
    /// The endpoint of container credentials can't be reached.
    AgentUnreachable "ASI-110" Unavailable "check that the EKS Pod Identity agent runs on the node (DaemonSet eks-pod-identity-agent), and that no proxy or network policy covers its address";
    /// The endpoint of container credentials gives none.
    AgentRefuses "ASI-111" Credentials "check the Pod Identity association of the service account, its role's trust policy (pods.eks.amazonaws.com), and the agent's log";
    /// The instance metadata service does not answer.
    ImdsSilent "ASI-112" Credentials "give the pod a role of its own (IRSA or Pod Identity); where the node's role is meant, set its metadata hop limit to 2";
    /// The configuration of the credentials is wrong.
    BadConfiguration "ASI-113" Credentials "correct the profile or the AWS_* variables that name the credentials";
    /// Denied, and the caller is the node.
    NodeRole "ASI-114" Denied "the pod uses the node's role: annotate its service account (IRSA) or associate it with a role (Pod Identity), and recreate the pod";
    /// The role is not taken as it is asked for.
    RoleRejected "ASI-115" Credentials "check the role's ARN, the external id and the session name";
    /// AWS does not accept the credentials, for a reason that it does not name by a code we know.
    Unaccepted "ASI-119" Credentials "check the service account's role (IRSA or Pod Identity), the AWS_* variables or the profile";

    /// A file of the AWS configuration is not what Python reads.
    BadConfigurationFile "ASI-122" Credentials "correct the line of the file; a `configparser` of Python must be able to read it";
    /// The profile that is named is not there.
    ProfileMissing "ASI-123" Credentials "correct the profile's name, or mount the files that have it: AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE";
    /// One of two keys is there alone.
    HalfKeyPair "ASI-124" Credentials "set both, or neither: the access key's id and its secret";
    /// A chain of profiles leads nowhere.
    SourceProfile "ASI-125" Credentials "let source_profile name a profile with credentials of its own";
    /// A key, a token or an address is what no request can carry.
    UnusableValue "ASI-126" Credentials "correct what the message names; a Kubernetes secret made of a file ends in the newline of that file";
    /// A variable is empty where that is not the same as unset.
    EmptyVariable "ASI-127" Credentials "take the variable away, or set it";
    /// A `credential_process` gives no credentials.
    ProcessFails "ASI-128" Credentials "run the command by hand: it must print a JSON object with Version 1, AccessKeyId and SecretAccessKey";
    /// Nobody has logged in, or the login has expired.
    LoginExpired "ASI-129" Credentials "run aws sso login, or export the credentials: aws configure export-credentials --format env";
    /// A source of credentials that boto3 knows and this program does not.
    NotSupported "ASI-130" Credentials "export the credentials before: aws configure export-credentials --format env";

    /// No policy of the caller's allows it.
    NoIdentityPolicy "ASI-201" Denied "allow this action in the role's policy and, across accounts, in the secret's resource policy";
    /// The same of a listing.
    ListDenied "ASI-202" Denied "allow this action on resource * in the role's policy, or name the conn_ids in SECRETS_INIT_CONN_IDS";
    /// Across accounts, the secret's policy does not allow it.
    NoResourcePolicy "ASI-203" Denied "allow this action for the caller in the secret's resource policy; AWS says the same of a secret that is not there";
    /// A policy of the caller's denies it.
    ExplicitDenyIdentity "ASI-204" Denied "take the deny out of the role's policies, or exempt this secret";
    /// The secret's policy denies it.
    ExplicitDenyResource "ASI-205" Denied "take the deny out of the secret's resource policy, or exempt the caller";
    /// A VPC endpoint's policy does not allow it.
    EndpointPolicy "ASI-206" Denied "allow this action for this secret in the policy of the VPC endpoint com.amazonaws.REGION.secretsmanager";
    /// A policy of the organisation does not allow it.
    OrganizationPolicy "ASI-207" Denied "ask who runs the AWS organisation: a service or resource control policy stands above every policy of the account";
    /// A permissions boundary or session policy does not allow it.
    Boundary "ASI-208" Denied "allow this action in the role's permissions boundary or the session policy as well";
    /// Denied, without a reason.
    Denied "ASI-209" Denied "allow this action in the role's policy and, across accounts, in the secret's resource policy";

    /// The key may not be used.
    KmsDenied "ASI-301" Kms "allow kms:Decrypt on the secret's key, in the role's policy and in the key's; across accounts it must be a customer managed key";
    /// The default key, from another account.
    KmsDefaultKey "ASI-302" Kms "encrypt the secret with a customer managed key that admits the caller, or read through shared_role_arn";
    /// The key can't be used by anybody.
    KmsUnusable "ASI-303" Kms "check the state of the secret's key: disabled, or pending deletion";

    /// The request was signed for another region.
    WrongRegion "ASI-401" Credentials "set the region of the endpoint: region_name, aws_region or AWS_REGION, and no AWS_ENDPOINT_URL of another region";
    /// The account has not opted in to the region.
    RegionDisabled "ASI-402" Credentials "enable the region in the account, or correct region_name, aws_region or AWS_REGION";
    /// AWS does not take the request as it is.
    Rejected "ASI-403" Rejected "check the name, the prefix and the state of the secret";
    /// There is more than a run takes.
    TooMuch "ASI-405" TooMuch "take a longer prefix, or say what is wanted in SECRETS_INIT_INCLUDE or SECRETS_INIT_CONN_IDS; docs/FAULTS.md lists the limits";

    /// The endpoint's name can't be resolved.
    Dns "ASI-501" Unavailable "check the region's name, the cluster's DNS, and the VPC endpoint with private DNS where there is no internet";
    Connect "ASI-502" Unavailable "check the network, the endpoint and the region; a retry may help";
    Tls "ASI-503" Unavailable "add the CA that signed it (a proxy's, as a rule) to the bundle that AWS_CA_BUNDLE names";
    /// The proxy does not let it through.
    Proxy "ASI-505" Unavailable "check HTTPS_PROXY and HTTP_PROXY and the proxy's rules; NO_PROXY exempts a host, such as a VPC endpoint or 169.254.170.23";
    NoAnswer "ASI-506" Unavailable "check security groups, network policies, routes and the VPC endpoint; a retry may help";
    /// What answers is not AWS.
    NotAws "ASI-507" Unavailable "check the endpoint and what is in front of it: a proxy, a gateway, a service mesh";
    ServerFault "ASI-508" Unavailable "a retry may help; see the AWS Health Dashboard";
    Throttled "ASI-509" Throttled "AWS still throttles; a retry helps, SECRETS_INIT_JITTER spreads many pods";
    /// The request could not be made at all.
    Unsent "ASI-510" Unavailable "check the endpoint's address and the AWS_* variables";
    /// The answer is larger than AWS's can be.
    TooLarge "ASI-511" Unavailable "check the endpoint and what is in front of it: a proxy, a gateway, a service mesh";
}

table! {
    /// What is told although no call failed for it.
    Notice:
    /// In a cluster the credentials are the node's.
    NodeCredentials "ASI-120" "annotate the service account (IRSA) or associate it with a role (Pod Identity), and recreate the pod; AWS_EC2_METADATA_DISABLED=true makes it an error";
    /// The environment names a role that is not used.
    UnusedRole "ASI-121" "take the other credentials out of the container's environment, or the role's variables";
    BatchesDenied "ASI-210" "allow secretsmanager:BatchGetSecretValue on resource * to read twenty in a call";
    NoRegion "ASI-404" "set AWS_REGION, or region_name and aws_region";
    /// No CA certificate is there where the environment says that there are some.
    NoCa "ASI-504" "correct SSL_CERT_FILE and SSL_CERT_DIR, or remove them: without them the system's certificates are taken, or else Amazon's own, built in";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_one_causes_alone() {
        let causes = Cause::ALL.iter().map(|cause| (cause.code(), cause.remedy()));
        let all: Vec<_> = causes.chain(Notice::ALL.iter().map(|notice| (notice.code(), notice.remedy()))).collect();
        let codes: BTreeSet<&str> = all.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), all.len());
        for (code, remedy) in all {
            let number = code.strip_prefix("ASI-").unwrap();
            assert!(number.len() == 3 && (101..600).contains(&number.parse::<u16>().unwrap()), "{code}");
            assert!(!remedy.is_empty() && !remedy.ends_with('.'), "{code}");
        }
        assert!(Cause::ALL.is_sorted_by_key(|cause| cause.code()));
    }
}
