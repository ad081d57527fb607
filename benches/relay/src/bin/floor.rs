//! What nobody can be faster than: a client that knows all names beforehand, parses nothing and keeps nothing.
//!
//! Forty connections, opened at once; all pages of the list at once; then the values in batches of twenty. The TLS library and
//! the check of the server's certificate are those of the program that is measured beside it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bench_relay::http;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const USAGE: &str = "\
usage: floor ADDRESS:PORT CA-FILE ACCOUNT REGION NAMES-FILE

Lists and reads the secrets whose names are the lines of a file, in order, over
TLS. Prints how many answers it had, and how many bytes.";

const CONNECTIONS: usize = 40;
const PAGE: usize = 100;
const BATCH: usize = 20;

/// Requests still to be sent: the list's, and then the others.
type Queue = RefCell<Vec<Vec<u8>>>;

struct Client {
    address: String,
    connector: TlsConnector,
    pages: Queue,
    batches: Queue,
    /// The values are asked for once the whole list is there.
    listed: Barrier,
    /// Answers and bytes.
    had: RefCell<(usize, usize)>,
}

impl Client {
    async fn connection(&self) -> io::Result<()> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
        let host = ServerName::try_from(host).map_err(io::Error::other)?;
        let mut stream = self.connector.connect(host, stream).await?;
        self.drain(&mut stream, &self.pages).await?;
        self.listed.wait().await;
        self.drain(&mut stream, &self.batches).await
    }

    async fn drain(&self, stream: &mut TlsStream<TcpStream>, queue: &Queue) -> io::Result<()> {
        let mut buffer = Vec::new();
        let next = || queue.borrow_mut().pop();
        while let Some(request) = next() {
            stream.write_all(&request).await?;
            answer(stream, &mut buffer).await?;
            let mut had = self.had.borrow_mut();
            *had = (had.0 + 1, had.1 + buffer.len());
        }
        Ok(())
    }
}

/// Reads one answer; an error when it is not a 200.
async fn answer(stream: &mut TlsStream<TcpStream>, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| buffer.len() < wanted) {
        buffer.reserve(16 * 1024);
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if wanted.is_none() {
            wanted = http::length(buffer)?;
        }
    }
    http::check(buffer)
}

/// What all of these begin with.
fn common<'a>(names: &[&'a str]) -> &'a str {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return "" };
    let length = first.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).count();
    &first[..length]
}

fn trusting(ca: &Path) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| error.to_string())? {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    Ok(TlsConnector::from(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())))
}

fn run(words: &[String]) -> Result<(), String> {
    let [address, ca, account, region, names] = words else { return Err(USAGE.to_owned()) };
    let names = std::fs::read_to_string(names).map_err(|error| error.to_string())?;
    let names: Vec<&str> = names.lines().collect();
    let request = |operation: &str, body: &str| http::request(address, account, region, operation, body);
    let page = |names: &[&str]| {
        let filter = common(names);
        let body = format!(r#"{{"MaxResults":100,"Filters":[{{"Key":"name","Values":["{filter}"]}}]}}"#);
        request("ListSecrets", &body)
    };
    let batch = |names: &[&str]| request("BatchGetSecretValue", &http::batch_of(names));
    let client = Client {
        address: address.clone(),
        connector: trusting(Path::new(ca))?,
        pages: RefCell::new(names.chunks(PAGE).map(page).collect()),
        batches: RefCell::new(names.chunks(BATCH).map(batch).collect()),
        listed: Barrier::new(CONNECTIONS),
        had: RefCell::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(|e| e.to_string())?;
    let client = std::rc::Rc::new(client);
    LocalSet::new().block_on(&runtime, async {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let client = client.clone();
                tokio::task::spawn_local(async move { client.connection().await })
            })
            .collect();
        for connection in connections {
            connection.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
        Ok::<(), String>(())
    })?;
    let (answers, bytes) = *client.had.borrow();
    println!("{answers} {bytes}");
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}
