//! The same entries with a placeholder in place of every value, so that a template can be looked at without its secrets.
//!
//! Names and kinds stay: conn_ids, keys, the keys of an extra, and which fields there are. Values keep their type.

use secrecy::SecretString;

use super::Entries;
use crate::model::connection::{Connection, Field};
use crate::python::json::{Json, Value, dumps, loads};
use crate::python::number::Number;

/// What stands for every text.
pub const PLACEHOLDER: &str = "REDACTED";

/// Types of connections that providers of Airflow have, without those that could be a password. A secret that is no
/// connection can be read as one whose "type" is part of it, so no other type is shown.
/// Source: the `connection-types` of the providers' `provider.yaml`, 2026.
const KNOWN_TYPES: &str = "adls alibaba_cloud ams apprise aws azure azure_batch azure_container_instance azure_container_volume \
    azure_cosmos azure_data_explorer azure_data_factory azure_data_lake azure_fileshare azure_service_bus azure_synapse cassandra \
    chime cloudant databricks datadog dataprep dbt_cloud dingding discord docker drill druid elasticsearch email emr exasol facebook_social \
    file_path flink fs ftp gcp_cloud_sql gcp_looker gcpbigquerydatatransfer gcpcloudsql gcpssh generic github \
    google_ads google_cloud_platform google_cloud_platform_bigquery grpc hdfs hive_cli hive_metastore hiveserver2 http iceberg imap impala influxdb \
    jdbc jenkins jira kafka keycloak kubernetes kylin leveldb livy mesos_framework_id mongo mssql mysql neo4j odbc openfaas openlineage \
    opensearch opsgenie oracle package_index pagerduty papermill pgvector pinecone pinot postgres presto qdrant qubole redis redshift \
    salesforce samba sendgrid sftp slack slackwebhook smtp snowflake spark spark_connect spark_sql sqlite sqoop ssh tableau tabular telegram \
    teradata trino vault vertica wasb weaviate yandexcloud ydb zendesk";

impl Entries {
    /// The same entries, values replaced.
    pub fn with_placeholders(&self) -> Self {
        let texts = |of: &std::collections::BTreeMap<String, SecretString>| {
            of.keys().map(|key| (key.clone(), SecretString::from(PLACEHOLDER))).collect()
        };
        Self {
            connections: self
                .connections
                .iter()
                .map(|(id, connection)| (id.clone(), of_connection(connection)))
                .collect(),
            variables: texts(&self.variables),
            configs: texts(&self.configs),
            env: texts(&self.env),
            ..Self::default()
        }
    }
}

/// The type of a connection, where it is one that can be shown.
pub fn shown_type(connection: &Connection) -> Option<&str> {
    let conn_type = connection.text(Field::ConnType)?;
    KNOWN_TYPES.split_whitespace().find(|known| *known == conn_type)
}

fn of_connection(connection: &Connection) -> Connection {
    let replaced = |field, value: &Json| match field {
        Field::ConnType if shown_type(connection).is_some() => value.clone(),
        // A false value is written as it is, and says nothing.
        Field::Host | Field::Schema if !value.is_truthy() => value.clone(),
        Field::Extra => match value.as_str().map(loads) {
            Some(Ok(json @ (Value::Object(_) | Value::Array(_)))) => Json::String(dumps(&of_json(&json)).into()),
            _ => of_json(value),
        },
        _ => of_json(value),
    };
    let fields = connection.fields().map(|(field, value)| (field, Some(replaced(field, value))));
    Connection::new(connection.form, fields)
}

/// A true value stays true, so that the template takes the same branches.
fn of_json(json: &Value<'_>) -> Json {
    match json {
        Value::Null => Json::Null,
        Value::Bool(_) => Json::Bool(true),
        Value::Number(number) if number.is_float() => Json::Number(Number::of_float(1.0)),
        Value::Number(_) => Json::Number(Number::of_integer("1".to_owned())),
        // An empty text stays empty: that it is there is all that it says.
        Value::String(text) => Json::from(if text.is_empty() { "" } else { PLACEHOLDER }),
        Value::Array(items) => Json::Array(items.iter().map(of_json).collect()),
        Value::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.to_string().into(), of_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::airflow::secret::from_secret;
    use crate::airflow::versions::{AirflowTarget, Rules};

    #[test]
    fn every_text_is_replaced_and_kinds_stay() {
        let rules = Rules { target: AirflowTarget::V3, extra_conn_words: IndexMap::new(), urlencoded: false };
        let secret = r#"{"conn_type": "postgres", "host": "canary", "login": "canary", "password": "canary", "schema": "",
            "port": 5432, "extra": {"a": "canary", "n": 12345, "f": 1.5, "b": false, "z": null, "l": ["canary", 7], "o": {"k": "canary"}}}"#;
        let mut entries = Entries::default();
        entries.connections.insert("a".into(), from_secret(secret, &rules).unwrap());
        // A secret that is no connection: its "type" and "schema" are parts of it.
        entries.connections.insert("b".into(), from_secret("canary:canary@h", &rules).unwrap());
        entries
            .connections
            .insert("c".into(), from_secret("aws://?__extra__=%7B%22k%22%3A%22canary%22%7D", &rules).unwrap());
        entries.variables.insert("v".into(), SecretString::from("canary"));
        entries.env.insert("HOME".into(), SecretString::from("canary"));
        let shown = entries.with_placeholders();
        assert!([&shown.variables["v"], &shown.env["HOME"]].iter().all(|text| text.expose_secret() == PLACEHOLDER));
        let connection = |id: &str| {
            let all = [(id, &shown.connections[id])];
            String::from_utf8(crate::render::formats::connections(all, crate::config::settings::Format::Json).bytes)
                .unwrap()
        };
        assert_eq!(
            connection("a"),
            "{\n  \"a\": {\"conn_type\": \"postgres\", \"host\": \"REDACTED\", \"login\": \"REDACTED\", \"password\": \"REDACTED\", \
             \"schema\": \"\", \"port\": 1, \"extra\": {\"a\": \"REDACTED\", \"n\": 1, \"f\": 1.0, \"b\": true, \"z\": null, \
             \"l\": [\"REDACTED\", 1], \"o\": {\"k\": \"REDACTED\"}}}\n}\n"
        );
        assert!(connection("b").contains("\"conn_type\": \"REDACTED\"") && !connection("b").contains("canary"));
        assert!(connection("c").contains(r#""extra": "{\"k\": \"REDACTED\"}""#), "{}", connection("c"));
    }
}
