//! Answers, and the ways in which they can fail to arrive.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::Sleep;

use crate::connection::Control;
use crate::error::AwsError;
use crate::scenario::FaultEffect;

/// The notation of an operation's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.1: Secrets Manager.
    Json,
    /// AWS query: STS.
    Query,
    /// Neither: metadata endpoints.
    Plain,
}

/// An answer before it is sent.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub content_type: Cow<'static, str>,
    pub body: Bytes,
    pub code: Option<Cow<'static, str>>,
    pub headers: Vec<(String, String)>,
}

impl Reply {
    pub fn ok(protocol: Protocol, body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            content_type: protocol.content_type().into(),
            body: body.into(),
            code: None,
            headers: Vec::new(),
        }
    }

    /// A plain JSON document.
    pub fn json(status: u16, value: &impl serde::Serialize) -> Self {
        Self {
            status,
            content_type: "application/json".into(),
            body: serde_json::to_vec(value).unwrap_or_default().into(),
            code: (status >= 400).then(|| status.to_string().into()),
            headers: Vec::new(),
        }
    }

    pub fn error(protocol: Protocol, error: AwsError, request_id: &str) -> Self {
        let (code, message) = (&error.code, &error.message);
        let body = match protocol {
            Protocol::Json => {
                let key = if error.front_end { "message" } else { "Message" };
                serde_json::json!({ "__type": code, key: message }).to_string()
            }
            Protocol::Query => format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
                 <Type>{}</Type>\n    <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  \
                 <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n",
                if error.status < 500 { "Sender" } else { "Receiver" },
                escape(code),
                escape(message),
            ),
            Protocol::Plain => message.to_string(),
        };
        Self {
            status: error.status,
            content_type: protocol.content_type().into(),
            body: body.into(),
            code: Some(error.code),
            headers: error.headers.into_iter().collect(),
        }
    }

    /// An answer that is not the service's.
    pub fn of_another(status: u16, content_type: &str, text: &str, request_id: &str) -> Self {
        Self {
            status,
            content_type: content_type.to_owned().into(),
            body: text.replace("{request_id}", request_id).into(),
            code: (status >= 400).then(|| status.to_string().into()),
            headers: Vec::new(),
        }
    }

    /// The HTTP response, spoilt by the effect if it is one that spoils bodies.
    pub fn into_response(
        self,
        request_id: &str,
        effect: Option<&FaultEffect>,
        control: &Arc<Control>,
    ) -> Response<ReplyBody> {
        let body = match effect {
            Some(FaultEffect::HugeBody { bytes }) => ReplyBody::Endless { sent: 0, remaining: *bytes },
            Some(FaultEffect::TruncateBody) => ReplyBody::Whole(self.body.slice(..self.body.len() / 2)),
            Some(FaultEffect::ResetMidBody) => ReplyBody::cut_off(&self.body, Arc::clone(control)),
            Some(FaultEffect::SlowBody { chunk_bytes, delay_ms }) => {
                ReplyBody::slow(&self.body, *chunk_bytes, Duration::from_millis(*delay_ms))
            }
            _ => ReplyBody::Whole(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            hyper::StatusCode::from_u16(self.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Ok(content_type) = HeaderValue::from_str(&self.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if effect == Some(&FaultEffect::CloseAfter) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl Protocol {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Query => "text/xml",
            Self::Plain => "text/plain",
        }
    }
}

/// XML text content.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// How an endless body begins, and how it goes on.
const ENDLESS_HEAD: &[u8] = br#"{"endless": ""#;
static ENDLESS_PIECE: [u8; 1 << 16] = [b'x'; 1 << 16];

/// A response body: whole, in pieces with waits between them, or without an end.
#[derive(Debug)]
pub enum ReplyBody {
    Whole(Bytes),
    Pieces {
        pieces: VecDeque<Bytes>,
        delay: Duration,
        sleep: Option<Pin<Box<Sleep>>>,
        /// Bytes announced and not yet sent.
        remaining: u64,
        /// Reset the connection when the pieces are sent.
        reset: Option<Arc<Control>>,
    },
    Endless {
        sent: u64,
        /// Bytes announced and not yet sent, if any are.
        remaining: Option<u64>,
    },
}

impl ReplyBody {
    fn slow(body: &Bytes, chunk: usize, delay: Duration) -> Self {
        let remaining = body.len() as u64;
        let chunk = chunk.max(1);
        let pieces = (0..body.len()).step_by(chunk).map(|at| body.slice(at..body.len().min(at + chunk))).collect();
        Self::Pieces { pieces, delay, sleep: None, remaining, reset: None }
    }

    fn cut_off(body: &Bytes, control: Arc<Control>) -> Self {
        Self::Pieces {
            pieces: [body.slice(..body.len() / 2)].into(),
            // Long enough for the first half to leave the socket.
            delay: Duration::from_millis(20),
            sleep: None,
            remaining: body.len() as u64,
            reset: Some(control),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Endless { remaining: Some(0), .. } => Poll::Ready(None),
            Self::Endless { sent, remaining } => {
                let piece: &'static [u8] = if *sent == 0 { ENDLESS_HEAD } else { &ENDLESS_PIECE };
                let most = remaining.map_or(piece.len(), |left| usize::try_from(left).unwrap_or(usize::MAX));
                let piece = &piece[..piece.len().min(most)];
                *sent += piece.len() as u64;
                if let Some(left) = remaining {
                    *left -= piece.len() as u64;
                }
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
            }
            Self::Pieces { pieces, delay, sleep, remaining, reset } => {
                if pieces.is_empty() && reset.is_none() {
                    return Poll::Ready(None);
                }
                let timer = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(*delay)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                *sleep = None;
                if let Some(piece) = pieces.pop_front() {
                    *remaining -= piece.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                if let Some(control) = reset.take() {
                    control.reset();
                }
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Pieces { pieces, reset, .. } => pieces.is_empty() && reset.is_none(),
            Self::Endless { remaining, .. } => *remaining == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces { remaining, .. } | Self::Endless { remaining: Some(remaining), .. } => {
                SizeHint::with_exact(*remaining)
            }
            Self::Endless { remaining: None, .. } => SizeHint::default(),
        }
    }
}
