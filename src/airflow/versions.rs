//! Which Airflow reads the file, and the rules of reading that go with it.

use indexmap::IndexMap;

use crate::model::connection::Field;

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
