//! One small request to an endpoint that hands out credentials, and its answer.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;

use super::super::errors;
use crate::model::cause::Cause;
use crate::store::error::{CREDENTIALS, StoreError};

/// A request. Its address and headers can be secrets: it is shown by its method alone.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    uri: String,
    headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method)
    }
}

/// What came back. The body can be a secret.
pub struct EndpointAnswer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl fmt::Debug for EndpointAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)
    }
}

impl EndpointAnswer {
    /// The body as a JSON object, if it is one.
    pub fn json(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Request {
    pub const fn new(method: &'static str, uri: String) -> Self {
        Self { method, uri, headers: Vec::new() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The request without its origin, which the client adds.
    fn http(self) -> Result<HttpRequest, BoxError> {
        let uri: http::Uri = self.uri.parse()?;
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method(self.method)?;
        request.set_uri(uri.path_and_query().map_or("/", |path| path.as_str()))?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }

    /// Sends it once, and waits as long as `patience` for the whole answer.
    ///
    /// # Errors
    /// When no answer comes. Whatever status it has, an answer is none.
    pub async fn send(self, http: &SharedHttpClient, patience: Duration) -> Result<EndpointAnswer, StoreError> {
        let origin = super::super::logging_connector::origin(&self.uri);
        let operation = Operation::builder()
            .service_name("credentials")
            .operation_name("Get")
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http.clone())
            .endpoint_url(&origin)
            .no_auth()
            .no_retry()
            .sleep_impl(TokioSleep::new())
            .timeout_config(TimeoutConfig::builder().connect_timeout(patience).operation_timeout(patience).build())
            .serializer(Self::http)
            // Nothing that the endpoint says is an error of the request.
            .deserializer(|response: &HttpResponse| {
                let body = response.body().bytes().unwrap_or_default().to_vec();
                Ok::<_, OrchestratorError<Infallible>>(EndpointAnswer { status: response.status().as_u16(), body })
            })
            .build();
        operation.invoke(self).await.map_err(|error| match error {
            SdkError::TimeoutError(_) => {
                StoreError::new(Cause::NoAnswer, CREDENTIALS, format!("no answer in time from {origin}"))
            }
            SdkError::DispatchFailure(_) => {
                errors::refused(CREDENTIALS, &error).unwrap_or_else(|| errors::unreached(CREDENTIALS, &error))
            }
            // Who has begun to answer is there.
            SdkError::ResponseError(_) => errors::refused(CREDENTIALS, &error).unwrap_or_else(|| {
                StoreError::new(Cause::NotAws, CREDENTIALS, format!("the answer of {origin} was cut off"))
            }),
            _ => StoreError::new(Cause::Unsent, CREDENTIALS, "the request could not be made"),
        })
    }
}
