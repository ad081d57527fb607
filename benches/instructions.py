"""How many instructions fixed runs take, against a committed table. Counted, not timed: a busy machine changes nothing.

    python3 benches/instructions.py [--program PATH] [--by-crate] [--write]

Valgrind's callgrind counts them, on a program for amd64. The table is benches/instructions.json; a run that takes over 3 % more than
its row fails, and one that takes over 3 % less asks for the table to be written anew (--write). --by-crate wants a program with
symbols (`make bench-instructions ARGS=--by-crate` builds one) and prints where the instructions go.
"""

import argparse
import collections
import functools
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import lab

TABLE = lab.ROOT / "benches" / "instructions.json"
TOLERANCE = 0.03
FORMATS = ["json", "yaml", "env"]


def file_store(path: pathlib.Path, size: int) -> pathlib.Path:
    """A document for the file store with that many connections."""
    path.write_text(json.dumps({"own": {lab.PREFIX + name: lab.secret(i) for i, name in enumerate(lab.conn_ids(size))}}))
    return path


def runs(server: lab.Fake, place: pathlib.Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Arguments and environment of each row."""
    file = place / "connections.json"
    store = file_store(place / "store.json", 1000)
    asked = {size: lab.ours(size, file) | {"AWS_ENDPOINT_URL": server.url} for size in (100, 1000)}
    rows = {
        "--version": (["--version"], {}),
        "settings alone (check --offline)": (["check", "--offline"], lab.ours(100, file)),
        "100 connections over HTTP": ([], asked[100]),
        "1,000 connections over HTTP": ([], asked[1000]),
    }
    for form in FORMATS:
        target = place / f"connections.{form}"
        rows[f"1,000 of a file, as .{form}"] = ([], lab.credentials(1000) | {
            "AIRFLOW__SECRETS__BACKEND_KWARGS": "{}",
            "SECRETS_INIT_STORE": f"file:{store}",
            "SECRETS_INIT_CONNECTIONS_FILE": str(target),
        })
    return rows


def under_callgrind(program: pathlib.Path, arguments: list[str], env: dict[str, str], out: pathlib.Path) -> subprocess.Popen:
    """The program, counted."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet", program, *arguments]
    return subprocess.Popen(command, env=env | {"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def total(process: subprocess.Popen, out: pathlib.Path) -> int:
    """Instructions of the run, once it has ended well, all threads together."""
    _, stderr = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, process.args))} ended with {process.returncode}:\n{stderr[-2000:]}")
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))


def counted(program: pathlib.Path, arguments: list[str], env: dict[str, str], out: pathlib.Path) -> int:
    """Instructions of one run."""
    return total(under_callgrind(program, arguments, env, out), out)


def of_a_quiet_reading(program: pathlib.Path, env: dict[str, str], place: pathlib.Path, out: pathlib.Path) -> int:
    """Instructions of a later reading that finds nothing new: a process with three of them less one with one, halved."""
    status = place / "status.json"

    def with_readings(last: int) -> int:
        settings = {"SECRETS_INIT_REFRESH": "24h", "SECRETS_INIT_STATUS_FILE": str(status)}
        process = under_callgrind(program, [], env | settings, out)
        for reading in range(1, last + 1):
            if reading > 1:
                process.send_signal(signal.SIGHUP)
            while process.poll() is None and not (status.exists() and json.loads(status.read_text())["attempts"] >= reading):
                time.sleep(0.05)  # seconds
        process.send_signal(signal.SIGTERM)
        count = total(process, out)
        status.unlink()
        return count

    return (with_readings(4) - with_readings(2)) // 2


def part(file: str, function: str) -> str:
    """The crate of a function's demangled or legacy name, or the part of C that it belongs to."""
    name = re.sub(r"^[<&*(]*(?:mut |dyn |impl )*", "", function)
    if "/aws-lc/" in file or re.match(r"(aws_lc|OPENSSL_)", function):
        return "aws-lc"
    if re.search(r"/malloc/|dlmalloc", file) or re.search(r"__rust_(de|re)?alloc|raw_vec|dlmalloc", function):
        return "allocation"
    if "memset" in function or "clear_bytes" in function:
        return "wiping"
    path = re.match(r"([A-Za-z_][A-Za-z0-9_]*)::", name)
    return path.group(1) if path else "libc and others"


def table_by_crate(out: pathlib.Path) -> str:
    """Where the instructions of the process that was counted last went, most first."""
    listing = subprocess.run(["callgrind_annotate", "--threshold=100", "--show-percs=no", out], capture_output=True, text=True, check=True)
    sums: collections.Counter[str] = collections.Counter()
    for line in listing.stdout.splitlines():
        if row := re.match(r"\s*([\d,]+)\s+(\S*?):(\S.*?)(?: \[.*\])?$", line):
            sums[part(row.group(2), row.group(3))] += int(row.group(1).replace(",", ""))
    of_all = sum(sums.values())
    return lab.table(["crate", "instructions", "share"], [[name, f"{count:,}", f"{count / of_all:.1%}"] for name, count in sums.most_common(14)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--by-crate", action="store_true", help="and where the instructions go; compares nothing")
    parser.add_argument("--write", action="store_true", help="write the table")
    parser.add_argument("--server", type=pathlib.Path, default=lab.TARGET / "debug" / "fake-aws", help="any build of the fake AWS: it is not counted")
    options = parser.parse_args()
    lab.SERVER = options.server
    known = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    lines, wrong, found = [], [], {}
    with (
        tempfile.TemporaryDirectory() as directory,
        lab.fake(tls=False, document=lab.scenario([100, 1000])) as server,
    ):
        place = pathlib.Path(directory)
        out = place / "callgrind.out"
        rows = runs(server, place)
        measures = {name: functools.partial(counted, options.program, *row, out) for name, row in rows.items()}
        env = rows["100 connections over HTTP"][1]
        measures["a quiet reading of the refresh, 100 connections over HTTP"] = functools.partial(of_a_quiet_reading, options.program, env, place, out)
        for name, measure in measures.items():
            found[name] = measure()
            before = known.get(name)
            ratio = found[name] / before if before else None
            lines.append([name, f"{found[name]:,}", f"{before:,}" if before else "", f"{ratio:.3f}" if ratio else ""])
            if ratio is None or abs(ratio - 1) > TOLERANCE:
                wrong.append(name)
            if options.by_crate:
                print(f"\n{name}: {found[name]:,}")
                print(table_by_crate(out))
    print(lab.table(["run", "instructions", "table", "ratio"], lines))
    if options.write:
        TABLE.write_text(json.dumps(found, indent=2) + "\n")
    elif wrong and not options.by_crate:
        sys.exit(f"over {TOLERANCE:.0%} off the table: {', '.join(wrong)}. If that is right, write the table anew: make bench-instructions ARGS=--write")


if __name__ == "__main__":
    main()
