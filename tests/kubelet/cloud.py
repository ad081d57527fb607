"""The AWS of the pods: two accounts and roles in the fake, over TLS, under AWS's own names, and the agent of Pod Identity."""

import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "image"))
from certificate import certificate

OWN, SHARED, REGION = "111122223333", "258781458051", "eu-central-1"
NAMES = [f"secretsmanager.{REGION}.amazonaws.com", f"sts.{REGION}.amazonaws.com"]
ROLE = f"arn:aws:iam::{OWN}:role/"
EVERYTHING = [{"effect": "Allow", "actions": ["*"], "resources": ["*"]}]
# What docs/FAULTS.md says of a limit of 64 MiB: so many of 160 bytes, beside one shared account.
MANY = 6000
# Text for a file that fills more than half of a volume of 8 MiB, and for one that no container of 64 MiB takes.
LARGE, HUGE = 95, 300


def secrets() -> dict[str, str]:
    """The own account's."""
    return {
        "airflow/connections/warehouse": "mysql://own:pw@h/db",
        "airflow/connections/aws_default": "aws://",
        "airflow/connections/s3_logs": "aws://",
        "airflow/connections/reporting_db": "postgres://reporting",
        **{f"airflow/connections/db_{n:04}": f"postgres://user:p%20w@db-{n}.internal:5432/app" for n in range(100)},
        **{f"many/connections/c_{n:04}": f"postgres://user:{'p' * 120}@db-{n:04}.internal/app" for n in range(MANY)},
        **{f"large/connections/l_{n:03}": f"postgres://user:{'p' * 60_000}@db/app" for n in range(LARGE)},
        **{f"huge/connections/h_{n:03}": f"postgres://user:{'p' * 60_000}@db/app" for n in range(HUGE)},
        "invalid/connections/x": '{"conn_type": "mysql", "port": "not a number"}',
        "slow/connections/x": "http://x",
        "late/connections/here": "http://here",
        "rotates/connections/db": "mysql://own:before@h/db",
    }


def scenario() -> dict:
    """All of it. A secret below slow/ is never answered for."""
    shared = {
        "airflow/connections/warehouse": "mysql://shared:pw@h/db",
        "airflow/connections/snowflake": json.dumps(
            {"conn_type": "snowflake", "login": "svc", "password": "line\nbreak", "extra": {"a": 1}}
        ),
    }
    pods = {"web_identity": True, "subjects": ["system:serviceaccount:airflow:*"]}
    roles = [
        {"arn": ROLE + name, "trust": pods, "policy": EVERYTHING}
        for name in ("airflow", "airflow-secrets-init", "nightly-batch")
    ]
    roles.append({"arn": ROLE + "nobody", "trust": pods, "policy": []})
    roles.append(
        {"arn": f"arn:aws:iam::{SHARED}:role/airflow-reader", "trust": {"principals": [OWN]}, "policy": EVERYTHING}
    )
    agents = {
        "access_key": "AKIAPODIDENTITY",
        "arn": ROLE + "airflow",
        "session_token": "of-the-agent",
        "policy": EVERYTHING,
    }
    return {
        "accounts": {account: of(there) for account, there in [(OWN, secrets()), (SHARED, shared)]},
        "roles": roles,
        "principals": [agents],
        "web_identity_tokens": [{"token": "token-of-the-pod", "subject": "system:serviceaccount:airflow:airflow"}],
        "faults": [{"operation": "*", "secret_id": "slow/connections/*", "effect": "hang"}],
    }


def of(there: dict) -> dict:
    """An account with these secrets in the one region."""
    return {"regions": {REGION: {"secrets": there}}}


class Cloud:
    """The fake AWS, its names, and the agent, until the end of this process."""

    def __init__(self, work: pathlib.Path, program: str) -> None:
        self.work, self.program = work, program
        self.ca, self.certificate, self.key = certificate(work, NAMES)

    def start(self) -> None:
        """Serves on the node's loopback."""
        file = self.work / "scenario.json"
        file.write_text(json.dumps(scenario()))
        names = [sys.executable, str(HERE.parent / "image/dns.py"), "127.0.0.1", *NAMES]
        tls = ["--tls", str(self.certificate), str(self.key)]
        aws = [self.program, "--listen", "127.0.0.1:443", "--scenario", str(file), *tls, "--until-stdin-closes"]
        for command, ready in [(names, "ready"), (aws, "listening")]:
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            line = server.stdout.readline()
            if not line.startswith(ready):
                sys.exit(f"e2e-kubelet: {command[0]} did not start: {line}")
        agent = http.server.ThreadingHTTPServer(("169.254.170.23", 80), Agent)
        threading.Thread(target=agent.serve_forever, daemon=True).start()

    def now_has(self, there: dict[str, str]) -> None:
        """Secrets of the own account from now on."""
        body = json.dumps({"accounts": {OWN: of(there)}}).encode()
        trusted = ssl.create_default_context(cafile=str(self.ca))
        request = urllib.request.Request("https://127.0.0.1/_fake/scenario", data=body, method="POST")
        urllib.request.urlopen(request, context=trusted, timeout=60).read()


class Agent(http.server.BaseHTTPRequestHandler):
    """Of Pod Identity: credentials for a token."""

    def do_GET(self) -> None:  # pylint: disable=invalid-name
        """The keys of the one role, to who has the token."""
        allowed = self.path == "/v1/credentials" and self.headers["Authorization"] == "token-of-the-pod"
        keys = {"AccessKeyId": "AKIAPODIDENTITY", "SecretAccessKey": "x", "Token": "of-the-agent"}
        body = json.dumps(keys | {"Expiration": "2099-01-01T00:00:00Z"}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if allowed else b"x" * len(body))

    def log_message(self, *_arguments: object) -> None:
        """Nothing is said."""
