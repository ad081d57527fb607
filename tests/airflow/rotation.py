"""Does a process of Airflow that keeps looking a connection up see each rotated password at its next lookup?

    target/airflow/3.3.2/bin/python tests/airflow/rotation.py --bin PROGRAM [--rotations N] [--by-interval N]

Runs inside an Airflow environment (venv.py); `make bench-rotation` runs it in all of them, with a thousand rotations. The program runs
with SECRETS_INIT_REFRESH on a file store. Each rotation changes every secret, asks for a reading by SIGHUP, waits until the status file
counts it, and looks up through Airflow's class and through LazyLocalFilesystemBackend: both must give the new password. Those
`--by-interval` ask for nothing: the reading comes when the interval is over, the shortest that there is. A change that comes in the
middle of a reading is seen after the next one at the latest.

Meanwhile 16 threads look up through the lazy class and one through Airflow's own, without a pause: never an error, never a mixture of two
rotations, never an older one than before. No verdict hangs on a clock; the times are printed.
"""

import argparse
import importlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import airflow_side

CONN_IDS = [f"c{number}" for number in range(8)]
LAZY_THREADS = 16
# As the volume of a pod is in memory: no disk has a part in the figures.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# The shortest that SECRETS_INIT_REFRESH takes.
INTERVAL_S = 30


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rotations", type=int, default=1000)
    parser.add_argument("--by-interval", type=int, default=0)
    options = parser.parse_args()
    airflow_side.import_airflow()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        rotate(options.bin, options.rotations, options.by_interval, pathlib.Path(name))


def write_store(store: pathlib.Path, rotation: int) -> None:
    """Every secret says which rotation it is of, in each of its fields; the file is replaced as a whole."""
    value = {
        "conn_type": "http",
        "host": f"h{rotation}",
        "login": f"u{rotation}",
        "password": f"p{rotation}",
        "extra": {"rotation": f"e{rotation}"},
    }
    beside = store.with_suffix(".new")
    beside.write_text(json.dumps({"own": {f"airflow/connections/{conn_id}": value for conn_id in CONN_IDS}}))
    beside.rename(store)


def rotation_of(connection) -> int:
    """Which rotation a connection is of; an error where its fields do not agree."""
    fields = [connection.host, connection.login, connection.password, connection.extra_dejson["rotation"]]
    numbers = {int(field[1:]) for field in fields}
    assert len(numbers) == 1, f"a mixture of the rotations {sorted(numbers)}"
    return numbers.pop()


class Looking(threading.Thread):
    """Looks up without a pause, until it is told to end."""

    def __init__(self, backend, number: int, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.backend, self.number, self.ended = backend, number, ended
        self.lookups, self.error = 0, None

    def run(self) -> None:
        last = 0
        try:
            while not self.ended.is_set():
                conn_id = CONN_IDS[(self.number + self.lookups) % len(CONN_IDS)]
                now = rotation_of(self.backend.get_connection(conn_id))
                assert now >= last, f"rotation {now} after {last}"
                last = now
                self.lookups += 1
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test must fail by it)
            self.error = error


class Program:
    """The program, reading again and again."""

    def __init__(self, program: str, directory: pathlib.Path, interval: str) -> None:
        self.status = directory / "refresh-status.json"
        self.status.unlink(missing_ok=True)
        env = {
            "SECRETS_INIT_STORE": f"file:{directory / 'store.json'}",
            "SECRETS_INIT_BACKEND_KWARGS": "{}",
            "SECRETS_INIT_CONNECTIONS_FILE": str(directory / "connections.json"),
            "SECRETS_INIT_BACKEND_MODULE_FILE": str(directory / "secrets_init_backend.py"),
            "SECRETS_INIT_REFRESH": interval,
            "SECRETS_INIT_LOG": "error",
        }
        self.process = subprocess.Popen([program], env=env)
        self.wait_for(1)

    def attempts(self) -> int:
        """How many readings have ended."""
        return json.loads(self.status.read_text())["attempts"] if self.status.exists() else 0

    def wait_for(self, attempts: int) -> None:
        """Waits until so many readings have ended."""
        while self.attempts() < attempts:
            assert self.process.poll() is None, f"the program ended with {self.process.returncode}"
            time.sleep(0.001)

    def end(self) -> None:
        """Ends it by SIGTERM."""
        self.process.terminate()
        assert self.process.wait() == 0


def rotate(program: str, rotations: int, by_interval: int, directory: pathlib.Path) -> None:
    """All rotations; prints the figures."""
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    store, file = directory / "store.json", directory / "connections.json"
    write_store(store, 0)
    running = Program(program, directory, "24h")
    sys.path.insert(0, str(directory))
    lazy_class = importlib.import_module("secrets_init_backend").LazyLocalFilesystemBackend
    stock, lazy = (kind(connections_file_path=str(file)) for kind in (LocalFilesystemBackend, lazy_class))
    ended = threading.Event()
    threads = [Looking(lazy, number, ended) for number in range(LAZY_THREADS)] + [Looking(stock, 0, ended)]
    for thread in threads:
        thread.start()

    def found(backend, rotation: int) -> int:
        return rotation_of(backend.get_connection(CONN_IDS[rotation % len(CONN_IDS)]))

    def check() -> None:
        errors = [thread.error for thread in threads if thread.error]
        assert not errors, errors[0]

    asked_for, waited_for = [], []
    for rotation in range(1, rotations + 1):
        begun = time.monotonic()
        write_store(store, rotation)
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(rotation + 1)
        for backend in (stock, lazy):
            now = found(backend, rotation)
            assert now == rotation, f"{type(backend).__name__} found {now} after rotation {rotation}"
        asked_for.append(time.monotonic() - begun)
        check()
    running.end()
    if by_interval:
        running = Program(program, directory, f"{INTERVAL_S}s")
    for rotation in range(rotations + 1, rotations + 1 + by_interval):
        # At any time of the interval.
        time.sleep(random.uniform(0, INTERVAL_S))
        write_store(store, rotation)
        begun, before = time.monotonic(), running.attempts()
        # A reading that was under way may have read the store before it changed.
        while True:
            # A reading that was under way may have read the store before it changed.
            has_had_its_time = running.attempts() >= before + 2
            if all(found(backend, rotation) == rotation for backend in (stock, lazy)):
                break
            assert not has_had_its_time, f"rotation {rotation} is not seen two readings later"
            assert running.process.poll() is None, f"the program ended with {running.process.returncode}"
            time.sleep(0.001)
        waited_for.append(time.monotonic() - begun)
        check()
    ended.set()
    for thread in threads:
        thread.join()
    check()
    assert all(thread.lookups > 0 for thread in threads)
    if by_interval:
        running.end()
    left = [name for name in os.listdir(directory) if name.startswith(".airflow-secrets-init-")]
    assert not left, left
    of_lazy = sum(thread.lookups for thread in threads[:LAZY_THREADS])
    print(
        f"{airflow_side.versions()['airflow']}: {rotations + by_interval} rotations; {of_lazy} lookups of {LAZY_THREADS} threads with the lazy "
        f"class, {threads[-1].lookups} with the stock one, beside them; 0 errors, 0 mixtures, 0 older than before"
    )
    for times, how in [(asked_for, "by SIGHUP"), (waited_for, f"by an interval of {INTERVAL_S} s")]:
        if times:
            median, longest = statistics.median(times), max(times)
            print(f"  from the change to its lookup with both, {len(times)} {how}: {median:.2f} s (median), {longest:.2f} s at most")


if __name__ == "__main__":
    main()
