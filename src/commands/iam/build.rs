//! From settings and plan to documents: for each account of the plan, the identity that reads it and the calls that
//! `store/aws` makes there.
//!
//! Sources of the rules, in AWS's documentation: "Actions, resources, and condition keys for AWS Secrets Manager" (service
//! authorization reference: ListSecrets and BatchGetSecretValue take no resource), "Access AWS Secrets Manager secrets from a
//! different account", "Secret encryption and decryption in AWS Secrets Manager" (kms:ViaService), "Using an AWS Secrets Manager
//! VPC endpoint", all of the Secrets Manager user guide; "Pass session tags in AWS STS", "IAM and AWS STS quotas" of the IAM user
//! guide; "IAM roles for service accounts" and "Define permissions for EKS Pod Identities to assume roles based on tags" of the EKS
//! user guide.

use std::collections::BTreeSet;

use super::document::{IamPolicies, OnlyWith, PolicyDocument, PolicyType, Statement, Text};
use super::json;
use super::reads::Reads;
use super::statements::{self, by_web_identity};
use super::who::{Caller, PodHints, Who};
use crate::commands::check::offline::Known;
use crate::config::env::Env;
use crate::config::kwargs::{Role, RoleVia};
use crate::config::settings::{FetchMode, Settings, StoreChoice};
use crate::error::{Exit, Failure};
use crate::model::aws::AccountId;
use crate::plan::{Access, AccountPlan, Plan, Source};
use crate::text::printable;

/// A managed policy has at most 6,144 characters, white space not counted (IAM and AWS STS quotas). Placeholders may be
/// shorter than what they stand for.
const LONGEST_POLICY: usize = 5_800;
/// Of that, what one statement may take before it is cut.
const LONGEST_STATEMENT: usize = 2_800;
/// An inline session policy has at most 2,048 characters (STS API reference, AssumeRole, Policy).
const LONGEST_IN_SESSION: usize = 1_950;
/// An endpoint has one policy of at most 20,480 characters (AWS PrivateLink quotas).
const LONGEST_IN_ENDPOINT: usize = 5_000;

/// The policies for these settings. The environment may say who the pod is, if `iam` runs where the pod does.
///
/// # Errors
/// [`Exit::Config`] when secrets do not come from AWS, or when nothing says which secrets another account holds.
pub fn policies(settings: &Settings, plan: &Plan, env: &Env) -> Result<IamPolicies, Failure> {
    if settings.store != StoreChoice::Aws {
        let problem = "SECRETS_INIT_STORE: a file needs no policies; unset it to see those for AWS";
        return Err(Failure::new(Exit::Config, problem));
    }
    Known::of(plan, env).refuse_foreign()?;
    let mut build = Build {
        settings,
        who: Who { plan, pod: PodHints::of(env), publishes: settings.index.is_some() },
        documents: Vec::new(),
        notices: Vec::new(),
    };
    if let Some(index) = &settings.index {
        build.publisher(index, &Reads::of(&build.who, &settings.selection, 0));
        return Ok(build.finish());
    }
    for (place, account) in plan.accounts.iter().enumerate() {
        build.account(account, &Reads::of(&build.who, &settings.selection, place));
    }
    if plan.accounts.iter().any(|account| build.takes_pod_role(account)) {
        let call = by_web_identity(&build.who.principal(&Caller::Pod)).called("AssumePodRoleWithWebIdentity");
        build.sts_endpoint().add(call.only_with(OnlyWith::Irsa));
    }
    Ok(build.finish())
}

/// The documents as they come together.
pub(super) struct Build<'a> {
    settings: &'a Settings,
    pub who: Who<'a>,
    documents: Vec<PolicyDocument>,
    pub notices: Vec<String>,
}

