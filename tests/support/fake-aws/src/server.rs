//! The listener: accepts connections on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::call::Peer;
use crate::connection::{Connection, Control};
use crate::router::route;
use crate::shared::Shared;
use crate::sync::read;
use crate::tls::Acceptor;

/// Connections that may wait to be accepted; the kernel caps it at
/// `net.core.somaxconn`. A herd of clients must not run into SYN retries.
const BACKLOG: u32 = 8192;

/// A listening server. Dropping it closes every connection.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds and starts to serve.
    pub fn start(shared: Arc<Shared>, listen: SocketAddr, threads: usize, tls: Option<Acceptor>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = mpsc::channel();
        // The runtime never leaves its thread: the caller may be inside one of
        // its own, where another must neither block nor be dropped.
        let thread = std::thread::Builder::new().name("fake-aws".to_owned()).spawn(move || {
            let ready = runtime(threads).and_then(|runtime| {
                let listener = runtime.block_on(async { bind(listen) })?;
                let address = listener.local_addr()?;
                Ok((runtime, listener, address))
            });
            let (runtime, listener) = match ready {
                Ok((runtime, listener, address)) => {
                    drop(bound.send(Ok(address)));
                    (runtime, listener)
                }
                Err(error) => {
                    drop(bound.send(Err(error)));
                    return;
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, shared, tls) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        let address = address.recv().map_err(io::Error::other)??;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server thread has already been printed.
            drop(thread.join());
        }
    }
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = if threads > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.worker_threads(threads.max(1)).enable_io().enable_time().build()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<Acceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: leave some time to close.
            shared.log.kept_waiting();
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Only latency is at stake.
        drop(stream.set_nodelay(true));
        let control = Arc::<Control>::default();
        let peer = Peer { number: shared.log.connected(), control: Arc::clone(&control) };
        let connection = Connection::new(stream, control);
        let shared = Arc::clone(&shared);
        let tls = tls.clone();
        let wait = read(&shared.world).settings.connect_latency_ms();
        tokio::spawn(async move {
            if wait > 0 {
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            match tls {
                None => serve(connection, shared, peer).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(connection).await {
                        serve(stream, shared, peer).await;
                    }
                }
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, shared: Arc<Shared>, peer: Peer) {
    let service = service_fn(move |request| route(Arc::clone(&shared), peer.clone(), request));
    let served = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service).await;
    // Errors are the client's or a fault's doing.
    drop(served);
}
