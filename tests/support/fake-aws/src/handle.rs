//! The server as tests hold it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::certificates;
use crate::log::{Call, Stats};
use crate::scenario::{Fault, Scenario, ScenarioError, Value};
use crate::server::Server;
use crate::shared::Shared;
use crate::sync::read;
use crate::tls::Acceptor;

/// Where the certificate and key of the HTTPS listener come from.
#[derive(Debug, Clone)]
enum Tls {
    Files(PathBuf, PathBuf),
    Pem(Vec<u8>, Vec<u8>),
}

/// How to start a server other than plainly on a free port.
#[derive(Debug, Clone)]
pub struct Builder {
    listen: SocketAddr,
    threads: usize,
    tls: Option<Tls>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into(), threads: 1, tls: None }
    }
}

impl Builder {
    /// Listens on this address; port 0 means any free one.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Serves on this many threads. 1.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Serves HTTPS with a certificate chain and a key in PEM files.
    #[must_use]
    pub fn tls_files(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some(Tls::Files(certificates.into(), key.into()));
        self
    }

    /// Serves HTTPS with a certificate chain and a key in PEM.
    #[must_use]
    pub fn tls_pem(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls = Some(Tls::Pem(certificates.into(), key.into()));
        self
    }

    /// Serves HTTPS with the certificate that comes with this crate; clients
    /// trust it by [`certificates::CA`].
    #[must_use]
    pub fn tls(self) -> Self {
        self.tls_pem(certificates::SERVER, certificates::KEY)
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// When the scenario is refused, the address cannot be bound, or the
    /// certificate cannot be read.
    pub fn start(self, scenario: Scenario) -> io::Result<FakeAws> {
        let secure = self.tls.is_some();
        let tls = match self.tls {
            None => None,
            Some(Tls::Files(chain, key)) => Some(Acceptor::from_files(&chain, &key)?),
            Some(Tls::Pem(chain, key)) => Some(Acceptor::from_pem(&chain, &key)?),
        };
        let shared = Arc::new(Shared::new());
        shared.extend(scenario).map_err(io::Error::other)?;
        let server = Server::start(Arc::clone(&shared), self.listen, self.threads, tls)?;
        Ok(FakeAws { shared, server, secure })
    }
}

/// A running fake AWS. Dropping it stops the server and closes its connections.
#[derive(Debug)]
pub struct FakeAws {
    shared: Arc<Shared>,
    server: Server,
    secure: bool,
}

impl FakeAws {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// When the scenario is refused or no port can be had: a test can do
    /// nothing about either. [`FakeAws::builder`] returns the error instead.
    #[must_use]
    #[expect(clippy::panic, reason = "a test cannot go on without its server")]
    pub fn start(scenario: Scenario) -> Self {
        match Self::builder().start(scenario) {
            Ok(fake) => fake,
            Err(error) => panic!("cannot start the fake AWS: {error}"),
        }
    }

    /// Starts a server with options.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The URL to give to clients, for every service: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// The address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Adds to the state.
    ///
    /// # Errors
    ///
    /// When the scenario is refused; nothing has changed then.
    pub fn extend(&self, scenario: Scenario) -> Result<(), ScenarioError> {
        self.shared.extend(scenario)
    }

    /// Starts over with another state. Sessions handed out and the log stay.
    ///
    /// # Errors
    ///
    /// When the scenario is refused; nothing has changed then.
    pub fn replace(&self, scenario: Scenario) -> Result<(), ScenarioError> {
        self.shared.replace(scenario)
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.set_faults(vec![fault], false);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.set_faults(Vec::new(), true);
    }

    /// The text of a secret; `None` where it is not there, has no value or is binary.
    #[must_use]
    pub fn text_of(&self, account: &str, region: &str, name: &str) -> Option<String> {
        let world = read(&self.shared.world);
        match &world.store(account, region)?.by_name.get(name)?.value {
            Value::Text(text) => Some(text.clone()),
            Value::Binary(_) | Value::None => None,
        }
    }

    /// The calls so far, in the order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.log.calls()
    }

    /// The calls of one operation.
    #[must_use]
    pub fn calls_of(&self, operation: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// How many calls of an operation there were.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        self.shared.log.count(operation, None)
    }

    /// How many of them were by callers of an account.
    #[must_use]
    pub fn count_in(&self, operation: &str, account: &str) -> u64 {
        self.shared.log.count(operation, Some(account))
    }

    /// The totals.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.log.stats()
    }

    /// Empties the log and sets the totals to zero.
    pub fn reset_calls(&self) {
        self.shared.log.reset();
    }
}
