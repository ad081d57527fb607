//! How much of an answer is read. The SDK and the HTTP client read one to its end, however long it is. So each body is counted
//! as it comes, and given up where AWS would have stopped long before. What is larger than an answer usually is comes in one at
//! a time, so that all calls in flight together are bounded too. docs/FAULTS.md lists the limits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body::{Body, Frame, SizeHint};
use memchr::memchr2;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use super::budget::{Budget, OF_MANY};
use super::errors::RefusedAnswer;
use crate::model::cause::Cause;

/// The most of an answer that holds one thing: one value of 64 KiB is 384 KiB at worst, credentials are a few.
const OF_ONE: u64 = 1 << 20;
/// The most objects and the most items in an answer. Each takes hundreds of bytes once it is read, however short it is written. A
/// page has a hundred secrets with up to fifty tags each.
const MOST_OBJECTS: u32 = 10_000;
const MOST_ITEMS: u32 = 100_000;

/// Held by the one large answer.
static LARGE: Semaphore = Semaphore::const_new(1);

/// What is taken of the answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    most: u64,
    /// AWS may send more, and there is no memory for it.
    is_for_memory: bool,
    free: u64,
}

impl BodyLimit {
    pub fn of(request: &HttpRequest, budget: Budget) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_of_many = target.ends_with(".ListSecrets") || target.ends_with(".BatchGetSecretValue");
        let most = if is_of_many { budget.of_many } else { OF_ONE };
        Self { most, is_for_memory: is_of_many && most < OF_MANY, free: budget.free }
    }

    /// The same body, as far as it keeps to this; what does not is a [`RefusedAnswer`].
    pub fn hold(self, body: SdkBody) -> SdkBody {
        SdkBody::from_body_1_x(LimitedBody {
            body,
            limit: self,
            come: 0,
            parts: Parts::default(),
            turn: LargeTurn::NotNeeded,
        })
    }

    fn too_large(self) -> RefusedAnswer {
        let most = self.most >> 20;
        let (cause, message) = if self.is_for_memory {
            let message =
                format!("the answer is larger than {most} MiB, all that the memory limit leaves for one; raise it");
            (Cause::TooMuch, message)
        } else {
            (Cause::TooLarge, format!("the answer is larger than {most} MiB, and AWS sends none of that size"))
        };
        RefusedAnswer { cause, message }
    }

    fn check(self, come: u64) -> Result<(), RefusedAnswer> {
        if come > self.most {
            return Err(self.too_large());
        }
        Ok(())
    }
}

struct LimitedBody {
    body: SdkBody,
    limit: BodyLimit,
    /// How many bytes have come.
    come: u64,
    parts: Parts,
    turn: LargeTurn,
}

/// The parts of a JSON document, counted as it comes.
#[derive(Default)]
struct Parts {
    in_text: bool,
    is_escaped: bool,
    objects: u32,
    items: u32,
}

impl Parts {
    /// Counts more of it; whether there are still few enough.
    fn count(&mut self, data: &[u8]) -> Result<(), RefusedAnswer> {
        let mut rest = data;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.in_text,
                b'"' => self.in_text = !self.in_text,
                b'{' if !self.in_text => self.objects = self.objects.saturating_add(1),
                b'[' | b',' if !self.in_text => self.items = self.items.saturating_add(1),
                _ => {}
            }
            if self.in_text && !self.is_escaped {
                // Most of an answer is text.
                rest = memchr2(b'"', b'\\', rest).and_then(|at| rest.get(at..)).unwrap_or_default();
            }
        }
        if self.objects > MOST_OBJECTS || self.items > MOST_ITEMS {
            let message = "the answer has more parts than AWS sends";
            return Err(RefusedAnswer { cause: Cause::TooLarge, message: message.to_owned() });
        }
        Ok(())
    }
}

type Waiting = Pin<Box<dyn Future<Output = Result<SemaphorePermit<'static>, AcquireError>> + Send + Sync>>;

