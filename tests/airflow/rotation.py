"""Does a process of Airflow that keeps looking a connection up see each rotated password at its next lookup?

    target/airflow/3.3.2/bin/python tests/airflow/rotation.py --bin PROGRAM [--rotations N]

Runs inside an Airflow environment (venv.py). The program runs with SECRETS_INIT_REFRESH on a file store. Each rotation changes every
secret, asks for a reading by SIGHUP, waits until the status file counts it, and looks up through Airflow's class and through
LazyLocalFilesystemBackend: both must give the new password. Meanwhile 16 threads look up through the lazy class and one through
Airflow's own, without a pause: never an error, never a mixture of two rotations, never an older one than before. No verdict hangs on a
clock; the times are printed.
"""

import argparse
import importlib
import json
import os
import pathlib
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


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rotations", type=int, default=1000)
    options = parser.parse_args()
    airflow_side.import_airflow()
    with tempfile.TemporaryDirectory() as name:
        rotate(options.bin, options.rotations, pathlib.Path(name))


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


def rotate(program: str, rotations: int, directory: pathlib.Path) -> None:
    """All rotations; prints the figures."""
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    store, file, status = directory / "store.json", directory / "connections.json", directory / "refresh-status.json"
    write_store(store, 0)
    env = {
        "SECRETS_INIT_STORE": f"file:{store}",
        "SECRETS_INIT_BACKEND_KWARGS": "{}",
        "SECRETS_INIT_CONNECTIONS_FILE": str(file),
        "SECRETS_INIT_BACKEND_MODULE_FILE": str(directory / "secrets_init_backend.py"),
        "SECRETS_INIT_REFRESH": "24h",
        "SECRETS_INIT_LOG": "error",
    }
    process = subprocess.Popen([program], env=env)

    def wait_for(attempts: int) -> None:
        while not status.exists() or json.loads(status.read_text())["attempts"] < attempts:
            assert process.poll() is None, f"the program ended with {process.returncode}"
            time.sleep(0.001)

    wait_for(1)
    sys.path.insert(0, str(directory))
    lazy_class = importlib.import_module("secrets_init_backend").LazyLocalFilesystemBackend
    stock, lazy = (kind(connections_file_path=str(file)) for kind in (LocalFilesystemBackend, lazy_class))
    ended = threading.Event()
    threads = [Looking(lazy, number, ended) for number in range(LAZY_THREADS)] + [Looking(stock, 0, ended)]
    for thread in threads:
        thread.start()
    seen = []
    for rotation in range(1, rotations + 1):
        begun = time.monotonic()
        write_store(store, rotation)
        process.send_signal(signal.SIGHUP)
        wait_for(rotation + 1)
        for backend in (stock, lazy):
            found = rotation_of(backend.get_connection(CONN_IDS[rotation % len(CONN_IDS)]))
            assert found == rotation, f"{type(backend).__name__} found {found} after rotation {rotation}"
        seen.append(time.monotonic() - begun)
        errors = [thread.error for thread in threads if thread.error]
        assert not errors, errors[0]
    ended.set()
    for thread in threads:
        thread.join()
        assert thread.error is None, thread.error
    assert all(thread.lookups > 0 for thread in threads)
    process.terminate()
    assert process.wait() == 0
    left = [name for name in os.listdir(directory) if name.startswith(".airflow-secrets-init-")]
    assert not left, left
    of_lazy = sum(thread.lookups for thread in threads[:LAZY_THREADS])
    print(
        f"{airflow_side.versions()['airflow']}: {rotations} rotations; {of_lazy} lookups of {LAZY_THREADS} threads with the lazy class, "
        f"{threads[-1].lookups} with the stock one, beside them; no error; from the change to its lookup with both "
        f"{1000 * statistics.median(seen):.0f} ms (median), {1000 * max(seen):.0f} ms at most, a reading asked for by SIGHUP"
    )


if __name__ == "__main__":
    main()
