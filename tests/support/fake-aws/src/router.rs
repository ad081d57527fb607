//! One port for everything: chooses the endpoint by path, header and method.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use serde_json::json;

use crate::call::Peer;
use crate::reply::{Reply, ReplyBody};
use crate::shared::Shared;
use crate::sync::read;
use crate::{admin, metadata, secrets_manager, sts};

/// Scenarios may be far larger than any AWS request.
const ADMIN_LIMIT: usize = 1 << 30;

/// Answers one request.
pub async fn route(shared: Arc<Shared>, peer: Peer, request: Request<Incoming>) -> io::Result<Response<ReplyBody>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let is_admin = path.starts_with("/_fake/");
    let limit = if is_admin { ADMIN_LIMIT } else { read(&shared.world).settings.max_request_bytes() };
    let body: Bytes = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(local(&shared, &peer, Reply::json(413, &json!({ "__type": "RequestEntityTooLargeException" }))));
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    if is_admin {
        let reply = admin::handle(&shared, &head.method, path, head.uri.query(), &body);
        return Ok(local(&shared, &peer, reply));
    }
    if head.method == Method::POST && path == "/" {
        let target = head.headers.get("x-amz-target").and_then(|t| t.to_str().ok());
        return match target {
            Some(target) => {
                let operation = target.strip_prefix("secretsmanager.").unwrap_or(target);
                secrets_manager::handle(&shared, &peer, &head.headers, operation, &body).await
            }
            None => sts::handle(&shared, &peer, &head.headers, &body).await,
        };
    }
    match metadata::handle(&shared, &peer, &head.method, path, &head.headers).await {
        Some(response) => response,
        None => {
            shared.log.went_elsewhere();
            Ok(local(&shared, &peer, Reply::json(404, &json!({ "error": "no such endpoint" }))))
        }
    }
}

/// An answer outside the call log.
fn local(shared: &Shared, peer: &Peer, reply: Reply) -> Response<ReplyBody> {
    reply.into_response(&shared.request_id(), None, &peer.control)
}
