//! STS: `AssumeRole`, `AssumeRoleWithWebIdentity`, `GetCallerIdentity`, in the
//! query protocol.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use hyper::{HeaderMap, Response};

use crate::arn::account_of;
use crate::auth::{authenticate, scope};
use crate::call::{Answer, Call, Peer, conduct};
use crate::caller::Caller;
use crate::error::{AwsError, constraint};
use crate::policy::{self, Access, Context, Verdict};
use crate::reply::{Protocol, Reply, ReplyBody, escape};
use crate::scenario::Statement;
use crate::sessions::{Credentials, Identity};
use crate::shared::Shared;
use crate::sync::read;
use crate::time::iso8601;
use crate::wildcard::matches;
use crate::world::{StoredRole, World};

type Form = HashMap<String, String>;

const ASSUME: &str = "sts:AssumeRole";
const ASSUME_WEB: &str = "sts:AssumeRoleWithWebIdentity";

/// Answers a form with an `Action`.
pub async fn handle(
    shared: &Shared,
    peer: &Peer,
    headers: &HeaderMap,
    body: &Bytes,
) -> io::Result<Response<ReplyBody>> {
    let form = crate::form::parse(body);
    let action = form.get("Action").map_or("", String::as_str);
    let role_arn = form.get("RoleArn");
    let unsigned = action == "AssumeRoleWithWebIdentity";
    let identity =
        if unsigned { None } else { Some(authenticate(&read(&shared.world), &shared.sessions, headers, "sts")) };
    let caller = identity.as_ref().and_then(|i| i.as_ref().ok()).map(|i| &i.caller);
    let account = match caller {
        Some(caller) => Cow::Borrowed(&*caller.account),
        // Nobody yet: the call counts on the role's account.
        None if unsigned => Cow::Borrowed(role_arn.and_then(|arn| account_of(arn)).unwrap_or_default()),
        None => Cow::Borrowed(""),
    };
    let call = Call {
        operation: action,
        account,
        region: scope(headers).map_or("", |scope| scope.region),
        principal: caller.map(|c| c.arn.clone()),
        ids: role_arn.cloned().into_iter().collect(),
        protocol: Protocol::Query,
    };
    conduct(shared, peer, headers, call, |request_id| {
        let identity = identity.clone().transpose()?;
        let world = read(&shared.world);
        match (action, identity) {
            ("AssumeRole", Some(identity)) => assume_role(shared, &world, &form, &identity, request_id),
            ("AssumeRoleWithWebIdentity", _) => web_identity(shared, &world, &form, request_id),
            ("GetCallerIdentity", Some(identity)) => who_is(&world, &identity.caller, request_id),
            _ => Err(AwsError::new(
                400,
                "InvalidAction",
                format!("Could not find operation {action} for version 2011-06-15"),
            )),
        }
    })
    .await
}

