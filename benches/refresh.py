"""A process that reads again and again: memory, descriptors, threads, calls, CPU time while it waits, how fast SIGTERM ends it.

    python3 benches/refresh.py [--program PATH] [--server PATH] [--readings N] [--size N] [--ends N] [--fair] [--file-store | --plain-http]

Readings are asked for by SIGHUP and counted in the status file. Before each of them the account holds another set: half of the secrets
are rotated, some come, some go. After ten readings and after each tenth of all, the process is looked at while it waits. Ends with a
message where memory, descriptors or threads grow, where the file is not the set of its reading, or where waiting takes CPU time.

With `--file-store` secrets come from a file: the loop without AWS, which takes a tenth of the time. With `--plain-http` the fake AWS is
asked without TLS, which takes half of it.

SIGTERM comes while it waits, at any instant of a reading, while it writes, and while AWS or a credential_process holds it up. Where it may,
it then runs before whatever else the machine is busy with, so that the figures are its own; not with `--fair`.
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import lab

# As the volume of a pod is in memory: no disk has a part in the figures.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# What 100 connections may take between readings.
MOST_RESIDENT_MIB = 24


def surprise(what: str) -> None:
    """Ends the benchmark."""
    raise AssertionError(what)


def document(size: int, reading: int) -> dict:
    """The account before this reading: every second value is new each time, and one in twenty names."""
    names = lab.conn_ids(size)
    old = {name: number for number, name in enumerate(names)}
    come = lab.conn_ids(size // 20, 10_000 + reading % 7 * 1000)
    numbers = old | {name: number for number, name in enumerate(come)}
    values = {name: lab.secret(number + (reading * 2 if number % 2 else 0)) for name, number in numbers.items()}
    secrets = {lab.PREFIX + name: value for name, value in values.items()}
    return {"accounts": {lab.account(size): {"regions": {lab.REGION: {"secrets": secrets}}}}}


class Process:
    """The program, with its status file."""

    def __init__(self, program: pathlib.Path, env: dict[str, str], directory: pathlib.Path, has_priority: bool) -> None:
        self.status_file = directory / "refresh-status.json"
        self.log = (directory / "log").open("w")
        first = at_once if has_priority else None
        self.process = subprocess.Popen([program], env=env | {"SECRETS_INIT_REFRESH": "24h"}, stderr=self.log, preexec_fn=first)
        self.wait_for(1)

    def attempts(self) -> int:
        try:
            return json.loads(self.status_file.read_text())["attempts"]
        except FileNotFoundError:
            return 0

    def wait_for(self, attempts: int) -> None:
        while self.attempts() < attempts:
            if self.process.poll() is not None:
                surprise(f"it ended with {self.process.returncode}: {pathlib.Path(self.log.name).read_text()[-2000:]}")
            time.sleep(0.001)

    def read_again(self) -> float:
        """One reading; gives its seconds."""
        attempts, begun = self.attempts(), time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(attempts + 1)
        return time.monotonic() - begun

    def look(self) -> tuple[int, int, int, int]:
        """Resident KiB, those of them that are no file's, descriptors, threads, once the threads of the reading are gone."""
        proc = pathlib.Path(f"/proc/{self.process.pid}")
        deadline = time.monotonic() + 30
        while True:
            figures = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
            threads = int(figures["Threads"])
            if threads == 1 or time.monotonic() > deadline:
                resident, private = (int(figures[name].split()[0]) for name in ("VmRSS", "RssAnon"))
                return resident, private, len(os.listdir(proc / "fd")), threads
            time.sleep(0.05)

    def cpu_ticks(self) -> int:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def settle(self) -> None:
        """Waits until the reading that is counted has taken all its CPU time: what it held is wiped and freed after that."""
        deadline, before, still = time.monotonic() + 600, self.cpu_ticks(), 0
        while still < 20:
            if time.monotonic() > deadline:
                surprise("it takes CPU time for ever")
            time.sleep(0.05)
            now = self.cpu_ticks()
            still, before = still + 1 if now == before else 0, now

    def end(self) -> float:
        """Ends it by SIGTERM; gives the milliseconds."""
        begun = time.monotonic()
        self.process.terminate()
        if self.process.wait() != 0:
            surprise(f"SIGTERM: {self.process.returncode}")
        self.log.close()
        return (time.monotonic() - begun) * 1000


