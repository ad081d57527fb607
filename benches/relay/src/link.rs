//! A connection from a client and the one to the server that belongs to it.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What travels.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// The sender has said all it will say (FIN).
    End,
    /// The sender has broken off (RST).
    Reset,
}

#[derive(Debug)]
struct End {
    stream: TcpStream,
    /// Arrived, but the socket takes no more at the moment; the first piece without the bytes it has taken.
    waiting: VecDeque<Piece>,
    /// Nothing more comes from here.
    sent_all: bool,
    /// Nothing more goes there.
    got_all: bool,
}

/// Both ends.
#[derive(Debug)]
pub struct Link {
    ends: [End; 2],
    /// When the client would have been told that it is connected, had it been told as late as its first bytes show.
    open_at: Option<Instant>,
}

impl Link {
    /// Takes both sockets, which must be non-blocking.
    pub fn new(client: TcpStream, server: TcpStream) -> Self {
        let ends =
            [client, server].map(|stream| End { stream, waiting: VecDeque::new(), sent_all: false, got_all: false });
        Self { ends, open_at: None }
    }

    /// When a piece that a side sends now arrives.
    ///
    /// On loopback a client is connected at once. On a network it waits a round trip and then does what it does before its
    /// first bytes, such as making keys: those bytes are late by a whole round trip, not only until one is over.
    pub fn arrival(&mut self, from: Side, piece: &Piece, now: Instant, half: Duration) -> Instant {
        match (from, piece, self.open_at) {
            (Side::Client, Piece::Bytes(_), None) => *self.open_at.insert(now + 2 * half) + half,
            (Side::Client, _, Some(open_at)) => now.max(open_at) + half,
            _ => now + half,
        }
    }

    /// What a side has sent: one piece, until there is none.
    pub fn receive(&mut self, side: Side, buffer: &mut [u8]) -> Option<Piece> {
        let end = &mut self.ends[side as usize];
        if end.sent_all {
            return None;
        }
        let piece = loop {
            match end.stream.read(buffer) {
                Ok(0) => break Piece::End,
                Ok(count) => break Piece::Bytes(buffer[..count].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break Piece::Reset,
            }
        };
        end.sent_all = !matches!(piece, Piece::Bytes(_));
        Some(piece)
    }

    /// Hands a piece that has arrived to a side.
    pub fn deliver(&mut self, side: Side, piece: Piece) {
        self.ends[side as usize].waiting.push_back(piece);
        self.flush(side);
    }

    /// Writes what waits, as far as the socket takes it.
    pub fn flush(&mut self, side: Side) {
        let end = &mut self.ends[side as usize];
        while let Some(piece) = end.waiting.front_mut() {
            match piece {
                Piece::Bytes(bytes) => match end.stream.write(bytes) {
                    Ok(count) if count == bytes.len() => {}
                    Ok(count) => {
                        bytes.drain(..count);
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    // It has gone away; reading from it will tell the other side.
                    Err(_) => end.got_all = true,
                },
                Piece::End => {
                    // An error means that it is closed already.
                    drop(end.stream.shutdown(Shutdown::Write));
                    end.got_all = true;
                }
                Piece::Reset => {
                    // With a linger of zero the close is a reset.
                    let _ = rustix::net::sockopt::set_socket_linger(&end.stream, Some(Duration::ZERO));
                    end.got_all = true;
                    end.sent_all = true;
                    self.ends[side.other() as usize].got_all = true;
                    return;
                }
            }
            end.waiting.pop_front();
        }
    }

    /// Has everything been said in both directions?
    pub const fn is_over(&self) -> bool {
        let [client, server] = &self.ends;
        client.sent_all && client.got_all && server.sent_all && server.got_all
    }
}
