"""What the first lookup of a connection costs a fresh Airflow process, by the size and kind of the file and the backend.

    make bench-airflow
    python3 benches/first_lookup.py [--airflow 2.8.1 ...] [--kinds plain ...] [--sizes 0 100 ...] [--runs N] [--json FILE]

Each figure is the median over so many fresh processes of the CPU time (user and system) of the lookup call alone: CPU time says the same
on a busy machine as on a quiet one but for the caches that processes share. Airflow is imported, the backend made, and one Connection
with a password built before the clock starts, since every backend pays for the first one (SQLAlchemy's mappers, the imports of
cryptography: a second or so). "over empty" is the difference to the same backend with an empty file. "patterns" is what the log masker
has learned by the lookup, "characters" their length in all: Airflow's cost is in these two. Passwords are distinct, as in a deployment.

LocalFilesystemBackend with 1000 takes from half a minute to minutes a process on Airflow 3, so it has fewer runs (--slow-runs). Figures
are of this machine; its load is printed.
"""

import argparse
import itertools
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

# Runs inside Airflow: prints the milliseconds of the first and of the second lookup, and what the log masker knows in the end.
CHILD = """
import importlib, sys, time
import airflow_side
answers = airflow_side.only_answers_on_stdout()
airflow_side.import_airflow()
from airflow.models.connection import Connection
Connection(conn_id="warm_up", conn_type="http", host="h", password="warm-up password", extra='{"a": "b"}')
known = airflow_side.masked_patterns()
module, name = sys.argv[1].rsplit(".", 1)
backend = getattr(importlib.import_module(module), name)(connections_file_path=sys.argv[2])
times = []
for _ in range(2):
    start = time.process_time()
    found = backend.get_connection(sys.argv[3])
    times.append((time.process_time() - start) * 1000)
    assert (found is not None) == (sys.argv[4] == "there"), "the lookup went wrong"
learned = airflow_side.masked_patterns() - known
print(*times, len(learned), sum(map(len, learned)), file=answers)
"""

PLAIN = string.ascii_letters + string.digits
SPECIAL = PLAIN + "+/=!#%&*@"
KINDS = {
    "plain": "letters and digits, 20 of them",
    "special": "20 characters, + and / among them",
    "long": "letters and digits, 60 of them",
    "extra": "plain, and secrets in the extra",
    "uri": "plain, as URIs",
}


def connections(count: int, kind: str) -> dict:
    """So many connections as our program writes them, each with a password of its own."""
    dice = random.Random(count)

    def text(alphabet: str, length: int = 20) -> str:
        return "".join(dice.choices(alphabet, k=length))

    def one(number: int) -> dict | str:
        password = {"special": lambda: f"{text(SPECIAL, 18)}+/", "long": lambda: text(PLAIN, 60)}.get(kind, lambda: text(PLAIN))()
        extra = {"sslmode": "require", "application_name": "airflow"}
        if kind == "extra":
            extra |= {"private_key": text(SPECIAL, 200), "aws_secret_access_key": text(SPECIAL, 40)}
        if kind == "uri":
            return f"postgres://app:{password}@db.example.internal:5432/app?sslmode=require"
        fields = {"conn_type": "postgres", "host": "db.example.internal", "login": "app", "schema": "app", "port": 5432}
        return fields | {"password": password, "extra": extra}

    return {f"conn_{number:05}": one(number) for number in range(count)}


def measure(python: pathlib.Path, backend: str, file: pathlib.Path, conn_id: str, there: bool) -> tuple[float, ...]:
    """One fresh process: CPU milliseconds of its first and of its second lookup, the masker's patterns and their characters."""
    arguments = [python, "-c", CHILD, BACKENDS[backend], file, conn_id, "there" if there else "missing"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(MODULE.parent)]), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(arguments, env=env, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"the lookup ended with {ended.returncode}:\n{ended.stderr}")
    return tuple(map(float, ended.stdout.split()))


def interpreter(airflow: str) -> pathlib.Path:
    """The environment of this Airflow, made if it is not there."""
    made = subprocess.run([sys.executable, SCRIPTS / "venv.py", airflow], check=True, capture_output=True, text=True)
    return pathlib.Path(made.stdout.split()[1])


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--airflow", nargs="+", default=["2.8.1", "2.11.2", "3.3.2", "3.4.0b2"], metavar="VERSION")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["plain", "special"], help="of connections")
    parser.add_argument("--sizes", nargs="+", type=int, default=[0, 50, 100, 200, 300, 500, 1000], metavar="N")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--runs", type=int, default=3, help="processes for each figure")
    parser.add_argument("--slow-runs", type=int, default=1, help="the same for stock with 500 or more")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the figures, for a program")
    options = parser.parse_args()

    rows = []
    heads = f"{'first ms':>10} {'over empty':>11} {'second ms':>10} {'patterns':>9} {'characters':>11} {'load':>5}"
    print(f"{'airflow':<8} {'backend':<8} {'kind':<8} {'connections':>11} {'runs':>5} {heads}")
    sizes = sorted({0, *options.sizes})
    with tempfile.TemporaryDirectory() as directory:
        for airflow, backend, kind in itertools.product(options.airflow, options.backends, options.kinds):
            python, empty = interpreter(airflow), None
            for size in sizes:
                file = pathlib.Path(directory) / f"{kind}-{size}.json"
                file.write_text(json.dumps(connections(size, kind)), encoding="ascii")
                runs = options.slow_runs if backend == "stock" and size >= 500 else options.runs
                times = [measure(python, backend, file, f"conn_{size // 2:05}", size > 0) for _ in range(runs)]
                first, second, patterns, characters = (statistics.median(column) for column in zip(*times))
                empty = first if empty is None else empty
                row = {"airflow": airflow, "backend": backend, "kind": kind, "connections": size, "runs": runs}
                row |= {"first_ms": round(first, 1), "over_empty_ms": round(first - empty, 1), "second_ms": round(second, 2)}
                row |= {"patterns": round(patterns), "characters": round(characters), "load": round(os.getloadavg()[0], 1)}
                rows.append(row)
                figures = f"{first:>10.1f} {first - empty:>11.1f} {second:>10.2f} {patterns:>9.0f} {characters:>11.0f} {row['load']:>5}"
                print(f"{airflow:<8} {backend:<8} {kind:<8} {size:>11} {runs:>5} {figures}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
