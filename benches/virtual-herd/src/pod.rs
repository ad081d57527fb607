//! One pod: a run of the program from its first call to its last.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use airflow_secrets_init::config::cli::RawSettings;
use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::config::settings::Settings;
use airflow_secrets_init::error::{ConfigErrors, Exit, Failure};
use airflow_secrets_init::fetch::resolve::fetch;
use airflow_secrets_init::fetch::shared::SharedPolicy;
use airflow_secrets_init::model::kind::Kind;
use airflow_secrets_init::plan::Plan;
use airflow_secrets_init::store::aws::client::{self, Transport};
use airflow_secrets_init::store::aws::configuration::Configuration;
use airflow_secrets_init::store::aws::reads::Reads;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answers::{OWN, REGION, SHARED, access_key, role_of};
use crate::network::{Network, PodNetwork, PodReads};

/// What all pods of a herd have in common: the environment, and what the program reads from it.
pub struct Template {
    env: Env,
    pub settings: Settings,
    plan: Plan,
    configuration: Configuration,
    connections: usize,
    /// Whether every call goes through the whole SDK.
    whole_sdk: bool,
}

impl Template {
    /// Pods that read so many connections, own and shared, with these variables of their own. With a token file the credentials
    /// come from STS (IRSA); without one they are there.
    ///
    /// # Errors
    /// When the program does not take the variables.
    pub fn new(
        (own, shared): (usize, usize),
        token_file: Option<&Path>,
        variables: &[(String, String)],
        whole_sdk: bool,
    ) -> Result<Self, Failure> {
        let kwargs = format!(r#"{{"shared_account": "{SHARED}", "shared_role_arn": "{}"}}"#, role_of(SHARED));
        let mut all = vec![
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", if shared > 0 { kwargs } else { "{}".to_owned() }),
        ];
        all.extend(match token_file {
            Some(file) => [("AWS_ROLE_ARN", role_of(OWN)), ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string())],
            None => [("AWS_ACCESS_KEY_ID", access_key(OWN)), ("AWS_SECRET_ACCESS_KEY", "secret".to_owned())],
        });
        let all = all.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(variables.iter().cloned());
        let env = Env::from_os(all.map(|(name, value)| (OsString::from(name), OsString::from(value))));
        let mut errors = ConfigErrors::default();
        let raw = RawSettings::default().with_variables(&env, &mut errors);
        let read = Settings::read(&env, &raw, &mut errors);
        let settings = errors.into_result(read.settings)?;
        let plan = Plan::of(&settings, &settings.needs());
        let configuration = Configuration::read(&settings, &plan, &env)?;
        Ok(Self { env, settings, plan, configuration, connections: own + shared, whole_sdk })
    }

    /// Waits for the jitter and reads, as `pipeline.rs` has it.
    ///
    /// # Errors
    /// Whatever ends a run; and [`Exit::Bug`] when it did not find every connection.
    pub async fn run(&self, network: &Arc<Network>) -> Result<(), Failure> {
        let end = Instant::now() + self.settings.deadline;
        if !self.settings.jitter.is_zero() {
            sleep(self.settings.jitter.mul_f64(fastrand::f64())).await;
        }
        let network = PodNetwork::new(network.clone(), self.settings.concurrency);
        let http = SharedHttpClient::new(network.clone());
        let transport = Transport { aws: http.clone(), direct: http };
        let stores = client::open_over(
            |_, _| Ok(transport.clone()),
            |client, shared| -> Arc<dyn Reads> {
                if self.whole_sdk {
                    return Arc::new(client.clone());
                }
                Arc::new(PodReads::new(network.clone(), shared.is_some()))
            },
            &self.settings,
            &self.plan,
            &self.configuration,
            &self.env,
        )?;
        let (failed, shared) =
            (RefCell::default(), SharedPolicy { until: None, may_be_invalid: false, was_read: false });
        let reading = fetch(&self.plan, &stores, &self.settings.selection, shared, &|_| (), &failed);
        let late = |_| Err(Failure::new(Exit::TempFail, "the deadline passed before every secret was read"));
        let fetched = timeout_at(end, reading).await.unwrap_or_else(late)?;
        let found = fetched.kinds[Kind::Connection].entries.len();
        if found == self.connections {
            return Ok(());
        }
        Err(Failure::new(Exit::Bug, format!("{found} of {} connections were found", self.connections)))
    }
}
