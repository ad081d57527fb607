//! Secrets Manager: `ListSecrets`, `BatchGetSecretValue`, `GetSecretValue` and
//! `DescribeSecret`; of those that write `CreateSecret`, `PutSecretValue` and
//! `PutResourcePolicy`.

mod batch;
mod describe;
mod filter;
mod get;
mod list;
mod lookup;
mod page;
mod request;
mod write;

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use hyper::{HeaderMap, Response};
use serde::Serialize;

use crate::auth::{authenticate, scope};
use crate::call::{Answer, Call, Peer, conduct};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::faults::Faults;
use crate::policy::Context;
use crate::reply::{Protocol, Reply, ReplyBody};
use crate::shared::Shared;
use crate::sync::{read, write as lock};
use crate::world::World;
use request::Request;

/// Everything an operation looks at.
#[derive(Debug, Clone, Copy)]
struct Env<'a> {
    world: &'a World,
    faults: &'a Faults,
    caller: &'a Caller,
    region: &'a str,
}

impl<'a> Env<'a> {
    /// What every call carries.
    fn context(self) -> Context<'a> {
        Context { organization: self.world.organization_of(&self.caller.account), ..Context::default() }
    }
}

/// Answers a request with `x-amz-target: secretsmanager.OPERATION`.
pub async fn handle(
    shared: &Shared,
    peer: &Peer,
    headers: &HeaderMap,
    operation: &str,
    body: &Bytes,
) -> io::Result<Response<ReplyBody>> {
    let region = scope(headers).map_or("", |scope| scope.region);
    let identity = authenticate(&read(&shared.world), &shared.sessions, headers, "secretsmanager");
    let request = Request::parse(operation, body);
    let caller = identity.as_ref().ok().map(|identity| &identity.caller);
    let call = Call {
        operation,
        account: caller.map_or(Cow::Borrowed(""), |c| Cow::Borrowed(&*c.account)),
        region,
        principal: caller.map(|c| c.arn.clone()),
        ids: request.as_ref().map(Request::ids).unwrap_or_default(),
        protocol: Protocol::Json,
    };
    conduct(shared, peer, headers, call, |_| {
        let caller = &identity.as_ref().map_err(Clone::clone)?.caller;
        let request = request?;
        if let Request::Create(_) | Request::Put(_) | Request::Policy(_) = &request {
            let (world, call) = (&mut *lock(&shared.world), (&shared.faults, &**caller, region));
            return match &request {
                Request::Create(request) => write::create_secret(world, call, request),
                Request::Put(request) => write::put_secret_value(world, call, request),
                Request::Policy(request) => write::put_resource_policy(world, call, request),
                _ => Err(AwsError::front_end(400, "UnknownOperationException", "")),
            };
        }
        let world = read(&shared.world);
        let env = Env { world: &world, faults: &shared.faults, caller, region };
        match request {
            Request::List(request) => list::list_secrets(env, &request),
            Request::Batch(request) => batch::batch_get(env, &request),
            Request::Get(request) => get::get_secret_value(env, &request),
            Request::Describe(request) => describe::describe_secret(env, &request),
            _ => Err(AwsError::front_end(400, "UnknownOperationException", "")),
        }
    })
    .await
}

/// A successful answer.
fn answer(value: &impl Serialize) -> Answer {
    Reply::ok(Protocol::Json, serde_json::to_vec(value).unwrap_or_default()).into()
}

/// A successful answer that is one page of several.
fn answer_page(value: &impl Serialize, page: u64) -> Answer {
    Answer { page: Some(page), ..answer(value) }
}

/// Authorises an action on `*`, as lists and batches are.
fn authorize_everything(env: Env<'_>, action: &str) -> Result<(), AwsError> {
    crate::policy::Access {
        caller: env.caller,
        owner: &env.caller.account,
        action,
        resource: "*",
        shown: "*",
        context: env.context(),
    }
    .authorize(&[], env.world.settings.vpc_endpoint_policy.as_deref())
}
