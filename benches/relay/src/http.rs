//! Requests to the fake AWS as bytes, and where an answer to one ends.

use std::fmt::Write as _;
use std::io;

/// A request of Secrets Manager's with this body, by a caller whose access key is the account.
#[must_use]
pub fn request(server: &str, account: &str, region: &str, operation: &str, body: &str) -> Vec<u8> {
    let mut text = format!("POST / HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/x-amz-json-1.1\r\n");
    let scope = format!("{account}/20261124/{region}/secretsmanager/aws4_request");
    let _ = write!(
        text,
        "x-amz-target: secretsmanager.{operation}\r\nauthorization: AWS4-HMAC-SHA256 Credential={scope}, \
         SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    text.into_bytes()
}

/// The body that asks for the values of these secrets.
#[must_use]
pub fn batch_of<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    format!(r#"{{"SecretIdList":["{}"]}}"#, names.join("\",\""))
}

/// How long the answer is that begins so; `None` while its head is not there.
///
/// # Errors
/// For an answer that does not say.
pub fn length(begun: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = begun.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&begun[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    Ok(Some(head + 4 + length.ok_or_else(|| unexpected(&begun[..head]))?))
}

/// Whether a whole answer is a 200.
///
/// # Errors
/// For any other.
pub fn check(answer: &[u8]) -> io::Result<()> {
    if answer.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(unexpected(answer)) }
}

fn unexpected(what: &[u8]) -> io::Error {
    io::Error::other(format!("unexpected answer: {}", String::from_utf8_lossy(what)))
}
