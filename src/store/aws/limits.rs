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

use crate::model::cause::Cause;
use crate::process::memory;

/// The most of an answer that holds many secrets. Twenty values of 64 KiB are 8 MiB if every byte is written as `\u0000`; a page
/// of a hundred names with the longest descriptions and tags is less than twice that.
const OF_MANY: u64 = 16 << 20;
/// The same in little memory. Twenty values of 64 KiB are 1.4 MiB as they usually are written.
const LEAST_OF_MANY: u64 = 4 << 20;
/// The most of any other: one value of 64 KiB is 384 KiB at worst, credentials are a few.
const OF_ONE: u64 = 1 << 20;
/// From here on an answer waits until no other one is so large.
const FREE: u64 = 2 << 20;
/// The same in little memory.
const LEAST_FREE: u64 = 64 << 10;
/// Reads of single secrets in flight. Each needs a connection of its own, and a new one costs both ends more than the read.
pub const SINGLES: usize = 16;
/// What one takes at worst: the answer, twice while it grows, and the buffer of its connection.
const OF_SINGLE: u64 = 1 << 20;
/// The most objects and the most items in an answer. Each takes hundreds of bytes once it is read, however short it is written. A
/// page has a hundred secrets with up to fifty tags each.
const MOST_OBJECTS: u32 = 10_000;
const MOST_ITEMS: u32 = 100_000;

/// The most secrets of one account that are read. A tenth of that is more than Airflow can use.
pub const MOST_SECRETS: usize = 10_000;
/// The most that a listing may name under the prefixes, wanted or not.
pub const MOST_NAMES: usize = 100_000;
/// The most pages of one listing. A page may be empty and have a successor; AWS holds 500,000 secrets in an account and region,
/// which are 5,000 pages.
pub const MOST_PAGES: usize = 10_000;
/// The most bytes of text in all secrets of one account: a thousand of the largest.
const MOST_TEXT: u64 = 64 << 20;
/// The most memory for the secrets of one account.
const MOST_MEMORY: u64 = 10 * MOST_TEXT;
/// How often a text is there at once at the most: in the answer, as a secret, in the connection, in the rendered files, in their
/// check. Measured with the largest secrets, as what follows (tests/hostile.rs `what_is_taken_fits`).
const COPIES: u64 = 8;
/// What each item of a document takes beside its text, and what a key of an object takes more.
const OF_ITEM: u64 = 220;
const OF_KEY: u64 = 320;
/// What each object, array or parameter of a URI takes.
const OF_GROUP: u64 = 100;
/// What a byte takes that is written as an escape, and that escape with escapes again.
const OF_ESCAPED: u64 = 40;
/// What the name of a secret takes beside its text, wanted or not.
const OF_NAME: u64 = 300;
/// What the program takes before anything is read, and what it can't do without.
const OF_PROGRAM: u64 = 6 << 20;
const LEAST: u64 = 2 << 20;

/// The one place for a large answer.
static LARGE: Semaphore = Semaphore::const_new(1);

/// An answer that was not taken.
#[derive(Debug)]
pub struct Refused {
    pub cause: Cause,
    pub message: String,
}

impl Refused {
    fn too_large(limit: Limit) -> Self {
        let most = limit.most >> 20;
        let (cause, message) = if limit.is_for_memory {
            let message =
                format!("the answer is larger than {most} MiB, all that the memory limit leaves for one; raise it");
            (Cause::TooMuch, message)
        } else {
            (Cause::TooLarge, format!("the answer is larger than {most} MiB, and AWS sends none of that size"))
        };
        Self { cause, message }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// How much is taken in the memory that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Of an answer that holds many secrets.
    of_many: u64,
    /// Of an answer beside others.
    free: u64,
    /// Requests for one secret each, of one account at once.
    pub singles: usize,
    /// For the secrets of the own account, and of each shared one.
    own: u64,
    each_shared: u64,
    /// What limits it.
    limit: Option<memory::Limit>,
}

impl Allowance {
    /// In a process that may have so many bytes, with so many requests in flight at once and so many shared accounts. An eighth
    /// is for answers; of the rest the own account has two thirds, or all where it is the only one.
    pub fn within(limit: Option<memory::Limit>, concurrency: usize, shared: usize) -> Self {
        let Some(memory::Limit { room, .. }) = limit else {
            return Self {
                of_many: OF_MANY,
                free: FREE,
                singles: SINGLES,
                own: MOST_MEMORY,
                each_shared: MOST_MEMORY,
                limit,
            };
        };
        let left = room.saturating_sub(OF_PROGRAM).max(LEAST);
        let answers = (left / 8).max(LEAST_OF_MANY.min(left / 2));
        let secrets = left - answers;
        let of_shared = if shared == 0 { 0 } else { secrets / 3 };
        Self {
            of_many: answers.clamp(LEAST_OF_MANY, OF_MANY),
            free: (answers / wide(concurrency).max(1)).clamp(LEAST_FREE, FREE),
            singles: usize::try_from(answers / OF_SINGLE).unwrap_or(SINGLES).clamp(2, SINGLES),
            own: (secrets - of_shared).min(MOST_MEMORY),
            each_shared: (of_shared / wide(shared).max(1)).min(MOST_MEMORY),
            limit,
        }
    }

