"""Runs in the containers of Airflow's image (images.py), in place of Airflow's commands. Prints one JSON object of what it sees.

app.py before            an init container of the chart's own, before ours: what is in the directory
app.py reads CONN_ID...  Airflow's container: who it is, the directory and its files, and each connection as Airflow finds it;
                         without a connection Airflow is not imported
batch.py                 the same of a program that gets its connections as environment variables
app.py lasts             the same as `reads` without a connection, and then it stays
app.py watches CONN_ID   the same as `reads`, and once more when Airflow finds something else for it
app.py eats              more memory than there is
"""

import json
import os
import pathlib
import signal
import sys
import time

DIRECTORIES = ["/opt/airflow/secrets", "/secrets"]


def main() -> None:
    """What is asked for."""
    what, *conn_ids = sys.argv[1:] or ["batch"]
    seen = {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "credentials": sorted(name for name in os.environ if name.startswith("AWS_")),
        "directory": next((look(place) for place in map(pathlib.Path, DIRECTORIES) if place.is_dir()), None),
    }
    if conn_ids:
        from read_connections import find  # pylint: disable=import-outside-toplevel

        seen["connections"] = before = {conn_id: find(conn_id) for conn_id in conn_ids}
    elif what == "batch":
        seen["variables"] = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    print(json.dumps(seen), flush=True)
    if what == "watches":
        while seen["connections"] == before:
            time.sleep(0.1)
            seen["connections"] = {conn_id: find(conn_id) for conn_id in conn_ids}
        print(json.dumps(seen), flush=True)
    elif what == "eats":
        eaten = []
        while True:
            eaten.append(bytearray(b"x" * (1 << 20)))
    elif what == "lasts":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        signal.pause()


def look(place: pathlib.Path) -> dict:
    """The directory: mode, owner, its file system with size, its files, and whether one can be made there."""
    mount = next(
        (
            line.split()
            for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
            if line.split()[4] == str(place)
        ),
        None,
    )
    size = os.statvfs(place)
    try:
        (place / ".probe").touch()
        (place / ".probe").unlink()
        writable = True
    except OSError:
        writable = False
    return {
        "owner": owner(place),
        "type": mount and mount[mount.index("-") + 1],
        "bytes": size.f_blocks * size.f_frsize,
        "writable": writable,
        "files": {file.name: [*owner(file), file.stat().st_size] for file in sorted(place.iterdir())},
    }


def owner(path: pathlib.Path) -> list:
    """Mode in octal digits, user, group."""
    there = path.stat()
    return [f"{there.st_mode & 0o7777:o}", there.st_uid, there.st_gid]


main()
