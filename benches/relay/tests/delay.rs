//! What the relay promises, over an echo server on the same machine. Times are only checked to be long enough.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bench_relay::{Relay, Report};

const ROUND_TRIP: Duration = Duration::from_millis(40);

/// A relay on a thread of its own, which a byte ends.
struct Running {
    address: SocketAddr,
    stop: UnixStream,
    thread: JoinHandle<Report>,
}

impl Running {
    fn before(server: SocketAddr) -> Self {
        let mut relay = Relay::new(server, ROUND_TRIP, 1).unwrap();
        let address = relay.addresses().unwrap()[0];
        let (stop, until) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            relay.run(OwnedFd::from(until)).unwrap();
            relay.report()
        });
        Self { address, stop, thread }
    }

    fn end(mut self) -> Report {
        self.stop.write_all(b"x").unwrap();
        self.thread.join().unwrap()
    }
}

/// Sends back what it gets, until the client has said all; then says `bye`.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut reader = stream.try_clone().unwrap();
                std::io::copy(&mut reader, &mut stream).unwrap();
                stream.write_all(b"bye").unwrap();
            });
        }
    });
    address
}

fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, bytes);
    start.elapsed()
}

#[test]
fn the_first_answer_takes_two_round_trips_and_each_further_one_takes_one() {
    let relay = Running::before(echo_server());
    let mut stream = TcpStream::connect(relay.address).unwrap();
    assert!(ask(&mut stream, b"hello") >= 2 * ROUND_TRIP);
    // Several, because a busy machine can make one late.
    let again = (0..5).map(|_| ask(&mut stream, b"hello")).min().unwrap();
    assert!(again >= ROUND_TRIP && again < 2 * ROUND_TRIP, "{again:?}");
    let report = relay.end();
    assert_eq!((report.connections, report.pieces, report.bytes), (1, 12, 60));
}

#[test]
fn work_between_connect_and_the_first_bytes_does_not_hide_in_the_handshake() {
    let relay = Running::before(echo_server());
    let start = Instant::now();
    let mut stream = TcpStream::connect(relay.address).unwrap();
    std::thread::sleep(ROUND_TRIP);
    ask(&mut stream, b"hello");
    assert!(start.elapsed() >= 3 * ROUND_TRIP);
    relay.end();
}

#[test]
fn many_bytes_on_the_way_arrive_in_order_and_do_not_wait_for_each_other() {
    let relay = Running::before(echo_server());
    let mut stream = TcpStream::connect(relay.address).unwrap();
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|i| (i % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let start = Instant::now();
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || {
        for chunk in sent.chunks(1000) {
            writer.write_all(chunk).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    sending.join().unwrap();
    assert_eq!(back.len(), bytes.len() + 3);
    assert!(back.starts_with(&bytes) && back.ends_with(b"bye"), "the order was lost");
    // 4,000 chunks one after the other would take 80 s.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    relay.end();
}

#[test]
fn a_half_close_is_passed_on_and_the_other_half_goes_on() {
    let relay = Running::before(echo_server());
    let mut stream = TcpStream::connect(relay.address).unwrap();
    stream.write_all(b"last words").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).unwrap();
    assert_eq!(back, "last wordsbye");
    relay.end();
}

#[test]
fn a_server_that_breaks_off_is_a_reset_for_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Running::before(listener.local_addr().unwrap());
    let mut stream = TcpStream::connect(relay.address).unwrap();
    stream.write_all(b"hello").unwrap();
    let (server, _) = listener.accept().unwrap();
    std::thread::sleep(2 * ROUND_TRIP);
    // Closed with bytes unread: the kernel sends RST.
    drop(server);
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    relay.end();
}
