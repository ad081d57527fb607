//! The answers of the two calls that bring nearly all that is read, ListSecrets and BatchGetSecretValue, without what nobody
//! looks at: of an entry of a list that is nine tenths.
//!
//! Put in the place of the SDK's own reading of these answers. Whatever is not as expected is left to the SDK, so that its errors
//! stay what they are.

use std::fmt;
use std::marker::PhantomData;

use aws_sdk_secretsmanager::operation::batch_get_secret_value::{BatchGetSecretValue, BatchGetSecretValueOutput};
use aws_sdk_secretsmanager::operation::list_secrets::{ListSecrets, ListSecretsOutput};
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{SecretListEntry, SecretValueEntry};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, Output, OutputOrError,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin as _;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// For a client of Secrets Manager: reads the answers of the two calls.
#[derive(Debug)]
pub struct ReadsInBulk {
    /// What the SDK knows of each call, with how it reads the answer.
    list: Option<FrozenLayer>,
    batch: Option<FrozenLayer>,
}

impl ReadsInBulk {
    pub fn new() -> Self {
        Self { list: ListSecrets::new().config(), batch: BatchGetSecretValue::new().config() }
    }
}

#[dyn_dispatch_hint]
impl Intercept for ReadsInBulk {
    fn name(&self) -> &'static str {
        "ReadsInBulk"
    }

    // Not earlier: before, a client's interceptors see nothing of the call.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (read, sdk): (Read, _) = match config.load::<Metadata>().map(Metadata::name) {
            Some("ListSecrets") => (list, &self.list),
            Some("BatchGetSecretValue") => (batch, &self.batch),
            _ => return Ok(()),
        };
        if let Some(sdk) = sdk.clone() {
            config.interceptor_state().store_put(SharedResponseDeserializer::new(Reading { read, sdk }));
        }
        Ok(())
    }
}

/// `None` where an answer is not as expected.
type Read = fn(&[u8]) -> Option<Output>;

#[derive(Debug)]
struct Reading {
    read: Read,
    sdk: FrozenLayer,
}

impl DeserializeResponse for Reading {
    fn deserialize_nonstreaming_with_config(&self, response: &HttpResponse, config: &ConfigBag) -> OutputOrError {
        let body = response.body().bytes().filter(|_| response.status().is_success());
        match (body.and_then(self.read), self.sdk.load::<SharedResponseDeserializer>()) {
            (Some(output), _) => Ok(output),
            (None, Some(sdk)) => sdk.deserialize_nonstreaming_with_config(response, config),
            (None, None) => Err(OrchestratorError::other("the SDK does not say how it reads an answer")),
        }
    }
}

fn list(body: &[u8]) -> Option<Output> {
    let Object(Pages { list, next }) = serde_json::from_slice(body).ok()?;
    let entry = |Object(Named { arn, name })| SecretListEntry::builder().set_arn(arn).set_name(name).build();
    let list = list.map(|list| list.into_iter().map(entry).collect());
    Some(Output::erase(ListSecretsOutput::builder().set_secret_list(list).set_next_token(next).build()))
}

fn batch(body: &[u8]) -> Option<Output> {
    let Object(Batch { values, next }) = serde_json::from_slice(body).ok()?;
    let entry = |Object(Entry { arn, name, text, created })| {
        let entry = SecretValueEntry::builder().set_arn(arn).set_name(name).set_secret_string(text);
        entry.set_created_date(created.map(DateTime::from_secs_f64)).build()
    };
    let values = values.map(|values| values.into_iter().map(entry).collect());
    Some(Output::erase(BatchGetSecretValueOutput::builder().set_secret_values(values).set_next_token(next).build()))
}

#[derive(Default)]
struct Pages {
    list: Option<Vec<Object<Named>>>,
    next: Option<String>,
}

#[derive(Default)]
struct Batch {
    values: Option<Vec<Object<Entry>>>,
    next: Option<String>,
}

#[derive(Default)]
struct Named {
    arn: Option<String>,
    name: Option<String>,
}

#[derive(Default)]
struct Entry {
    arn: Option<String>,
    name: Option<String>,
    text: Option<String>,
    created: Option<f64>,
}

/// The keys that are looked at (API model, ListSecretsResponse and BatchGetSecretValueResponse).
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "PascalCase")]
enum Key {
    SecretList,
    SecretValues,
    Errors,
    NextToken,
    #[serde(rename = "ARN")]
    Arn,
    Name,
    SecretString,
    SecretBinary,
    CreatedDate,
    #[serde(other)]
    Other,
}