fn assume_role(
    shared: &Shared,
    world: &World,
    form: &Form,
    identity: &Identity,
    request_id: &str,
) -> Result<Answer, AwsError> {
    let arn = required(form, "RoleArn")?;
    let name = session_name(form)?;
    let external_id = form.get("ExternalId").map(String::as_str);
    let caller = &identity.caller;
    let denied = |action: &str| {
        let message = format!("User: {} is not authorized to perform: {action} on resource: {arn}", caller.arn);
        AwsError::new(403, "AccessDenied", message)
    };
    let stored = world.roles.get(arn).ok_or_else(|| denied(ASSUME))?;
    let trust = trust_policy(stored);
    // IAM user guide, "Pass session tags in AWS STS": TagSession is a permission
    // of its own, which incoming transitive tags need too.
    for action in std::iter::once(ASSUME).chain(identity.tagged.then_some("sts:TagSession")) {
        let access = Access {
            caller,
            owner: &stored.account,
            action,
            resource: arn,
            shown: arn,
            context: Context { external_id, ..Context::default() },
        };
        // IAM user guide, "Policy evaluation logic": a trust policy must allow, even within an account.
        if policy::resource(&trust, caller, action, arn, access.context) == Verdict::Silent {
            return Err(denied(action));
        }
        access.decide(&trust).map_err(|_| denied(action))?;
        access.through_endpoint(world.settings.sts_endpoint_policy.as_deref()).map_err(|_| denied(action))?;
    }
    let seconds = duration(form, stored)?;
    // API reference, AssumeRole.DurationSeconds: role chaining is limited to an hour.
    if identity.chained && seconds > 3600 {
        return Err(AwsError::new(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let credentials = shared.sessions.open(stored, name, seconds, identity.tagged);
    Ok(document("AssumeRole", &session_xml(&credentials), request_id))
}

/// The policy itself, or what the short form stands for, which is generous with
/// tags.
fn trust_policy(stored: &StoredRole) -> Vec<Statement> {
    let trust = &stored.role.trust;
    if !trust.policy.is_empty() {
        return trust.policy.clone();
    }
    let mut statement = Statement::allow([ASSUME, "sts:TagSession"]).to(trust.principals.clone());
    if let Some(id) = &trust.external_id {
        statement = statement.when("StringEquals", "sts:ExternalId", id);
    }
    vec![statement]
}

fn web_identity(shared: &Shared, world: &World, form: &Form, request_id: &str) -> Result<Answer, AwsError> {
    let arn = required(form, "RoleArn")?;
    let name = session_name(form)?;
    let token = required(form, "WebIdentityToken")?;
    let token = world.web_identity_tokens.get(token).ok_or_else(|| {
        AwsError::new(
            400,
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider, please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
    })?;
    if token.expired {
        return Err(AwsError::new(
            400,
            "ExpiredTokenException",
            "Token expired: current date/time must be before the expiration date/time",
        ));
    }
    let trusted = |stored: &&StoredRole| {
        let trust = &stored.role.trust;
        if trust.policy.is_empty() {
            return trust.web_identity
                && (trust.subjects.is_empty() || trust.subjects.iter().any(|s| matches(s, &token.subject)));
        }
        let provider = format!("arn:aws:iam::{}:oidc-provider/{}", stored.account, token.issuer);
        let context = Context { token: Some(token), ..Context::default() };
        policy::federated(&trust.policy, &provider, ASSUME_WEB, arn, context) == Verdict::Allow
    };
    let passes = |_: &&StoredRole| {
        let endpoint = world.settings.sts_endpoint_policy.as_deref();
        endpoint.is_none_or(|policy| policy::anonymous(policy, ASSUME_WEB, arn) == Verdict::Allow)
    };
    let stored =
        world.roles.get(arn).filter(trusted).filter(passes).ok_or_else(|| {
            AwsError::new(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        })?;
    let credentials = shared.sessions.open(stored, name, duration(form, stored)?, false);
    let xml = format!(
        "{}    <SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken>\n",
        session_xml(&credentials),
        escape(&token.subject)
    );
    Ok(document("AssumeRoleWithWebIdentity", &xml, request_id))
}

/// No policy of an identity can forbid it; that of an endpoint can.
fn who_is(world: &World, caller: &Caller, request_id: &str) -> Result<Answer, AwsError> {
    const ACTION: &str = "sts:GetCallerIdentity";
    let (owner, context) = (&*caller.account, Context::default());
    let access = Access { caller, owner, action: ACTION, resource: "*", shown: "*", context };
    access.through_endpoint(world.settings.sts_endpoint_policy.as_deref()).map_err(|_| {
        let message = format!("User: {} is not authorized to perform: {ACTION}", caller.arn);
        AwsError::new(403, "AccessDenied", message)
    })?;
    Ok(caller_identity(caller, request_id))
}

fn caller_identity(caller: &Caller, request_id: &str) -> Answer {
    let user_id = if caller.full_access { caller.account.to_string() } else { "AIDAFAKEFAKEFAKE".to_owned() };
    let xml = format!(
        "    <Arn>{}</Arn>\n    <UserId>{user_id}</UserId>\n    <Account>{}</Account>\n",
        escape(&caller.arn),
        caller.account
    );
    document("GetCallerIdentity", &xml, request_id)
}

fn session_xml(credentials: &Credentials) -> String {
    format!(
        "    <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n      \
         <SecretAccessKey>{}</SecretAccessKey>\n      <SessionToken>{}</SessionToken>\n      \
         <Expiration>{}</Expiration>\n    </Credentials>\n    <AssumedRoleUser>\n      \
         <AssumedRoleId>{}</AssumedRoleId>\n      <Arn>{}</Arn>\n    </AssumedRoleUser>\n    \
         <PackedPolicySize>0</PackedPolicySize>\n",
        credentials.access_key,
        credentials.secret_key,
        credentials.token,
        iso8601(credentials.expiration),
        credentials.role_id,
        escape(&credentials.session_arn),
    )
}

fn document(action: &str, result: &str, request_id: &str) -> Answer {
    let xml = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
         <{action}Result>\n{result}  </{action}Result>\n  <ResponseMetadata>\n    \
         <RequestId>{request_id}</RequestId>\n  </ResponseMetadata>\n</{action}Response>\n"
    );
    Reply::ok(Protocol::Query, xml).into()
}

fn invalid(value: &str, field: &str, rule: &str) -> AwsError {
    AwsError::new(400, "ValidationError", constraint(value, field, rule))
}

fn required<'a>(form: &'a Form, key: &str) -> Result<&'a str, AwsError> {
    form.get(key).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
        let mut field = key.to_owned();
        field[..1].make_ascii_lowercase();
        invalid("null", &field, "Member must not be null")
    })
}

/// API model: 2 to 64 characters of `[\w+=,.@-]`.
fn session_name(form: &Form) -> Result<&str, AwsError> {
    let name = required(form, "RoleSessionName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !name.chars().all(allowed) {
        return Err(invalid(name, "roleSessionName", "Member must satisfy regular expression pattern: [\\w+=,.@-]*"));
    }
    match name.len() {
        0 | 1 => Err(invalid(name, "roleSessionName", "Member must have length greater than or equal to 2")),
        2..=64 => Ok(name),
        _ => Err(invalid(name, "roleSessionName", "Member must have length less than or equal to 64")),
    }
}

/// API model: 900 to 43200 seconds, and at most the role's maximum.
fn duration(form: &Form, stored: &StoredRole) -> Result<i64, AwsError> {
    let Some(text) = form.get("DurationSeconds") else { return Ok(3600) };
    let Ok(seconds) = text.parse::<i64>() else {
        return Err(AwsError::new(400, "MalformedInput", ""));
    };
    if seconds < 900 {
        return Err(invalid(text, "durationSeconds", "Member must have value greater than or equal to 900"));
    }
    if seconds > 43_200 {
        return Err(invalid(text, "durationSeconds", "Member must have value less than or equal to 43200"));
    }
    if seconds > stored.role.max_session_seconds.unwrap_or(3600) {
        return Err(AwsError::new(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}
