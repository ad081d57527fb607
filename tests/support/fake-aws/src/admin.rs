//! The admin API under `/_fake/`, for tests that drive the binary.

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use crate::reply::Reply;
use crate::scenario::{Fault, Scenario};
use crate::shared::Shared;

/// Answers `/_fake/...`.
pub fn handle(shared: &Shared, method: &Method, path: &str, query: Option<&str>, body: &Bytes) -> Reply {
    let replace = query.is_some_and(|q| q.split('&').any(|pair| pair == "mode=replace"));
    match (method.as_str(), path) {
        ("GET", "/_fake/calls") => calls(shared),
        ("GET", "/_fake/stats") => Reply::json(200, &shared.log.stats()),
        ("POST", "/_fake/reset-calls") => {
            shared.log.reset();
            done()
        }
        ("POST", "/_fake/scenario") => {
            let loaded =
                Scenario::from_json(body).and_then(|s| if replace { shared.replace(s) } else { shared.extend(s) });
            loaded.map_or_else(|e| bad_request(&e.to_string()), |()| done())
        }
        ("POST", "/_fake/faults") => match faults(body) {
            Ok(faults) => {
                shared.set_faults(faults, replace);
                done()
            }
            Err(error) => bad_request(&error.to_string()),
        },
        ("DELETE", "/_fake/faults") => {
            shared.set_faults(Vec::new(), true);
            done()
        }
        ("GET", "/_fake/health") => done(),
        _ => Reply::json(404, &json!({ "error": format!("no {method} {path}") })),
    }
}

fn done() -> Reply {
    Reply::json(200, &json!({ "ok": true }))
}

fn bad_request(message: &str) -> Reply {
    Reply::json(400, &json!({ "error": message }))
}

fn calls(shared: &Shared) -> Reply {
    let counts: Vec<_> = shared
        .log
        .counts()
        .into_iter()
        .map(|((operation, account), count)| json!({ "operation": operation, "account": account, "count": count }))
        .collect();
    Reply::json(200, &json!({ "counts": counts, "stats": shared.log.stats(), "calls": shared.log.calls() }))
}

/// One fault or a list of faults.
fn faults(body: &[u8]) -> Result<Vec<Fault>, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        serde_json::from_slice(body)
    } else {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let fault = Fault::deserialize(&mut reader)?;
        reader.end()?;
        Ok(vec![fault])
    }
}
