//! The Airflow connection that a secret's text stands for.
//!
//! Takes the text of a secret and the rules of the deployment, gives the fields to write into the
//! file of `LocalFilesystemBackend` so that Airflow reads from it what its live backend would have
//! returned, or the reason why the live backend would have failed. Pure: no input or output.
//!
//! Rules: Airflow 2.8.1 `airflow/secrets/base_secrets.py` `deserialize_connection`,
//! `airflow/models/connection.py` and the Amazon provider 8.13.0
//! `airflow/providers/amazon/aws/secrets/secrets_manager.py` `get_conn_value`; differences of
//! Airflow 3 where [`AirflowTarget`] says so. A connection also counts as invalid when its
//! `get_uri()` raises: Airflow calls that on each lookup and then takes the connection as missing.

use std::fmt;

use indexmap::IndexMap;

use crate::airflow::{json_secret, uri_secret};
use crate::python::json::{self as pyjson, Json, JsonErrorKind};
use crate::python::str::{self as pystr, IntError, PyString};

/// The Airflow that reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AirflowTarget {
    /// 2.8 to 2.11
    V2,
    /// 3.0 to 3.1.5, and 3.2 or later
    V3,
    /// 3.1.6 to 3.1.x: the values of a URI query are decoded as JSON
    V3QueryJson,
}

/// How secrets are read.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The Airflow that reads the file.
    pub target: AirflowTarget,
    /// More key names for the fields of a JSON secret (`extra_conn_words` of the backend).
    pub extra_conn_words: IndexMap<Field, Vec<String>>,
    /// Whether the values of a JSON secret are percent-encoded (`are_secret_values_urlencoded`).
    pub urlencoded: bool,
}

/// A field of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The user name.
    Login,
    /// The password.
    Password,
    /// The host name.
    Host,
    /// The port.
    Port,
    /// The schema or database.
    Schema,
    /// The connection type.
    ConnType,
    /// The extra, normally a JSON object.
    Extra,
}

impl Field {
    /// The name of the field in Airflow.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Password => "password",
            Self::Host => "host",
            Self::Port => "port",
            Self::Schema => "schema",
            Self::ConnType => "conn_type",
            Self::Extra => "extra",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one entry of the file holds; `None` is a key that is not written.
#[derive(Clone, PartialEq)]
pub struct Connection {
    /// The form that the secret had.
    pub form: Form,
    /// The connection type.
    pub conn_type: Option<PyString>,
    /// The host name.
    pub host: Option<Scalar>,
    /// The user name.
    pub login: Option<PyString>,
    /// The password, never empty.
    pub password: Option<PyString>,
    /// The schema or database.
    pub schema: Option<Scalar>,
    /// The port, a decimal integer as Python prints it.
    pub port: Option<String>,
    /// The extra.
    pub extra: Option<Extra>,
}

/// Names the fields that are present; their content is secret.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("form", &self.form)
            .field("conn_type", &self.conn_type)
            .field("host", &self.host)
            .field("login", &self.login)
            .field("password", &self.password.as_ref().map(|_| "..."))
            .field("schema", &self.schema)
            .field("port", &self.port.as_ref().map(|_| "..."))
            .field("extra", &self.extra)
            .finish()
    }
}

/// The form of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A URI, or any text that Airflow takes for one.
    Uri,
    /// A JSON object.
    Json,
}

/// A host or schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Text.
    Text(PyString),
    /// A value of a JSON secret that is false in Python (`0`, `false`, `[]`, `{}`): Airflow finds
    /// the connection with this very value.
    Falsy(Json),
}

/// An extra.
#[derive(Clone, Debug, PartialEq)]
pub enum Extra {
    /// Written as a string.
    Text(PyString),
    /// Written as the value itself.
    Json(Json),
}

/// Why a secret gives no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong.
    pub reason: Reason,
    /// Where.
    pub place: Place,
}

/// What is wrong with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing but white space.
    #[error("the secret is blank")]
    Blank,
    /// Not readable as JSON.
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
    /// Not an integer.
    #[error("the value is not a valid port: {0}")]
    Port(IntError),
    /// A port of a URI beyond 65535.
    #[error("the port is greater than 65535")]
    PortRange,
    /// A surrogate without its partner, which UTF-8 cannot encode.
    #[error("the value holds a lone UTF-16 surrogate (an incomplete \\uD800 to \\uDFFF escape)")]
    LoneSurrogate,
    /// An extra that is not JSON, for Airflow 3.
    #[error("the value is not JSON, and Airflow 3 needs a JSON object")]
    ExtraNotJson,
    /// An extra that is JSON but no object, for Airflow 3.
    #[error("the value is JSON but not an object, and Airflow 3 needs a JSON object")]
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
    /// `[` without `]` in the authority of a URI, or the reverse.
    #[error("the part between `//` and the path has `[` without `]`, or `]` without `[`")]
    Brackets,
    /// Something other than an IPv6 address in brackets.
    #[error("the text in brackets is not an IPv6 address")]
    NotIpv6,
    /// A character that Unicode normalisation turns into a separator.
    #[error("a character in the part between `//` and the path stands for one of `/ ? # @ :`")]
    HostCharacters,
}

