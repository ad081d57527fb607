//! The certificates of [`Builder::tls`](crate::Builder::tls), made by
//! `certs/generate.sh`.

/// The CA that clients have to trust, in PEM.
pub const CA: &str = include_str!("../certs/ca.pem");
/// The server's certificate, for `localhost`, `127.0.0.1` and `::1`.
pub const SERVER: &str = include_str!("../certs/server.pem");
/// The server's key. It protects nothing.
pub const KEY: &str = include_str!("../certs/server.key");