/// What is read of an object; an error leaves the answer to the SDK. Of a key that comes twice, the SDK takes the last.
trait Fields: Default {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: Key, object: &mut A) -> Result<(), A::Error>;
}

impl Fields for Pages {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: Key, object: &mut A) -> Result<(), A::Error> {
        match key {
            Key::SecretList => self.list = object.next_value()?,
            Key::NextToken => self.next = object.next_value()?,
            _ => skip(object)?,
        }
        Ok(())
    }
}

impl Fields for Batch {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: Key, object: &mut A) -> Result<(), A::Error> {
        match key {
            Key::SecretValues => self.values = object.next_value()?,
            Key::NextToken => self.next = object.next_value()?,
            Key::Errors => {
                // They are told with the request's id, which only the SDK puts into its types.
                let errors: Option<Vec<IgnoredAny>> = object.next_value()?;
                if errors.is_some_and(|errors| !errors.is_empty()) {
                    return Err(A::Error::custom("there are errors"));
                }
            }
            _ => skip(object)?,
        }
        Ok(())
    }
}

impl Fields for Named {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: Key, object: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Arn => self.arn = object.next_value()?,
            Key::Name => self.name = object.next_value()?,
            _ => skip(object)?,
        }
        Ok(())
    }
}

impl Fields for Entry {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: Key, object: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Arn => self.arn = object.next_value()?,
            Key::Name => self.name = object.next_value()?,
            Key::SecretString => self.text = object.next_value()?,
            Key::SecretBinary => {
                if object.next_value::<Option<IgnoredAny>>()?.is_some() {
                    return Err(A::Error::custom("a binary secret"));
                }
            }
            Key::CreatedDate => {
                // By Rust's own parser, as the SDK does: serde_json's is off by the last bit.
                let seconds = object.next_value::<Option<&RawValue>>()?.map(|token| token.get().parse::<f64>());
                let seconds = seconds.transpose().map_err(A::Error::custom)?;
                self.created = seconds;
                if seconds.is_some_and(|seconds| !seconds.is_finite()) {
                    return Err(A::Error::custom("no time is so far away"));
                }
            }
            _ => skip(object)?,
        }
        Ok(())
    }
}

fn skip<'de, A: MapAccess<'de>>(object: &mut A) -> Result<(), A::Error> {
    object.next_value::<IgnoredAny>().map(drop)
}

/// An object, and nothing else: what serde derives takes an array for one too.
struct Object<T>(T);

