//! The network between the pods and AWS: how long an exchange takes, and the connections of a pod.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airflow_secrets_init::model::aws::SecretId;
use airflow_secrets_init::model::aws_names::action;
use airflow_secrets_init::model::cause::Cause;
use airflow_secrets_init::store::aws::reads::{Answered, BatchIds, Query, Reads};
use airflow_secrets_init::store::error::StoreError;
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use fastrand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::answers::{OWN, REGION, SHARED};
use crate::aws::{Aws, Throttled};

/// A log-normal distribution: the median, and the standard deviation of the logarithm. With a deviation of 0.3 one exchange
/// in a hundred takes twice the median.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub median: Duration,
    pub deviation: f64,
}

/// AWS, and what lies before it.
pub struct Network {
    pub aws: Aws,
    exchange: Exchange,
    random: Mutex<Rng>,
}

impl Network {
    #[must_use]
    pub fn new(aws: Aws, exchange: Exchange, seed: u64) -> Self {
        Self { aws, exchange, random: Mutex::new(Rng::with_seed(seed)) }
    }

    /// How long the next exchange takes.
    fn exchange(&self) -> Duration {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        // Box and Muller: two uniform numbers make a normal one. The first is not zero.
        let (a, b) = (1.0 - random.f64(), random.f64());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        self.exchange.median.mul_f64((self.exchange.deviation * normal).exp())
    }
}

/// The connections of one pod: an HTTP client of the SDK, and what reads without the SDK ([`PodReads`]).
///
/// As the program's own pool: a request takes a connection that is free; where there is none it has one opened, up to the
/// limit, and takes whichever is free first. A connection that was opened for somebody who has left is kept.
#[derive(Clone)]
pub struct PodNetwork {
    network: Arc<Network>,
    most: usize,
    hosts: Arc<Mutex<HashMap<String, Host>>>,
}

#[derive(Clone)]
struct Host {
    /// One for each connection that is free.
    free: Arc<Semaphore>,
    /// Open, or about to be.
    open: usize,
}

impl PodNetwork {
    /// With at most so many connections to a host.
    #[must_use]
    pub fn new(network: Arc<Network>, most: usize) -> Self {
        Self { network, most, hosts: Arc::default() }
    }

    async fn connection(&self, name: &str) -> Result<OwnedSemaphorePermit, ConnectorError> {
        let free = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            if !hosts.contains_key(name) {
                hosts.insert(name.to_owned(), Host { free: Arc::new(Semaphore::new(0)), open: 0 });
            }
            let closed = || ConnectorError::other("no such host".into(), None);
            let host = hosts.get_mut(name).ok_or_else(closed)?;
            if host.free.available_permits() == 0 && host.open < self.most {
                host.open += 1;
                let (network, free) = (self.network.clone(), host.free.clone());
                // TCP, and TLS 1.3.
                let opening = network.exchange() + network.exchange();
                drop(tokio::spawn(async move {
                    sleep(opening).await;
                    free.add_permits(1);
                }));
            }
            host.free.clone()
        };
        free.acquire_owned().await.map_err(|error| ConnectorError::other(error.into(), None))
    }

    /// An exchange with a host: what AWS answers when the request is there.
    async fn exchange<T>(&self, host: &str, answer: impl FnOnce(&Aws, Instant) -> T) -> Result<T, ConnectorError> {
        let connection = self.connection(host).await?;
        let half = self.network.exchange() / 2;
        sleep(half).await;
        let answer = answer(&self.network.aws, Instant::now());
        sleep(half).await;
        drop(connection);
        Ok(answer)
    }
}

impl fmt::Debug for PodNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PodNetwork")
    }
}

impl HttpClient for PodNetwork {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for PodNetwork {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let network = self.clone();
        HttpConnectorFuture::new(async move {
            let host = request.uri().split('/').nth(2).unwrap_or_default();
            let (status, body) = network.exchange(host, |aws, now| aws.answer(&request, now)).await?;
            let status = status.try_into().map_err(|_| ConnectorError::other("no such status".into(), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

/// The reads of one pod in one account, answered in the SDK's types: over the same connections, without the SDK's own work for
/// a call, which is most of the CPU time of a herd.
pub struct PodReads {
    network: PodNetwork,
    account: &'static str,
    host: String,
}

impl PodReads {
    /// Of the shared account or the own one.
    #[must_use]
    pub fn new(network: PodNetwork, is_shared: bool) -> Self {
        let account = if is_shared { SHARED } else { OWN };
        Self { network, account, host: format!("secretsmanager.{REGION}.amazonaws.com") }
    }

    fn answered<'a, T: 'a>(
        &'a self,
        action: &'static str,
        answer: impl FnOnce(&Aws, Instant) -> Result<T, Throttled> + 'a,
    ) -> Answered<'a, T> {
        Box::pin(async move {
            let answer = self.network.exchange(&self.host, answer).await;
            let answer = answer.map_err(|_| StoreError::new(Cause::NoAnswer, action, "no connection"))?;
            answer.map_err(|Throttled| StoreError::new(Cause::Throttled, action, "Rate exceeded"))
        })
    }
}

impl Reads for PodReads {
    fn list<'a>(&'a self, query: &'a Query) -> Answered<'a, ListSecretsOutput> {
        self.answered(action::LIST_SECRETS, |aws, now| aws.list(self.account, query, now))
    }

    fn batch<'a>(&'a self, ids: &'a BatchIds) -> Answered<'a, BatchGetSecretValueOutput> {
        self.answered(action::BATCH_GET_SECRET_VALUE, |aws, now| aws.batch(self.account, ids, now))
    }

    fn get<'a>(&'a self, id: &'a SecretId) -> Answered<'a, GetSecretValueOutput> {
        let found = self.answered(action::GET_SECRET_VALUE, |aws, now| aws.get(self.account, id, now));
        let absent = || StoreError::new(Cause::Rejected, action::GET_SECRET_VALUE, "no such secret");
        Box::pin(async move { found.await?.ok_or_else(absent) })
    }
}
