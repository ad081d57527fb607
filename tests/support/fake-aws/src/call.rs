//! The course of every call: log, faults, quota, latency, the operation itself.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, Response};

use crate::connection::Control;
use crate::error::AwsError;
use crate::faults::Target;
use crate::log::Arrival;
use crate::reply::{Protocol, Reply, ReplyBody};
use crate::scenario::FaultEffect;
use crate::shared::Shared;
use crate::sync::read;

/// The connection a request came on.
#[derive(Debug, Clone)]
pub struct Peer {
    pub number: u64,
    pub control: Arc<Control>,
}

/// What is known of a call before it is carried out.
#[derive(Debug)]
pub struct Call<'a> {
    pub operation: &'a str,
    pub account: Cow<'a, str>,
    pub region: &'a str,
    pub principal: Option<Arc<str>>,
    pub ids: Vec<String>,
    pub protocol: Protocol,
}

/// An operation's answer, with the page of a list that it is.
#[derive(Debug)]
pub struct Answer {
    pub reply: Reply,
    pub page: Option<u64>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, page: None }
    }
}

/// How often a call that waits for an event looks for it.
const LOOK: Duration = Duration::from_millis(2);

/// Runs a call. An `Err` makes the HTTP server drop the connection.
pub async fn conduct(
    shared: &Shared,
    peer: &Peer,
    headers: &HeaderMap,
    call: Call<'_>,
    operation: impl FnOnce(&str) -> Result<Answer, AwsError>,
) -> io::Result<Response<ReplyBody>> {
    let target = Target { operation: call.operation, account: &call.account, region: call.region };
    let plan = shared.faults.plan(target, &call.ids);
    let limit = read(&shared.world).settings.log_limit();
    let running = shared.log.arrived(Arrival {
        operation: call.operation,
        account: &call.account,
        region: call.region,
        principal: call.principal,
        ids: call.ids,
        connection: peer.number,
        user_agent: headers.get("user-agent").and_then(|agent| agent.to_str().ok()),
        limit,
    });
    let request_id = shared.request_id();
    let injected = match &plan.effect {
        Some(FaultEffect::Error { status, code, message, headers }) => {
            let mut error = AwsError::front_end(*status, code.clone(), message.clone());
            error.headers.clone_from(headers);
            Some(error)
        }
        _ => None,
    };
    // An injected error stands for a call that the service never counted.
    let throttled = injected.is_none() && {
        let world = read(&shared.world);
        let quotas = world.settings.quotas.as_deref().unwrap_or_default();
        !shared.buckets.take(quotas, call.operation, &call.account, call.region)
    };
    if let Some(effect) = &plan.effect {
        running.fault(effect.label());
    }
    if !plan.latency.is_zero() {
        tokio::time::sleep(plan.latency).await;
    }
    while shared.log.most_at_once(call.operation) < plan.together || shared.faults.hold(&plan) {
        tokio::time::sleep(LOOK).await;
    }
    match &plan.effect {
        Some(FaultEffect::Hang) => std::future::pending::<()>().await,
        Some(FaultEffect::Reset) => {
            peer.control.reset();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        _ => {}
    }
    let result = if let Some(error) = injected {
        Err(error)
    } else if let Some(FaultEffect::Body { status, content_type, text }) = &plan.effect {
        Ok(Reply::of_another(*status, content_type, text, &request_id).into())
    } else if throttled {
        Err(throttling(call.protocol))
    } else {
        operation(&request_id)
    };
    let reply = match result {
        Ok(answer) => {
            if let Some(page) = answer.page {
                running.page(page);
            }
            answer.reply
        }
        Err(error) => Reply::error(call.protocol, error, &request_id),
    };
    running.answered(reply.status, reply.code.as_deref());
    Ok(reply.into_response(&request_id, plan.effect.as_ref(), &peer.control))
}

/// "Rate exceeded", under the code that the protocol uses.
fn throttling(protocol: Protocol) -> AwsError {
    let (status, code) = match protocol {
        Protocol::Json => (400, "ThrottlingException"),
        Protocol::Query => (400, "Throttling"),
        // EKS Auth: the Pod Identity agent passes its 429 on.
        Protocol::Plain => (429, "ThrottlingException"),
    };
    AwsError::front_end(status, code, "Rate exceeded")
}
