//! What things are called: ARNs, identities, regions, and the slots for what the settings do not say.

use super::{Slot, Text};
use crate::config::env::Env;
use crate::config::kwargs::RoleVia;
use crate::config::settings::Settings;
use crate::model::aws::{AccountId, Arn};
use crate::model::aws_names::variable;
use crate::plan::{Access, AccountPlan, Plan, Source};

/// What the environment says of the pod's own identity, if `iam` runs where the pod does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodHints {
    /// Its role, from IRSA.
    pub role_arn: Option<Arn>,
    /// Whether it is IRSA that gives the credentials.
    pub irsa: bool,
}

impl PodHints {
    /// Reads the variables that EKS sets for IRSA; keys of the environment stand above it.
    #[must_use]
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
pub enum Identity {
    /// The pod's own credentials.
    Pod,
    /// Keys or a profile of the kwargs.
    Keys,
    /// A role, by ARN; `None` is the own account's.
    Role { arn: Arn, shared: Option<String> },
}

/// Settings, plan and surroundings, as far as names depend on them.
pub struct Who<'a> {
    pub settings: &'a Settings,
    pub plan: &'a Plan,
    pub pod: &'a PodHints,
}

impl Who<'_> {
    /// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
    pub fn secret_arn(&self, source: &Source, name: &str) -> Text {
        self.arn_of(source, "secretsmanager").then(format!("secret:{name}"))
    }

    /// The ARN of something in the account up to its last colon.
    pub fn arn_of(&self, source: &Source, service: &str) -> Text {
        match source {
            Source::Shared { account, region } => {
                Text::literal(format!("arn:{}:{service}:{region}:{account}:", region.partition()))
            }
            Source::Own => {
                let start = Text::literal(format!("arn:{}:{service}:", self.own_partition()));
                start.and(&self.own_region()).then(":").and(&self.own_account()).then(":")
            }
        }
    }

    pub fn has_keys(&self) -> bool {
        self.plan.own.keys.is_some() || self.plan.own.profile_name.is_some()
    }

    pub fn own_identity(&self) -> Identity {
        match &self.plan.own.role {
            Some(role) => Identity::Role { arn: role.arn.clone(), shared: None },
            None => self.before_own_role(),
        }
    }

    /// Who takes `role_arn`, if it is set.
    pub fn before_own_role(&self) -> Identity {
        if self.has_keys() { Identity::Keys } else { Identity::Pod }
    }

    /// Whether the pod's credentials may carry the session tags of Pod Identity. A token that is handed to STS comes from IRSA.
    pub fn may_be_tagged(&self) -> bool {
        let shared = self.plan.accounts.iter().filter_map(|account| match &account.access {
            Access::Role(role) => Some(role),
            Access::Own | Access::Pod => None,
        });
        !self.pod.irsa && self.plan.own.role.iter().chain(shared).all(|role| role.via == RoleVia::AssumeRole)
    }

    pub fn own_partition(&self) -> &'static str {
        self.plan.regions.own.as_ref().unwrap_or(&self.plan.regions.shared).partition()
    }

    pub fn own_region(&self) -> Text {
        match &self.plan.regions.own {
            Some(region) => Text::literal(region.as_str()),
            None => slot(
                "OWN_REGION",
                &format!(
                    "Region of the own account's secrets: the AWS profile's, or {} without one",
                    self.plan.regions.shared
                ),
            ),
        }
    }

    /// The account whose secrets are the own ones.
    pub fn own_account(&self) -> Text {
        let only_if_own = self.plan.accounts.iter().find(|account| account.only_if_own());
        let of_pod = self.pod.role_arn.as_ref().filter(|_| !self.has_keys());
        let known = self.plan.own.role.as_ref().map(|role| &role.arn).or(of_pod).map(|arn| &arn.account);
        match (known, only_if_own.map(|account| &account.source)) {
            (Some(account), _) | (None, Some(Source::Shared { account, .. })) => Text::literal(account.as_str()),
            _ => slot("OWN_ACCOUNT", "Number of the own account: 12 digits"),
        }
    }

    /// The account of an identity, where it is known.
    pub fn account_of(&self, identity: &Identity) -> Option<&AccountId> {
        match identity {
            Identity::Pod => self.pod.role_arn.as_ref().map(|arn| &arn.account),
            Identity::Keys | Identity::Role { .. } => None,
        }
    }

    pub fn principal(&self, identity: &Identity) -> Text {
        match identity {
            Identity::Role { arn, .. } => Text::literal(arn.to_string()),
            Identity::Keys => {
                slot("OWN_IDENTITY_ARN", "ARN of the user or role that the keys or the profile belong to")
            }
            Identity::Pod => match &self.pod.role_arn {
                Some(arn) => Text::literal(arn.to_string()),
                None => {
                    let is_own = self.own_identity() == Identity::Pod;
                    let account = if is_own {
                        self.own_account()
                    } else {
                        slot("POD_ACCOUNT", "Number of the account of the pod's role: 12 digits")
                    };
                    let role = slot("POD_ROLE", "Name of the pod's role, with its path if it has one");
                    Text::literal(format!("arn:{}:iam::", self.own_partition())).and(&account).then(":role/").and(&role)
                }
            },
        }
    }

    /// `222222222222`, with its region where the account is read in two.
    pub fn label(&self, source: &Source) -> String {
        let Source::Shared { account, region } = source else { return "own".to_owned() };
        let elsewhere = |other: &AccountPlan| matches!(&other.source, Source::Shared { account: a, region: r } if a == account && r != region);
        if self.plan.accounts.iter().any(elsewhere) {
            format!("{account}_{}", region.as_str().replace('-', "_"))
        } else {
            account.to_string()
        }
    }

    pub fn key(&self, source: &Source) -> Text {
        let whose =
            |account: &str| format!("Id of the KMS key of the secrets in {account}: the part of its ARN after key/");
        let id = match source {
            Source::Own => slot("OWN_KMS_KEY_ID", &whose("the own account")),
            Source::Shared { account, .. } => slot(
                &format!("KMS_KEY_ID_{}", self.label(source).to_uppercase()),
                &whose(&format!("account {account}")),
            ),
        };
        self.arn_of(source, "kms").then("key/").and(&id)
    }

    pub fn region_name(&self, source: &Source) -> Text {
        match source {
            Source::Own => self.own_region(),
            Source::Shared { region, .. } => Text::literal(region.as_str()),
        }
    }

    /// Secrets Manager as KMS sees it (KMS developer guide, "kms:ViaService").
    pub fn region(&self, source: &Source) -> Text {
        let partition = match source {
            Source::Own => self.own_partition(),
            Source::Shared { region, .. } => region.partition(),
        };
        let start = Text::literal("secretsmanager.").and(&self.region_name(source));
        // The suffixes of the other partitions differ, and the guide does not list them.
        if ["aws", "aws-us-gov"].contains(&partition) {
            start.then(".amazonaws.com")
        } else {
            start.then(".").wild("*")
        }
    }
}

/// Something to be filled in.
pub fn slot(name: &str, what: &str) -> Text {
    Slot { name: name.to_owned(), what: what.to_owned() }.into()
}
