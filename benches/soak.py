"""Ten thousand runs under everything that can happen, and then ten thousand inside one process.

    python3 benches/soak.py [--program PATH] [--runs N] [--inside N] [--seed N]

Fresh processes, two at a time, each on a directory of its own: AWS resets connections, throttles, fails and is slow; the content
alternates; a third of the runs gets SIGKILL, SIGTERM or SIGINT at a random instant; leftovers of killed runs lie about; now and then
the disk is full. After every run: the file is one of the two contents, whole, with its mode; the exit code is one that the page on
exit codes has for it; no temporary file is there but what a SIGKILL has just left, and after the next run that writes, not that either.

Inside one process, the library's `run` again and again: memory, descriptors, threads. Any surprise ends the soak with a message.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import lab

SIZE = 50
TEMPORARY = ".airflow-secrets-init-"
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
# All pass when tried again.
FAULTS = [
    {"operation": "*", "every": 41, "effect": "reset"},
    {"operation": "*", "every": 53, "effect": "truncate_body"},
    {"operation": "*", "every": 67, "effect": {"error": {"status": 400, "code": "ThrottlingException", "message": "Rate exceeded"}}},
    {"operation": "*", "every": 79, "effect": {"error": {"status": 503, "code": "ServiceUnavailable", "message": "x"}}},
    {"operation": "*", "every": 5, "latency_ms": 1, "latency_max_ms": 20},
]


def surprise(what: str) -> None:
    """Ends the soak."""
    raise AssertionError(what)


def document(base: int, faults: list[dict]) -> dict:
    """An account of so many secrets, which differ by the base."""
    names = lab.conn_ids(SIZE)
    secrets = {lab.PREFIX + name: lab.secret(base + number) for number, name in enumerate(names)}
    return {"accounts": {lab.account(SIZE): {"regions": {lab.REGION: {"secrets": secrets}}}}, "faults": faults}


# A disk on which files of more than 4 KiB can't be written: an error, and no signal.
FULL_DISK = ["sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\""]


class Worker:
    """Runs on one directory, one after another."""

    def __init__(self, program: pathlib.Path, urls: list[str], contents: list[bytes], directory: pathlib.Path, seed: int) -> None:
        self.program, self.urls, self.contents, self.directory = program, urls, contents, directory
        self.random = random.Random(seed)
        self.file = directory / "connections.json"
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.longest_s = 0.0
        self.usual_s = 0.05

    def temporaries(self) -> list[str]:
        return [name for name in os.listdir(self.directory) if name.startswith(TEMPORARY)]

    def one(self, number: int) -> None:
        """One run, and all that must hold after it."""
        which = number % 2
        planted = self.random.random() < 0.02
        for name in ["one", "two"] if planted else []:
            (self.directory / f"{TEMPORARY}{name}").write_bytes(b"x" * 4096)
        full = self.random.random() < 0.02
        kill = self.random.choice(list(SIGNALS)) if self.random.random() < 0.33 else None
        before = set(self.temporaries())
        env = lab.ours(SIZE, self.file) | {"AWS_ENDPOINT_URL": self.urls[which], "SECRETS_INIT_LOG": "error"}
        env |= {"SECRETS_INIT_TERMINATION_LOG": str(self.directory / "reason")}
        started = time.monotonic()
        command = [*(FULL_DISK if full else []), self.program]
        process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE)
        if kill is not None:
            time.sleep(self.random.uniform(0, self.usual_s * 1.5))
            process.send_signal(kill)
        said = process.stderr.read().decode()
        code = process.wait()
        took = time.monotonic() - started
        what = f"run {number}: {code} after {kill}, full={full}: {said}"
        expected = {0} | ({74} if full else set()) | ({SIGNALS[kill], -kill} if kill else set())
        if code not in expected:
            surprise(what)
        there = self.file.read_bytes() if self.file.exists() else None
        if there not in (self.contents if number else [None, *self.contents]):
            surprise(f"{what}: the file is none of those that it may be")
        if code == 0 and there != self.contents[which]:
            surprise(f"{what}: the file is not the one of this run")
        if there is not None and self.file.stat().st_mode & 0o7777 != 0o440:
            surprise(f"{what}: mode")
        left = set(self.temporaries())
        made = left - before
        if made and kill is not signal.SIGKILL or len(made) > 1:
            surprise(f"{what}: left {made}")
        if code in (0, 74) and left:
            surprise(f"{what}: did not remove {left}")
        if kill is None and not full:
            self.usual_s = 0.95 * self.usual_s + 0.05 * took
        self.longest_s = max(self.longest_s, took)
        name = f"{signal.Signals(kill).name if kill else 'left alone'}{', disk full' if full else ''} -> {code}"
        self.outcomes[name] += 1
        self.outcomes["(left a temporary file)"] += bool(made)
        self.outcomes["(removed leftovers)"] += bool(before - left)

    def all(self, runs: int) -> None:
        for number in range(runs):
            self.one(number)


def fresh(program: pathlib.Path, runs: int, seed: int) -> None:
    """Fresh processes."""
    with tempfile.TemporaryDirectory() as name, lab.fake(tls=False) as first, lab.fake(tls=False) as second:
        root = pathlib.Path(name)
        contents = []
        for base, server in [(0, first), (1000, second)]:
            server.replace(document(base, []))
            file = root / f"expected-{base}.json"
            lab.measure([program], lab.ours(SIZE, file) | {"AWS_ENDPOINT_URL": server.url})
            contents.append(file.read_bytes())
            server.replace(document(base, FAULTS))
        if contents[0] == contents[1]:
            surprise("the two contents are one")
        workers = []
        for number in range(2):
            directory = root / str(number)
            directory.mkdir()
            workers.append(Worker(program, [first.url, second.url], contents, directory, seed + number))
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
            for done in [pool.submit(worker.all, runs // len(workers)) for worker in workers]:
                done.result()
        outcomes: collections.Counter[str] = sum((worker.outcomes for worker in workers), collections.Counter())
        rows = [[name, str(count)] for name, count in sorted(outcomes.items())]
        print(lab.table(["run", "how often"], rows))
        print(f"{runs} runs in {time.monotonic() - started:.0f} s, the longest {max(worker.longest_s for worker in workers):.1f} s")


def inside(runs: int) -> None:
    """Runs inside one process."""
    build = ["cargo", "bench", "--locked", "--profile", "server", "--bench", "repeat", "--no-run", "--message-format", "json"]
    lines = subprocess.run(build, cwd=lab.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    programs = [line["executable"] for line in map(json.loads, lines) if line.get("executable") and line["target"]["name"] == "repeat"]
    with tempfile.TemporaryDirectory() as name, lab.fake(tls=False, document=document(0, [])) as server:
        env = lab.ours(SIZE, pathlib.Path(name) / "connections.json") | {"AWS_ENDPOINT_URL": server.url, "SECRETS_INIT_LOG": "error"}
        said = subprocess.run([programs[0], str(runs)], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
        left = os.listdir(name)
    rows = [line.split() for line in said.splitlines()]
    print(lab.table(["runs in one process", "resident KiB", "descriptors", "threads"], rows))
    if left != ["connections.json"]:
        surprise(f"left {left}")
    figures = [list(map(int, row)) for row in rows]
    (first_runs, first_kib, *_), (last_runs, last_kib, *_) = figures[0], figures[-1]
    kept = (last_kib - first_kib) / (last_runs - first_runs)
    print(f"kept by each run: {kept:.2f} KiB")
    # A mebibyte in a thousand runs is the allocator's business.
    if kept > 1:
        surprise("memory grows")
    # The threads of a run that is over may still be on their way out when one looks.
    start, end = (max(row[2:] for row in part) for part in (figures[:3], figures[3:]))
    if end > start:
        surprise("descriptors or threads grow")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--inside", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lab.prepare()
    try:
        fresh(options.program, options.runs, options.seed)
        inside(options.inside)
    except AssertionError as found:
        sys.exit(f"SURPRISE: {found}")


if __name__ == "__main__":
    main()
