//! Policy evaluation: IAM user guide, "Policy evaluation logic", for identity,
//! resource and VPC endpoint policies. Session policies narrow those of
//! the identity; permission boundaries and organisation policies are not modelled.

use crate::arn::{account_of, is_account};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::scenario::{Effect, Kms, Statement, WebIdentityToken};
use crate::wildcard::{matches, matches_ignore_case};

/// What a policy says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Deny,
    /// Grants to the principal itself (or to everyone).
    Allow,
    /// Grants to the principal's account, which leaves the decision to the
    /// identity policies of that account.
    AllowAccount,
    Silent,
}

/// Values of condition keys that a call carries.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    pub via_service: Option<&'a str>,
    pub external_id: Option<&'a str>,
    /// The organisation of the caller's account.
    pub organization: Option<&'a str>,
    /// What a web identity token says.
    pub token: Option<&'a WebIdentityToken>,
}

/// Condition keys a scenario may use, and the ends of those that begin with an
/// issuer (IAM user guide, "Available keys for AWS OIDC federation").
pub fn is_condition_key(key: &str) -> bool {
    ["kms:ViaService", "sts:ExternalId", "aws:PrincipalOrgID"].iter().any(|known| known.eq_ignore_ascii_case(key))
        || key.ends_with(":aud")
        || key.ends_with(":sub")
}

/// Condition operators a scenario may use.
pub const CONDITION_OPERATORS: [&str; 4] = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"];

impl Context<'_> {
    fn value(&self, key: &str) -> Option<&str> {
        if key.eq_ignore_ascii_case("kms:ViaService") {
            self.via_service
        } else if key.eq_ignore_ascii_case("sts:ExternalId") {
            self.external_id
        } else if key.eq_ignore_ascii_case("aws:PrincipalOrgID") {
            self.organization
        } else {
            let (issuer, claim) = key.rsplit_once(':')?;
            let token = self.token.filter(|token| token.issuer == issuer)?;
            match claim {
                "aud" => Some(&token.audience),
                "sub" => Some(&token.subject),
                _ => None,
            }
        }
    }

    fn satisfies(&self, statement: &Statement) -> bool {
        statement.conditions.iter().all(|(operator, keys)| {
            keys.iter().all(|(key, values)| {
                let value = self.value(key);
                let one_of = |test: fn(&str, &str) -> bool| {
                    value.is_some_and(|value| values.0.iter().any(|pattern| test(pattern, value)))
                };
                match operator.as_str() {
                    "StringEquals" => one_of(|a, b| a == b),
                    "StringNotEquals" => !one_of(|a, b| a == b),
                    "StringLike" => one_of(matches),
                    "StringNotLike" => !one_of(matches),
                    _ => false,
                }
            })
        })
    }
}

/// How a principal of a policy names a caller: not at all, through its account,
/// or directly.
fn names(principal: &str, caller: &Caller) -> Verdict {
    let direct = principal == "*" || principal == &*caller.arn || caller.role_arn.as_deref() == Some(principal);
    if direct && !is_root(principal, caller) {
        return Verdict::Allow;
    }
    let account = if is_account(principal) {
        Some(principal)
    } else {
        account_of(principal).filter(|_| principal.ends_with(":root"))
    };
    match account {
        Some(account) if account == &*caller.account => Verdict::AllowAccount,
        _ => Verdict::Silent,
    }
}

/// The root user's ARN is at the same time the way to name its account.
fn is_root(principal: &str, caller: &Caller) -> bool {
    principal.ends_with(":root") && principal == &*caller.arn
}

/// What the policies of an identity say, narrowed by the policy of its session.
fn of_caller(caller: &Caller, action: &str, resource: &str, context: Context<'_>) -> Verdict {
    if caller.full_access {
        return Verdict::Allow;
    }
    let narrowed = caller.session_policy.as_deref().map_or(Verdict::Allow, |p| identity(p, action, resource, context));
    match (identity(&caller.policy, action, resource, context), narrowed) {
        (Verdict::Deny, _) | (_, Verdict::Deny) => Verdict::Deny,
        (Verdict::Allow, narrowed) => narrowed,
        (silent, _) => silent,
    }
}

/// Evaluates an identity policy.
pub fn identity(policy: &[Statement], action: &str, resource: &str, context: Context<'_>) -> Verdict {
    evaluate(policy, action, resource, context, |_| Verdict::Allow)
}

/// Evaluates a policy with principals.
pub fn resource(policy: &[Statement], caller: &Caller, action: &str, resource: &str, context: Context<'_>) -> Verdict {
    evaluate(policy, action, resource, context, |statement| {
        let mut best = Verdict::Silent;
        for principal in &statement.principals {
            match names(principal, caller) {
                Verdict::Allow => return Verdict::Allow,
                Verdict::AllowAccount => best = Verdict::AllowAccount,
                Verdict::Deny | Verdict::Silent => {}
            }
        }
        best
    })
}

fn evaluate(
    policy: &[Statement],
    action: &str,
    resource: &str,
    context: Context<'_>,
    principal: impl Fn(&Statement) -> Verdict,
) -> Verdict {
    let mut verdict = Verdict::Silent;
    for statement in policy {
        let applies = statement.actions.iter().any(|p| matches_ignore_case(p, action))
            && statement.resources.iter().any(|p| matches(p, resource))
            && context.satisfies(statement);
        if !applies {
            continue;
        }
        match (statement.effect, principal(statement)) {
            (_, Verdict::Silent | Verdict::Deny) => {}
            (Effect::Deny, _) => return Verdict::Deny,
            (Effect::Allow, Verdict::Allow) => verdict = Verdict::Allow,
            (Effect::Allow, Verdict::AllowAccount) => {
                if verdict == Verdict::Silent {
                    verdict = Verdict::AllowAccount;
                }
            }
        }
    }
    verdict
}

