//! From settings and plan to documents: for each account of the plan, the identity that reads it and the calls that
//! `store/aws.rs` makes there.
//!
//! Sources of the rules, in AWS's documentation: "Actions, resources, and condition keys for AWS Secrets Manager" (service
//! authorization reference: ListSecrets and BatchGetSecretValue take no resource), "Access AWS Secrets Manager secrets from a
//! different account", "Secret encryption and decryption in AWS Secrets Manager" (kms:ViaService), "Using an AWS Secrets Manager
//! VPC endpoint", all of the Secrets Manager user guide; "Pass session tags in AWS STS", "IAM and AWS STS quotas" of the IAM user
//! guide; "IAM roles for service accounts" and "Define permissions for EKS Pod Identities to assume roles based on tags" of the EKS
//! user guide.

use super::reads::Reads;
use super::statements::{self, by_web_identity, fit, statement};
use super::who::{Identity, PodHints, Who};
use super::{Document, Form, Impact, OnlyWith, Policies, Principal, Statement, Text};
use crate::config::kwargs::RoleVia;
use crate::config::settings::{FetchMode, Settings};
use crate::model::aws::Arn;
use crate::model::aws_names::action;
use crate::plan::{Access, AccountPlan, Plan, Source};
use crate::text::printable;

/// An endpoint has one policy of at most 20,480 characters (AWS PrivateLink quotas).
const LONGEST_IN_ENDPOINT: usize = 5_000;

/// The statement on `role_arn` of the kwargs.
const OWN_ROLE: &str = "AssumeOwnRole";

pub fn policies(settings: &Settings, plan: &Plan, pod: &PodHints) -> Policies {
    let mut build = Build { who: Who { settings, plan, pod }, documents: Vec::new(), notices: Vec::new() };
    for account in 0..plan.accounts.len() {
        build.account(account);
    }
    if build.takes_pod_role() {
        build.pod_by_web_identity();
    }
    build.finish()
}

struct Build<'a> {
    who: Who<'a>,
    documents: Vec<Document>,
    notices: Vec<String>,
}