impl<'de, T: Fields> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut fields = T::default();
        while let Some(key) = object.next_key()? {
            fields.read(key, &mut object)?;
        }
        Ok(Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::Client;
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
    use aws_sdk_secretsmanager::operation::RequestId as _;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Answers everything in the same way.
    #[derive(Clone, Debug)]
    struct Always(u16, Vec<u8>);

    impl HttpConnector for Always {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let status = StatusCode::try_from(self.0).unwrap();
            let mut response = HttpResponse::new(status, SdkBody::from(self.1.clone()));
            response.headers_mut().insert("x-amzn-requestid", "R-1");
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    fn client(status: u16, body: &[u8], in_bulk: bool) -> Client {
        let connector = SharedHttpConnector::new(Always(status, body.to_vec()));
        let config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()));
        let config = config.retry_config(aws_smithy_types::retry::RetryConfig::disabled());
        Client::from_conf(if in_bulk { config.interceptor(ReadsInBulk::new()) } else { config }.build())
    }

    /// What is looked at of both answers, in words.
    async fn seen(status: u16, body: &[u8], in_bulk: bool) -> [String; 2] {
        let client = client(status, body, in_bulk);
        let listed = client.list_secrets().send().await;
        let listed = listed.map_err(|error| format!("{error:?}")).map(|answer| {
            let entry = |entry: &SecretListEntry| (entry.name.clone(), entry.arn.clone());
            (answer.secret_list.as_ref().map(|list| list.iter().map(entry).collect::<Vec<_>>()), answer.next_token)
        });
        let read = client.batch_get_secret_value().send().await;
        let read = read.map_err(|error| format!("{error:?}")).map(|answer| {
            let entry = |entry: &SecretValueEntry| {
                let SecretValueEntry { name, arn, secret_string, secret_binary, created_date, .. } = entry.clone();
                let created = created_date.map(|date| date.secs());
                (name, arn, secret_string, secret_binary, created)
            };
            let values = answer.secret_values.as_ref().map(|values| values.iter().map(entry).collect::<Vec<_>>());
            let request = answer.errors.as_ref().is_some_and(|errors| !errors.is_empty()).then(|| answer.request_id());
            format!("{values:?} {request:?} {:?} {:?}", answer.errors.clone().unwrap_or_default(), answer.next_token)
        });
        [format!("{listed:?}"), format!("{read:?}")]
    }

    #[tokio::test]
    async fn what_is_read_is_what_the_sdk_reads() {
        let entry = r#"{"ARN":"arn:a","Name":"n","SecretString":"\"\\ud83d\\ude00 é\\n","CreatedDate":1.7E9,"Tags":[{"Key":"k"}],"VersionIdsToStages":{"v":["AWSCURRENT"]}}"#;
        let binary = r#"{"Name":"b","SecretBinary":"AAEC","CreatedDate":1700000000.7}"#;
        let error = r#"{"SecretId":"x","ErrorCode":"ResourceNotFoundException","Message":"none"}"#;
        let of = |entries: &str, errors: &str, next: &str| {
            format!(
                r#" {{"SecretList":[{entries}],"SecretValues":[{entries}],"Errors":[{errors}],"NextToken":{next}}} "#
            )
        };
        let of_values = |entries: &str| format!(r#"{{"SecretList":[],"SecretValues":[{entries}]}}"#);
        let bodies = [
            of(entry, "", "null"),
            of(&format!("{entry},{binary}"), "", "\"t\""),
            of(&format!("{binary},{entry}"), error, "\"\""),
            of("", error, "null"),
            of("", "null", "null"),
            of("null", "", "null"),
            of("[\"arn\",\"n\"]", "", "null"),
            of("{\"Name\":null,\"ARN\":null}", "", "null"),
            of("{\"Name\":\"a\",\"Name\":\"b\",\"SecretString\":\"x\",\"SecretString\":null}", "", "null"),
            of("{\"Name\":7}", "", "null"),
            of("{\"N\\u0061me\":\"a\"}", "", "7"),
            of("{\"Name\":\"\\ud800\"}", "", "null"),
            of_values("{\"CreatedDate\":\"NaN\"}"),
            of_values("{\"CreatedDate\":\"2020-01-01T00:00:00Z\"}"),
            of_values("{\"CreatedDate\":-1}"),
            of_values("{\"CreatedDate\":1898973825.9999998}"),
            of_values("{\"CreatedDate\":18446744073709551615}"),
            of("{\"SecretBinary\":null,\"SecretString\":\"x\"}", "", "null"),
            of("{\"SecretBinary\":\"AA==\",\"SecretBinary\":null,\"SecretString\":\"x\"}", "", "null"),
            format!("{{\"SecretValues\":[],\"Errors\":[{error}],\"Errors\":[]}}"),
            of("{\"Other\":[[[{}]]]}", "", "null"),
            of("{\"Other\":01}", "", "null"),
            of("{\"Name\":\"a\tb\"}", "", "null"),
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            r#"{"SecretList":null,"SecretValues":null,"Errors":null}"#.to_owned(),
            r#"{"SecretList":{},"SecretValues":{}}"#.to_owned(),
            r#"{"SecretList":[],"SecretValues":[]} x"#.to_owned(),
            r#"{"SecretList":[{"Name":"a"}],"SecretList":[],"SecretValues":[]}"#.to_owned(),
            r#"{"SecretList":["#.to_owned(),
            "<html>".to_owned(),
            r#"{"__type":"AccessDeniedException","message":"no"}"#.to_owned(),
        ];
        let mut bodies: Vec<Vec<u8>> = bodies.into_iter().map(String::into_bytes).collect();
        let broken = of("{\"Name\":\"?\"}", "", "null").into_bytes();
        bodies.push(broken.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect());
        for body in &bodies {
            for status in [200, 202, 400, 503] {
                assert_eq!(
                    seen(status, body, true).await,
                    seen(status, body, false).await,
                    "{status} {}",
                    String::from_utf8_lossy(body)
                );
            }
        }
    }

    #[tokio::test]
    async fn it_is_in_the_place_of_the_sdk() {
        // The SDK refuses a page for a description that nobody reads.
        for field in [
            r#""Description":7"#,
            r#""Description":"\ud800""#,
            r#""CreatedDate":"2020-01-01""#,
            r#""CreatedDate":1e400"#,
        ] {
            let body = format!(r#"{{"SecretList":[{{"Name":"a",{field}}}]}}"#);
            let [whole, _] = seen(200, body.as_bytes(), false).await;
            let [bulk, _] = seen(200, body.as_bytes(), true).await;
            assert!(whole.starts_with("Err"), "{whole}");
            assert_eq!(bulk, r#"Ok((Some([(Some("a"), None)]), None))"#, "{field}");
        }
    }
}