    /// What may be taken of an account.
    pub fn of_account(self, is_own: bool) -> Taken {
        let most = if is_own { self.own } else { self.each_shared };
        Taken { most, limit: self.limit.map(|limit| limit.set), text: Cell::new(0), memory: Cell::new(0) }
    }
}

/// What was taken of an account.
#[derive(Debug)]
pub struct Taken {
    most: u64,
    limit: Option<u64>,
    /// Bytes of text.
    text: Cell<u64>,
    /// Bytes of memory that all of it comes to, by and large.
    memory: Cell<u64>,
}

impl Taken {
    /// Counts a text; whether there is room for it.
    pub fn takes(&self, text: &str) -> bool {
        let bytes = wide(text.len());
        let memory = text.bytes().map(|byte| match byte {
            b',' => COPIES + OF_ITEM,
            b':' => COPIES + OF_KEY,
            b'{' | b'[' | b'&' => COPIES + OF_GROUP,
            0..0x20 | b'%' | 0x7f.. => COPIES + OF_ESCAPED,
            _ => COPIES,
        });
        self.text.set(self.text.get().saturating_add(bytes));
        self.add(memory.sum());
        !self.is_over()
    }

    /// Counts a name that a listing has.
    pub fn has_name(&self, name: &str) {
        self.add(OF_NAME.saturating_add(wide(name.len()).saturating_mul(2)));
    }

    fn add(&self, bytes: u64) {
        self.memory.set(self.memory.get().saturating_add(bytes));
    }

    /// Whether more was there than is taken: nothing further need be asked for.
    pub fn is_over(&self) -> bool {
        self.text.get() > MOST_TEXT || self.memory.get() > self.most
    }

