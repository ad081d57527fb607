"""Who else reads connections from Secrets Manager: how each is built, run, and what keeps it from some sizes.

    python3 benches/peers.py              builds all of them below target/bench; a failure names itself and stops none
    python3 benches/peers.py --relock NAME  resolves benches/peers/requirements-NAME.in again

Versions are exact, from lock files in benches/peers.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import lab

HERE = pathlib.Path(__file__).resolve().parent / "peers"
BUILT = lab.TARGET / "bench"
RESOLVED_AS_OF = "2026-11-20"


class NotBuilt(Exception):
    """A peer could not be had; the message says why."""


# ---- building ------------------------------------------------------------------------------------------------------


def venvs():
    """The module that makes the tests' environments. Loaded by path: its name is that of a module of Python's own."""
    spec = importlib.util.spec_from_file_location("airflow_venvs", lab.ROOT / "tests" / "airflow" / "venv.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python_of(name: str) -> pathlib.Path:
    """An environment of a lock file in benches/peers."""
    maker = venvs()
    try:
        return maker.make(name, HERE, BUILT)
    except maker.Failed as failure:
        raise NotBuilt(str(failure)) from failure


def airflow_python() -> pathlib.Path:
    """The environment of the tests: Airflow 2.8.1 as its users had it."""
    maker = venvs()
    try:
        return maker.make("2.8.1")
    except maker.Failed as failure:
        raise NotBuilt(str(failure)) from failure


def go_program(name: str, package: str) -> pathlib.Path:
    """A Go program, of the lock file in benches/peers."""
    program = BUILT / name
    # -modcacherw: a cache that can be deleted like everything else below target/.
    env = os.environ | {"GOMODCACHE": str(BUILT / "gomod"), "GOFLAGS": "-modcacherw"}
    built(["go", "build", "-ldflags=-s -w", "-o", str(program), package], env, HERE / name)
    return program


def cargo_program(name: str) -> pathlib.Path:
    """A Rust program with a workspace of its own in benches/peers."""
    target = BUILT / name
    built(["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", str(target)], dict(os.environ), HERE / name)
    return target / "release" / name


def built(command: list[str], env: dict[str, str], where: pathlib.Path | None = None) -> None:
    """Runs a build."""
    try:
        done = subprocess.run(command, env=env, cwd=where, capture_output=True, text=True)
    except OSError as error:
        raise NotBuilt(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise NotBuilt(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")


def locked(lock: str, name: str) -> str:
    """The version of a package in a lock file in benches/peers."""
    found = re.search(rf'{re.escape(name)}(?:==| v|" = "|" ?\nversion = "| = "=)([0-9][^\s"]*)', (HERE / lock).read_text())
    return found[1] if found else "of unknown version"


# ---- the peers -----------------------------------------------------------------------------------------------------


@dataclass
class Job:
    """What a peer is to do: read that many connections of the account of that size into `output`."""

    size: int
    place: pathlib.Path

    @property
    def output(self) -> pathlib.Path:
        return self.place / "connections.json"

    def file(self, name: str, text: str) -> pathlib.Path:
        """A file that the peer needs, made before its time is taken."""
        path = self.place / name
        path.write_text(text)
        return path

    @property
    def names(self) -> list[str]:
        return [lab.PREFIX + conn_id for conn_id in lab.conn_ids(self.size)]

    @property
    def env(self) -> dict[str, str]:
        """Credentials and trust, in every spelling."""
        trust = {name: str(lab.CA) for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
        return lab.credentials(self.size) | trust | {"PATH": os.environ["PATH"], "HOME": str(self.place), "OUTPUT": str(self.output)}


@dataclass(frozen=True)
class Peer:
    """A way to read N connections."""

    name: str
    # Makes it, if need be, and returns what to run.
    build: Callable[[], pathlib.Path]
    command: Callable[[pathlib.Path, Job], list[str]]
    env: Callable[[pathlib.Path, Job], dict[str, str]] = lambda _, job: job.env
    # What a reader must know to compare it.
    remark: str = ""
    # The largest size that is tried, and why.
    most: int = 10**9
    because: str = ""
    # Counts what it has read.
    count: Callable[[Job], int] = lambda job: len(json.loads(job.output.read_text()))


def script(name: str) -> Callable[[pathlib.Path, Job], list[str]]:
    """Runs a script of benches/peers with the Python that was built."""
    return lambda python, job: [str(python), str(HERE / name)]


def live_env(_: pathlib.Path, job: Job) -> dict[str, str]:
    names = job.file("conn_ids", "\n".join(lab.conn_ids(job.size)))
    return job.env | {"AIRFLOW_HOME": str(job.place), "CONN_IDS_FILE": str(names), "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}


def awscli_env(python: pathlib.Path, job: Job) -> dict[str, str]:
    return job.env | {"PATH": f"{python.parent}:{os.environ['PATH']}"}


def vals_command(program: pathlib.Path, job: Job) -> list[str]:
    references = {name.removeprefix(lab.PREFIX): f"ref+awssecrets://{name}?region={lab.REGION}" for name in job.names}
    return ["/bin/sh", "-c", f'"{program}" eval -o json -f "{job.file("refs.json", json.dumps(references))}" > "$OUTPUT"']


def gomplate_command(program: pathlib.Path, job: Job) -> list[str]:
    lines = [f'{{{{ $v = coll.Set "{name.removeprefix(lab.PREFIX)}" (include "sm" "{name.removeprefix(lab.PREFIX)}") $v }}}}' for name in job.names]
    template = "{{ $v := coll.Dict }}" + "".join(lines) + "{{ data.ToJSON $v }}"
    return [str(program), "-d", f"sm=aws+sm:{lab.PREFIX}", "-f", str(job.file("template", template)), "-o", str(job.output)]


def agent_command(program: pathlib.Path, job: Job) -> list[str]:
    return ["/bin/sh", "-c", f'"{program}" "{job.file("ids", chr(10).join(job.names))}" 2> "$OUTPUT"']


def agent_count(job: Job) -> int:
    return int(job.output.read_text().split("success=")[1].split(",")[0])


def ours_env(_: pathlib.Path, job: Job) -> dict[str, str]:
    return lab.ours(job.size, job.output)


def ours_by_id_env(_: pathlib.Path, job: Job) -> dict[str, str]:
    return lab.ours(job.size, job.output) | {"SECRETS_INIT_CONN_IDS": ",".join(lab.conn_ids(job.size))}


OURS = "airflow-secrets-init"


def ours(program: pathlib.Path) -> list[Peer]:
    """Our own program, both ways of being told what to read."""
    alone = lambda built, _: [str(built)]  # noqa: E731
    return [
        Peer(OURS, lambda: program, alone, ours_env),
        Peer(f"{OURS}, ids given", lambda: program, alone, ours_by_id_env, "told what to read"),
    ]


ONE_BY_ONE = "one call after the other: five times the time of 1,000"

PEERS = [
    Peer("boto3, sequential", lambda: python_of("boto3"), script("boto3_sequential.py"), remark=f"boto3 {locked('requirements-boto3.txt', 'boto3')}: the list, then batches of 20"),
    Peer("boto3, 10 threads", lambda: python_of("boto3"), script("boto3_threads.py"), remark="the same, batches on a pool"),
    Peer(
        "live backend",
        airflow_python,
        script("live_backend.py"),
        live_env,
        "SharedSecretsManagerBackend in Airflow 2.8.1; told what to read; in real life each task looks up its own, in its own process",
        1000,
        ONE_BY_ONE,
    ),
    Peer(
        "aws-cli",
        lambda: python_of("awscli"),
        lambda python, job: [str(HERE / "awscli.sh")],
        awscli_env,
        f"{locked('requirements-awscli.txt', 'awscli')}: the list, then a process for each batch of 20",
        1000,
        "250 processes",
    ),
    Peer(
        "aws_secretsmanager_provider",
        lambda: cargo_program("aws-provider"),
        agent_command,
        lambda _, job: job.env | {"AWS_TOKEN": "x"},
        f"{locked('aws-provider/Cargo.toml', 'aws_secretsmanager_provider')}, AWS's agent; told what to read; into its memory, no file",
        1000,
        "its cache holds 1,000 at the most",
        agent_count,
    ),
    Peer(
        "vals",
        lambda: go_program("vals", "github.com/helmfile/vals/cmd/vals"),
        vals_command,
        remark=f"{locked('vals/go.mod', 'github.com/helmfile/vals')}; told what to read",
        most=1000,
        because=ONE_BY_ONE,
    ),
    Peer(
        "gomplate",
        lambda: go_program("gomplate", "github.com/hairyhenderson/gomplate/v4/cmd/gomplate"),
        gomplate_command,
        remark=f"{locked('gomplate/go.mod', 'github.com/hairyhenderson/gomplate/v4')}; told what to read; a connection for each secret",
        most=1000,
        because=ONE_BY_ONE,
    ),
]

# Looked at, and not measured.
NOT_COMPARABLE = {
    "chamber": "reads one secret with a JSON map in it per service; can't read N secrets",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--relock", metavar="NAME")
    if name := parser.parse_args().relock:
        venvs().relock(name, HERE, RESOLVED_AS_OF, "benches/peers.py --relock")
        return
    failed = []
    for peer in PEERS:
        try:
            print(f"{peer.name}: {peer.build()}", flush=True)
        except NotBuilt as reason:
            print(f"{peer.name}: NOT BUILT: {reason}", flush=True)
            failed.append(peer.name)
    if failed:
        sys.exit(f"not built: {', '.join(failed)}")


if __name__ == "__main__":
    main()
