//! The network between the pods and AWS: how long an exchange takes, and the connections of a pod.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

use crate::aws::Aws;

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

/// The connections of one pod, as an HTTP client of the SDK.
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

    async fn connection(&self, uri: &str) -> Result<OwnedSemaphorePermit, ConnectorError> {
        let free = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let name = uri.split('/').nth(2).unwrap_or_default();
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

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let connection = self.connection(request.uri()).await?;
        let half = self.network.exchange() / 2;
        sleep(half).await;
        let (status, body) = self.network.aws.answer(&request, Instant::now());
        sleep(half).await;
        drop(connection);
        let status = status.try_into().map_err(|_| ConnectorError::other("no such status".into(), None))?;
        Ok(HttpResponse::new(status, SdkBody::from(body)))
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
        HttpConnectorFuture::new(async move { network.exchange(request).await })
    }
}
