//! The loop: accept, read and note when it is due, pass on what is due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::lateness::Lateness;
use crate::link::{Link, Piece, Side};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 8192;
/// Tokens of epoll below this are listeners and the caller's stop signal; above, ends of links.
const FIRST_LINK: u64 = 1 << 16;
const STOP: u64 = FIRST_LINK - 1;
/// How much earlier than due a piece may go, so that the kernel is not asked to wait for less than it can.
const EARLY: Duration = Duration::from_micros(10);

/// What went through since the last report.
#[derive(Debug, Default)]
pub struct Report {
    /// Connections accepted.
    pub connections: u64,
    /// Pieces passed on, as they were read.
    pub pieces: u64,
    /// Bytes passed on.
    pub bytes: u64,
    /// How late, in microseconds: median, 99th percentile, maximum.
    pub late_micros: [u32; 3],
}

/// A piece on the way: when it is due, its number (pieces due at one time stay in order), and where it goes.
type Travelling = Reverse<(Instant, u64, u64)>;

/// The relay.
#[derive(Debug)]
pub struct Relay {
    epoll: OwnedFd,
    listeners: Vec<TcpListener>,
    server: SocketAddr,
    half: Duration,
    links: HashMap<u64, Link>,
    next_link: u64,
    due: BinaryHeap<Travelling>,
    travelling: HashMap<u64, (Side, Piece)>,
    next_piece: u64,
    report: Report,
    lateness: Lateness,
}

impl Relay {
    /// Listens on that many free ports of the loopback interface.
    ///
    /// # Errors
    ///
    /// When no port can be had or the kernel has no epoll to give.
    pub fn new(server: SocketAddr, round_trip: Duration, ports: u16) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut listeners = Vec::new();
        for token in 0..ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            // The standard library's backlog is 128: a herd would run into retries of its SYNs, a second each.
            rustix::net::listen(&listener, BACKLOG)?;
            listener.set_nonblocking(true)?;
            epoll::add(&epoll, &listener, data(u64::from(token)), epoll::EventFlags::IN)?;
            listeners.push(listener);
        }
        Ok(Self {
            epoll,
            listeners,
            server,
            half: round_trip / 2,
            links: HashMap::new(),
            next_link: FIRST_LINK,
            due: BinaryHeap::new(),
            travelling: HashMap::new(),
            next_piece: 0,
            report: Report::default(),
            lateness: Lateness::default(),
        })
    }

    /// Where clients connect to.
    ///
    /// # Errors
    ///
    /// When the kernel can't tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// What went through since the last call.
    pub fn report(&mut self) -> Report {
        let late_micros = std::mem::take(&mut self.lateness).summary();
        Report { late_micros, ..std::mem::take(&mut self.report) }
    }

    /// Relays until there is something to read from `until`.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to wait, or when there are no more files or ports for a connection: a benchmark is better ended
    /// than wrong. What happens to single connections is passed on to their other end.
    pub fn run(&mut self, until: impl AsFd) -> io::Result<()> {
        // By default the kernel wakes sleepers up to 50 µs late, to wake several at once.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        epoll::add(&self.epoll, &until, data(STOP), epoll::EventFlags::IN)?;
        let result = self.relay();
        epoll::delete(&self.epoll, &until)?;
        result
    }

    fn relay(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.pass_on();
            let wait = self.due.peek().map(|Reverse((at, ..))| timespec(at.saturating_duration_since(Instant::now())));
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), wait.as_ref()) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let now = Instant::now();
            for event in &events {
                match event.data.u64() {
                    STOP => return Ok(()),
                    token if token < FIRST_LINK => self.accept(token)?,
                    token => self.ready(token, now, event.flags, &mut buffer),
                }
            }
        }
    }

    fn accept(&mut self, listener: u64) -> io::Result<()> {
        loop {
            let listener = &self.listeners[usize::try_from(listener).unwrap_or_default()];
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The client has given up already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            // On loopback the kernel answers for the server at once, so this does not hold up the others.
            let server = TcpStream::connect(self.server)?;
            let number = self.next_link;
            self.next_link += 2;
            self.report.connections += 1;
            for (stream, side) in [(&client, Side::Client), (&server, Side::Server)] {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
                epoll::add(&self.epoll, stream, data(number + side as u64), flags)?;
            }
            self.links.insert(number, Link::new(client, server));
        }
    }

    /// Something can be read from an end of a link, or written to it.
    fn ready(&mut self, token: u64, now: Instant, flags: epoll::EventFlags, buffer: &mut [u8]) {
        let side = if token.is_multiple_of(2) { Side::Client } else { Side::Server };
        let number = token - side as u64;
        // Closed by an earlier event of the same round.
        let Some(link) = self.links.get_mut(&number) else { return };
        if flags.contains(epoll::EventFlags::OUT) {
            link.flush(side);
        }
        while let Some(piece) = link.receive(side, buffer) {
            let at = link.arrival(side, &piece, now, self.half);
            self.due.push(Reverse((at, self.next_piece, number)));
            self.travelling.insert(self.next_piece, (side.other(), piece));
            self.next_piece += 1;
        }
        self.close_if_over(number);
    }

    /// Delivers everything that is due.
    fn pass_on(&mut self) {
        while let Some(&Reverse((at, piece, number))) = self.due.peek() {
            let now = Instant::now();
            if at > now + EARLY {
                return;
            }
            self.due.pop();
            let Some((side, piece)) = self.travelling.remove(&piece) else { continue };
            let Some(link) = self.links.get_mut(&number) else { continue };
            if let Piece::Bytes(bytes) = &piece {
                self.report.pieces += 1;
                self.report.bytes += bytes.len() as u64;
            }
            self.lateness.note(now.saturating_duration_since(at));
            link.deliver(side, piece);
            self.close_if_over(number);
        }
    }

    fn close_if_over(&mut self, number: u64) {
        if self.links.get(&number).is_some_and(Link::is_over) {
            // Closing the sockets takes them out of epoll too.
            self.links.remove(&number);
        }
    }
}

const fn data(token: u64) -> epoll::EventData {
    epoll::EventData::new_u64(token)
}

fn timespec(wait: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX), tv_nsec: wait.subsec_nanos().into() }
}
