//! What goes over the wire, for `--log debug` and for errors: one line a call, and where a call that failed was to go.
//!
//! It stands below the SDK, so that the calls which the SDK makes by itself (web identity, container and instance credentials)
//! are seen too. Bodies are never looked at, but for the name of an STS action; paths neither, since that of the ECS endpoint
//! is a secret.

use std::time::Instant;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::body_limit::BodyLimit;
use super::budget::Budget;
use super::errors::{self, Unreached};
use super::names::Names;
use super::retries::RETRIES;

/// Logs what passes through another connector.
#[derive(Debug)]
pub struct LoggingConnector {
    pub connector: SharedHttpConnector,
    /// How much is read of what comes.
    pub budget: Budget,
    /// The variable of the proxy that every request goes through.
    pub proxy: Option<&'static str>,
    /// The addresses that its connections go to.
    pub names: Names,
}

impl HttpConnector for LoggingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let origin = origin(request.uri());
        let line = tracing::enabled!(tracing::Level::DEBUG).then(|| CallLine::of(&request));
        let limit = BodyLimit::of(&request, self.budget);
        let (proxy, names) = (self.proxy, self.names.clone());
        let answer = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            if let Some(line) = line {
                line.log(&origin, &answer);
            }
            let answer = answer.map(|answer| answer.map(|body| limit.hold(body)));
            answer.map_err(|error| {
                names.forget();
                Unreached::around(origin, proxy, error)
            })
        })
    }
}

/// Scheme, host and port of a URI, without what may stand before an `@`.
pub fn origin(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("http", uri));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// What is known of a call before its answer.
struct CallLine {
    action: String,
    retries: u32,
    sent: Option<u64>,
    started: Instant,
}

impl CallLine {
    fn of(request: &HttpRequest) -> Self {
        let sent = request.body().content_length();
        let retries = RETRIES.try_with(|retries| *retries).unwrap_or_default();
        Self { action: action(request), retries, sent, started: Instant::now() }
    }

    /// Durations are up to the head of the answer; the bodies are small.
    fn log(self, endpoint: &str, answer: &Result<HttpResponse, ConnectorError>) {
        let Self { action, retries, sent, started } = self;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok(answer) => {
                let header = |name| answer.headers().get(name).map(crate::text::printable);
                let length = header("content-length").and_then(|length| length.parse().ok());
                let received: Option<u64> = length.or_else(|| answer.body().content_length());
                let request_id = header("x-amzn-requestid");
                let status = answer.status().as_u16();
                tracing::debug!(action, endpoint, retries, status, elapsed_ms, sent, received, request_id, "call");
            }
            Err(error) => {
                let error = errors::unreached("call", error).message;
                tracing::debug!(action, endpoint, retries, elapsed_ms, sent, error, "call");
            }
        }
    }
}

/// What a request asks for: `secretsmanager:ListSecrets`, `sts:AssumeRole`, or where it goes.
fn action(request: &HttpRequest) -> String {
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some(operation) = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()) {
        return format!("secretsmanager:{}", Some(operation).filter(is_name).unwrap_or("?"));
    }
    if request.method() == "POST" {
        let form = request.body().bytes().unwrap_or_default();
        let form = std::str::from_utf8(form).unwrap_or_default();
        let operation = form.split('&').find_map(|field| field.strip_prefix("Action="));
        return format!("sts:{}", operation.filter(is_name).unwrap_or("?"));
    }
    let path = request.uri().splitn(4, '/').nth(3).unwrap_or_default();
    let is_imds = path.starts_with("latest/");
    if is_imds { "imds:Get" } else { "credentials:Get" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_and_no_password() {
        assert_eq!(
            origin("https://secretsmanager.eu-central-1.amazonaws.com/"),
            "https://secretsmanager.eu-central-1.amazonaws.com"
        );
        assert_eq!(origin("http://u:p@127.0.0.1:9/v2/credentials/GUID?x=y"), "http://127.0.0.1:9");
    }
}
