//! A small HTTP/1.1 client with one kept-alive connection, on blocking I/O.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Error, ErrorKind, Read as _, Result as IoResult, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fake_aws::FakeAws;
use serde_json::Value;

pub const APP: &str = "111111111111";
pub const SHARED: &str = "222222222222";
pub const REGION: &str = "eu-central-1";

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Http {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// An AWS error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

/// A caller.
pub struct Client {
    address: SocketAddr,
    stream: RefCell<Option<BufReader<TcpStream>>>,
    key: String,
    token: Option<String>,
    region: String,
}

impl Client {
    pub fn new(fake: &FakeAws, key: &str) -> Self {
        Self {
            address: fake.address(),
            stream: RefCell::new(None),
            key: key.to_owned(),
            token: None,
            region: REGION.to_owned(),
        }
    }

    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// A session of a role, assumed by this caller.
    pub fn assume(&self, fake: &FakeAws, role: &str, external_id: Option<&str>) -> Result<Self, AwsError> {
        let mut form = vec![("RoleArn", role), ("RoleSessionName", "test")];
        form.extend(external_id.map(|id| ("ExternalId", id)));
        let xml = self.sts("AssumeRole", &form)?;
        Ok(Self::new(fake, &tag(&xml, "AccessKeyId")).token(&tag(&xml, "SessionToken")).region(&self.region))
    }

    fn signature(&self, service: &str) -> String {
        let token = self.token.as_ref().map_or_else(String::new, |t| format!("x-amz-security-token: {t}\r\n"));
        format!(
            "authorization: AWS4-HMAC-SHA256 Credential={}/20261124/{}/{service}/aws4_request, \
             SignedHeaders=host, Signature=00\r\n{token}",
            self.key, self.region
        )
    }

    /// Calls Secrets Manager.
    #[expect(clippy::needless_pass_by_value, reason = "json!() at the call")]
    pub fn call(&self, operation: &str, body: Value) -> Result<Value, AwsError> {
        let http = self.try_call(operation, &body).expect("an answer");
        let value: Value = serde_json::from_str(&http.body).expect("a JSON answer");
        if http.status == 200 {
            return Ok(value);
        }
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Err(AwsError {
            status: http.status,
            code: text("__type").expect("a code"),
            message: text("Message").or_else(|| text("message")).expect("a message"),
        })
    }

    /// The same without judging the answer.
    pub fn try_call(&self, operation: &str, body: &Value) -> IoResult<Http> {
        let head = format!(
            "content-type: application/x-amz-json-1.1\r\nx-amz-target: secretsmanager.{operation}\r\n\
             user-agent: test-agent\r\n{}",
            self.signature("secretsmanager")
        );
        self.send("POST", "/", &head, body.to_string().as_bytes())
    }

    /// Calls STS; the answer is XML.
    pub fn sts(&self, action: &str, form: &[(&str, &str)]) -> Result<String, AwsError> {
        let mut body = format!("Action={action}&Version=2011-06-15");
        for (key, value) in form {
            let value = value.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace(' ', "+");
            body.extend(["&", key, "=", &value]);
        }
        let signature = if self.key.is_empty() { String::new() } else { self.signature("sts") };
        let head = format!("content-type: application/x-www-form-urlencoded\r\n{signature}");
        let http = self.send("POST", "/", &head, body.as_bytes()).expect("an answer");
        if http.status == 200 {
            return Ok(http.body);
        }
        Err(AwsError { status: http.status, code: tag(&http.body, "Code"), message: tag(&http.body, "Message") })
    }

    /// Sends anything; opens a connection when there is none.
    pub fn send(&self, method: &str, path: &str, head: &str, body: &[u8]) -> IoResult<Http> {
        let mut slot = self.stream.borrow_mut();
        let mut stream = match slot.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.address)?),
        };
        stream.get_ref().set_read_timeout(Some(Duration::from_mins(20)))?;
        let start = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{head}\r\n",
            self.address,
            body.len()
        );
        stream.get_mut().write_all(&[start.as_bytes(), body].concat())?;
        let answer = receive(&mut stream)?;
        *slot = Some(stream);
        Ok(answer)
    }

    pub fn get(&self, path: &str, head: &str) -> Http {
        self.send("GET", path, head, b"").expect("an answer")
    }
}

fn receive(stream: &mut BufReader<TcpStream>) -> IoResult<Http> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "closed before an answer"));
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
        .expect("a content-length");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    Ok(Http { status, head, body: String::from_utf8(body).expect("UTF-8") })
}

/// The text of the first XML element of that name.
pub fn tag(xml: &str, name: &str) -> String {
    let open = format!("<{name}>");
    let start = xml.find(&open).unwrap_or_else(|| panic!("no {name} in {xml}")) + open.len();
    let end = xml[start..].find('<').expect("an end tag");
    xml[start..start + end].to_owned()
}

/// The names in an answer's list.
pub fn names(answer: &Value, list: &str) -> Vec<String> {
    let list = answer[list].as_array().expect("a list");
    list.iter().map(|entry| entry["Name"].as_str().expect("a name").to_owned()).collect()
}

/// `(SecretId, ErrorCode)` of a batch, sorted.
pub fn errors(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let list = answer["Errors"].as_array().expect("errors");
    let mut errors: Vec<_> = list.iter().map(|e| (text(&e["SecretId"]), text(&e["ErrorCode"]))).collect();
    errors.sort();
    errors
}