    /// What to say once it is.
    pub fn too_much(&self) -> String {
        match self.limit.map(|limit| limit >> 20) {
            Some(limit) if self.most < MOST_MEMORY => format!(
                "the secrets of this account take more memory than a limit of {limit} MiB leaves for them; raise the memory limit of \
                 the container"
            ),
            _ if self.text.get() > MOST_TEXT => {
                format!("the secrets of this account hold more than {} MiB of text", MOST_TEXT >> 20)
            }
            _ => format!("the secrets of this account take more than {} MiB of memory", MOST_MEMORY >> 20),
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What is taken of the answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    most: u64,
    /// AWS may send more, and there is no memory for it.
    is_for_memory: bool,
    free: u64,
    /// The name of a role and nothing else: the SDK puts it into the path of its next request, and panics where no path can hold
    /// it (aws-config 1.13 `imds/client.rs`).
    is_role: bool,
}

impl Limit {
    pub fn of(request: &HttpRequest, allowance: Allowance) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_of_many = target.ends_with(".ListSecrets") || target.ends_with(".BatchGetSecretValue");
        let is_role = request.uri().ends_with("/meta-data/iam/security-credentials/");
        let most = if is_of_many { allowance.of_many } else { OF_ONE };
        Self { most, is_for_memory: is_of_many && most < OF_MANY, free: allowance.free, is_role }
    }

    /// An error is no role's name.
    pub const fn of_status(self, is_success: bool) -> Self {
        Self { is_role: self.is_role && is_success, ..self }
    }

    /// The same body, as far as it keeps to this; what does not is [`Refused`].
    pub fn hold(self, body: SdkBody) -> SdkBody {
        SdkBody::from_body_1_x(Held { body, limit: self, come: 0, parts: Parts::default(), place: Place::NotNeeded })
    }

    fn check(self, come: u64, data: &[u8]) -> Result<(), Refused> {
        if come > self.most {
            return Err(Refused::too_large(self));
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
    parts: Parts,
    place: Place,
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
    fn count(&mut self, data: &[u8]) -> Result<(), Refused> {
        for byte in data {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.in_text,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' => self.objects = self.objects.saturating_add(1),
                b'[' | b',' => self.items = self.items.saturating_add(1),
                _ => {}
            }
        }
        if self.objects > MOST_OBJECTS || self.items > MOST_ITEMS {
            let message = "the answer has more parts than AWS sends";
            return Err(Refused { cause: Cause::TooLarge, message: message.to_owned() });
        }
        Ok(())
    }
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
            return Poll::Ready(Some(Err(Refused::too_large(limit).into())));
        }
        if self.come > limit.free && self.poll_place(context).is_pending() {
            return Poll::Pending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.come = self.come.saturating_add(wide(data.len()));
            if let Err(refused) = limit.check(self.come, data).and_then(|()| self.parts.count(data)) {
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
        let mut body =
            Held { body: vec![b'x'; bytes].into(), limit, come: 0, parts: Parts::default(), place: Place::NotNeeded };
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut come = 0;
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            come += frame.map_err(|error| error.to_string())?.into_data().map_or(0, |data| data.len());
        }
        Ok(come)
    }

    #[test]
    fn a_body_is_taken_up_to_its_limit_and_not_a_byte_further() {
        let limit = Limit { most: 1 << 20, is_for_memory: false, free: FREE, is_role: false };
        assert_eq!(held(1 << 20, limit), Ok(1 << 20));
        let words = "the answer is larger than 1 MiB, and AWS sends none of that size";
        assert_eq!(held((1 << 20) + 1, limit), Err(words.to_owned()));
        let words = "the answer is larger than 1 MiB, all that the memory limit leaves for one; raise it";
        assert_eq!(held((1 << 20) + 1, Limit { is_for_memory: true, ..limit }), Err(words.to_owned()));
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

    fn pieces(left: u8, says: Option<u64>, limit: Limit) -> Held {
        let body = SdkBody::from_body_1_x(Pieces { left, says });
        Held { body, limit, come: 0, parts: Parts::default(), place: Place::NotNeeded }
    }

    /// What the next poll gives: bytes, 0 at the end, -1 for an error, nothing where it waits.
    fn next(body: &mut Held) -> Option<i64> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(None) => Some(0),
            Poll::Ready(Some(Err(_))) => Some(-1),
            Poll::Ready(Some(Ok(frame))) => Some(frame.into_data().map_or(0, |data| data.len().try_into().unwrap())),
        }
    }

    #[test]
    fn a_large_body_waits_until_no_other_is_large_and_a_small_one_does_not() {
        let limit = Limit { most: 100, is_for_memory: false, free: 3, is_role: false };
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
        let limit = Limit { most: 100, is_for_memory: false, free: 100, is_role: false };
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
            Limit::of(&request, Allowance::within(None, 1, 1))
        };
        let within = |memory: Option<memory::Limit>, target: &'static str| {
            let mut request = HttpRequest::get("https://x/").unwrap();
            request.headers_mut().insert("x-amz-target", target);
            Limit::of(&request, Allowance::within(memory, 1, 1))
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
        let role = to("http://169.254.169.254/latest/meta-data/iam/security-credentials/", None);
        assert!(role.most == OF_ONE && role.is_role && !role.of_status(false).is_role);
        assert!(!to("http://169.254.169.254/latest/meta-data/iam/security-credentials/airflow", None).is_role);
    }

