"""What the first lookup of a connection costs a fresh Airflow process, by the size of the file and the backend.

    make bench-airflow
    python3 benches/first_lookup.py [--airflow 2.8.1 3.3.2] [--sizes 0 100 300 1000] [--runs N] [--json FILE]

Each figure is the median over so many fresh processes of the lookup call alone: Airflow is imported, the backend made,
and one Connection with a password built before the clock starts, since every backend pays for the first one (SQLAlchemy's
mappers, the imports of cryptography: a second or so). "over empty" is the difference to the same backend with an empty file. Passwords are distinct, as in a deployment: the
quadratic part of the stock class is the log masker's, and it takes each password once.

LocalFilesystemBackend at 1000 takes half a minute a process on Airflow 3, so it has fewer runs (--slow-runs). Figures are
of this machine.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import string
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "tests" / "airflow"
MODULE = ROOT / "templates" / "secrets_init_backend.py"
BACKENDS = {
    "stock": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
    "lazy": f"{MODULE.stem}.LazyLocalFilesystemBackend",
}

# Runs inside Airflow: prints the milliseconds of the first and of the second lookup.
CHILD = """
import importlib, sys, time
import airflow_side
answers = airflow_side.only_answers_on_stdout()
airflow_side.import_airflow()
from airflow.models.connection import Connection
Connection(conn_id="warm_up", conn_type="http", host="h", password="warm-up password", extra='{"a": "b"}')
module, name = sys.argv[1].rsplit(".", 1)
backend = getattr(importlib.import_module(module), name)(connections_file_path=sys.argv[2])
times = []
for _ in range(2):
    start = time.perf_counter()
    found = backend.get_connection(sys.argv[3])
    times.append((time.perf_counter() - start) * 1000)
    assert (found is not None) == (sys.argv[4] == "there"), "the lookup went wrong"
print(*times, file=answers)
"""


def connections(count: int) -> dict:
    """So many connections as our program writes them, each with a password of its own."""
    dice = random.Random(count)
    password = lambda: "".join(dice.choices(string.ascii_letters + string.digits, k=20))  # noqa: E731
    extra = {"sslmode": "require", "application_name": "airflow"}
    fields = {"conn_type": "postgres", "host": "db.example.internal", "login": "app", "schema": "app", "port": 5432, "extra": extra}
    return {f"conn_{number:05}": fields | {"password": password()} for number in range(count)}


def measure(python: pathlib.Path, backend: str, file: pathlib.Path, conn_id: str, there: bool) -> tuple[float, float]:
    """One fresh process: milliseconds of its first and of its second lookup."""
    arguments = [python, "-c", CHILD, BACKENDS[backend], file, conn_id, "there" if there else "missing"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(MODULE.parent)]), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(arguments, env=env, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"the lookup ended with {ended.returncode}:\n{ended.stderr}")
    first, second = map(float, ended.stdout.split())
    return first, second


def interpreter(airflow: str) -> pathlib.Path:
    """The environment of this Airflow, made if it is not there."""
    made = subprocess.run([sys.executable, SCRIPTS / "venv.py", airflow], check=True, capture_output=True, text=True)
    return pathlib.Path(made.stdout.split()[1])


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--airflow", nargs="+", default=["2.8.1", "3.3.2"], metavar="VERSION")
    parser.add_argument("--sizes", nargs="+", type=int, default=[0, 100, 300, 1000], metavar="N")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--runs", type=int, default=7, help="processes for each figure")
    parser.add_argument("--slow-runs", type=int, default=2, help="the same for stock with 1000 or more")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the figures, for a program")
    options = parser.parse_args()

    rows = []
    print(f"{'airflow':<8} {'backend':<8} {'connections':>11} {'runs':>5} {'first ms':>10} {'over empty':>11} {'second ms':>10}")
    with tempfile.TemporaryDirectory() as directory:
        files = {size: pathlib.Path(directory) / f"connections-{size}.json" for size in {0, *options.sizes}}
        for size, file in files.items():
            file.write_text(json.dumps(connections(size)), encoding="ascii")
        for airflow in options.airflow:
            python = interpreter(airflow)
            for backend in options.backends:
                empty = None
                for size in sorted(files):
                    runs = options.slow_runs if backend == "stock" and size >= 1000 else options.runs
                    times = [measure(python, backend, files[size], f"conn_{size // 2:05}", size > 0) for _ in range(runs)]
                    first, second = (statistics.median(column) for column in zip(*times))
                    empty = first if empty is None else empty
                    row = {"airflow": airflow, "backend": backend, "connections": size, "runs": runs}
                    row |= {"first_ms": round(first, 1), "over_empty_ms": round(first - empty, 1), "second_ms": round(second, 2)}
                    rows.append(row)
                    print(f"{airflow:<8} {backend:<8} {size:>11} {runs:>5} {first:>10.1f} {first - empty:>11.1f} {second:>10.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
