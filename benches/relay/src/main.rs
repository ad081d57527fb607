//! The relay as a program.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use bench_relay::Relay;

const USAGE: &str = "\
usage: relay ADDRESS:PORT ROUND-TRIP-MILLISECONDS PORTS

Relays to ADDRESS:PORT from that many ports of the loopback interface.
Prints `listening ADDRESS:PORT ...` when it is ready, and for each line on
standard input a line of JSON: what went through since the last, and how late.
Ends when standard input does.";

fn run() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, round_trip, ports] = words.as_slice() else { return Err(USAGE.to_owned()) };
    let server: SocketAddr = server.parse().map_err(|_| USAGE)?;
    let round_trip: f64 = round_trip.parse().map_err(|_| USAGE)?;
    let round_trip = Duration::try_from_secs_f64(round_trip / 1000.0).map_err(|e| e.to_string())?;
    let ports = ports.parse().map_err(|_| USAGE)?;
    serve(server, round_trip, ports).map_err(|error| error.to_string())
}

fn serve(server: SocketAddr, round_trip: Duration, ports: u16) -> io::Result<()> {
    let mut relay = Relay::new(server, round_trip, ports)?;
    let addresses: Vec<String> = relay.addresses()?.iter().map(SocketAddr::to_string).collect();
    println!("listening {}", addresses.join(" "));
    io::stdout().flush()?;
    let mut input = io::stdin().lock();
    let mut line = String::new();
    loop {
        relay.run(&input)?;
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let report = relay.report();
        let [p50, p99, max] = report.late_micros;
        println!(
            r#"{{"connections":{},"pieces":{},"bytes":{},"late_us":{{"p50":{p50},"p99":{p99},"max":{max}}}}}"#,
            report.connections, report.pieces, report.bytes
        );
        io::stdout().flush()?;
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}
