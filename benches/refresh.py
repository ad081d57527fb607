"""A process that reads again and again: memory, descriptors, threads, calls, CPU time while it waits, how fast SIGTERM ends it.

    python3 benches/refresh.py [--program PATH] [--server PATH] [--readings N] [--size N]

Readings are asked for by SIGHUP and counted in the status file. Before each of them the account holds another set: half of the secrets
are rotated, some come, some go. After ten readings and after each tenth of all, the process is looked at while it waits. Ends with a
message where memory, descriptors or threads grow, where the file is not the set of its reading, or where waiting takes CPU time.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import lab

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

    def __init__(self, program: pathlib.Path, env: dict[str, str], directory: pathlib.Path) -> None:
        self.status_file = directory / "refresh-status.json"
        self.log = (directory / "log").open("w")
        self.process = subprocess.Popen([program], env=env | {"SECRETS_INIT_REFRESH": "24h"}, stderr=self.log)
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

    def end(self) -> float:
        """Ends it by SIGTERM; gives the milliseconds."""
        begun = time.monotonic()
        self.process.terminate()
        if self.process.wait() != 0:
            surprise(f"SIGTERM: {self.process.returncode}")
        self.log.close()
        return (time.monotonic() - begun) * 1000


@contextlib.contextmanager
def started(program: pathlib.Path, server: lab.Fake, size: int) -> Iterator[tuple[Process, pathlib.Path]]:
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        env = lab.ours(size, directory / "connections.json") | {"AWS_ENDPOINT_URL": server.url}
        process = Process(program, env, directory)
        try:
            yield process, directory
        finally:
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait()


def long_life(program: pathlib.Path, size: int, readings: int) -> None:
    """Many readings in one process."""
    with lab.fake(tls=True, document=document(size, 0)) as server, started(program, server, size) as (process, directory):
        rows, took, waiting = [], [], 0
        for reading in range(1, readings + 1):
            server.replace(document(size, reading))
            server.reset()
            took.append(process.read_again())
            if reading == 10 or reading % (readings // 10) == 0:
                operations = server.stats()["by_operation"]
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
        if kept > 1:
            surprise("memory grows")
        if len({row[3:] for row in rows}) > 1:
            surprise("descriptors or threads grow")
        if waiting > 0:
            surprise("waiting takes CPU time")
        if size == 100 and max(row[1] for row in rows) > MOST_RESIDENT_MIB * 1024:
            surprise(f"more than {MOST_RESIDENT_MIB} MiB are resident")


def ends(program: pathlib.Path, size: int = 100, times: int = 20) -> None:
    """How fast SIGTERM ends it, while it waits and in the middle of readings."""
    figures: dict[str, list[float]] = {"waiting": [], "reading": []}
    with lab.fake(tls=True, document=document(size, 0)) as server:
        for number in range(times):
            for what, latencies in figures.items():
                with started(program, server, size) as (process, directory):
                    if what == "reading":
                        server.replace(document(size, number + 1))
                        process.process.send_signal(signal.SIGHUP)
                        time.sleep(0.002 * number)
                    latencies.append(process.end())
                    left = [name for name in os.listdir(directory) if name.startswith(".airflow-secrets-init-")]
                    if left:
                        surprise(f"left {left}")
    rows = [[what, f"{statistics.median(all_):.1f}", f"{max(all_):.1f}"] for what, all_ in figures.items()]
    print(lab.table(["SIGTERM while", "median ms", "longest ms"], rows))


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--server", type=pathlib.Path, default=lab.SERVER)
    parser.add_argument("--readings", type=int, default=10_000)
    parser.add_argument("--size", type=int, action="append")
    options = parser.parse_args()
    lab.SERVER = options.server
    try:
        ends(options.program)
        for size in options.size or [100, 1000]:
            long_life(options.program, size, options.readings)
    except AssertionError as found:
        sys.exit(f"SURPRISE: {found}")


if __name__ == "__main__":
    main()
