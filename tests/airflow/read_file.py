"""Asks the stock LocalFilesystemBackend what it finds in a file, and LazyLocalFilesystemBackend whether it agrees.

Runs inside an Airflow environment (venv.py). Reads jobs from stdin, one JSON object a line:

    {"path": "/path/connections.json", "conn_ids": [...], "all": true}     all: every conn_id of the file too

and prints a line for each, of the shape live.py gives. One bad entry makes LocalFilesystemBackend refuse the whole
file, so nothing is found; the answer then also has `"poison": "ExceptionName"` and, where the file parses,
`"poisoned_by": [conn_id, ...]`. Not the exception's text: Airflow quotes whole URIs in some. `"lazy_differs"` has both
outcomes for each conn_id where the two classes do not say the same, exceptions included.
"""

import contextlib
import functools
import json
import sys

import airflow_side


def main() -> None:
    """Answers jobs until stdin ends."""
    airflow_side.serve(answer)


def answer(job: dict) -> dict:
    """Looks every conn_id up."""
    from airflow.secrets import local_filesystem

    # LocalFilesystemBackend builds every connection of the file, twice, on each lookup. Once is enough to compare.
    load = functools.cache(uncached_load())
    local_filesystem.load_connections_dict = load
    backend = local_filesystem.LocalFilesystemBackend(connections_file_path=job["path"])

    found = airflow_side.versions()
    try:
        ids_in_file = list(load(job["path"]))
    except Exception as error:  # noqa: BLE001  (whatever it is, Airflow finds nothing)
        ids_in_file = []
        found |= {"poison": type(error).__name__, "poisoned_by": culprits(job["path"])}
    conn_ids = dict.fromkeys([*job.get("conn_ids", []), *(ids_in_file if job.get("all") else [])])
    connections = outcomes(backend, conn_ids)
    module = airflow_side.lazy_module()
    module._SETTLED_AFTER_SECONDS = -1  # the file is finished, though it is only just there
    lazy = outcomes(module.LazyLocalFilesystemBackend(connections_file_path=job["path"]), conn_ids)
    differs = {
        conn_id: {"stock": connections[conn_id], "lazy": lazy[conn_id]}
        for conn_id in conn_ids
        # As JSON text: to Python, 1 == 1.0 == True.
        if json.dumps(connections[conn_id]) != json.dumps(lazy[conn_id])
    }
    return found | {"connections": connections, "lazy_differs": differs}


def outcomes(backend, conn_ids) -> dict[str, dict]:
    """What a backend says about each of these."""
    return {conn_id: airflow_side.as_airflow_sees(lambda: backend.get_connection(conn_id)) for conn_id in conn_ids}


def culprits(path: str) -> list[str]:
    """The entries that Airflow cannot build a connection from."""
    from airflow.secrets import local_filesystem

    entries = {}
    with contextlib.suppress(Exception):
        entries = local_filesystem._parse_secret_file(path)
    return [conn_id for conn_id, value in entries.items() if not is_buildable(conn_id, value)]


def is_buildable(conn_id: str, value: object) -> bool:
    """Whether Airflow's loader takes this entry."""
    from airflow.secrets import local_filesystem

    try:
        for one in value if isinstance(value, list) else [value]:
            local_filesystem._create_connection(conn_id, one)
    except Exception:  # noqa: BLE001  (any exception poisons the file)
        return False
    return True


@functools.cache
def uncached_load():
    """Airflow's own loader, as it was before the first job."""
    from airflow.secrets import local_filesystem

    return local_filesystem.load_connections_dict


if __name__ == "__main__":
    sys.exit(main())
