//! The fake AWS as a program, for tests that need a process of its own.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use fake_aws::{FakeAws, Scenario};

const USAGE: &str = "\
usage: fake-aws [OPTIONS]

  --listen ADDRESS:PORT   where to listen (127.0.0.1:0: any free port)
  --scenario FILE.json    state to start with
  --threads N             server threads (1)
  --tls CERT.pem KEY.pem  serve HTTPS
  --until-stdin-closes    end when standard input does

Prints `listening URL` when it is ready.";

/// The command line.
#[derive(Debug, Default)]
struct Args {
    listen: Option<SocketAddr>,
    scenario: Option<PathBuf>,
    threads: Option<usize>,
    tls: Option<(PathBuf, PathBuf)>,
    until_stdin_closes: bool,
    help: bool,
}

impl Args {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(flag) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--listen" => args.listen = Some(parsed(&flag, &value()?)?),
                "--scenario" => args.scenario = Some(value()?.into()),
                "--threads" => args.threads = Some(parsed(&flag, &value()?)?),
                "--tls" => args.tls = Some((value()?.into(), value()?.into())),
                "--until-stdin-closes" => args.until_stdin_closes = true,
                "-h" | "--help" => args.help = true,
                _ => return Err(format!("unknown option {flag}")),
            }
        }
        Ok(args)
    }
}

fn parsed<T: std::str::FromStr>(flag: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{flag}: cannot read {text:?}"))
}

fn run() -> Result<(), String> {
    let args = Args::parse(std::env::args().skip(1))?;
    if args.help {
        println!("{USAGE}");
        return Ok(());
    }
    let scenario = match &args.scenario {
        None => Scenario::new(),
        Some(file) => {
            let text = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
            Scenario::from_json(&text).map_err(|e| format!("{}: {e}", file.display()))?
        }
    };
    let mut builder = FakeAws::builder();
    if let Some(address) = args.listen {
        builder = builder.listen(address);
    }
    if let Some(threads) = args.threads {
        builder = builder.threads(threads);
    }
    if let Some((certificates, key)) = args.tls {
        builder = builder.tls_files(certificates, key);
    }
    let fake = builder.start(scenario).map_err(|e| e.to_string())?;
    println!("listening {}", fake.endpoint());
    std::io::stdout().flush().map_err(|e| e.to_string())?;
    if args.until_stdin_closes {
        let mut buffer = [0; 256];
        while std::io::stdin().read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
    } else {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake-aws: {error}");
            ExitCode::FAILURE
        }
    }
}