/// Where in a secret something is wrong. Names roles and positions, never content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The secret as a whole.
    Secret,
    /// A byte of the secret's text, counted from 0.
    Byte(usize),
    /// A field.
    Field(Field),
    /// A byte of the text of a field, counted from 0.
    FieldByte(Field, usize),
    /// A value of the query of a URI: its number, counted from 1, and a byte of its decoded text.
    QueryValue(usize, usize),
    /// The authority of a URI: user, password, host and port.
    Authority,
}

impl fmt::Display for Place {
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

impl Reason {
    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Blank => "put a connection URI or a JSON object into the secret, or delete it",
            Self::Json(JsonErrorKind::Syntax(_)) => "correct the JSON of the secret",
            Self::Json(JsonErrorKind::TooDeep) => "make the JSON of the secret flatter",
            Self::Json(JsonErrorKind::IntegerTooLong) => "write the number as a string",
            Self::Kind { .. } => "change the value in the secret",
            Self::Port(_) => {
                "correct the port; in a URI, percent-encode `/`, `#`, `?`, `[` and `]` in the \
                 user and password"
            }
            Self::PortRange => "correct the port",
            Self::LoneSurrogate => "replace the escape in the secret",
            Self::ExtraNotJson | Self::ExtraNotAnObject => "make the extra a JSON object",
            Self::TooManyProtocols | Self::SecondProtocol => "percent-encode the inner URLs (`:` as %3A, `/` as %2F)",
            Self::Brackets | Self::NotIpv6 => "percent-encode `[` as %5B and `]` as %5D in the user and password",
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
    pub(super) fn field(field: Field, reason: Reason) -> Self {
        Self { reason, place: Place::Field(field) }
    }
}

/// The connection that Airflow's live backend makes of the text of a secret.
///
/// # Errors
/// When the live backend raises, when it returns a connection that Airflow then cannot use, or
/// when the connection cannot be written to a file of the target version.
pub fn from_secret(text: &str, rules: &Rules) -> Result<Connection, Invalid> {
    let stripped = pystr::py_strip(text);
    if stripped.is_empty() {
        return Err(Invalid { reason: Reason::Blank, place: Place::Secret });
    }
    if stripped.starts_with('{') {
        // The text as it is: json.loads knows less white space than str.strip.
        json_secret::parse(text, rules)
    } else {
        uri_secret::parse(stripped, rules.target)
    }
}

/// `_normalize_conn_type`.
pub(super) fn normalize_conn_type(conn_type: &PyString) -> PyString {
    if conn_type == "postgresql" {
        return PyString::from("postgres");
    }
    let points = conn_type.code_points();
    PyString::from_code_points(
        points.map(|point| if point == u32::from('-') { u32::from('_') } else { point }).collect(),
    )
}

/// Checks an extra that is text, as `_validate_extra` and `get_uri` do.
pub(super) fn check_extra_text(text: &PyString, target: AirflowTarget) -> Result<(), Invalid> {
    let Some(text) = text.as_str() else {
        return Err(Invalid::field(Field::Extra, Reason::LoneSurrogate));
    };
    match pyjson::loads(text) {
        Ok(value) => check_extra_json(&value, target),
        // Airflow 2 warns only.
        Err(error) => match (error.kind, target) {
            (JsonErrorKind::Syntax(_), AirflowTarget::V2) => Ok(()),
            (JsonErrorKind::Syntax(_), _) => Err(Invalid::field(Field::Extra, Reason::ExtraNotJson)),
            (kind, _) => {
                Err(Invalid { reason: Reason::Json(kind), place: Place::FieldByte(Field::Extra, error.offset) })
            }
        },
    }
}

/// Checks the value of an extra: `get_uri` encodes the keys and strings of its top level. In
/// Airflow 2 it also hands every string, at any depth, to the log masker, which encodes it.
pub(super) fn check_extra_json(value: &Json, target: AirflowTarget) -> Result<(), Invalid> {
    let lone = || Err(Invalid::field(Field::Extra, Reason::LoneSurrogate));
    if target == AirflowTarget::V2 {
        if has_lone_surrogate(value) {
            return lone();
        }
    } else if !matches!(value, Json::Object(_)) {
        return Err(Invalid::field(Field::Extra, Reason::ExtraNotAnObject));
    }
    if let Json::Object(entries) = value
        && entries.iter().any(|(key, value)| {
            key.has_lone_surrogate() || matches!(value, Json::String(text) if text.has_lone_surrogate())
        })
    {
        return lone();
    }
    Ok(())
}

/// Whether a string holds a lone surrogate, keys of objects left aside.
pub(super) fn has_lone_surrogate(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => text.has_lone_surrogate(),
        Json::Array(items) => items.iter().any(has_lone_surrogate),
        Json::Object(entries) => entries.values().any(has_lone_surrogate),
    }
}
