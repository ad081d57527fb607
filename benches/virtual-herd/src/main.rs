//! The herds as a program.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

use std::process::ExitCode;
use std::time::Duration;

use airflow_secrets_init::error::Failure;
use bench_virtual_herd::herd::Herd;
use bench_virtual_herd::network::Exchange;
use clap::Parser;

/// A herd of pods that start together, in virtual time. Prints the figures as a line of JSON.
#[derive(Parser)]
struct Options {
    /// How many pods.
    #[arg(long, default_value_t = 500)]
    pods: usize,
    /// Connections of the own account.
    #[arg(long, default_value_t = 100)]
    own: usize,
    /// Connections of the shared account, through a role.
    #[arg(long, default_value_t = 0)]
    shared: usize,
    /// Seconds within which all pods start.
    #[arg(long, default_value_t = 1.0)]
    spread: f64,
    /// The median of one exchange over the network, in milliseconds.
    #[arg(long, default_value_t = 20.0)]
    rtt: f64,
    /// The standard deviation of its logarithm; 0: all are the same.
    #[arg(long, default_value_t = 0.3)]
    deviation: f64,
    /// Credentials are there and need no call of STS.
    #[arg(long)]
    warm: bool,
    /// The quotas times this: what another program leaves, or what a part of a herd has.
    #[arg(long, default_value_t = 1.0)]
    quotas: f64,
    /// The share of the pods that are started again.
    #[arg(long, default_value_t = 0.0)]
    restarted: f64,
    /// A variable of every pod: SECRETS_INIT_JITTER=30s
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// Every call goes through the whole SDK, and not only those of STS.
    #[arg(long)]
    whole_sdk: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn run(options: Options) -> Result<(), Failure> {
    let herd = Herd {
        pods: options.pods,
        own: options.own,
        shared: options.shared,
        spread: Duration::from_secs_f64(options.spread),
        exchange: Exchange { median: Duration::from_secs_f64(options.rtt / 1000.0), deviation: options.deviation },
        cold: !options.warm,
        quotas: options.quotas,
        restarted: options.restarted,
        variables: options.variables,
        whole_sdk: options.whole_sdk,
        seed: options.seed,
    };
    let outcome = herd.run()?;
    println!("{}", outcome.json());
    Ok(())
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("virtual-herd: {failure}");
            ExitCode::FAILURE
        }
    }
}
