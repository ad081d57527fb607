//! How fast is the fake AWS? Asks for secrets over kept connections, without TLS, for some seconds.
//!
//! One thread asks on all connections and then reads all answers: it takes little of the CPU that the server is to have.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench_relay::http;

const USAGE: &str = "\
usage: load ADDRESS:PORT ACCOUNT REGION SECONDS CONNECTIONS IDS NAME...

Asks for the secrets of these names in turn: one by one with GetSecretValue when
IDS is 1, else IDS at a time with BatchGetSecretValue. Prints answers per second.";

/// What is asked for, over and over.
struct Requests {
    whole: Vec<Vec<u8>>,
    next: usize,
}

impl Requests {
    fn new(server: &str, account: &str, region: &str, ids: usize, names: &[String]) -> Self {
        let whole = names.chunks(ids.max(1)).map(|names| {
            let (operation, body) = if ids == 1 {
                ("GetSecretValue", format!(r#"{{"SecretId":"{}"}}"#, names[0]))
            } else {
                ("BatchGetSecretValue", http::batch_of(names))
            };
            http::request(server, account, region, operation, &body)
        });
        Self { whole: whole.collect(), next: 0 }
    }

    fn next(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.whole.len();
        &self.whole[self.next]
    }
}

/// Reads one answer; an error when it is not a 200.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut chunk = [0; 16 * 1024];
    let mut wanted = None;
    while wanted.is_none_or(|wanted| buffer.len() < wanted) {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&chunk[..count]);
        if wanted.is_none() {
            wanted = http::length(buffer)?;
        }
    }
    http::check(buffer)
}

fn run(words: &[String]) -> Result<(), String> {
    let [server, account, region, seconds, connections, ids, names @ ..] = words else { return Err(USAGE.to_owned()) };
    let number = |word: &String| word.parse::<usize>().map_err(|_| USAGE.to_owned());
    let (seconds, connections, ids) = (number(seconds)?, number(connections)?, number(ids)?);
    if names.is_empty() {
        return Err(USAGE.to_owned());
    }
    let requests = Requests::new(server, account, region, ids, names);
    let asked = ask(server, requests, Duration::from_secs(seconds as u64), connections).map_err(|e| e.to_string())?;
    println!("{asked:.0}");
    Ok(())
}

/// Answers per second.
fn ask(server: &str, mut requests: Requests, time: Duration, connections: usize) -> io::Result<f64> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let mut buffer = Vec::new();
    let mut answers = 0_u32;
    let start = Instant::now();
    while start.elapsed() < time {
        for stream in &mut streams {
            stream.write_all(requests.next())?;
        }
        for stream in &mut streams {
            answer(stream, &mut buffer)?;
            answers += 1;
        }
    }
    Ok(f64::from(answers) / start.elapsed().as_secs_f64())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
