//! A relay that makes loopback as slow as a real network: half a round trip each way, nothing else.
//!
//! Bytes arrive half a round trip after they were sent, in order, however many are on the way: a delay line, with
//! no limit to throughput. The first bytes of a connection are a round trip late, which is what the TCP handshake takes.
//! One thread and one epoll, because thousands of connections must not cost the CPU that the measured programs need.
//! Neither bandwidth nor TCP's slow start is modelled.

pub mod http;
mod lateness;
mod link;
mod relay;

pub use relay::{Relay, Report};
