//! How much is taken of what comes: neither the secrets of another account nor whatever answers in AWS's place can fill the memory.
//! docs/FAULTS.md lists the limits.
//!
//! The SDK and the HTTP client read an answer to its end, however long it is. So each body is counted as it comes, and given
//! up where AWS would have stopped long before. What is larger than an answer usually is comes in one at a time, so that all
//! calls in flight together are bounded too.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use crate::cause::Cause;

/// The most of an answer that holds many secrets. Twenty values of 64 KiB are 8 MiB if every byte is written as `\u0000`; a page
/// of a hundred names with the longest descriptions and tags is less than twice that.
const OF_MANY: u64 = 16 << 20;
/// The most of any other: one value of 64 KiB is 384 KiB at worst, credentials are a few.
const OF_ONE: u64 = 1 << 20;
/// From here on an answer waits until no other one is so large. Twenty values as they usually are written are 1.4 MiB.
const FREE: u64 = 2 << 20;

/// The most secrets of one account that are read. A tenth of that is more than Airflow can use.
pub const MOST_SECRETS: usize = 10_000;
/// The most that a listing may name under the prefixes, wanted or not.
pub const MOST_NAMES: usize = 100_000;
/// The most pages of one listing. A page may be empty and have a successor; AWS holds 500,000 secrets in an account and region,
/// which are 5,000 pages.
pub const MOST_PAGES: usize = 10_000;
/// The most bytes of text in all secrets of one account: a thousand of the largest.
pub const MOST_TEXT: u64 = 64 << 20;

/// The one place for a large answer.
static LARGE: Semaphore = Semaphore::const_new(1);

/// An answer that was not taken.
#[derive(Debug)]
pub struct Refused {
    pub cause: Cause,
    pub message: String,
}

impl Refused {
    fn too_large(most: u64) -> Self {
        let message = format!("the answer is larger than {} MiB, and AWS sends none of that size", most >> 20);
        Self { cause: Cause::TooLarge, message }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// How many bytes of text were taken of an account.
#[derive(Debug, Default)]
pub struct Taken(Cell<u64>);

impl Taken {
    /// Counts these; whether they are still within [`MOST_TEXT`].
    pub fn takes(&self, bytes: usize) -> bool {
        self.0.set(self.0.get().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)));
        !self.is_over()
    }

    /// Whether more was there than is taken: nothing further need be asked for.
    pub fn is_over(&self) -> bool {
        self.0.get() > MOST_TEXT
    }
}

/// What is taken of the answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    most: u64,
    /// The name of a role and nothing else: the SDK puts it into the path of its next request, and panics where no path can hold
    /// it (aws-config 1.13 `imds/client.rs`).
    is_role: bool,
}

impl Limit {
    pub fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_of_many = target.ends_with(".ListSecrets") || target.ends_with(".BatchGetSecretValue");
        let is_role = request.uri().ends_with("/meta-data/iam/security-credentials/");
        Self { most: if is_of_many { OF_MANY } else { OF_ONE }, is_role }
    }

    /// An error is no role's name.
    pub const fn of_status(self, is_success: bool) -> Self {
        Self { is_role: self.is_role && is_success, ..self }
    }

    /// The same body, as far as it keeps to this; what does not is [`Refused`].
    pub fn hold(self, body: SdkBody) -> SdkBody {
        SdkBody::from_body_1_x(Held { body, limit: self, come: 0, place: Place::NotNeeded })
    }

    fn check(self, come: u64, data: &[u8]) -> Result<(), Refused> {
        if come > self.most {
            return Err(Refused::too_large(self.most));
        }
        // IAM API reference, RoleName.
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(byte);
        if self.is_role && !data.iter().all(is_of_name) {
            let message = "the instance metadata service names a role that can't be one";
            return Err(Refused { cause: Cause::NotAws, message: message.to_owned() });
        }
        Ok(())
    }
}

