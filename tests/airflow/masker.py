"""Does the log masker of this Airflow learn what our program counts?

    target/airflow/3.3.2/bin/python tests/airflow/masker.py --bin target/debug/airflow-secrets-init

Runs inside an Airflow environment (venv.py). Our program warns of a file whose first lookup takes long, by the number and length of the
patterns that the masker joins (src/airflow/masker.rs). Here it renders connections of every kind, says at debug what it counted, and
LocalFilesystemBackend looks one of them up. Counted, not timed.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

import airflow_side

PASSWORDS = [
    *("plain-password", "plain-password", "with/slash", "with+plus", "base64/with+both==", "w!th#all&of%these*@:?", "with space"),
    *("dots.and_~", "%2Bescaped", "four", "five5", "a+b", "airflow", "AirFlow", "a", "\u00fcml\u00e4ut-w\u00f6rd", "\u00fc\u00e4\u00f6\u00df", "\U0001f600\U0001f600"),
    *("same+same", "same%2Bsame", "quote\"back\\slash'", "tab\ttab", "dollar$dollar", "(brackets)[more]{all}", "x" * 300),
    *(f"number-{number}" for number in range(50)),
    *(f"number+{number}" for number in range(50)),
]
EXTRA = {"private_key": "never/learned+before-somebody-reads-it", "password": "nor+this/one"}


def secrets() -> dict[str, str]:
    """Conn_id to secret, each password as a JSON secret, with an extra, and as a URI; and connections without one."""
    found = {"asked": {"conn_type": "http", "host": "h"}, "no_password": {"conn_type": "x"}, "empty": {"conn_type": "x", "password": ""}}
    found = {conn_id: json.dumps(value) for conn_id, value in found.items()}
    for number, password in enumerate(PASSWORDS):
        found[f"json{number}"] = json.dumps({"conn_type": "x", "login": "u", "password": password, "extra": EXTRA})
        found[f"uri{number}"] = f"x://u:{urllib.parse.quote(f'{password}-uri', safe='')}@h"
    return found


def counted(program: str, directory: pathlib.Path, version: str) -> tuple[int, int]:
    """Renders the file; gives the patterns that our program counts, and their characters."""
    store = directory / "store.json"
    store.write_text(json.dumps({"own": {f"airflow/connections/{conn_id}": value for conn_id, value in secrets().items()}}))
    env = {
        "SECRETS_INIT_STORE": f"file:{store}",
        "SECRETS_INIT_BACKEND_KWARGS": "{}",
        "SECRETS_INIT_CONNECTIONS_FILE": str(directory / "connections.json"),
        "SECRETS_INIT_AIRFLOW_VERSION": version,
        "SECRETS_INIT_LOG": "debug",
    }
    done = subprocess.run([program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"builds (\d+) connections, and the log masker learns (\d+) patterns of (\d+) characters", done.stderr)
    assert found and int(found[1]) == len(secrets()), done.stderr
    return int(found[2]), int(found[3])


def learned(file: pathlib.Path) -> set[str]:
    """What the masker learns by one lookup of a fresh process, not escaped."""
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    before = airflow_side.masked_patterns()
    assert LocalFilesystemBackend(connections_file_path=str(file)).get_connection("asked").host == "h"
    new = airflow_side.masked_patterns() - before
    # Google's re2 escapes the bytes of a character in some versions; what it means is the same.
    return {re.sub(r"\\(?:x([0-9a-f]{2})|(.))", lambda match: chr(int(match[1], 16)) if match[1] else match[2], one, flags=re.DOTALL) for one in new}


def main() -> None:
    """Compares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    program = parser.parse_args().bin
    answers = airflow_side.only_answers_on_stdout()
    airflow_side.import_airflow()
    version = airflow_side.versions()["airflow"]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        patterns, characters = counted(program, directory, version)
        patterns_of_airflow = learned(directory / "connections.json")
    # Before it had the second form of a password (2.8.1), Airflow learned fewer: there our count is that of its later 2.x.
    if not any("%2B" in pattern and "+" not in pattern and pattern.startswith("number") for pattern in patterns_of_airflow):
        assert version.startswith("2."), "the second form of passwords is gone: src/airflow/masker.rs must know"
        patterns_of_airflow |= {urllib.parse.quote(pattern) for pattern in patterns_of_airflow}
    found = len(patterns_of_airflow), sum(map(len, patterns_of_airflow))
    assert found == (patterns, characters), f"Airflow {version}: the masker learned {found}, our program counts {(patterns, characters)}"
    print(f"masker: Airflow {version}: {patterns} patterns of {characters} characters of {len(secrets())} connections, as counted", file=answers)


if __name__ == "__main__":
    sys.exit(main())
