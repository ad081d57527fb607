//! The connections to AWS: one pool for every client of a run, one DNS lookup for each host, and connections that are
//! opened before there is anything to send.
//!
//! A new connection costs two round trips (TCP, TLS 1.3) before its first request, and AWS's endpoint speaks HTTP/1.1,
//! so parallel requests need parallel connections. They are opened while credentials load and while the first listing is
//! under way, so that they stand when the values are asked for.

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use super::budget::Budget;
use super::logging_connector::LoggingConnector;
use super::names::Names;
use crate::config::aws::proxies::{Proxies, Proxy};
use crate::error::{Exit, Failure};
use aws_credential_types::Credentials;
use aws_smithy_http_client::pool::{Client, ConnectionPool, OriginKey, PartitionId};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

/// The clients of a run.
#[derive(Clone)]
pub struct Transport {
    /// Goes through the proxies of the environment.
    pub aws: SharedHttpClient,
    /// Goes through none: to what stands beside this process.
    pub direct: SharedHttpClient,
}

/// Pools with at most so many connections to an endpoint: a request then waits for one that is being opened rather than open
/// another.
///
/// # Errors
/// [`Exit::Config`] when a pool can't be made of these settings.
pub fn open(tls: &TlsContext, connections: usize, budget: Budget, proxies: &Proxies) -> Result<Transport, Failure> {
    let pool = |proxy, variable| pool(tls, connections, budget, proxy, variable);
    let direct = pool(ProxyConfig::disabled(), None)?;
    if proxies.is_empty() {
        return Ok(Transport { aws: direct.clone(), direct });
    }
    let through = |proxy: &Option<Proxy>| {
        let Some(Proxy { uri, variable }) = proxy else { return Ok(None) };
        let config = ProxyConfig::all(uri.clone())
            .map_err(|_| Failure::new(Exit::Config, format!("{variable}: is not the address of a proxy")))?;
        pool(config, Some(*variable)).map(Some)
    };
    let (http, https) = (through(&proxies.http)?, through(&proxies.https)?);
    let aws = Routed { direct: direct.clone(), http, https, proxies: proxies.clone() };
    Ok(Transport { aws: SharedHttpClient::new(aws), direct })
}

fn pool(
    tls: &TlsContext,
    connections: usize,
    budget: Budget,
    proxy: ProxyConfig,
    variable: Option<&'static str>,
) -> Result<SharedHttpClient, Failure> {
    let unusable = |problem: String| Failure::new(Exit::Config, format!("the HTTP client can't be made: {problem}"));
    let names = Names::default();
    let pool = ConnectionPool::builder()
        .proxy_config(proxy)
        .dns_resolver(names.clone())
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls.clone())
        .max_connections_per_host(connections)
        .build_https()
        .map_err(|error| unusable(error.to_string()))?;
    let client = Client::new(&pool).map_err(|error| unusable(error.to_string()))?;
    let wrap = move |connector| {
        let connector = SharedHttpConnector::new(Opening { connector, pool: pool.clone() });
        SharedHttpConnector::new(LoggingConnector { connector, budget, proxy: variable, names: names.clone() })
    };
    Ok(SharedHttpClient::new(Wrapped { client, wrap }))
}

/// The client of a pool, with connectors of ours around its own.
struct Wrapped<F> {
    client: Client,
    wrap: F,
}

impl<F> fmt::Debug for Wrapped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapped")
    }
}

impl<F: Fn(SharedHttpConnector) -> SharedHttpConnector + Send + Sync + 'static> HttpClient for Wrapped<F> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        (self.wrap)(self.client.http_connector(settings, components))
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.client.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.client.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

// ---- proxies ---------------------------------------------------------------------------------------------------

/// Chooses for each request whether it goes through a proxy.
#[derive(Clone)]
struct Routed<T> {
    direct: T,
    http: Option<T>,
    https: Option<T>,
    proxies: Proxies,
}

impl<T> Routed<T> {
    fn to(&self, uri: &str) -> &T {
        let through = if uri.starts_with("https:") { &self.https } else { &self.http };
        through.as_ref().filter(|_| self.proxies.before(uri).is_some()).unwrap_or(&self.direct)
    }
}