struct Held {
    body: SdkBody,
    limit: Limit,
    /// How many bytes have come.
    come: u64,
    place: Place,
}

type Waiting = Pin<Box<dyn Future<Output = Result<SemaphorePermit<'static>, AcquireError>> + Send + Sync>>;

enum Place {
    NotNeeded,
    Waiting(Waiting),
    Had { _permit: Option<SemaphorePermit<'static>> },
}

impl Held {
    /// Ready once this answer may grow beyond what is free.
    fn poll_place(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if matches!(self.place, Place::NotNeeded) {
            self.place = Place::Waiting(Box::pin(LARGE.acquire()));
        }
        if let Place::Waiting(waiting) = &mut self.place {
            let Poll::Ready(permit) = waiting.as_mut().poll(context) else { return Poll::Pending };
            self.place = Place::Had { _permit: permit.ok() };
        }
        Poll::Ready(())
    }
}

impl Body for Held {
    type Data = <SdkBody as Body>::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let limit = self.limit;
        // An answer that says how long it is need not come at all.
        if self.come.saturating_add(Body::size_hint(&self.body).lower()) > limit.most {
            return Poll::Ready(Some(Err(Refused::too_large(limit.most).into())));
        }
        if self.come > FREE && self.poll_place(context).is_pending() {
            return Poll::Pending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.come = self.come.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            if let Err(refused) = limit.check(self.come, data) {
                return Poll::Ready(Some(Err(refused.into())));
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a body of so many bytes, in one piece, under a limit.
    fn held(bytes: usize, limit: Limit) -> Result<usize, String> {
        let mut body = Held { body: vec![b'x'; bytes].into(), limit, come: 0, place: Place::NotNeeded };
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut come = 0;
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            come += frame.map_err(|error| error.to_string())?.into_data().map_or(0, |data| data.len());
        }
        Ok(come)
    }

    #[test]
    fn a_body_is_taken_up_to_its_limit_and_not_a_byte_further() {
        let limit = Limit { most: 1 << 20, is_role: false };
        assert_eq!(held(1 << 20, limit), Ok(1 << 20));
        let words = "the answer is larger than 1 MiB, and AWS sends none of that size";
        assert_eq!(held((1 << 20) + 1, limit), Err(words.to_owned()));
    }

    #[test]
    fn the_limit_is_that_of_the_call() {
        let to = |uri: &str, target: Option<&'static str>| {
            let mut request = HttpRequest::get(uri).unwrap();
            if let Some(target) = target {
                request.headers_mut().insert("x-amz-target", target);
            }
            Limit::of(&request)
        };
        for target in ["secretsmanager.ListSecrets", "secretsmanager.BatchGetSecretValue"] {
            assert_eq!(to("https://x/", Some(target)).most, OF_MANY);
        }
        assert_eq!(to("https://x/", Some("secretsmanager.GetSecretValue")).most, OF_ONE);
        let role = to("http://169.254.169.254/latest/meta-data/iam/security-credentials/", None);
        assert!(role.most == OF_ONE && role.is_role && !role.of_status(false).is_role);
        assert!(!to("http://169.254.169.254/latest/meta-data/iam/security-credentials/airflow", None).is_role);
    }

    #[test]
    fn a_role_has_a_name_that_a_path_can_hold() {
        let role = Limit { most: 100, is_role: true };
        assert!(role.check(14, b"airflow+=,.@-_").is_ok());
        for name in ["<html>", "a b", "a\n", "a/../b", "\u{e9}"] {
            assert_eq!(role.check(1, name.as_bytes()).unwrap_err().cause, Cause::NotAws);
        }
    }

    #[test]
    fn text_counts_up_to_the_most() {
        let taken = Taken::default();
        assert!(taken.takes(usize::try_from(MOST_TEXT).unwrap()) && !taken.is_over());
        assert!(!taken.takes(1) && taken.is_over());
    }
}
