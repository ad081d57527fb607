#!/usr/bin/env python3.11
"""Makes the virtual environments that the parity tests run real Airflow in.

    venv.py [NAME ...]            make these (default: all), print `NAME PYTHON` for each
    venv.py --relock [NAME ...]   resolve requirements-NAME.in again into requirements-NAME.txt

They go to target/airflow/NAME. A parity test that quietly skips when it cannot get Airflow proves nothing,
so every failure here is an error. Needs python3.11, its venv module and PyPI; nothing else.

The lock files name every package and are installed as they are, without resolving: the 2.8.1 environment is the one
of early 2024 for as long as PyPI keeps those files. `uv` is only there for speed (2 s instead of a minute).
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[1] / "target") / "airflow"

UV_VERSION = "0.13.9"

# What PyPI is taken to have held when a lock file was resolved: some weeks after the release, so that each Airflow
# gets the dependencies that its users had, and not later ones that break it.
RESOLVED_AS_OF = {
    "2.8.1": "2024-02-15",
    "2.11.2": "2026-04-01",
    "3.1.8": "2026-04-15",
    "3.3.2": "2026-11-20",
    "3.4.0b2": "2026-11-20",
    "moto": "2026-11-20",
}


class Failed(Exception):
    """An environment could not be made; the message is for the person who ran the tests."""


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--relock", action="store_true", help="resolve the lock files again instead")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RESOLVED_AS_OF)}; default: all")
    options = parser.parse_args()
    names = options.names or list(RESOLVED_AS_OF)
    if unknown := [name for name in names if name not in RESOLVED_AS_OF]:
        parser.error(f"no such environment: {', '.join(unknown)} (there are: {', '.join(RESOLVED_AS_OF)})")
    try:
        for name in names:
            if options.relock:
                relock(name)
            else:
                print(name, make(name), flush=True)
    except Failed as failure:
        print(f"venv.py: {failure}", file=sys.stderr)
        return 1
    return 0


def alone(name: str, here: pathlib.Path, as_of: str) -> int:
    """The command line of a script that makes one environment of its own, below target/NAME; returns the exit code."""
    try:
        if sys.argv[1:2] == ["--relock"]:
            relock(name, here, as_of, f"tests/{here.name}/environment.py --relock")
        else:
            print(make(name, here, TARGET.parent / name))
    except Failed as failure:
        print(f"environment.py: {failure}", file=sys.stderr)
        return 1
    return 0


def make(name: str, locks: pathlib.Path = HERE, below: pathlib.Path = TARGET) -> pathlib.Path:
    """Makes the environment unless it is there already; returns its Python."""
    lock_file = locks / f"requirements-{name}.txt"
    with exclusive(name, below) as home:
        python = home / "bin" / "python"
        wanted = fingerprint(lock_file.read_bytes())
        if is_made(home, wanted):
            return python
        started = time.monotonic()
        uv("venv", "--quiet", "--python", python311(), home, what=name)
        uv("pip", "install", "--quiet", "--no-deps", "--python", python, "--requirement", lock_file, what=name)
        mark_as_made(home, wanted)
        print(f"venv.py: made {home} in {time.monotonic() - started:.1f} s", file=sys.stderr)
        return python


def relock(name: str, locks: pathlib.Path = HERE, as_of: str = "", command: str = "tests/airflow/venv.py --relock") -> None:
    """Resolves requirements-NAME.in into the lock file.

    The requirements are given as overrides too: they stand even where airflow-aws-shared-secrets, which declares
    providers-amazon < 9, disagrees. People do install it beside newer ones.
    """
    requirements = f"requirements-{name}.in"
    uv(
        *("pip", "compile", "--quiet", "--no-annotate", "--python-version", "3.11"),
        *("--exclude-newer", as_of or RESOLVED_AS_OF[name], "--override", requirements),
        *("--custom-compile-command", f"{command} {name}"),
        *(requirements, "--output-file", f"requirements-{name}.txt"),
        what=f"{name} lock file",
        cwd=locks,
    )


def uv(*arguments: object, what: str, cwd: pathlib.Path | None = None) -> None:
    """Runs uv, which is itself installed with pip the first time."""
    with exclusive("uv") as home:
        wanted = fingerprint(UV_VERSION.encode())
        if not is_made(home, wanted):
            # -I: from this directory, `-m venv` would run this very file.
            run([python311(), "-I", "-m", "venv", home], what="uv")
            pip = [home / "bin" / "python", "-I", "-m", "pip", "--disable-pip-version-check"]
            run([*pip, "install", "--quiet", f"uv=={UV_VERSION}"], what="uv")
            mark_as_made(home, wanted)
    settings = {"UV_CACHE_DIR": str(TARGET / "uv-cache"), "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"}
    run([home / "bin" / "uv", *arguments], what=what, env=os.environ | settings, cwd=cwd)


def run(command: list[object], what: str, **how: object) -> None:
    """Runs a command; its own words are shown only when it fails."""
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **how
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise Failed(f"cannot make the environment {what!r} (is PyPI reachable?):\n{said}")


def python311() -> str:
    """The interpreter the lock files were resolved for."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        raise Failed("python3.11 is needed: the lock files are for it, and Airflow 2.8.1 has no later one")
    return found


@contextlib.contextmanager
def exclusive(name: str, below: pathlib.Path = TARGET):
    """Yields the environment's directory while no other process may make it."""
    below.mkdir(parents=True, exist_ok=True)
    with open(below / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield below / name


def fingerprint(content: bytes) -> str:
    """Names what an environment is made from. Not the interpreter's path: there are several to the same one."""
    return hashlib.sha256(content).hexdigest()


def is_made(home: pathlib.Path, wanted: str) -> bool:
    """Whether the environment is complete and up to date; removes it if it is not."""
    marker = home / "made-from"
    has_interpreter = (home / "bin" / "python").exists()  # a link, which may lead nowhere by now
    if has_interpreter and marker.is_file() and marker.read_text(encoding="ascii") == wanted:
        return True
    shutil.rmtree(home, ignore_errors=True)
    return False


def mark_as_made(home: pathlib.Path, wanted: str) -> None:
    """Written last, so a build that was cut off is done again."""
    (home / "made-from").write_text(wanted, encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