impl<T> fmt::Debug for Routed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routed")
    }
}

impl HttpClient for Routed<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        SharedHttpConnector::new(Routed {
            direct: connector(&self.direct),
            http: self.http.as_ref().map(connector),
            https: self.https.as_ref().map(connector),
            proxies: self.proxies.clone(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.direct.connector_metadata()
    }
}

impl HttpConnector for Routed<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.to(request.uri()).clone();
        connector.call(request)
    }
}

// ---- connections ahead of requests -----------------------------------------------------------------------------

/// Endpoints for which connections were opened ahead of requests, so that two clients of one endpoint do it once.
pub type Opened = Arc<Mutex<HashSet<String>>>;

/// Marks a request that is there to open a connection, and not to be sent.
#[derive(Clone, Copy, Debug)]
struct OpensOnly;

/// The connector of a pool. A request that only opens a connection does nothing where one can take it: it would be sent there.
#[derive(Debug)]
struct Opening {
    connector: SharedHttpConnector,
    pool: ConnectionPool,
}

impl HttpConnector for Opening {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.extension::<OpensOnly>().is_none() {
            return self.connector.call(request);
        }
        let (connector, pool) = (self.connector.clone(), self.pool.clone());
        HttpConnectorFuture::new(async move {
            let origin = request.uri().parse().ok().and_then(|uri| OriginKey::from_uri(&uri).ok());
            let known = origin.and_then(|origin| pool.partition_stats(PartitionId::ANONYMOUS, &origin));
            // What is known holds until the pool is asked: nothing else runs in between on this one thread.
            match known {
                Some(known) if known.h1().idle() == 0 && known.h2().accepting() == 0 => connector.call(request).await,
                // Never ready; the caller drops it.
                _ => std::future::pending().await,
            }
        })
    }
}

/// An HTTP client that opens connections in another client's pool and sends nothing: every request given to it fails.
///
/// Given to an operation of the SDK in place of the real client, so that the SDK itself says which endpoint is meant.
#[derive(Clone, Debug)]
pub struct Prewarm {
    client: SharedHttpClient,
    count: usize,
    opened: Opened,
}

impl Prewarm {
    /// Opens `count` connections per request and origin. What is in `opened` already is left alone.
    pub fn new(client: SharedHttpClient, count: usize, opened: Opened) -> Self {
        Self { client, count, opened }
    }

    /// Credentials for a request that is never sent.
    pub fn credentials() -> Credentials {
        Credentials::new("none", "none", None, None, "opens connections only")
    }
}

impl HttpClient for Prewarm {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(PrewarmConnector { connector, count: self.count, opened: self.opened.clone() })
    }
}

#[derive(Debug)]
struct PrewarmConnector {
    connector: SharedHttpConnector,
    count: usize,
    opened: Opened,
}

impl HttpConnector for PrewarmConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        let origin = uri.split('/').take(3).collect::<Vec<_>>().join("/");
        let is_new = self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(origin);
        let count = if is_new { self.count } else { 0 };
        let connector = self.connector.clone();
        HttpConnectorFuture::new(async move {
            let requests = (0..count).filter_map(|_| HttpRequest::get(&uri).ok()).map(|mut request| {
                request.add_extension(OpensOnly);
                request
            });
            let mut calls: Vec<HttpConnectorFuture> = requests.map(|request| connector.call(request)).collect();
            // The first poll asks the pool, which starts a connection as a task of its own; a second poll would send the
            // request. The pool keeps the connection of a caller that went away for the next one.
            poll_fn(|context| {
                for call in &mut calls {
                    drop(Pin::new(call).poll(context));
                }
                Poll::Ready(())
            })
            .await;
            // Each poll has started a task that opens a connection, and the pool drops one that has not begun when its caller leaves.
            // This thread runs tasks in order: once this one has run, all have begun.
            drop(tokio::spawn(std::future::ready(())).await);
            drop(calls);
            Err(ConnectorError::other("opens connections only".into(), None))
        })
    }
}
