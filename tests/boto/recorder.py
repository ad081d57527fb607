"""A server that plays every host of AWS, and a proxy before them, and keeps what it was asked.

One for each run of each case, on a port of its own. Speaks HTTP, TLS under whatever name the client asks for, and CONNECT: what
comes through a tunnel is answered here too.
"""

import datetime
import functools
import http.server
import ipaddress
import json
import pathlib
import re
import socket
import socketserver
import ssl
import tempfile
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FAR_AWAY = "2099-01-01T00:00:00Z"


class Authority:
    """A CA of the test's own, and a certificate for every name that somebody asks for."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.key, self.leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the differential test's CA")])
        certificate = self._certificate(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = directory / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.lock = threading.Lock()
        self.contexts: dict[str, ssl.SSLContext] = {}

    def context(self, host: str) -> ssl.SSLContext:
        with self.lock:
            if host not in self.contexts:
                self.contexts[host] = self._new_context(host)
            return self.contexts[host]

    def _new_context(self, host: str) -> ssl.SSLContext:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host[:60])])
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        certificate = self._certificate(name, self.leaf_key, x509.SubjectAlternativeName([alternative]))
        key = self.leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(dir=self.directory) as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM) + key)
            file.flush()
            context.load_cert_chain(file.name)
        context.sni_callback = self._by_name
        return context

    def _certificate(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType):
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
        return builder.add_extension(extension, critical=False).sign(self.key, hashes.SHA256())

    def wrap(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        """The server's side of TLS, under the name that the client asks for, else `host`."""
        return self.context(host).wrap_socket(connection, server_side=True)

    def _by_name(self, wrapped: ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        if name:
            wrapped.context = self.context(name)


class Recorder:
    """Answers and remembers. `answers` is the case's: see README.md."""

    def __init__(self, authority: Authority, answers: dict):
        self.authority, self.answers = authority, answers
        self.calls: list[dict] = []
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), functools.partial(_Handler, recorder=self))
        self.server.daemon_threads = True
        # A client that goes away, or does not trust the certificate, shows in what it did not ask.
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments, recorder: Recorder):
        self.recorder, self.tunnel, self.is_tls = recorder, None, False
        super().__init__(*arguments)

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(60)
        self._tls_if_wanted("localhost")

    def _tls_if_wanted(self, host: str) -> None:
        """Goes over to TLS where the client's first byte is that of a handshake."""
        first = self.connection.recv(1, socket.MSG_PEEK)
        if first != b"\x16":
            return
        self.connection = self.request = self.recorder.authority.wrap(self.connection, host)
        self.rfile, self.wfile = self.connection.makefile("rb", -1), socketserver._SocketWriter(self.connection)
        self.is_tls = True

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError, TimeoutError, OSError):
            pass  # the client went away, or does not trust the certificate: it shows in what it did not ask

    def log_message(self, *_arguments) -> None:
        pass

    def do_CONNECT(self) -> None:
        # Python's client asks for a tunnel by HTTP/1.0, which would end here.
        self.close_connection = False
        self.tunnel = {"to": self.path, "authorization": self.headers.get("Proxy-Authorization")}
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self._tls_if_wanted(self.path.rpartition(":")[0].strip("[]"))

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        call, (status, answer, kind) = self._answer(body)
        call["status"] = status
        self.recorder.calls.append(call)
        content = answer.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if call["operation"] == "imds:token":
            self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _any

    def _answer(self, body: str) -> tuple[dict, tuple[int, str, str]]:
        target, via = self.path, "direct"
        scheme, host = ("https" if self.is_tls else "http"), self.headers.get("Host", "")
        if self.tunnel:
            via = f"tunnel to {self.tunnel['to']}"
            if self.tunnel["authorization"]:
                via += f" as {self.tunnel['authorization']}"
        elif "://" in target:
            url = urllib.parse.urlsplit(target)
            via, host, target = "proxy", url.netloc, url._replace(scheme="", netloc="").geturl()
        call = {"url": f"{scheme}://{host}{target}", "via": via, **self._signature()}
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if operation:
            call["operation"] = f"secretsmanager:{operation}"
            return call, self._secret(operation)
        form = {key: values[0] for key, values in urllib.parse.parse_qs(body).items()}
        if "Action" in form:
            call["operation"] = f"sts:{form['Action']}"
            names = {"RoleArn": "role", "RoleSessionName": "session", "ExternalId": "external_id", "WebIdentityToken": "token",
                     "SerialNumber": "mfa", "Policy": "policy"}  # fmt: skip
            call |= {ours: form[theirs] for theirs, ours in names.items() if theirs in form}
            return call, self._sts(form)
        path = urllib.parse.urlsplit(target).path
        if path.endswith("/federation/credentials"):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
            call |= {"operation": "sso:GetRoleCredentials", "token": self.headers.get("x-amz-sso_bearer_token")}
            call["url"] = f"{scheme}://{host}{path}?" + "&".join(f"{key}={query[key][0]}" for key in sorted(query))
            return call, _json({"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "secret",
                                                    "sessionToken": "token-of-sso", "expiration": 4070908800000}})  # fmt: skip
        if path.endswith("/token") and self.command == "POST" and "refreshToken" in body:
            call["operation"] = "sso-oidc:CreateToken"
            return call, _json({"accessToken": "refreshed", "expiresIn": 3600, "tokenType": "Bearer"})
        if "/latest/" in path:
            return self._imds(call, path)
        call |= {"operation": "container", "token": self.headers.get("Authorization")}
        answers = self.recorder.answers
        content = {"AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "secret", "Token": "token-of-container",
                   "Expiration": FAR_AWAY} | answers.get("container", {})  # fmt: skip
        if answers.get("container_text") is not None:
            return call, (200, answers["container_text"], "application/json")
        return call, _json(content, answers.get("container_status", 200))

    def _signature(self) -> dict:
        found = re.search(r"Credential=([^/]*)/\d{8}/([^/]*)/([^/]*)/", self.headers.get("Authorization", ""))
        if not found:
            return {}
        signed = {"key": found[1], "region": found[2], "service": found[3]}
        token = self.headers.get("X-Amz-Security-Token")
        return signed | ({"session_token": token} if token else {})

    def _secret(self, operation: str) -> tuple[int, str, str]:
        if operation != "GetSecretValue":
            return _json({"__type": "UnknownOperationException"}, 400)
        return _json({"ARN": "arn:aws:secretsmanager:eu-west-3:111111111111:secret:airflow/connections/x-AbCdEf",
                      "Name": "airflow/connections/x", "SecretString": "postgres://host/db", "VersionId": "v"})  # fmt: skip

    def _sts(self, form: dict) -> tuple[int, str, str]:
        action, code = form["Action"], self.recorder.answers.get("sts")
        kind = "text/xml"
        if code:
            error = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            return 403, error, kind
        if action == "GetCallerIdentity":
            identity = "<Arn>arn:aws:sts::111111111111:assumed-role/a/b</Arn><Account>111111111111</Account><UserId>u</UserId>"
            return 200, f"<{action}Response><{action}Result>{identity}</{action}Result></{action}Response>", kind
        name = form.get("RoleArn", "").rpartition("/")[2]
        key = ("ASIAWEB" if "WebIdentity" in action else "ASIA") + re.sub(r"\W", "", name).upper()
        credentials = (
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
            f"<SessionToken>token-of-{name}</SessionToken><Expiration>{FAR_AWAY}</Expiration>"
        )
        user = f"<Arn>arn:aws:sts::111111111111:assumed-role/{name}/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId>"
        result = f"<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
        return 200, f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>", kind

    def _imds(self, call: dict, path: str) -> tuple[dict, tuple[int, str, str]]:
        answers, plain = self.recorder.answers, "text/plain"
        mode = answers.get("imds", "off")
        token = self.headers.get("x-aws-ec2-metadata-token")
        call["operation"] = "imds"
        if mode == "off":
            return call, (404, "", plain)
        if path.endswith("/latest/api/token"):
            call["operation"] = "imds:token"
            status = answers.get("imds_token_status", 200 if mode == "v2" else 404)
            return call, (status, "the-token" if status == 200 else "", plain)
        if mode == "v2" and token != "the-token":
            return call, (401, "", plain)
        call["version"] = 2 if token else 1
        if path.endswith("/iam/security-credentials/"):
            return call, (200, answers.get("imds_role", "node"), plain)
        if "/iam/security-credentials" in path:
            call["operation"] = "imds:credentials"
            content = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": "ASIANODE",
                       "SecretAccessKey": "secret", "Token": "token-of-node", "Expiration": FAR_AWAY}  # fmt: skip
            return call, _json(content | answers.get("imds_credentials", {}))
        return call, (200, "eu-south-1a", plain)


def _json(content: dict, status: int = 200) -> tuple[int, str, str]:
    return status, json.dumps(content), "application/json"