enum LargeTurn {
    NotNeeded,
    Waiting(Waiting),
    Had { _permit: Option<SemaphorePermit<'static>> },
}

impl LimitedBody {
    /// Ready once this answer may grow beyond what is free.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if matches!(self.turn, LargeTurn::NotNeeded) {
            self.turn = LargeTurn::Waiting(Box::pin(LARGE.acquire()));
        }
        if let LargeTurn::Waiting(waiting) = &mut self.turn {
            let Poll::Ready(permit) = waiting.as_mut().poll(context) else { return Poll::Pending };
            self.turn = LargeTurn::Had { _permit: permit.ok() };
        }
        Poll::Ready(())
    }
}

impl Body for LimitedBody {
    type Data = <SdkBody as Body>::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let limit = self.limit;
        // An answer that says how long it is need not come at all.
        if self.come.saturating_add(Body::size_hint(&self.body).lower()) > limit.most {
            return Poll::Ready(Some(Err(limit.too_large().into())));
        }
        if self.come > limit.free && self.poll_turn(context).is_pending() {
            return Poll::Pending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.come = self.come.saturating_add(data.len() as u64);
            if let Err(refused) = limit.check(self.come).and_then(|()| self.parts.count(data)) {
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
    use crate::process::memory::MemoryLimit;

    const FREE: u64 = 2 << 20;

    /// What is left of a body of so many bytes, in one piece, under a limit.
    fn held(bytes: usize, limit: BodyLimit) -> Result<usize, String> {
        let mut body = LimitedBody {
            body: vec![b'x'; bytes].into(),
            limit,
            come: 0,
            parts: Parts::default(),
            turn: LargeTurn::NotNeeded,
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut come = 0;
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            come += frame.map_err(|error| error.to_string())?.into_data().map_or(0, |data| data.len());
        }
        Ok(come)
    }

    #[test]
    fn a_body_is_taken_up_to_its_limit_and_not_a_byte_further() {
        let limit = BodyLimit { most: 1 << 20, is_for_memory: false, free: FREE };
        assert_eq!(held(1 << 20, limit), Ok(1 << 20));
        let words = "the answer is larger than 1 MiB, and AWS sends none of that size";
        assert_eq!(held((1 << 20) + 1, limit), Err(words.to_owned()));
        let words = "the answer is larger than 1 MiB, all that the memory limit leaves for one; raise it";
        assert_eq!(held((1 << 20) + 1, BodyLimit { is_for_memory: true, ..limit }), Err(words.to_owned()));
    }

    #[test]
    fn parts_are_counted_outside_texts_however_the_answer_is_cut() {
        let document = br#"{"a": ["{,[", "\"{[,", "\\", {"b\\\"": "c,"}], "d": {}}"#;
        for size in 1..=document.len() {
            let mut parts = Parts::default();
            assert!(document.chunks(size).all(|piece| parts.count(piece).is_ok()));
            assert_eq!((parts.objects, parts.items, parts.in_text, parts.is_escaped), (3, 5, false, false), "{size}");
        }
    }

    /// A body of pieces of three bytes, that says how long it is or not.
    struct Pieces {
        left: u8,
        says: Option<u64>,
    }

    impl Body for Pieces {
        type Data = <SdkBody as Body>::Data;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            let more = self.left.checked_sub(1);
            self.left = more.unwrap_or_default();
            Poll::Ready(more.map(|_| Ok(Frame::data(Self::Data::from_static(b"abc")))))
        }

        fn is_end_stream(&self) -> bool {
            self.left == 0
        }

        fn size_hint(&self) -> SizeHint {
            self.says.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn pieces(left: u8, says: Option<u64>, limit: BodyLimit) -> LimitedBody {
        let body = SdkBody::from_body_1_x(Pieces { left, says });
        LimitedBody { body, limit, come: 0, parts: Parts::default(), turn: LargeTurn::NotNeeded }
    }

    /// What the next poll gives: bytes, 0 at the end, -1 for an error, nothing where it waits.
    fn next(body: &mut LimitedBody) -> Option<i64> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(None) => Some(0),
            Poll::Ready(Some(Err(_))) => Some(-1),
            Poll::Ready(Some(Ok(frame))) => Some(frame.into_data().map_or(0, |data| data.len().try_into().unwrap())),
        }
    }

    #[test]
    fn a_large_body_waits_until_no_other_is_large_and_a_small_one_does_not() {
        let limit = BodyLimit { most: 100, is_for_memory: false, free: 3 };
        let (mut first, mut second, mut small) =
            (pieces(4, None, limit), pieces(3, None, limit), pieces(1, None, limit));
        assert_eq!([0; 3].map(|_| next(&mut first)), [Some(3); 3]);
        assert_eq!([0; 3].map(|_| next(&mut second)), [Some(3), Some(3), None]);
        assert_eq!([0; 2].map(|_| next(&mut small)), [Some(3), Some(0)]);
        assert_eq!([next(&mut second), next(&mut first)], [None, Some(3)]);
        drop(first);
        assert_eq!([0; 2].map(|_| next(&mut second)), [Some(3), Some(0)]);
    }

    #[test]
    fn a_body_that_says_that_it_is_too_long_need_not_come() {
        let limit = BodyLimit { most: 100, is_for_memory: false, free: 100 };
        let mut body = pieces(1, Some(101), limit);
        assert_eq!((body.is_end_stream(), Body::size_hint(&body).exact()), (false, Some(101)));
        assert_eq!((next(&mut body), body.come), (Some(-1), 0));
        let mut body = pieces(1, Some(100), limit);
        assert_eq!(next(&mut body), Some(3));
        assert!(body.is_end_stream());
    }

    #[test]
    fn the_limit_is_that_of_the_call() {
        let to = |uri: &str, target: Option<&'static str>| {
            let mut request = HttpRequest::get(uri).unwrap();
            if let Some(target) = target {
                request.headers_mut().insert("x-amz-target", target);
            }
            BodyLimit::of(&request, Budget::within(None, 1, 1, 1))
        };
        let within = |memory: Option<MemoryLimit>, target: &'static str| {
            let mut request = HttpRequest::get("https://x/").unwrap();
            request.headers_mut().insert("x-amz-target", target);
            BodyLimit::of(&request, Budget::within(memory, 1, 1, 1))
        };
        for target in ["secretsmanager.ListSecrets", "secretsmanager.BatchGetSecretValue"] {
            assert_eq!(
                (to("https://x/", Some(target)).most, to("https://x/", Some(target)).is_for_memory),
                (16 << 20, false)
            );
            assert!(within(Some(limit_of(32)), target).is_for_memory);
        }
        assert_eq!(to("https://x/", Some("secretsmanager.GetSecretValue")).most, 1 << 20);
        assert!(!within(Some(limit_of(32)), "secretsmanager.GetSecretValue").is_for_memory);
        assert_eq!(to("http://169.254.169.254/latest/meta-data/iam/security-credentials/", None).most, OF_ONE);
    }

    #[test]
    fn parts_are_counted_outside_of_texts_and_across_pieces() {
        let count = |pieces: &[&str]| {
            let mut parts = Parts::default();
            pieces
                .iter()
                .try_for_each(|piece| parts.count(piece.as_bytes()))
                .map(|()| (parts.objects, parts.items))
                .ok()
        };
        assert_eq!(count(&[r#"{"a": ["{,", "\"{[", "#, r#"{"b": "\\"}]}"#]), Some((2, 3)));
        assert_eq!(count(&["{\"a\": \"x\\", "\"{{,,", "\", [}"]), Some((1, 2)));
        let [objects, items] = [MOST_OBJECTS, MOST_ITEMS].map(|most| usize::try_from(most).unwrap());
        assert_eq!(count(&[&"{".repeat(objects), &",".repeat(items)]), Some((MOST_OBJECTS, MOST_ITEMS)));
        assert_eq!(count(&[&"{".repeat(objects + 1)]), None);
        assert_eq!(count(&[&"[".repeat(items + 1)]), None);
    }

    fn limit_of(mib: u64) -> MemoryLimit {
        MemoryLimit { set: mib << 20, room: mib << 20 }
    }
}