    #[test]
    fn a_role_has_a_name_that_a_path_can_hold() {
        let role = Limit { most: 100, is_for_memory: false, free: FREE, is_role: true };
        assert!(role.check(14, b"airflow+=,.@-_").is_ok());
        for name in ["<html>", "a b", "a\n", "a/../b", "\u{e9}"] {
            assert_eq!(role.check(1, name.as_bytes()).unwrap_err().cause, Cause::NotAws);
        }
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

    fn limit_of(mib: u64) -> memory::Limit {
        memory::Limit { set: mib << 20, room: mib << 20 }
    }

    #[test]
    fn little_memory_is_shared_out_and_much_is_not_needed() {
        let mib = |mib: u64| Some(limit_of(mib));
        let none = Allowance::within(None, 40, 3);
        assert_eq!((none.of_many, none.free, none.own, none.each_shared), (OF_MANY, FREE, MOST_MEMORY, MOST_MEMORY));
        let is_much = |allowance: Allowance| Allowance { limit: None, ..allowance } == none;
        assert!(is_much(Allowance::within(mib(16 << 10), 40, 3)) && !is_much(Allowance::within(mib(1 << 10), 40, 3)));
        // 20 MiB are left, 4 of them for answers.
        let small = Allowance::within(mib(26), 40, 2);
        let expected = (4 << 20, (4 << 20) / 40, 4, (32_u64 << 20).div_ceil(3), (16 << 20) / 3 / 2);
        assert_eq!((small.of_many, small.free, small.singles, small.own, small.each_shared), expected);
        assert_eq!(Allowance::within(mib(26), 40, 0).own, 16 << 20);
        assert_eq!([40, 1000].map(|calls| Allowance::within(mib(26), calls, 0).free), [(4 << 20) / 40, 64 << 10]);
        assert_eq!([26, 1 << 10].map(|memory| Allowance::within(mib(memory), 1, 0).free), [2 << 20; 2]);
        // There is always some.
        let least = Allowance::within(mib(4), 0, 1);
        let expected = (LEAST_OF_MANY, 1 << 20, 2, (2_u64 << 20).div_ceil(3), (1 << 20) / 3);
        assert_eq!((least.of_many, least.free, least.singles, least.own, least.each_shared), expected);
    }

    #[test]
    fn text_counts_up_to_the_most() {
        let taken = Allowance::within(None, 40, 1).of_account(true);
        assert!(taken.takes(&"x".repeat(usize::try_from(MOST_TEXT).unwrap())) && !taken.is_over());
        assert!(!taken.takes("x") && taken.is_over());
        assert_eq!(taken.too_much(), "the secrets of this account hold more than 64 MiB of text");
        let of = |most: u64, limit: Option<u64>| Taken { most, limit, text: Cell::new(0), memory: Cell::new(0) };
        let taken = of(80, None);
        assert!(taken.takes("xxxxxxxxxx") && !taken.takes("x"));
        let by_memory = "the secrets of this account take more than 640 MiB of memory";
        assert_eq!(
            [of(MOST_MEMORY, None), of(MOST_MEMORY, Some(1 << 40))].map(|taken| taken.too_much()),
            [by_memory; 2]
        );
        assert!(of(MOST_MEMORY - 1, Some(1 << 30)).too_much().contains("a limit of 1024 MiB leaves"));
        let exactly = of(MOST_MEMORY, None);
        exactly.text.set(MOST_TEXT);
        assert_eq!(exactly.too_much(), by_memory);
    }

    /// docs/FAULTS.md says so.
    #[test]
    fn a_thousand_usual_connections_need_little() {
        let text = format!(
            r#"{{"conn_type": "postgres", "host": "db.example.com", "login": "u", "password": "{}", "port": 5432, "schema": "x", "extra": {{"sslmode": "require"}}}}"#,
            "p".repeat(24)
        );
        assert!((160..180).contains(&text.len()), "{}", text.len());
        let hold = |mib: u64| {
            let taken = Allowance::within(Some(limit_of(mib)), 40, 1).of_account(true);
            let holds = || {
                taken.has_name("airflow/connections/a_usual_conn_id");
                taken.takes(&text)
            };
            (0..100_000).take_while(|_| holds()).count()
        };
        let [least, usual] = [hold(32), hold(64)];
        assert!((2_500..2_800).contains(&least) && (5_900..6_300).contains(&usual), "{least} {usual}");
    }

    #[test]
    fn names_and_items_count_as_what_they_take() {
        // 4 MiB are left, half of them for answers, and two thirds of a mebibyte for this account.
        let taken = || Allowance::within(Some(limit_of(10)), 40, 1).of_account(false);
        let (names, items, escapes, text) = (taken(), taken(), taken(), taken());
        let most = (2 << 20) / 3;
        (0..most / 306).for_each(|_| names.has_name("nam"));
        assert!(items.takes(&"{[&,:".repeat(most / (5 * 8 + 3 * 100 + 220 + 320))) && !items.is_over());
        assert!(escapes.takes(&"\u{1}%\u{e9}".repeat(most / 48 / 4)) && text.takes(&"x".repeat(most / 8)));
        assert!(!names.is_over());
        names.has_name("nam");
        assert!(names.is_over() && !items.takes("{[&,:") && !escapes.takes("\u{1}%\u{e9}") && !text.takes("x"));
        assert!(
            names.too_much().starts_with("the secrets of this account take more memory than a limit of 10 MiB leaves")
        );
    }
}
