"""Asks the live backend: real airflow-aws-shared-secrets, real provider, real boto3, against a fake AWS.

Runs inside an Airflow environment (venv.py). Reads jobs from stdin, one JSON object a line:

    {"endpoint": "http://127.0.0.1:PORT", "class": "shared" | "plain", "as": "server" | "task",
     "kwargs": {backend_kwargs}, "env": {"AWS_ACCESS_KEY_ID": ..., ...}, "conn_ids": [...]}

and prints a line for each:

    {"airflow": "3.3.2", "providers_amazon": "9.39.0", "connections": {conn_id: outcome}}

An outcome is `{"found": true, conn_type, host, login, password, port, schema, extra}`, or `{"found": false, "why":
exception name, or "None"}`. With `"broken": "ExceptionName"` in place of `connections`, the backend could not even be made.
"""

import contextlib
import functools
import json
import os
import sys

import airflow_side


def main() -> None:
    """Answers jobs until stdin ends."""
    share_botocore_data()
    airflow_side.serve(answer)


def share_botocore_data() -> None:
    """Lets all boto3 sessions of this process read botocore's data files once.

    The shared backend makes a session for each lookup, and would spend 100 ms of each on reading the same JSON.
    """
    import botocore.session

    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def answer(job: dict) -> dict:
    """Looks every conn_id up."""
    with environment(job["env"] | {"AWS_ENDPOINT_URL": job["endpoint"]}), context(job.get("as", "server")) as connection_class:
        try:
            backend = backend_class(job.get("class", "shared"))(**expanded(job["kwargs"]))
        except Exception as error:  # noqa: BLE001  (whatever it is, Airflow does not start)
            return airflow_side.versions() | {"broken": type(error).__name__}
        if hasattr(backend, "_set_connection_class"):
            backend._set_connection_class(connection_class)
        return airflow_side.versions() | {
            "connections": {
                conn_id: airflow_side.as_airflow_sees(lambda: backend.get_connection(conn_id)) for conn_id in job["conn_ids"]
            }
        }


def expanded(kwargs: dict) -> dict:
    """The kwargs as Airflow reads them from AIRFLOW__SECRETS__BACKEND_KWARGS: $NAME and ${NAME} are replaced."""
    from airflow.configuration import expand_env_var

    return json.loads(expand_env_var(json.dumps(kwargs)))


def backend_class(name: str) -> type:
    """The class under test, made to work where only its signature is out of date."""
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    if name == "plain":
        return SecretsManagerBackend

    from airflow_aws_shared_secrets.secret_manager import SharedSecretsManagerBackend as Published

    class SharedSecretsManagerBackend(Published):
        """providers-amazon 9.26 and later pass team_name, which 0.0.5 does not take: every lookup is a TypeError."""

        def _get_secret(self, path_prefix, secret_id, lookup_pattern, team_name=None):
            return super()._get_secret(path_prefix, secret_id, lookup_pattern)

    return SharedSecretsManagerBackend


@contextlib.contextmanager
def context(who: str):
    """Looks up as a server process or as a task does; yields the Connection class.

    2.x and 3.0 know one class. In 3.1 the models class turns into the SDK's inside a task (from_json looks for
    SUPERVISOR_COMMS); from 3.2 the backend is told the class when it is made.
    """
    from airflow.models import Connection

    if who == "server" or int(airflow_side.versions()["airflow"].split(".")[0]) < 3:
        yield Connection
        return

    from airflow.sdk import Connection as TaskConnection
    from airflow.sdk.execution_time import task_runner

    task_runner.SUPERVISOR_COMMS = NoSupervisor()
    try:
        yield TaskConnection
    finally:
        del task_runner.SUPERVISOR_COMMS


class NoSupervisor:
    """Stands where a task talks to its supervisor; only told what to mask here."""

    def send(self, message) -> None:
        """Nobody listens."""


@contextlib.contextmanager
def environment(variables: dict):
    """The AWS settings of one job, and none of the machine's."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= variables
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


if __name__ == "__main__":
    sys.exit(main())
