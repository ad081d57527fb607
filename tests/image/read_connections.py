"""Runs in a container of real Airflow: asks the secrets backend of its environment, as Airflow does, for each conn_id.

Prints one JSON object: conn_id → [class of the backend, conn_type, host, login, password, port, extra], or null.
"""

import json
import sys

from airflow.configuration import ensure_secrets_loaded


def find(conn_id: str) -> list | None:
    """The first backend that has it, without the metastore, which is not here."""
    for backend in ensure_secrets_loaded():
        if type(backend).__name__ == "MetastoreBackend":
            continue
        found = backend.get_connection(conn_id)
        if found is not None:
            fields = found.conn_type, found.host, found.login, found.password, found.port, found.extra_dejson
            return [type(backend).__name__, *fields]
    return None


if __name__ == "__main__":
    print(json.dumps({conn_id: find(conn_id) for conn_id in sys.argv[1:]}), flush=True)
