//! The Airflow connection that a secret stands for.

use std::fmt;

use crate::python::json::Json;

/// A field of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    ConnType,
    Host,
    Login,
    Password,
    Schema,
    Port,
    /// The extra, normally a JSON object.
    Extra,
}

impl Field {
    /// All of them, in the order in which Airflow's own export writes them.
    pub const ALL: [Self; 7] =
        [Self::ConnType, Self::Host, Self::Login, Self::Password, Self::Schema, Self::Port, Self::Extra];

    /// The name of the field in Airflow.
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

/// What one entry of the file holds: the fields that are there, each as the JSON value that Airflow reads.
///
/// A type, login or password is a string; the password is never empty. A host or schema is a string, or a value of a JSON
/// secret that is false in Python (`0`, `false`, `[]`, `{}`): Airflow finds the connection with this very value. A port is
/// an integer as Python prints it. An extra is a string, or any other value that is true.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The form that the secret had.
    pub form: SecretForm,
    /// In Airflow's order, each once.
    fields: Vec<(Field, Json)>,
}

/// The form of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretForm {
    /// A URI, or any text that Airflow takes for one.
    Uri,
    Json,
}

impl Connection {
    /// The connection with these fields, each named once; `None` is a field that is not there.
    pub fn new(form: SecretForm, fields: impl IntoIterator<Item = (Field, Option<Json>)>) -> Self {
        let mut there = Vec::with_capacity(Field::ALL.len());
        there.extend(fields.into_iter().filter_map(|(field, value)| Some((field, value?))));
        there.sort_by_key(|(field, _)| *field);
        Self { form, fields: there }
    }

    /// The fields that are there, in Airflow's order.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &Json)> {
        self.fields.iter().map(|(field, value)| (*field, value))
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<&Json> {
        self.fields.iter().find(|(of, _)| *of == field).map(|(_, value)| value)
    }

    /// The text of a field; `None` also where its value is no string.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).and_then(Json::as_str)
    }

    /// The port, a decimal integer.
    pub fn port(&self) -> Option<&str> {
        if let Some(Json::Number(port)) = self.get(Field::Port) { Some(port.token()) } else { None }
    }
}