/// Evaluates a trust policy for a caller that is known by a token alone.
pub fn federated(policy: &[Statement], provider: &str, action: &str, role: &str, context: Context<'_>) -> Verdict {
    evaluate(policy, action, role, context, |statement| {
        if statement.principals.iter().any(|p| p == provider) { Verdict::Allow } else { Verdict::Silent }
    })
}

/// Evaluates an endpoint's policy for a call that nobody has signed.
pub fn anonymous(policy: &[Statement], action: &str, resource: &str) -> Verdict {
    federated(policy, "*", action, resource, Context::default())
}

/// A call to be authorised.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    pub caller: &'a Caller,
    /// The account that owns the resource.
    pub owner: &'a str,
    pub action: &'a str,
    /// The ARN that policies see.
    pub resource: &'a str,
    /// The resource as the error names it.
    pub shown: &'a str,
    pub context: Context<'a>,
}

/// Why a call is refused: the end of AWS's message ("Troubleshoot access denied
/// error messages", IAM user guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    ExplicitIdentity,
    ExplicitResource,
    ExplicitEndpoint,
    NoIdentity,
    NoResource,
    NoEndpoint,
}

impl Access<'_> {
    /// Same account: the identity or the resource policy allows. Across
    /// accounts: both. No policy denies.
    pub fn decide(&self, resource_policy: &[Statement]) -> Result<(), Denial> {
        let by_identity = of_caller(self.caller, self.action, self.resource, self.context);
        let by_resource = resource(resource_policy, self.caller, self.action, self.resource, self.context);
        match (by_identity, by_resource) {
            (Verdict::Deny, _) => Err(Denial::ExplicitIdentity),
            (_, Verdict::Deny) => Err(Denial::ExplicitResource),
            (Verdict::Allow, Verdict::Allow | Verdict::AllowAccount) => Ok(()),
            (identity, resource) if self.owner == &*self.caller.account => {
                if identity == Verdict::Allow || resource == Verdict::Allow { Ok(()) } else { Err(Denial::NoIdentity) }
            }
            (Verdict::Allow, _) => Err(Denial::NoResource),
            _ => Err(Denial::NoIdentity),
        }
    }

    /// The VPC endpoint's policy, when there is one.
    pub fn through_endpoint(&self, endpoint: Option<&[Statement]>) -> Result<(), Denial> {
        let Some(endpoint) = endpoint else { return Ok(()) };
        match resource(endpoint, self.caller, self.action, self.resource, self.context) {
            Verdict::Deny => Err(Denial::ExplicitEndpoint),
            Verdict::Silent => Err(Denial::NoEndpoint),
            Verdict::Allow | Verdict::AllowAccount => Ok(()),
        }
    }

    /// Both of the above, as the error that Secrets Manager answers.
    pub fn authorize(&self, resource_policy: &[Statement], endpoint: Option<&[Statement]>) -> Result<(), AwsError> {
        self.decide(resource_policy)
            .and_then(|()| self.through_endpoint(endpoint))
            .map_err(|denial| self.refusal(denial))
    }

    /// The `AccessDeniedException` for a denial.
    pub fn refusal(&self, denial: Denial) -> AwsError {
        let action = self.action;
        let because = match denial {
            Denial::ExplicitIdentity => "with an explicit deny in an identity-based policy".to_owned(),
            Denial::ExplicitResource => "with an explicit deny in a resource-based policy".to_owned(),
            Denial::ExplicitEndpoint => "with an explicit deny in a VPC endpoint policy".to_owned(),
            Denial::NoIdentity => {
                format!("because no identity-based policy allows the {action} action")
            }
            Denial::NoResource => {
                format!("because no resource-based policy allows the {action} action")
            }
            Denial::NoEndpoint => {
                format!("because no VPC endpoint policy allows the {action} action")
            }
        };
        let on = if self.shown == "*" { String::new() } else { format!(" on resource: {}", self.shown) };
        AwsError::access_denied(format!(
            "User: {} is not authorized to perform: {action}{on} {because}",
            self.caller.arn
        ))
    }
}

/// Whether a key admits the caller: directly, or through the account together
/// with the identity policy.
pub fn key_admits(key: &Kms, caller: &Caller, action: &str, context: Context<'_>) -> bool {
    let key_arn = key.key_arn.as_str();
    let by_policy = resource(&key.policy, caller, action, key_arn, context);
    let by_identity = of_caller(caller, action, key_arn, context);
    let by_principals = key.allowed_principals.iter().map(|p| names(p, caller));
    let by_key = by_principals.fold(by_policy, |best, v| match (best, v) {
        (Verdict::Deny, _) => Verdict::Deny,
        (Verdict::Allow, _) | (_, Verdict::Allow) => Verdict::Allow,
        (Verdict::AllowAccount, _) | (_, Verdict::AllowAccount) => Verdict::AllowAccount,
        _ => Verdict::Silent,
    });
    let same_account = account_of(key_arn) == Some(&*caller.account);
    match (by_key, by_identity) {
        (_, Verdict::Deny) | (Verdict::Silent | Verdict::Deny, _) => false,
        (Verdict::Allow, _) if same_account => true,
        (_, identity) => identity == Verdict::Allow,
    }
}