impl Build<'_> {
    fn account(&mut self, account: &AccountPlan, reads: &Reads) {
        let (plan, source) = (self.who.plan, &account.source);
        let identity = match (source, &account.access) {
            (Source::Own, _) => {
                if let Some(role) = &plan.own.role {
                    self.role(role, "own_role_trust", &self.who.before_own_role(), true);
                }
                self.who.own_identity()
            }
            (Source::Shared { account, .. }, Access::Own) => {
                self.notices.push(format!(
                    "nothing says which secrets shared account {account} holds: these policies are right only if it is the \
                     own account; docs/CONFIGURATION.md has the other ways"
                ));
                self.who.own_identity()
            }
            (Source::Shared { .. }, Access::Role(role)) => {
                let label = self.who.label(source);
                self.role(role, &format!("shared_{label}_role_trust"), &Caller::Pod, false);
                Caller::Role { arn: role.arn.clone(), shared: Some(label) }
            }
            (Source::Shared { account, .. }, Access::Pod) => return self.reads_across(source, account, reads),
        };
        self.owner_reads(&identity, source, reads);
        if account.only_if_own() {
            let call = statements::who_am_i(&self.who.principal(&identity));
            self.sts_endpoint().add(call);
        }
    }

    pub fn identity_document(&mut self, identity: &Caller) -> &mut PolicyDocument {
        let (name, why) = match identity {
            Caller::Pod if self.who.publishes => {
                ("publisher_role".to_owned(), "What the role may do with which the index is published.")
            }
            Caller::Pod => ("pod_role".to_owned(), "What the pod may do with credentials of its own."),
            Caller::Keys => {
                ("own_identity".to_owned(), "What the identity of the keys or of the profile in backend_kwargs may do.")
            }
            Caller::Role { shared: None, .. } => {
                ("own_role".to_owned(), "What the role of backend_kwargs, role_arn, may do in the own account.")
            }
            Caller::Role { shared: Some(label), .. } => {
                (format!("shared_{label}_role"), "What the role may do in the shared account.")
            }
        };
        self.document(&name, PolicyType::Identity, &self.who.principal(identity), why)
    }

    /// The document for these, made if it is new.
    pub fn document(&mut self, name: &str, form: PolicyType, attach_to: &Text, why: &str) -> &mut PolicyDocument {
        let is_it = |document: &PolicyDocument| document.form == form && document.attach_to == *attach_to;
        let place = self.documents.iter().position(is_it).unwrap_or_else(|| {
            let names = (1..).map(|number| numbered(name, number));
            let free = |name: &String| self.documents.iter().all(|document| document.name != *name);
            let name = names.into_iter().find(free).unwrap_or_default();
            let (attach_to, why) = (attach_to.clone(), why.to_owned());
            self.documents.push(PolicyDocument { name, form, attach_to, why, statements: Vec::new() });
            self.documents.len() - 1
        });
        &mut self.documents[place]
    }

    /// Reading with an identity of the account that the secrets are in.
    fn owner_reads(&mut self, identity: &Caller, source: &Source, reads: &Reads) {
        if reads.are_none() {
            return;
        }
        let batches = self.settings.fetch != FetchMode::Single && reads.named > 1;
        let (key, service) = (self.who.key(source), self.who.service(source));
        let names: Vec<&str> = self.who.plan.wants.iter().map(|want| want.kind.names_setting()).collect();
        let document = self.identity_document(identity);
        if reads.lists {
            document.add(statements::list(&names));
        }
        if batches {
            document.add(statements::batch());
        }
        if !reads.secrets.is_empty() {
            document.add(statements::get(reads, *source == Source::Own));
        }
        if !reads.indices.is_empty() {
            document.add(statements::index(reads));
        }
        document.add(statements::decrypt_own(&key, service, reads));
        self.through_endpoint(source, &self.who.principal(identity), reads, batches);
    }

    /// Reading another account's secrets under their resource policies, with the pod's own credentials. Both sides must allow.
    fn reads_across(&mut self, source: &Source, account: &AccountId, reads: &Reads) {
        if reads.are_none() {
            return;
        }
        let pod = self.who.principal(&Caller::Pod);
        let (key, service, label) = (self.who.key(source), self.who.service(source), self.who.label(source));
        let document = self.identity_document(&Caller::Pod);
        if !reads.secrets.is_empty() {
            document.add(statements::get_across(reads));
        }
        if !reads.indices.is_empty() {
            document.add(statements::index(reads).called("GetSharedIndex"));
        }
        document.add(statements::decrypt_across(&key, service.clone(), reads));
        if !reads.secrets.is_empty() {
            let whose = Text::literal(format!("each of the secrets of account {account}: {}", words(&reads.words)));
            let why = "The resource policy of the secrets, without which another account may not read them.";
            self.document(&format!("shared_{label}_secrets"), PolicyType::Resource, &whose, why)
                .add(statements::secret_by_pod(&pod));
        }
        if !reads.indices.is_empty() {
            let whose = Text::literal(format!("the index of account {account}: {}", words(&reads.index_words)));
            let why = "The resource policy of the index, a secret like the others.";
            self.document(&format!("shared_{label}_index"), PolicyType::Resource, &whose, why)
                .add(statements::index_by_pod(&pod));
        }
        let why = "To be added to the key's policy, not put in its place: the key needs an administrator as well.";
        self.document(&format!("shared_{label}_kms_key"), PolicyType::Key, &key, why)
            .add(statements::decrypt_by_pod(&pod, service, reads));
        self.through_endpoint(source, &pod, reads, false);
    }

    /// Taking a role: the permission of the caller, and the role's trust.
    pub fn role(&mut self, role: &Role, trust_name: &str, by: &Caller, is_own: bool) {
        let target = Text::literal(role.arn.to_string());
        let why = "Who may take the role: its trust policy.";
        if role.via == RoleVia::WebIdentity {
            let trusted = statements::trusted_service_account(&role.arn);
            self.document(trust_name, PolicyType::Trust, &target, why).add(trusted);
            self.sts_endpoint().add(by_web_identity(&target));
            return;
        }
        let caller = self.who.principal(by);
        let sid = if is_own { "AssumeOwnRole" } else { "AssumeSharedRole" };
        let mut calls = vec![(statements::assume(&target), sid, role.external_id.as_ref())];
        if *by == Caller::Pod && self.who.may_be_tagged() {
            calls.push((statements::tag(&target), "TagSession", None));
        }
        for (mut call, sid, external_id) in calls {
            let by_caller = call.clone().by(&caller);
            self.sts_endpoint().add(by_caller.clone());
            let mut trusted = by_caller.on([]);
            if let Some(id) = external_id {
                trusted = trusted.when("StringEquals", Text::literal("sts:ExternalId"), Text::literal(id));
            }
            self.document(trust_name, PolicyType::Trust, &target, why).add(trusted);
            if is_own {
                // Within an account a trust policy that names the caller is enough (IAM user guide, "Policy evaluation logic").
                if self.who.account_of(by) == Some(&role.arn.account) {
                    continue;
                }
                call = call.only_with(OnlyWith::RoleOfAnotherAccount);
            }
            self.identity_document(by).add(call.called(sid));
        }
    }

    // ---- VPC endpoints -----------------------------------------------------------------------------------------

    fn through_endpoint(&mut self, source: &Source, who: &Text, reads: &Reads, batches: bool) {
        let is_long = reads.secrets.iter().map(length).sum::<usize>() > LONGEST_IN_ENDPOINT;
        let secrets = if is_long { &reads.under } else { &reads.secrets };
        let document = self.secrets_endpoint(source);
        for statement in statements::through_endpoint(who, reads, batches, secrets) {
            document.add(statement);
        }
    }

    pub fn secrets_endpoint(&mut self, source: &Source) -> &mut PolicyDocument {
        let region = self.who.region(source);
        let accounts = &self.who.plan.accounts;
        let regions: BTreeSet<String> =
            accounts.iter().map(|account| self.who.region(&account.source).in_words()).collect();
        let mut name = "vpc_endpoint_secretsmanager".to_owned();
        if regions.len() > 1 {
            name = format!("{name}_{}", region.in_words().to_lowercase().replace('-', "_"));
        }
        let whose = Text::literal("the VPC endpoint of Secrets Manager in ").and(&region);
        let why = "Only where the pods' VPC has such an endpoint and its policy is not the default, which allows everything. \
                   Add to it what others in the VPC need.";
        self.document(&name, PolicyType::Endpoint, &whose, why)
    }

    fn sts_endpoint(&mut self) -> &mut PolicyDocument {
        let why = "Only where the pods' VPC has such an endpoint and its policy is not the default, which allows everything. \
                   The token of IRSA is sent to STS without a signature, so that call has `*` as its principal.";
        self.document("vpc_endpoint_sts", PolicyType::Endpoint, &Text::literal("the VPC endpoint of STS"), why)
    }

    /// Whether an account is read with credentials of the pod's. Those from IRSA come through STS, those of Pod Identity do not.
    fn takes_pod_role(&self, account: &AccountPlan) -> bool {
        let role = match &account.access {
            Access::Own if self.who.before_own_role() != Caller::Pod => return false,
            Access::Own => self.who.plan.own.role.as_ref(),
            Access::Pod => None,
            Access::Role(role) => Some(role),
        };
        role.is_none_or(|role| role.via == RoleVia::AssumeRole)
    }

    /// The policy of the pod's role once more, for an association of EKS Pod Identity: one role then serves several associations, each
    /// with its own part of it (EKS API reference, CreatePodIdentityAssociation, policy).
    fn session(&mut self) {
        let pod = self.who.principal(&Caller::Pod);
        let is_pods = |document: &&PolicyDocument| document.form == PolicyType::Identity && document.attach_to == pod;
        let Some(of_role) = self.documents.iter().find(is_pods).filter(|_| self.who.may_be_tagged()) else { return };
        let mut statements = of_role.statements.clone();
        // A session with a policy of its own has no tags.
        statements.retain(|statement| !statement.only_with.contains(&OnlyWith::PodIdentity));
        let document = PolicyDocument {
            name: of_role.name.replace("_role", "_session"),
            form: PolicyType::Session,
            attach_to: Text::literal("the Pod Identity association of the service account: policy, with disableSessionTags"),
            why: "Only where one role serves several associations: its sessions may do no more than this. The role's own policy must \
                  allow it as well."
                .to_owned(),
            statements,
        };
        let length = json::policy(&document).to_string().len();
        if length <= LONGEST_IN_SESSION {
            self.documents.push(document);
        } else {
            self.notices.push(format!(
                "a session policy for EKS Pod Identity is left out: it would have some {length} characters, and at most 2048 are \
                 allowed; without names one by one it is shorter"
            ));
        }
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Identities first, then what they are let in by, then endpoints; long policies cut into several.
    fn finish(mut self) -> IamPolicies {
        self.session();
        self.documents.sort_by_key(|document| match document.form {
            PolicyType::Identity | PolicyType::Session | PolicyType::Trust => 0,
            PolicyType::Resource | PolicyType::Key => 1,
            PolicyType::Endpoint => 2,
        });
        if self.documents.is_empty() {
            self.notices.push("no file wants anything that a prefix is set for: no policy is needed".to_owned());
        }
        IamPolicies { documents: self.documents.into_iter().flat_map(fit).collect(), notices: self.notices }
    }
}

