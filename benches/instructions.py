"""How many instructions fixed runs take, against a committed table. Counted, not timed: a busy machine changes nothing.

    python3 benches/instructions.py [--program PATH] [--by-crate] [--write]

Valgrind's callgrind counts them, on a program for amd64. The table is benches/instructions.json; a run that takes over 3 % more than
its row fails, and one that takes over 3 % less asks for the table to be written anew (--write). --by-crate wants a program with
symbols (`make bench-instructions ARGS=--by-crate` builds one) and prints where the instructions go.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

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


def counted(program: pathlib.Path, arguments: list[str], env: dict[str, str], out: pathlib.Path) -> int:
    """Instructions of one run, all threads together."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet", program, *arguments]
    ended = subprocess.run(command, env=env | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))


def crate(function: str) -> str:
    """The crate of a function's demangled or legacy name; what has none is C or the compiler's."""
    name = re.sub(r"^[<&*(]*(?:mut |dyn |impl )*", "", function)
    path = re.match(r"([A-Za-z_][A-Za-z0-9_]*)::", name)
    if path:
        return path.group(1)
    if re.match(r"(aws_lc|bn_|ec_|ecp_|sha|x25519|p256|mlkem|BN_|EVP_|SHA|AES|aes|gcm)", function):
        return "aws-lc"
    return "libc and others"


def by_crate(out: pathlib.Path) -> list[tuple[str, int]]:
    """Instructions by crate, most first."""
    listing = subprocess.run(["callgrind_annotate", "--threshold=100", "--show-percs=no", out], capture_output=True, text=True, check=True)
    sums: collections.Counter[str] = collections.Counter()
    for line in listing.stdout.splitlines():
        if row := re.match(r"\s*([\d,]+)\s+\S*?:(\S.*?)(?: \[.*\])?$", line):
            sums[crate(row.group(2))] += int(row.group(1).replace(",", ""))
    return sums.most_common(14)


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
        for name, (arguments, env) in runs(server, place).items():
            found[name] = counted(options.program, arguments, env, out)
            before = known.get(name)
            ratio = found[name] / before if before else None
            lines.append([name, f"{found[name]:,}", f"{before:,}" if before else "", f"{ratio:.3f}" if ratio else ""])
            if ratio is None or abs(ratio - 1) > TOLERANCE:
                wrong.append(name)
            if options.by_crate:
                total = found[name]
                print(f"\n{name}: {total:,}")
                print(lab.table(["crate", "instructions", "share"], [[c, f"{n:,}", f"{n / total:.1%}"] for c, n in by_crate(out)]))
    print(lab.table(["run", "instructions", "table", "ratio"], lines))
    if options.write:
        TABLE.write_text(json.dumps(found, indent=2) + "\n")
    elif wrong and not options.by_crate:
        sys.exit(f"over {TOLERANCE:.0%} off the table: {', '.join(wrong)}. If that is right, write the table anew: make bench-instructions ARGS=--write")


if __name__ == "__main__":
    main()