impl Build<'_> {
    fn account(&mut self, place: usize) {
        let Some(account) = self.who.plan.accounts.get(place) else { return };
        let reads = self.who.reads(place);
        match (&account.source, &account.access) {
            (Source::Own, _) => {
                let own = self.who.own_identity();
                if let Identity::Role { arn, .. } = &own
                    && let Some(role) = &self.who.plan.own.role
                {
                    let (by, external_id) = (self.who.before_own_role(), role.external_id.as_deref());
                    self.role(arn, (OWN_ROLE, "own_role_trust"), &by, role.via, external_id);
                }
                self.owner_reads(&own, account, &reads);
            }
            (Source::Shared { .. }, Access::Role(role)) => {
                let label = self.who.label(&account.source);
                let names = ("AssumeSharedRole", format!("shared_{label}_role_trust"));
                let external_id = role.external_id.as_deref();
                self.role(&role.arn, (names.0, &names.1), &Identity::Pod, role.via, external_id);
                let identity = Identity::Role { arn: role.arn.clone(), shared: Some(label) };
                self.owner_reads(&identity, account, &reads);
            }
            (Source::Shared { account: number, .. }, Access::Own) => {
                self.notices.push(format!(
                    "nothing says which secrets shared account {number} holds: these policies are right only if it is the \
                     own account; docs/CONFIGURATION.md has the other ways"
                ));
                self.owner_reads(&self.who.own_identity(), account, &reads);
                self.who_am_i();
            }
            (source @ Source::Shared { .. }, Access::Pod) => self.reads_across(source, &reads),
        }
    }

    fn identity_document(&mut self, identity: &Identity) -> &mut Document {
        let (name, why) = match identity {
            Identity::Pod => ("pod_role".to_owned(), "What the pod may do with credentials of its own."),
            Identity::Keys => {
                ("own_identity".to_owned(), "What the identity of the keys or of the profile in backend_kwargs may do.")
            }
            Identity::Role { shared: None, .. } => {
                ("own_role".to_owned(), "What the role of backend_kwargs, role_arn, may do in the own account.")
            }
            Identity::Role { shared: Some(label), .. } => {
                (format!("shared_{label}_role"), "What the role may do in the shared account.")
            }
        };
        let attach_to = self.who.principal(identity);
        self.document(&name, Form::Identity, &attach_to, why)
    }

    /// The document for these, made if it is new.
    fn document(&mut self, name: &str, form: Form, attach_to: &Text, why: &str) -> &mut Document {
        let is_it = |document: &Document| document.form == form && document.attach_to == *attach_to;
        let place = self.documents.iter().position(is_it).unwrap_or_else(|| {
            let taken = |name: &str| self.documents.iter().any(|document| document.name == name);
            let mut unique = name.to_owned();
            let mut number = 2;
            while taken(&unique) {
                unique = format!("{name}_{number}");
                number += 1;
            }
            let (attach_to, why) = (attach_to.clone(), why.to_owned());
            self.documents.push(Document { name: unique, form, attach_to, why, statements: Vec::new() });
            self.documents.len() - 1
        });
        &mut self.documents[place]
    }

    /// Reading with an identity of the account that the secrets are in.
    fn owner_reads(&mut self, identity: &Identity, account: &AccountPlan, reads: &Reads) {
        if reads.are_none() {
            return;
        }
        let (source, principal) = (&account.source, self.who.principal(identity));
        let batches = self.who.settings.fetch != FetchMode::Single && reads.named > 1;
        let region = self.who.region(source);
        let key = self.who.key(source);
        let own = *source == Source::Own;
        let never_replaced = if own { "; none of them is replaced by a shared one" } else { "" };
        let names: Vec<&str> = self.who.plan.wants.iter().map(|want| want.kind.names_setting()).collect();
        let document = self.identity_document(identity);
        if reads.lists {
            document.add(Statement {
                without_it: format!(
                    "the run ends with 77. With every id named ({}) nothing is listed and this is not needed.",
                    names.join(", ")
                ),
                ..statement("ListSecrets", action::LIST_SECRETS, Impact::RunFails).on([Text::everything()]).needed(
                    "secretsmanager:ListSecrets, which finds the names under the prefixes. It takes no resource, so it shows the \
                     names of all secrets of the account, and no value.",
                )
            });
        }
        if batches {
            document.add(
                statement("BatchGetSecretValue", action::BATCH_GET_SECRET_VALUE, Impact::OneByOne)
                    .on([Text::everything()])
                    .needed(
                        "secretsmanager:BatchGetSecretValue, which reads twenty secrets a call. It takes no resource, and gives \
                         no value without GetSecretValue on that secret.",
                    )
                    .without("secrets are read by GetSecretValue, one a call, and one line at INFO says so."),
            );
        }
        if !reads.secrets.is_empty() {
            let all = if reads.words.iter().any(|word| word == "*") {
                " A prefix is empty, so that is every secret of the account."
            } else {
                ""
            };
            document.add(
                statement("GetSecretValue", action::GET_SECRET_VALUE, Impact::LeftOut)
                    .on(reads.secrets.clone())
                    .needed(&format!("secretsmanager:GetSecretValue, alone and for each secret of a batch.{all}"))
                    .without(&format!("these secrets are left out as SECRETS_INIT_ON_DENIED says{never_replaced}.")),
            );
        }
        if !reads.indices.is_empty() {
            document.add(statements::index(&reads.indices));
        }
        let (impact, without) = without_key(reads);
        document.add(
            statement("DecryptSecrets", action::DECRYPT, impact)
                .on([key])
                .when_string("kms:ViaService", region.clone())
                .needed("kms:Decrypt, which Secrets Manager calls for each value. The key aws/secretsmanager needs no permission.")
                .without(without)
                .only_with(OnlyWith::CustomerKey),
        );
        self.through_endpoint(source, &principal, reads, batches);
    }

    /// Reading another account's secrets under their resource policies, with the pod's own credentials. Both sides must allow.
    fn reads_across(&mut self, source: &Source, reads: &Reads) {
        let Source::Shared { account, .. } = source else { return };
        if reads.are_none() {
            return;
        }
        let pod = self.who.principal(&Identity::Pod);
        let (key, region, label) = (self.who.key(source), self.who.region(source), self.who.label(source));
        let document = self.identity_document(&Identity::Pod);
        if !reads.secrets.is_empty() {
            document.add(
                statement("GetSharedSecretValue", action::GET_SECRET_VALUE, Impact::LeftOut)
                    .on(reads.secrets.clone())
                    .needed(
                        "secretsmanager:GetSecretValue in shared accounts. Both this and the policy of the secret must allow it. \
                         ListSecrets and BatchGetSecretValue do not work across accounts.",
                    )
                    .without("these secrets are left out as SECRETS_INIT_ON_DENIED says."),
            );
        }
        if !reads.indices.is_empty() {
            document.add(Statement { sid: "GetSharedIndex".to_owned(), ..statements::index(&reads.indices) });
        }
        let (impact, without) = without_key(reads);
        document.add(
            statement("DecryptSharedSecrets", action::DECRYPT, impact)
                .on([key.clone()])
                .when_string("kms:ViaService", region.clone())
                .needed(
                    "kms:Decrypt, which Secrets Manager calls for each value. Secrets of another account can't be read under \
                     aws/secretsmanager, so there is a key of one's own, and both this and its policy must allow it.",
                )
                .without(without),
        );
        let by_pod = |sid: &str, impact: Impact, without: &str| {
            statement(sid, action::GET_SECRET_VALUE, impact)
                .by(Principal::Aws(pod.clone()))
                .on([Text::everything()])
                .needed("secretsmanager:GetSecretValue with the pod's own credentials.")
                .without(without)
        };
        if !reads.secrets.is_empty() {
            let whose = Text::literal(format!("each of the secrets of account {account}: {}", words(&reads.words)));
            let why = "The resource policy of the secrets, without which nobody of another account may read them.";
            self.document(&format!("shared_{label}_secrets"), Form::Resource, &whose, why).add(by_pod(
                "ReadByPod",
                Impact::LeftOut,
                "the secret is left out as SECRETS_INIT_ON_DENIED says.",
            ));
        }
        if !reads.indices.is_empty() {
            let whose = Text::literal(format!("the index of account {account}: {}", words(&reads.index_words)));
            let why = "The resource policy of the index, a secret like the others.";
            self.document(&format!("shared_{label}_index"), Form::Resource, &whose, why).add(by_pod(
                "ReadByPod",
                Impact::RunFails,
                "the run ends with 77: nothing says which secrets there are.",
            ));
        }
        let why = "To be added to the key's policy, not put in its place: the key needs an administrator as well.";
        let key_document = self.document(&format!("shared_{label}_kms_key"), Form::Key, &key, why);
        key_document.add(
            statement("DecryptForPod", action::DECRYPT, impact)
                .by(Principal::Aws(pod.clone()))
                .on([Text::everything()])
                .when_string("kms:ViaService", region)
                .needed("kms:Decrypt, which Secrets Manager calls with the pod's own credentials.")
                .without(without),
        );
        self.through_endpoint(source, &pod, reads, false);
    }

    /// Taking a role: the permission of whoever takes it, and the role's trust.
    fn role(
        &mut self,
        arn: &Arn,
        (sid, trust_name): (&str, &str),
        by: &Identity,
        via: RoleVia,
        external_id: Option<&str>,
    ) {
        let (target, caller) = (Text::literal(arn.to_string()), self.who.principal(by));
        let why = "Who may take the role: its trust policy.";
        if via == RoleVia::WebIdentity {
            let trusted = statements::trusted_service_account(arn);
            self.document(trust_name, Form::Trust, &target, why).add(trusted);
            self.sts_endpoint().add(by_web_identity("AssumeRoleWithWebIdentity", &target));
            return;
        }
        let mut calls = vec![statements::assume(&target)];
        if *by == Identity::Pod && self.who.may_be_tagged() {
            calls.push(statements::tag(&target));
        }
        for call in calls {
            let by_caller = call.clone().by(Principal::Aws(caller.clone()));
            self.sts_endpoint().add(by_caller.clone());
            self.document(trust_name, Form::Trust, &target, why).add(match external_id {
                Some(id) if call.action == action::ASSUME_ROLE => {
                    by_caller.trusting().when_string("sts:ExternalId", Text::literal(id))
                }
                _ => by_caller.trusting(),
            });
            // Within an account a trust policy that names the caller is enough (IAM user guide, "Policy evaluation logic").
            let own = sid == OWN_ROLE;
            if own && self.who.account_of(by).is_some_and(|account| *account == arn.account) {
                continue;
            }
            let sid = if call.action == action::ASSUME_ROLE { sid.to_owned() } else { call.sid.clone() };
            let call = if own { call.only_with(OnlyWith::TwoAccounts) } else { call };
            self.identity_document(by).add(Statement { sid, ..call });
        }
    }

    // ---- VPC endpoints -----------------------------------------------------------------------------------------

    fn through_endpoint(&mut self, source: &Source, principal: &Text, reads: &Reads, batches: bool) {
        let mut regions: Vec<Text> = Vec::new();
        for account in &self.who.plan.accounts {
            let region = self.who.region_name(&account.source);
            if !regions.contains(&region) {
                regions.push(region);
            }
        }
        let region = self.who.region_name(source);
        let mut name = "vpc_endpoint_secretsmanager".to_owned();
        if regions.len() > 1 {
            name = format!("{name}_{}", region.in_json().to_lowercase().replace('-', "_"));
        }
        let whose = Text::literal("the VPC endpoint of Secrets Manager in ").and(&region);
        let why = "Only where the pods' VPC has such an endpoint and its policy is not the default, which allows everything. \
                   Add to it what others in the VPC need.";
        let document = self.document(&name, Form::Endpoint, &whose, why);
        let who = Principal::Aws(principal.clone());
        if reads.lists {
            document.add(
                statement("ListSecrets", action::LIST_SECRETS, Impact::RunFails)
                    .by(who.clone())
                    .on([Text::everything()])
                    .needed("secretsmanager:ListSecrets.")
                    .without("the run ends with 77."),
            );
        }
        if batches {
            document.add(
                statement("BatchGetSecretValue", action::BATCH_GET_SECRET_VALUE, Impact::OneByOne)
                    .by(who.clone())
                    .on([Text::everything()])
                    .needed("secretsmanager:BatchGetSecretValue.")
                    .without("secrets are read by GetSecretValue, one a call."),
            );
        }
        let narrow = if length(&reads.secrets) > LONGEST_IN_ENDPOINT { &reads.under } else { &reads.secrets };
        if !narrow.is_empty() {
            document.add(
                statement("GetSecretValue", action::GET_SECRET_VALUE, Impact::LeftOut)
                    .by(who.clone())
                    .on(narrow.clone())
                    .needed("secretsmanager:GetSecretValue.")
                    .without(
                        "these secrets are left out as SECRETS_INIT_ON_DENIED says, and each batch with one of them is read one \
                         by one.",
                    ),
            );
        }
        if !reads.indices.is_empty() {
            let index = statements::index(&reads.indices);
            document.add(index.by(who));
        }
    }

    fn sts_endpoint(&mut self) -> &mut Document {
        let why = "Only where the pods' VPC has such an endpoint and its policy is not the default, which allows everything. \
                   The token of IRSA is handed to STS by nobody known yet, so that call has everybody as its principal.";
        let whose = Text::literal("the VPC endpoint of STS");
        self.document("vpc_endpoint_sts", Form::Endpoint, &whose, why)
    }

    /// Credentials from IRSA come through STS too; those of Pod Identity do not.
    fn takes_pod_role(&self) -> bool {
        let own = self.who.own_identity();
        let reads_with = |account: &AccountPlan| match &account.access {
            Access::Own => own == Identity::Pod || self.own_role_by_pod(),
            Access::Pod => true,
            Access::Role(role) => role.via == RoleVia::AssumeRole,
        };
        self.who.plan.accounts.iter().any(reads_with)
    }

    fn own_role_by_pod(&self) -> bool {
        let role = self.who.plan.own.role.as_ref();
        role.is_some_and(|role| role.via == RoleVia::AssumeRole) && self.who.before_own_role() == Identity::Pod
    }

    fn pod_by_web_identity(&mut self) {
        let pod = self.who.principal(&Identity::Pod);
        let statement = by_web_identity("AssumePodRoleWithWebIdentity", &pod);
        self.sts_endpoint().add(statement.only_with(OnlyWith::Irsa));
    }

    /// The own listing tells whose account it is; where it is empty, STS does. No policy of an identity can forbid that.
    fn who_am_i(&mut self) {
        let who = Principal::Aws(self.who.principal(&self.who.own_identity()));
        self.sts_endpoint().add(
            statement("GetCallerIdentity", action::GET_CALLER_IDENTITY, Impact::RunFails)
                .by(who)
                .on([Text::everything()])
                .needed("sts:GetCallerIdentity, where the own account has no secret under its prefixes whose ARN would tell.")
                .without("the run ends with 77 there."),
        );
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Identities first, then what they are let in by, then endpoints; long policies cut into several.
    fn finish(self) -> Policies {
        let rank = |form: Form| match form {
            Form::Identity | Form::Trust => 0,
            Form::Resource | Form::Key => 1,
            Form::Endpoint => 2,
        };
        let mut documents = self.documents;
        documents.sort_by_key(|document| rank(document.form));
        let mut notices = self.notices;
        if documents.is_empty() {
            notices.push("no file wants anything that a prefix is set for: no policy is needed".to_owned());
        }
        Policies { documents: documents.into_iter().flat_map(fit).collect(), notices }
    }
}

fn length(texts: &[Text]) -> usize {
    texts.iter().map(|text| text.in_json().len() + 3).sum()
}

/// Names in words: the first few.
fn words(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| printable(name)).collect();
    let more = names.len().saturating_sub(SHOWN);
    let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{tail}", shown.join(", "))
}

fn without_key(reads: &Reads) -> (Impact, &'static str) {
    if reads.indices.is_empty() {
        (Impact::LeftOut, "the secrets under that key are left out as SECRETS_INIT_ON_DENIED says.")
    } else {
        (Impact::RunFails, "the run ends with 77 if the index is under that key; other secrets under it are left out.")
    }
}