/// A policy of an identity that is longer than a managed policy may be becomes several.
fn fit(document: PolicyDocument) -> Vec<PolicyDocument> {
    let fits = |document: &PolicyDocument| json::policy(document).to_string().len() <= LONGEST_POLICY;
    if document.form != PolicyType::Identity || fits(&document) {
        return vec![document];
    }
    let mut parts: Vec<PolicyDocument> = Vec::new();
    for piece in document.statements.iter().flat_map(cut) {
        let longer = parts.last().map(|last| {
            let statements = last.statements.iter().cloned().chain([piece.clone()]).collect();
            PolicyDocument { statements, ..last.clone() }
        });
        match (longer.filter(fits), parts.last_mut()) {
            (Some(longer), Some(last)) => *last = longer,
            _ => {
                let number = parts.len() + 1;
                let why = format!("{} Part {number}: one policy can't be longer.", document.why);
                let name = numbered(&document.name, number);
                parts.push(PolicyDocument { name, why, statements: vec![piece], ..document.clone() });
            }
        }
    }
    parts
}

/// A statement with many resources as several with fewer.
fn cut(statement: &Statement) -> Vec<Statement> {
    let mut pieces = vec![Statement { resources: Vec::new(), ..statement.clone() }];
    let mut size = 0;
    for resource in &statement.resources {
        size += length(resource);
        if size > LONGEST_STATEMENT {
            size = length(resource);
            let sid = format!("{}{}", statement.sid, pieces.len() + 1);
            pieces.push(Statement { sid, resources: Vec::new(), ..statement.clone() });
        }
        pieces.last_mut().map(|piece| piece.resources.push(resource.clone())).unwrap_or_default();
    }
    pieces
}

/// What a text takes in a list.
fn length(text: &Text) -> usize {
    text.in_json().len() + 3
}

/// The first of a name has no number.
fn numbered(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}_{number}") }
}

/// Names in words: the first few.
fn words(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| printable(name)).collect();
    let more = names.len().saturating_sub(SHOWN);
    let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{tail}", shown.join(", "))
}
