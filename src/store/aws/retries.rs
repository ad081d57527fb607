//! What is tried again: the SDK's standard retries, and the server faults that they would miss.
//!
//! This is the place for a fetch engine of our own: one rule set for throttling, inside the one deadline.

use std::time::Duration;

use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsError;
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::store::{ErrorKind, StoreError};

/// Five attempts, from 200 ms up to 5 s apart, with jitter.
pub fn config() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(5)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(5))
}

/// The SDK has no read time-out of its own: a stalled connection would hold the run until its deadline.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .build()
}

/// Server faults by their code. The SDK goes by the status 5xx, but Secrets Manager's InternalServiceError comes with
/// 400 as well (Secrets Manager API reference, "Common Errors", older copies).
#[derive(Debug)]
pub struct ServerFaults;

impl ClassifyRetry for ServerFaults {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        // Without a code it is no answer of the service: cut off on its way, or from somebody in between.
        match error {
            Some(error) if code(error).is_none_or(is_server_fault) => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "server faults by code"
    }
}

fn code(error: &Error) -> Option<&str> {
    fn of<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(error: &Error) -> Option<&str> {
        error.downcast_ref::<E>().and_then(ProvideErrorMetadata::code)
    }
    of::<GetSecretValueError>(error)
        .or_else(|| of::<BatchGetSecretValueError>(error))
        .or_else(|| of::<ListSecretsError>(error))
}

fn is_server_fault(code: &str) -> bool {
    let error: StoreError = super::errors::of_code("", Some(code.to_owned()), None);
    error.kind == ErrorKind::Unavailable
}
