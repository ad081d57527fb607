//! One DNS lookup for each host, for all connections that are opened side by side: in a cluster every lookup is several queries to
//! CoreDNS.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use tokio::sync::OnceCell;

/// How long an answer is used. A run lasts seconds; one that tries again for a minute should see a change.
const LOOKUP_HOLDS: Duration = Duration::from_secs(10);

/// The addresses of hosts.
#[derive(Clone, Debug, Default)]
pub struct Names {
    hosts: Arc<Mutex<HashMap<String, (Instant, Resolution)>>>,
}

impl Names {
    fn hosts(&self) -> MutexGuard<'_, HashMap<String, (Instant, Resolution)>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks every host up anew: where no connection comes about, its address may be an old one.
    pub fn forget(&self) {
        self.hosts().clear();
    }
}

type Resolution = Arc<OnceCell<Vec<IpAddr>>>;

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let lookup = {
            let mut hosts = self.hosts();
            let (since, lookup) =
                hosts.entry(name.to_owned()).or_insert_with(|| (Instant::now(), Arc::new(OnceCell::new())));
            if since.elapsed() > LOOKUP_HOLDS {
                (*since, *lookup) = (Instant::now(), Arc::new(OnceCell::new()));
            }
            lookup.clone()
        };
        DnsFuture::new(async move {
            // A lookup that fails fills nothing: the next caller tries again.
            let addresses = lookup.get_or_try_init(|| async {
                let found = look_up(name.to_owned()).await.map_err(ResolveDnsError::new)?;
                Ok::<_, ResolveDnsError>(found)
            });
            addresses.await.cloned()
        })
    }
}

/// Asks the system's resolver on a thread of its own. Not on one of tokio's: where there can be none, those panic.
async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    let (done, when_done) = tokio::sync::oneshot::channel();
    let look_up = move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        drop(done.send(found.map(|addresses| addresses.map(|address| address.ip()).collect())));
    };
    let started = std::thread::Builder::new().spawn(look_up);
    started.map_err(|_| io::Error::other("there can be no thread to look a name up"))?;
    when_done.await.unwrap_or_else(|_| Err(io::Error::other("the lookup was cut off")))
}
