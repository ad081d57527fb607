"""What all benchmarks share: the accounts and their secrets, the fake AWS, the relay, measuring one process, tables.

The programs that this starts are built by `make bench-programs` and found below the target folder.
"""

import contextlib
import json
import os
import pathlib
import resource
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
PROGRAM = TARGET / "release" / "airflow-secrets-init"
SERVER = TARGET / "server" / "fake-aws"
RELAY = TARGET / "server" / "relay"
MEASURE = TARGET / "measure"
CERTIFICATES = ROOT / "tests" / "support" / "fake-aws" / "certs"
CA = CERTIFICATES / "ca.pem"

CPUS = os.cpu_count() or 1
REGION = "eu-central-1"
SHARED = "222222222222"
ROLE = f"arn:aws:iam::{SHARED}:role/reader"
PREFIX = "airflow/connections/"
# Wanted, if this process may raise its limit.
OPEN_FILES = 200_000


# ---- accounts ------------------------------------------------------------------------------------------------------


def secret(number: int) -> str:
    """About 300 bytes: half JSON, half URI, as teams have them."""
    if number % 2:
        return f"postgres://user{number}:{'p' * 200}@host{number}.example.internal:5432/db?sslmode=require&application_name=airflow"
    extra = {"account": "ab12345", "region": REGION, "warehouse": "COMPUTE_WH", "note": "x" * 80}
    return json.dumps({"conn_type": "snowflake", "login": f"user{number}", "password": "p" * 80, "schema": "S", "extra": extra})


def account(size: int) -> str:
    """The account that holds that many connections. Its number is an access key for it, too."""
    return f"{size:012}"


def conn_ids(size: int, base: int = 0) -> list[str]:
    """The connections of an account of that size."""
    return [f"c{base + i:05}" for i in range(size)]


def scenario(sizes: list[int], shared: int = 100, **settings: object) -> dict:
    """An account of each size, and a shared one whose role each of them may assume."""

    def holding(size: int, base: int) -> dict:
        names = conn_ids(size, base)
        return {"regions": {REGION: {"secrets": {PREFIX + name: secret(base + i) for i, name in enumerate(names)}}}}

    accounts = {account(size): holding(size, 0) for size in sizes} | {SHARED: holding(shared, 50_000)}
    everything = [{"effect": "Allow", "actions": ["*"], "resources": ["*"]}]
    trust = {"principals": [f"arn:aws:iam::{account(size)}:root" for size in sizes]}
    return {"accounts": accounts, "roles": [{"arn": ROLE, "trust": trust, "policy": everything}], "settings": settings}


def shared_kwargs() -> str:
    """backend_kwargs that read the shared account through its role."""
    return json.dumps({"shared_account": SHARED, "shared_role_arn": ROLE})


# ---- servers -------------------------------------------------------------------------------------------------------


def with_many_files() -> None:
    """Raises the limit of open files for this process and those it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (OPEN_FILES, hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            return


@dataclass
class Fake:
    """A running fake AWS."""

    process: subprocess.Popen
    url: str

    @property
    def address(self) -> str:
        return self.url.split("//")[1]

    def ask(self, method: str, path: str, document: object = None) -> dict:
        """An admin request."""
        body = None if document is None else json.dumps(document).encode()
        trust = ssl.create_default_context(cafile=CA) if self.url.startswith("https") else None
        request = urllib.request.Request(self.url + "/_fake/" + path, body, method=method)
        with urllib.request.urlopen(request, context=trust) as answer:
            return json.load(answer)

    def replace(self, document: dict) -> None:
        self.ask("POST", "scenario?mode=replace", document)

    def reset(self) -> None:
        self.ask("POST", "reset-calls")

    def stats(self) -> dict:
        stats = self.ask("GET", "stats")
        stats["connections_opened"] -= 1  # the one of this very request
        return stats


@contextlib.contextmanager
def fake(tls: bool, document: dict | None = None, threads: int = 2) -> Iterator[Fake]:
    """The fake AWS, for as long as the block runs."""
    options = ["--tls", CERTIFICATES / "server.pem", CERTIFICATES / "server.key"] if tls else []
    with running([SERVER, "--until-stdin-closes", "--threads", str(threads), *options]) as (process, ready):
        server = Fake(process, ready.split()[-1])
        if document is not None:
            server.replace(document)
        yield server


@dataclass
class Relay:
    """A running relay before a fake AWS."""

    process: subprocess.Popen
    secrets_manager: str
    sts: str

    def report(self) -> dict:
        """What went through since the last report, and how late."""
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    @property
    def env(self) -> dict[str, str]:
        """Two addresses, because AWS has two hosts: a connection to one must not serve for the other."""
        return {"AWS_ENDPOINT_URL_SECRETS_MANAGER": self.secrets_manager, "AWS_ENDPOINT_URL_STS": self.sts}


@contextlib.contextmanager
def relay(server: Fake, round_trip_ms: float) -> Iterator[Relay]:
    """A network of that round-trip time before the server, for as long as the block runs."""
    with running([RELAY, server.address, str(round_trip_ms), "2"]) as (process, ready):
        # It does next to nothing, but that on time, however busy the programs under test keep the machine.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(1))
        scheme = server.url.split("//")[0]
        yield Relay(process, *(f"{scheme}//{address}" for address in ready.split()[1:]))


@contextlib.contextmanager
def running(command: list[object]) -> Iterator[tuple[subprocess.Popen, str]]:
    """A helper program that says a line when it is ready and ends when its standard input does."""
    if not pathlib.Path(command[0]).exists():
        sys.exit(f"{command[0]} is not there; run `make bench-programs`")
    words = [str(word) for word in command]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline()
        if not ready.startswith("listening"):
            sys.exit(f"{command[0]} did not start")
        yield process, ready
    finally:
        process.stdin.close()
        process.wait()


def idle_s() -> float:
    """Idle CPU seconds of the whole machine since it started."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