def at_once() -> None:
    """This process runs before all that has no such priority."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@contextlib.contextmanager
def started(
    program: pathlib.Path,
    server: lab.Fake,
    size: int,
    kwargs: str = "{}",
    more: Callable[[int, pathlib.Path], dict[str, str | None]] | None = None,
    has_priority: bool = False,
) -> Iterator[tuple[Process, pathlib.Path]]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        directory = pathlib.Path(name)
        env = lab.ours(size, directory / "connections.json", kwargs) | {"AWS_ENDPOINT_URL": server.url}
        env |= more(size, directory) if more else {}
        process = Process(program, {name: value for name, value in env.items() if value is not None}, directory, has_priority)
        try:
            yield process, directory
        finally:
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait()


class FileStore:
    """What stands for the fake AWS where secrets come from a file."""

    url = "https://localhost:1"

    def __init__(self, directory: str, first: dict) -> None:
        self.path = pathlib.Path(directory) / "store.json"
        self.replace(first)

    def environment(self, _size: int, _directory: pathlib.Path) -> dict[str, str | None]:
        return {"SECRETS_INIT_STORE": f"file:{self.path}"}

    def replace(self, scenario: dict) -> None:
        [account] = scenario["accounts"].values()
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({"own": account["regions"][lab.REGION]["secrets"]}))
        beside.rename(self.path)

    def reset(self) -> None:
        pass

    def stats(self) -> dict:
        return {"by_operation": {}}


@contextlib.contextmanager
def account_of(size: int, over: str) -> Iterator[lab.Fake | FileStore]:
    """The account before the first reading."""
    if over == "file":
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
            yield FileStore(directory, document(size, 0))
    else:
        with lab.fake(tls=over == "tls", document=document(size, 0)) as server:
            yield server


def long_life(program: pathlib.Path, size: int, readings: int, over: str) -> None:
    """Many readings in one process."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(account_of(size, over))
        process, directory = stack.enter_context(started(program, server, size, more=server.environment if over == "file" else None))
        rows, took, waiting = [], [], 0
        for reading in range(1, readings + 1):
            server.replace(document(size, reading))
            server.reset()
            took.append(process.read_again())
            if reading == 10 or reading % (readings // 10) == 0:
                operations = server.stats()["by_operation"]
                process.settle()
                rows.append((reading, *process.look()))
                before = process.cpu_ticks()
                time.sleep(2)
                waiting += process.cpu_ticks() - before
                print(rows[-1], flush=True)
        there = json.loads((directory / "connections.json").read_text())
        wanted = document(size, readings)["accounts"][lab.account(size)]["regions"][lab.REGION]["secrets"]
        missing = {name.removeprefix(lab.PREFIX) for name in wanted} - set(there)
        if missing:
            surprise(f"not in the file: {sorted(missing)[:5]}")
        shown = [[str(n), f"{resident / 1024:.1f}", f"{private / 1024:.1f}", str(d), str(t)] for n, resident, private, d, t in rows]
        print(lab.table(["readings", "resident MiB", "not of files MiB", "descriptors", "threads"], shown))
        print(f"{size} connections: calls of a reading {lab.calls(operations)}; {1000 * statistics.median(took):.0f} ms a reading (median)")
        print(f"CPU time while waiting: {waiting} ticks of {os.sysconf('SC_CLK_TCK')} a second, in {2 * len(rows)} s; SIGTERM: {process.end():.1f} ms")
        # What the allocator takes until it has seen all sizes is no growth; after that a mebibyte in a thousand readings is.
        (first, _, first_kib, *_), (last, _, last_kib, *_) = rows[1], rows[-1]
        kept = (last_kib - first_kib) / (last - first)
        print(f"kept by each reading: {kept:.2f} KiB")
        if kept > 1 and last - first >= 500:
            surprise("memory grows")
        if len({row[3:] for row in rows}) > 1:
            surprise("descriptors or threads grow")
        if waiting > 0:
            surprise("waiting takes CPU time")
        if size == 100 and max(row[1] for row in rows) > MOST_RESIDENT_MIB * 1024:
            surprise(f"more than {MOST_RESIDENT_MIB} MiB are resident")


def calls(program: pathlib.Path, size: int) -> list[list[str]]:
    """The calls of one reading: nothing has changed, half of the values, five names; and of one with a shared account of 100 as well."""
    rows = []
    for accounts, kwargs in [("own", "{}"), ("own, shared of 100", lab.shared_kwargs())]:
        first = lab.scenario([size])
        secrets = first["accounts"][lab.account(size)]["regions"][lab.REGION]["secrets"]
        with lab.fake(tls=True, document=first) as server, started(program, server, size, kwargs) as (process, _):
            for what in ["nothing", "half of the values", "five names"]:
                if what == "half of the values":
                    secrets |= {name: lab.secret(number + 2) for number, name in enumerate(secrets) if number % 2}
                elif what == "five names":
                    secrets |= {f"{name}-new": secrets.pop(name) for name in list(secrets)[:5]}
                server.replace(first)
                server.reset()
                process.read_again()
                rows.append([str(size), accounts, what, lab.calls(server.stats()["by_operation"])])
    return rows


# What a reading can be busy with when SIGTERM comes, and the fault that holds it there.
THROTTLED = {"error": {"status": 400, "code": "ThrottlingException", "message": "Rate exceeded"}}
DENIED = {"error": {"status": 400, "code": "AccessDeniedException", "message": "x"}}
HELD = {
    "listing": ("ListSecrets", "hang", 1),
    "reading values": ("BatchGetSecretValue", "hang", 1),
    "taking a role": ("AssumeRole", "hang", 1),
    "pauses of retries": ("ListSecrets", THROTTLED, 2),
}
# A program of the user's that takes for ever, but the first time.
SLOW = "#!/bin/sh\n[ -e {0}/slow ] && touch {0}/begun && exec sleep 600\nexec cat {0}/keys\n"
WITHIN_MS = 100


def wait_until(what: Callable[[], object]) -> None:
    while not what():
        time.sleep(0.001)


def with_credential_process(size: int, directory: pathlib.Path) -> dict[str, str | None]:
    """The environment in which credentials come from a program, which is made here."""
    (directory / "keys").write_text(json.dumps({"Version": 1, "AccessKeyId": lab.account(size), "SecretAccessKey": "x"}))
    (directory / "program").write_text(SLOW.format(directory))
    (directory / "config").write_text(f"[profile p]\ncredential_process = sh {directory}/program\n")
    profile = {"AWS_PROFILE": "p", "AWS_CONFIG_FILE": str(directory / "config"), "PATH": os.environ["PATH"]}
    return profile | {"SECRETS_INIT_SANDBOX": "off", "AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}


def ends(program: pathlib.Path, size: int, times: int, has_priority: bool) -> None:
    """How fast SIGTERM ends it, whatever it is doing."""
    kinds = ["waiting", "waiting after a failure", "any instant of a reading", "writing", *HELD, "credential_process"]
    figures: dict[str, list[float]] = {kind: [] for kind in kinds}
    neighbours, took = lab.Neighbours(), 0.05
    first = lab.scenario([size])
    with lab.fake(tls=True, document=first) as server:
        for number, (kind, latencies) in itertools.product(range(times), figures.items()):
            operation, effect, calls = HELD.get(kind, ("ListSecrets", DENIED if kind == "waiting after a failure" else None, 1))
            more = with_credential_process if kind == "credential_process" else None
            with started(program, server, size, lab.shared_kwargs(), more, has_priority) as (process, directory):
                own = document(size, number + 1)["accounts"]
                faults = [{"operation": operation, "effect": effect}] if effect else []
                server.replace(first | {"accounts": first["accounts"] | own, "faults": faults})
                server.reset()
                if kind == "credential_process":
                    (directory / "slow").touch()
                if kind != "waiting":
                    process.process.send_signal(signal.SIGHUP)
                if kind == "waiting after a failure":
                    process.wait_for(2)
                elif kind == "any instant of a reading":
                    time.sleep(random.uniform(0, took * 1.2))
                elif kind == "writing":
                    begun = time.monotonic()
                    while not temporaries(directory) and process.attempts() < 2:
                        pass
                    took = time.monotonic() - begun
                elif kind == "credential_process":
                    wait_until((directory / "begun").exists)
                elif kind in HELD:
                    wait_until(lambda: server.stats()["by_operation"].get(operation, 0) >= calls)
                latencies.append(process.end())
                if temporaries(directory):
                    surprise(f"left {temporaries(directory)}")
            server.replace(first)
    rows = []
    for kind, all_ in figures.items():
        in_order = sorted(all_)
        rows.append([kind, *(f"{in_order[int((times - 1) * part)]:.1f}" for part in (0.5, 0.9, 0.99, 1))])
    print(lab.table(["SIGTERM while", "median ms", "9 of 10", "99 of 100", "longest"], rows))
    late = sum(latency > WITHIN_MS for latencies in figures.values() for latency in latencies)
    share = neighbours.share()
    print(f"{times} times each; {late} of {times * len(figures)} took longer than {WITHIN_MS} ms; others kept the machine {share:.0%} busy")
    if late and share < 0.2:
        surprise("SIGTERM takes too long")


def temporaries(directory: pathlib.Path) -> list[str]:
    return [name for name in os.listdir(directory) if name.startswith(".airflow-secrets-init-")]


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--server", type=pathlib.Path, default=lab.SERVER)
    parser.add_argument("--readings", type=int, default=10_000)
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--ends", type=int, default=100)
    parser.add_argument("--fair", action="store_true")
    over = parser.add_mutually_exclusive_group()
    over.add_argument("--file-store", action="store_const", dest="over", const="file", default="tls")
    over.add_argument("--plain-http", action="store_const", dest="over", const="http")
    options = parser.parse_args()
    lab.SERVER = options.server
    try:
        if options.ends:
            ends(options.program, 100, options.ends, not options.fair)
        sizes = options.size or [100, 1000]
        if options.over != "file":
            rows = [row for size in sizes for row in calls(options.program, size)]
            print(lab.table(["connections", "accounts", "changed", "calls of a reading"], rows))
        for size in sizes if options.readings else []:
            long_life(options.program, size, options.readings, options.over)
    except AssertionError as found:
        sys.exit(f"SURPRISE: {found}")


if __name__ == "__main__":
    main()
