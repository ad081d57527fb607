//! What things are called: ARNs, identities, regions, and the slots for what the settings do not say.

use super::document::Text;
use crate::config::env::Env;
use crate::config::kwargs::RoleVia;
use crate::model::aws::{AccountId, Arn};
use crate::model::aws_names::variable;
use crate::plan::{Access, Plan, Source};

/// What the environment says of the pod's own identity, if `iam` runs where the pod does.
#[derive(Default)]
pub struct PodHints {
    /// Its role, from IRSA.
    pub role_arn: Option<Arn>,
    /// Whether it is IRSA that gives the credentials.
    pub irsa: bool,
}

impl PodHints {
    /// Reads the variables that EKS sets for IRSA; keys of the environment stand above it.
    pub fn of(env: &Env) -> Self {
        let get = |name: &str| env.get(name).ok().flatten();
        if get(variable::ACCESS_KEY_ID).is_some() || get(variable::WEB_IDENTITY_TOKEN_FILE).is_none() {
            return Self::default();
        }
        Self { role_arn: get(variable::ROLE_ARN).and_then(|arn| arn.parse().ok()), irsa: true }
    }
}

/// Who reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    Pod,
    /// Keys or a profile of the kwargs.
    Keys,
    /// A role, by ARN; `None` is the own account's.
    Role {
        arn: Arn,
        shared: Option<String>,
    },
}

/// Plan and surroundings, as far as names depend on them.
pub struct Who<'a> {
    pub plan: &'a Plan,
    pub pod: PodHints,
    /// Whether the policies are those of a publisher of an index.
    pub publishes: bool,
}

impl Who<'_> {
    /// The ARN of something in the account up to its last colon.
    pub fn arn_of(&self, source: &Source, service: &str) -> Text {
        let start = Text::literal(format!("arn:{}:{service}:", self.partition(source)));
        start.and(&self.region(source)).then(":").and(&self.account(source)).then(":")
    }

    pub fn has_keys(&self) -> bool {
        self.plan.own.keys.is_some() || self.plan.own.profile_name.is_some()
    }

    pub fn own_identity(&self) -> Caller {
        match &self.plan.own.role {
            Some(role) => Caller::Role { arn: role.arn.clone(), shared: None },
            None => self.before_own_role(),
        }
    }

    /// Who takes `role_arn`, if it is set.
    pub fn before_own_role(&self) -> Caller {
        if self.has_keys() { Caller::Keys } else { Caller::Pod }
    }

    /// Whether the pod's credentials may carry the session tags of Pod Identity. A token that is handed to STS comes from IRSA.
    pub fn may_be_tagged(&self) -> bool {
        let shared = self.plan.accounts.iter().filter_map(|account| match &account.access {
            Access::Role(role) => Some(role),
            Access::Own | Access::Pod => None,
        });
        !self.pod.irsa && self.plan.own.role.iter().chain(shared).all(|role| role.via == RoleVia::AssumeRole)
    }

    fn partition(&self, source: &Source) -> &'static str {
        let regions = &self.plan.regions;
        match source {
            Source::Own => regions.own.as_ref().unwrap_or(&regions.shared).partition(),
            Source::Shared { region, .. } => region.partition(),
        }
    }

    pub fn region(&self, source: &Source) -> Text {
        let regions = &self.plan.regions;
        match (source, &regions.own) {
            (Source::Shared { region, .. }, _) | (Source::Own, Some(region)) => Text::literal(region.as_str()),
            (Source::Own, None) => Text::slot(
                "OWN_REGION",
                format!("Region of the own account's secrets: the AWS profile's, or {} without one", regions.shared),
            ),
        }
    }

    /// Secrets Manager as KMS sees it (KMS developer guide, "kms:ViaService").
    pub fn service(&self, source: &Source) -> Text {
        let start = Text::literal("secretsmanager.").and(&self.region(source));
        // The suffixes of the other partitions differ, and the guide does not list them.
        match self.partition(source) {
            "aws" | "aws-us-gov" => start.then(".amazonaws.com"),
            _ => start.then(".").wild("*"),
        }
    }

    /// The account whose secrets they are.
    fn account(&self, source: &Source) -> Text {
        if let Source::Shared { account, .. } = source {
            return Text::literal(account.as_str());
        }
        let of_pod = self.pod.role_arn.as_ref().filter(|_| !self.has_keys());
        let known = self.plan.own.role.as_ref().map(|role| &role.arn).or(of_pod).map(|arn| &arn.account);
        let only_if_own = self.plan.accounts.iter().find(|account| account.only_if_own());
        match (known, only_if_own.map(|account| &account.source)) {
            (Some(account), _) | (None, Some(Source::Shared { account, .. })) => Text::literal(account.as_str()),
            _ => Text::slot("OWN_ACCOUNT", "Number of the own account: 12 digits"),
        }
    }

    /// The account of an identity, where it is known.
    pub fn account_of(&self, identity: &Caller) -> Option<&AccountId> {
        match identity {
            Caller::Pod => self.pod.role_arn.as_ref().map(|arn| &arn.account),
            Caller::Keys | Caller::Role { .. } => None,
        }
    }

    pub fn principal(&self, identity: &Caller) -> Text {
        match (identity, &self.pod.role_arn) {
            (Caller::Role { arn, .. }, _) | (Caller::Pod, Some(arn)) => Text::literal(arn.to_string()),
            (Caller::Keys, _) => {
                Text::slot("OWN_IDENTITY_ARN", "ARN of the user or role that the keys or the profile belong to")
            }
            (Caller::Pod, None) => {
                let account = match self.own_identity() {
                    Caller::Pod => self.account(&Source::Own),
                    _ => Text::slot("POD_ACCOUNT", "Number of the account of the pod's role: 12 digits"),
                };
                let role = if self.publishes {
                    Text::slot(
                        "PUBLISHER_ROLE",
                        "Name of the role that publishes the index, with its path if it has one",
                    )
                } else {
                    Text::slot("POD_ROLE", "Name of the pod's role, with its path if it has one")
                };
                let start = Text::literal(format!("arn:{}:iam::", self.partition(&Source::Own)));
                start.and(&account).then(":role/").and(&role)
            }
        }
    }

    /// `222222222222`, with its region where the account is read in two.
    pub fn label(&self, source: &Source) -> String {
        let Source::Shared { account, region } = source else { return "own".to_owned() };
        let mut others = self.plan.accounts.iter().map(|other| &other.source);
        if others.any(|other| matches!(other, Source::Shared { account: a, region: r } if a == account && r != region))
        {
            format!("{account}_{}", region.as_str().replace('-', "_"))
        } else {
            account.to_string()
        }
    }

    pub fn key(&self, source: &Source) -> Text {
        let (name, whose) = match source {
            Source::Own => ("OWN_KMS_KEY_ID".to_owned(), "the own account".to_owned()),
            Source::Shared { account, .. } => {
                (format!("KMS_KEY_ID_{}", self.label(source).to_uppercase()), format!("account {account}"))
            }
        };
        let what = format!("Id of the KMS key of the secrets in {whose}: the part of its ARN after key/");
        self.arn_of(source, "kms").then("key/").and(&Text::slot(name, what))
    }
}
