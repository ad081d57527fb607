//! Faults and latency, chosen by operation, account, region, secret and count.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEffect {
    /// An error of the service, in the operation's own notation.
    Error {
        /// HTTP status.
        status: u16,
        /// AWS error code.
        code: String,
        /// Text.
        #[serde(default)]
        message: String,
        /// More response headers, such as `retry-after`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// The connection is reset (TCP RST) before any byte of the answer.
    Reset,
    /// The connection is reset in the middle of the body.
    ResetMidBody,
    /// The body is cut off, though the HTTP message is whole.
    TruncateBody,
    /// The body trickles.
    SlowBody {
        /// Bytes per piece.
        chunk_bytes: usize,
        /// Wait before each piece.
        delay_ms: u64,
    },
    /// Something else answers in the service's place, such as a gateway with a page of its own.
    Body {
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// The body; each `{request_id}` in it is the call's, so that no two calls need get the same.
        text: String,
    },
    /// The beginning of a JSON document that goes on and on.
    HugeBody {
        /// How long it says that it is; `None` says nothing and never ends.
        #[serde(default)]
        bytes: Option<u64>,
    },
    /// The answer is whole, and says that the connection ends with it.
    CloseAfter,
    /// No answer, ever.
    Hang,
    /// In a batch: an entry of `Errors` for each id that matches `secret_id`.
    IdError {
        /// AWS error code.
        code: String,
        /// Text.
        #[serde(default)]
        message: String,
    },
    /// In a batch: neither a value nor an error for each id that matches.
    IdMissing,
}

impl FaultEffect {
    /// Is this about single ids of a batch?
    pub(crate) const fn is_per_id(&self) -> bool {
        matches!(self, Self::IdError { .. } | Self::IdMissing)
    }

    /// The name the call log shows.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Reset => "reset",
            Self::ResetMidBody => "reset_mid_body",
            Self::TruncateBody => "truncate_body",
            Self::SlowBody { .. } => "slow_body",
            Self::Body { .. } => "body",
            Self::HugeBody { .. } => "huge_body",
            Self::CloseAfter => "close_after",
            Self::Hang => "hang",
            Self::IdError { .. } => "id_error",
            Self::IdMissing => "id_missing",
        }
    }
}

/// A fault or a latency, and the calls it applies to.
///
/// The calls that match `operation`, `account`, `region` and `secret_id` are
/// counted; the first `skip` are left alone, then `times` are hit (all, when
/// left out), of those every `every`-th, and of those a share of `probability`.
/// Latencies of several faults add up; of several effects the first wins.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Operation name, `*` and `?` allowed.
    pub operation: String,
    /// Only calls that act in this account.
    #[serde(default)]
    pub account: Option<String>,
    /// Only calls to this region.
    #[serde(default)]
    pub region: Option<String>,
    /// Only calls that name a secret like this (name or ARN, `*` and `?`
    /// allowed; an ARN asked for also matches by its name).
    #[serde(default)]
    pub secret_id: Option<String>,
    /// Matching calls left alone at first.
    #[serde(default)]
    pub skip: u64,
    /// How many are considered after that.
    #[serde(default)]
    pub times: Option<u64>,
    /// Every how manieth of those is hit.
    #[serde(default)]
    pub every: Option<u64>,
    /// Share of those hit, drawn with the scenario's seed.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Wait before the answer.
    #[serde(default)]
    pub latency_ms: u64,
    /// With `latency_ms`: the wait is drawn from this range.
    #[serde(default)]
    pub latency_max_ms: Option<u64>,
    /// No answer until so many calls of the operation have been in flight at once: a count, where a latency would be a hope.
    #[serde(default)]
    pub together: Option<u64>,
    /// No answer until this fault is removed.
    #[serde(default)]
    pub held: bool,
    /// What goes wrong, if anything.
    #[serde(default)]
    pub effect: Option<FaultEffect>,
}

impl Fault {
    /// Matches an operation (`*` and `?` allowed); does nothing yet.
    #[must_use]
    pub fn on(operation: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            account: None,
            region: None,
            secret_id: None,
            skip: 0,
            times: None,
            every: None,
            probability: None,
            latency_ms: 0,
            latency_max_ms: None,
            together: None,
            held: false,
            effect: None,
        }
    }

    /// Only calls that act in this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Only calls to this region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Only calls that name a secret like this.
    #[must_use]
    pub fn secret(mut self, pattern: &str) -> Self {
        self.secret_id = Some(pattern.to_owned());
        self
    }

    /// Leaves the first matching calls alone.
    #[must_use]
    pub const fn skip(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Stops after this many matching calls.
    #[must_use]
    pub const fn times(mut self, calls: u64) -> Self {
        self.times = Some(calls);
        self
    }

    /// Hits every n-th matching call.
    #[must_use]
    pub const fn every(mut self, n: u64) -> Self {
        self.every = Some(n);
        self
    }

    /// Hits a share of the matching calls.
    #[must_use]
    pub const fn probability(mut self, share: f64) -> Self {
        self.probability = Some(share);
        self
    }

    /// Delays the answer.
    #[must_use]
    pub fn latency(mut self, wait: Duration) -> Self {
        self.latency_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Delays the answer by something between the two.
    #[must_use]
    pub fn latency_between(self, least: Duration, most: Duration) -> Self {
        let mut fault = self.latency(least);
        fault.latency_max_ms = u64::try_from(most.as_millis()).ok();
        fault
    }

    /// Delays the answer until so many calls of the operation have been in flight at once.
    #[must_use]
    pub const fn together(mut self, calls: u64) -> Self {
        self.together = Some(calls);
        self
    }

    /// Delays the answer until the fault is removed.
    #[must_use]
    pub const fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Sets the effect.
    #[must_use]
    pub fn effect(mut self, effect: FaultEffect) -> Self {
        self.effect = Some(effect);
        self
    }

    /// Answers this error.
    #[must_use]
    pub fn error(self, status: u16, code: &str, message: &str) -> Self {
        self.effect(FaultEffect::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            headers: BTreeMap::new(),
        })
    }

    /// Answers `ThrottlingException` as Secrets Manager does.
    #[must_use]
    pub fn throttled(self) -> Self {
        self.error(400, "ThrottlingException", "Rate exceeded")
    }

    /// Answers this body in the service's place.
    #[must_use]
    pub fn body(self, status: u16, content_type: &str, text: impl Into<String>) -> Self {
        self.effect(FaultEffect::Body { status, content_type: content_type.to_owned(), text: text.into() })
    }

    /// Answers a body of this length, or one that never ends.
    #[must_use]
    pub fn huge_body(self, bytes: impl Into<Option<u64>>) -> Self {
        self.effect(FaultEffect::HugeBody { bytes: bytes.into() })
    }

    /// Resets the connection before the answer.
    #[must_use]
    pub fn reset(self) -> Self {
        self.effect(FaultEffect::Reset)
    }

    /// Never answers.
    #[must_use]
    pub fn hang(self) -> Self {
        self.effect(FaultEffect::Hang)
    }

    /// In a batch: puts the matching ids among `Errors` with this code.
    #[must_use]
    pub fn id_error(self, code: &str, message: &str) -> Self {
        self.effect(FaultEffect::IdError { code: code.to_owned(), message: message.to_owned() })
    }

    /// In a batch: leaves the matching ids out of the answer.
    #[must_use]
    pub fn id_missing(self) -> Self {
        self.effect(FaultEffect::IdMissing)
    }
}
