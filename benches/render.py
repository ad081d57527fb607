"""Time, CPU, peak memory and API calls of whole renders against the fake AWS on this machine, and the binary's size.

    make bench                 builds both programs and runs this
    python3 benches/render.py [--runs N]

Each row is a scenario: so many own and so many shared connections (through an assumed role), no latency added. Figures
are medians over the runs of one process each, from exec to exit, as the kernel counts them (wait4). They say how the
rows relate to each other and to an empty process on this machine, not how fast another machine is.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
PROGRAM = TARGET / "release" / "airflow-secrets-init"
SERVER = TARGET / "server" / "fake-aws"
MEASURE = TARGET / "measure"
OWN, SHARED, REGION = "111111111111", "222222222222", "eu-central-1"
ROLE = f"arn:aws:iam::{SHARED}:role/reader"
PREFIX = "airflow/connections/"


def secret(number: int) -> str:
    """About 300 bytes: half JSON, half URI, as teams have them."""
    if number % 2:
        return f"postgres://user{number}:{'p' * 200}@host{number}.example.internal:5432/db?sslmode=require&application_name=airflow"
    extra = {"account": "ab12345", "region": REGION, "warehouse": "COMPUTE_WH", "note": "x" * 80}
    return json.dumps({"conn_type": "snowflake", "login": f"user{number}", "password": "p" * 80, "schema": "S", "extra": extra})


def scenario(own: int, shared: int) -> dict:
    """The two accounts for the fake."""

    def accounts(count: int, base: int) -> dict:
        return {"regions": {REGION: {"secrets": {f"{PREFIX}c{base + i:05}": secret(base + i) for i in range(count)}}}}

    reader = [{"effect": "Allow", "actions": ["*"], "resources": ["*"]}]
    trust = {"principals": [f"arn:aws:iam::{OWN}:root", OWN]}
    return {
        "accounts": {OWN: accounts(own, 0), SHARED: accounts(shared, 50_000)},
        "roles": [{"arn": ROLE, "trust": trust, "policy": reader}],
    }


def post(url: str, document: dict | None) -> None:
    """Sends a document to the fake's admin routes."""
    body = json.dumps(document).encode() if document is not None else b""
    urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).read()


def measure(arguments: list[str], env: dict[str, str]) -> tuple[float, float, float]:
    """One process: milliseconds of wall and CPU time, MiB of peak memory."""
    with tempfile.NamedTemporaryFile("r") as figures:
        ended = subprocess.run([MEASURE, figures.name, *arguments], env=env, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(f"the program ended with {ended.returncode}:\n{ended.stderr}")
        wall, cpu, peak = map(int, figures.read().split())
    return wall / 1000, cpu / 1000, peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    for path in (PROGRAM, SERVER):
        if not path.exists():
            sys.exit(f"{path} is not there; run `make bench`")
    subprocess.run(["cc", "-O1", "-o", MEASURE, ROOT / "benches" / "measure.c"], check=True)
    server = subprocess.Popen([SERVER, "--until-stdin-closes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().split()[-1]
    print(f"binary: {PROGRAM.stat().st_size / 2**20:.2f} MiB; medians of {runs} runs\n")
    print(f"{'own + shared':>14} {'wall ms':>8} {'CPU ms':>8} {'peak MiB':>9} {'calls':>6} {'file KiB':>9}")
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "connections.json"
        base = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": OWN, "AWS_SECRET_ACCESS_KEY": "x"}
        empty = [measure([str(PROGRAM), "--version"], {}) for _ in range(runs)]
        wall, cpu, peak = (statistics.median(column) for column in zip(*empty))
        print(f"{'--version':>14} {wall:8.1f} {cpu:8.1f} {peak:9.1f} {0:6} {0:9.1f}")
        for own, shared in ((20, 0), (100, 0), (100, 100), (1000, 0), (5000, 0)):
            post(f"{url}/_fake/scenario?mode=replace", scenario(own, shared))
            kwargs = {"shared_account": SHARED, "shared_role_arn": ROLE} if shared else {}
            env = base | {"AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs), "SECRETS_INIT_CONNECTIONS_FILE": str(file)}
            post(f"{url}/_fake/reset-calls", None)
            rows = []
            for _ in range(runs):
                file.unlink(missing_ok=True)
                rows.append(measure([str(PROGRAM)], env))
            written = len(json.loads(file.read_text()))
            if written != own + shared:
                sys.exit(f"{written} connections are in the file, {own + shared} were meant")
            stats = json.load(urllib.request.urlopen(f"{url}/_fake/stats"))
            wall, cpu, peak = (statistics.median(column) for column in zip(*rows))
            calls = stats["calls"] / runs
            size = file.stat().st_size / 1024
            print(f"{f'{own} + {shared}':>14} {wall:8.1f} {cpu:8.1f} {peak:9.1f} {calls:6.0f} {size:9.1f}")
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    main()
