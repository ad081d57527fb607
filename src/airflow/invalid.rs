//! Why a secret gives no connection, where, and what to do.

use std::fmt;

use crate::model::connection::Field;
use crate::python::json::JsonErrorKind;
use crate::python::number::IntError;

/// Why a secret gives no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub reason: Reason,
    pub place: InvalidPlace,
}

/// What is wrong with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing but white space.
    #[error("the secret is blank")]
    Blank,
    #[error("the JSON cannot be read: {0}")]
    Json(JsonErrorKind),
    /// A value of a kind that Airflow cannot use here.
    #[error("the value is {found}, but Airflow needs {needed}")]
    Kind {
        /// The kind of the value.
        found: &'static str,
        /// The kind that is needed.
        needed: &'static str,
    },
    #[error("the value is not a valid port: {0}")]
    Port(IntError),
    /// A port of a URI beyond 65535.
    #[error("the port is greater than 65535")]
    PortRange,
    /// An extra that is not JSON, for Airflow 3.
    #[error(
        "the text is not JSON ({0}), and Airflow 3, which SECRETS_INIT_AIRFLOW_VERSION says or assumes, needs an object"
    )]
    ExtraNotJson(JsonErrorKind),
    /// An extra that is JSON but no object, for Airflow 3.
    #[error(
        "the value is JSON but not an object, and Airflow 3, which SECRETS_INIT_AIRFLOW_VERSION says or assumes, needs one"
    )]
    ExtraNotAnObject,
    /// More than two `://` in a URI.
    #[error("the URI holds `://` more than twice")]
    TooManyProtocols,
    /// Two `://` in a URI with `@` or `:` between them.
    #[error(
        "the URI holds a second `://` after credentials, a port or a path \
         (a URL in a password or in the query must be percent-encoded)"
    )]
    SecondProtocol,
    /// A JDBC URL where a URI has its host.
    #[error("a JDBC URL stands where the host does")]
    Jdbc,
    /// Several hosts in a URI, with ports.
    #[error("the port is followed by another host")]
    SeveralHosts,
    /// `[` without `]` in the authority of a URI, or the reverse.
    #[error("the {} has `[` without `]`, or `]` without `[`", part(*.in_host))]
    Brackets {
        /// In the host; else before the last `@`.
        in_host: bool,
    },
    /// Something other than an IPv6 address in brackets.
    #[error("the text in brackets in the {} is not an IPv6 address", part(*.in_host))]
    NotIpv6 {
        /// As above.
        in_host: bool,
    },
    /// A character that Unicode normalisation turns into a separator.
    #[error("a character in the part between `//` and the path stands for one of `/ ? # @ :`")]
    HostCharacters,
}

/// Where in a secret something is wrong. Names roles and positions, never content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPlace {
    /// The secret as a whole.
    Secret,
    /// A byte of the secret's text, counted from 0.
    Byte(usize),
    Field(Field),
    /// A byte of the text of a field, counted from 0.
    FieldByte(Field, usize),
    /// A value of the query of a URI: its number, counted from 1, and a byte of its decoded text.
    QueryValue(usize, usize),
    /// The authority of a URI: user, password, host and port.
    Authority,
}

impl fmt::Display for InvalidPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret => f.write_str("secret"),
            Self::Byte(offset) => write!(f, "secret, byte {offset}"),
            Self::Field(field) => write!(f, "field `{field}`"),
            Self::FieldByte(field, offset) => write!(f, "field `{field}`, byte {offset}"),
            Self::QueryValue(number, offset) => {
                write!(f, "value {number} of the URI query, byte {offset}")
            }
            Self::Authority => f.write_str("authority of the URI"),
        }
    }
}

const fn part(in_host: bool) -> &'static str {
    if in_host { "host" } else { "user or password" }
}

impl Reason {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Blank => "put a connection URI or a JSON object into the secret, or delete it",
            Self::Json(JsonErrorKind::Syntax(_)) => "correct the JSON of the secret",
            Self::Json(JsonErrorKind::TooDeep) => "make the JSON of the secret flatter",
            Self::Json(JsonErrorKind::LoneSurrogate) => "replace the escape in the secret",
            Self::Json(JsonErrorKind::IntegerTooLong) => "write the number as a string",
            Self::Kind { found: "a number" | "a boolean", needed } if needed.starts_with("a string") => {
                "put the value in double quotes"
            }
            Self::Kind { needed: "an integer", .. } => "write the port as a number",
            Self::Kind { .. } => "change the value in the secret",
            Self::Port(_) => {
                "correct the port; in a URI, percent-encode `/`, `#`, `?`, `[` and `]` in the \
                 user and password"
            }
            Self::PortRange => "correct the port",
            Self::ExtraNotJson(_) | Self::ExtraNotAnObject => {
                "write the extra as an object, not as text: {\"extra\": {\"key\": \"value\"}}; where Airflow 2 reads the file, \
                 SECRETS_INIT_AIRFLOW_VERSION=2 takes the connection, which then has no extras"
            }
            Self::TooManyProtocols | Self::SecondProtocol => {
                "percent-encode the inner URLs (`:` as %3A, `/` as %2F), or write the secret as JSON"
            }
            Self::Jdbc => {
                "write the secret as JSON with the JDBC URL in `host` (conn_type jdbc), or as type://user:password@host:port/database"
            }
            Self::SeveralHosts => {
                "write the secret as JSON with all of host:port,host:port in `host`, or percent-encode `:` as %3A and `,` as %2C there"
            }
            Self::Brackets { in_host: false } | Self::NotIpv6 { in_host: false } => {
                "percent-encode `[` as %5B and `]` as %5D in the user and password"
            }
            Self::Brackets { in_host: true } | Self::NotIpv6 { in_host: true } => {
                "write an IPv6 address as [ADDRESS]:PORT, and any other host without brackets"
            }
            Self::HostCharacters => "percent-encode the characters that are not ASCII",
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.reason, self.reason.advice())
    }
}

impl std::error::Error for Invalid {}

impl Invalid {
    /// About a field as a whole.
    pub fn field(field: Field, reason: Reason) -> Self {
        Self { reason, place: InvalidPlace::Field(field) }
    }
}

#[cfg(test)]
mod tests;
