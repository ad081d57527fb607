//! The Airflow connection that a secret stands for.

use std::fmt;

use crate::python::json::Json;
use crate::python::str::PyString;

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
