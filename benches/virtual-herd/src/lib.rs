//! Thousands of pods that start together, in virtual time.
//!
//! Each pod is the program's own engine as a run has it: `fetch`, and `store::aws` below it with its listing, turns, credentials,
//! retries and deadline. What Secrets Manager answers stands in memory in the SDK's types (`Reads`); calls of STS, and with
//! `whole_sdk` all, go through the AWS SDK to an HTTP client that answers from memory. tokio's clock is paused: it jumps to
//! the next moment at which something happens. So a herd of ten thousand takes as long as the CPU needs for its calls, and one
//! seed always gives the same figures.
//!
//! What is modelled: the quotas that AWS publishes, as token buckets of an account and region; the time of every exchange over the
//! network, drawn from a log-normal distribution; two exchanges more for a new connection (TCP, TLS 1.3); as many connections as
//! the program's pool has. What is not: CPU time, bandwidth, DNS, the start of a process.

pub mod answers;
pub mod aws;
pub mod floor;
pub mod herd;
pub mod network;
pub mod pod;
pub mod quotas;