class Neighbours:
    """How busy whoever else uses this machine has kept it since this was made: figures of a busy machine are no good."""

    def __init__(self, *helpers: subprocess.Popen) -> None:
        self.helpers = helpers
        self.before = self.now()

    def now(self) -> tuple[float, float, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = time.process_time() + children.ru_utime + children.ru_stime + cpu_ms(*self.helpers) / 1000
        return time.monotonic(), idle_s(), own

    def share(self) -> float:
        """Of all CPUs' time, from 0 to 1."""
        passed, idle, own = (now - before for now, before in zip(self.now(), self.before))
        return max(0, 1 - (idle + own) / (passed * CPUS))


def cpu_ms(*helpers: subprocess.Popen) -> float:
    """CPU time that running helpers have taken so far, in all their threads."""
    tasks = (task for helper in helpers for task in pathlib.Path(f"/proc/{helper.pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


# ---- one process ---------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """What one process took."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float
    code: int = 0
    said: str = ""


def prepare() -> None:
    """Makes what every benchmark needs: the measuring program, and enough open files."""
    with_many_files()
    TARGET.mkdir(exist_ok=True)
    subprocess.run(["cc", "-O1", "-o", MEASURE, ROOT / "benches" / "measure.c"], check=True)


def measured(command: list[object], env: dict[str, str], patience_s: float | None = None) -> Run:
    """Runs one process, whatever its exit code. Figures include the children that it waited for."""
    words = [str(word) for word in command]
    with tempfile.NamedTemporaryFile("r") as figures:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A session of its own, so that all of it can be ended.
        process = subprocess.Popen([MEASURE, figures.name, *words], env=env, text=True, start_new_session=True, **pipes)
        try:
            _, said = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        wall, cpu, peak = map(int, figures.read().split())
    return Run(wall / 1000, cpu / 1000, peak / 1024, process.returncode, said)


def measure(command: list[object], env: dict[str, str], expect: int = 0) -> Run:
    """Runs one process; any exit code but the expected one ends the benchmark."""
    run = measured(command, env)
    if run.code != expect:
        sys.exit(f"{command[0]} ended with {run.code}:\n{run.said[-2000:]}")
    return run


def credentials(size: int) -> dict[str, str]:
    """Static credentials of the account of that size. No file or endpoint of this machine is to be looked at."""
    return {
        "AWS_ACCESS_KEY_ID": account(size),
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def ours(size: int, file: pathlib.Path, kwargs: str = "{}") -> dict[str, str]:
    """The environment of our own program, without where AWS is."""
    return credentials(size) | {
        "AWS_CA_BUNDLE": str(CA),
        "AIRFLOW__SECRETS__BACKEND_KWARGS": kwargs,
        "SECRETS_INIT_CONNECTIONS_FILE": str(file),
    }


def written(file: pathlib.Path) -> int:
    """How many connections a run has written; the file is gone afterwards, so that the next run has to write."""
    count = len(json.loads(file.read_text()))
    file.unlink()
    return count


# ---- many runs -----------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """The runs of one line of a table."""

    runs: list[Run] = field(default_factory=list)
    operations: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    # What the fake and the relay took for each run, where somebody wants to know.
    servers: list[float] = field(default_factory=list)

    def add(self, run: Run, stats: dict, servers_ms: float | None = None) -> None:
        self.runs.append(run)
        self.servers += [] if servers_ms is None else [servers_ms]
        # Of the last run: what is called does not depend on how fast it went, save for retries.
        self.operations = stats["by_operation"]
        self.connections = stats["connections_opened"]

    @property
    def wall_ms(self) -> float:
        return statistics.median(run.wall_ms for run in self.runs)

    @property
    def best_ms(self) -> float:
        return min(run.wall_ms for run in self.runs)

    @property
    def cpu_ms(self) -> float:
        return statistics.median(run.cpu_ms for run in self.runs)

    @property
    def servers_ms(self) -> float:
        return statistics.median(self.servers)

    @property
    def peak_mib(self) -> float:
        return statistics.median(run.peak_mib for run in self.runs)

    @property
    def calls(self) -> str:
        return calls(self.operations)


SHORT = {"ListSecrets": "List", "BatchGetSecretValue": "Batch", "GetSecretValue": "Get", "DescribeSecret": "Describe"}


def calls(operations: dict[str, int]) -> str:
    """Calls by operation in a few words."""
    return ", ".join(f"{SHORT.get(name, name)} {count:,}" for name, count in sorted(operations.items(), reverse=True)) or "none"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Columns of text: words to the left, figures to the right."""
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    figures = [all(row[i][:1].isdigit() or not row[i] for row in rows) for i in range(len(headings))]

    def line(row: list[str]) -> str:
        return "  ".join(cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, figures)).rstrip()

    return "\n".join([line(headings), line(["-" * w for w in widths]), *map(line, rows)])
