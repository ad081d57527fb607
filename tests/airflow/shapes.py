"""What people store, read by Airflow: live, from the connections file and from the env file.

    target/airflow/3.3.2/bin/python tests/airflow/shapes.py --bin target/debug/airflow-secrets-init [--bless]

Runs inside an Airflow environment (venv.py). Each shape of shapes.json is given to the provider's own SecretsManagerBackend, with
the text as what AWS answers, and to our program; LocalFilesystemBackend must find the same connection in the connections file, and
EnvironmentVariablesBackend in the variables of the env file, for server processes and for tasks. The words that docs/SHAPES.md
shows must be what Airflow reads and what `check` reports. Exits with 1 if anything differs.
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

import airflow_side

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "formats"))
import env_readers
from readers import environment

SHAPES = pathlib.Path(__file__).with_name("shapes.json")


def live_backend(text: str, connection_class):
    """The provider's backend; AWS answers with this text."""
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    backend = SecretsManagerBackend()
    backend._get_secret = lambda *arguments, **keywords: text
    return with_class(backend, connection_class)


def with_class(backend, connection_class):
    """The same backend, for the class that the process has: Airflow 3.1 and later have two."""
    if connection_class is not None and hasattr(backend, "_set_connection_class"):
        backend._set_connection_class(connection_class)
    return backend


def classes() -> dict:
    """The classes of server processes and of tasks."""
    from airflow.models import Connection

    found = {"server": Connection}
    with contextlib.suppress(ImportError):
        from airflow.sdk import Connection as OfTasks

        found["task"] = OfTasks
    return found


def without_reason(outcome: dict) -> dict:
    """The outcome; of what is not found that alone: another backend has other words for it."""
    return outcome if outcome["found"] else {"found": False}


def said_of(outcome: dict) -> str:
    """A connection in the words of docs/SHAPES.md."""
    if not outcome["found"]:
        return "not found"
    return ", ".join(f"{field} {outcome[field]}" for field in airflow_side.FIELDS if outcome[field] not in (None, ""))


def render(program: pathlib.Path, directory: str, shapes: list, target: str) -> dict:
    """Renders all shapes; gives what `check` reports of each."""
    own = {f"airflow/connections/c{place}": shape["stored"] for place, shape in enumerate(shapes)}
    store = pathlib.Path(directory) / "store.json"
    store.write_text(json.dumps({"own": own}), encoding="ascii")
    variables = {
        "AIRFLOW__SECRETS__BACKEND_KWARGS": "{}",
        "SECRETS_INIT_STORE": f"file:{store}",
        "SECRETS_INIT_AIRFLOW_VERSION": target,
        "SECRETS_INIT_ON_EMPTY": "ignore",
        "SECRETS_INIT_CONNECTIONS_FILE": f"{directory}/connections.json",
        "SECRETS_INIT_AIRFLOW_ENV_FILE": f"{directory}/airflow.env",
        "SECRETS_INIT_LOG": "error",
        "SECRETS_INIT_OUTPUT": "json",
    }
    for command in ("check", "render"):
        done = subprocess.run([program.resolve(), command], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if command == "check":
            found = json.loads(done.stdout)
    says = {row["id"]: row["note"] for row in found["connections"] if row["note"]}
    return says | {row["id"]: row["message"].partition(" is invalid: ")[2] for row in found["problems"]}


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="our program")
    parser.add_argument("--bless", action="store_true", help="write what is read and reported into shapes.json")
    options = parser.parse_args()
    answers = airflow_side.only_answers_on_stdout()
    airflow_side.import_airflow()
    rows = json.loads(SHAPES.read_text(encoding="utf-8"))
    shapes = [row for row in rows if "stored" in row]
    version = airflow_side.versions()["airflow"]
    failed = []

    def expect(shape: dict, what: str, expected, got) -> None:
        if json.dumps(expected) != json.dumps(got):
            failed.append(f"{version}: {shape['what']}: {what}: expected {expected!r}, got {got!r}")

    with tempfile.TemporaryDirectory(prefix="shapes-") as directory:
        says = render(options.bin, directory, shapes, version.partition(".")[0])
        from airflow.secrets.environment_variables import EnvironmentVariablesBackend
        from airflow.secrets.local_filesystem import LocalFilesystemBackend

        local = LocalFilesystemBackend(connections_file_path=f"{directory}/connections.json")
        in_env = env_readers.read("bash", f"{directory}/airflow.env")
        for place, shape in enumerate(shapes):
            conn_id = f"c{place}"
            live = {name: airflow_side.as_airflow_sees(lambda: live_backend(shape["stored"], of).get_connection(conn_id)) for name, of in classes().items()}
            if version.startswith("3."):
                reads, message = said_of(live["server"]), says.get(conn_id, "")
                if options.bless:
                    shape["reads"], shape["says"] = reads, message
                expect(shape, "what Airflow reads, as the page has it", shape["reads"], reads)
                expect(shape, "what check reports, as the page has it", shape["says"], message)
            there = airflow_side.as_airflow_sees(lambda: local.get_connection(conn_id))
            expect(shape, "the connections file", without_reason(live["server"]), without_reason(there))
            with environment(**in_env):
                for name, of in classes().items():
                    there = airflow_side.as_airflow_sees(lambda: with_class(EnvironmentVariablesBackend(), of).get_connection(conn_id))
                    expect(shape, f"the env file, {name}", without_reason(live[name]), without_reason(there))
    if options.bless:
        SHAPES.write_text(json.dumps(rows, indent=1, ensure_ascii=True) + "\n", encoding="ascii")
    print(f"airflow {version}: {len(shapes)} shapes, {len(failed)} differ", *failed, sep="\n", file=answers)
    assert len(shapes) >= 60
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
