"""LazyLocalFilesystemBackend: Airflow's LocalFilesystemBackend, but only the connection that is asked for is built.

Written by airflow-secrets-init (SECRETS_INIT_BACKEND_MODULE_FILE), whose next run writes it again: change nothing here.

Airflow's own class parses the file twice and builds every connection in it at every lookup, and Airflow's log masker
takes the password of each. With hundreds of connections that is seconds for each task. Here the parsed file is kept
until the file changes, and one connection is built. Parsing and building are Airflow's own functions, so what is found,
and what is raised for an entry that is wrong, is what Airflow's class finds and raises. One thing differs: a wrong entry
does not hide the others.

Made for Airflow 2.3 to 3.x, Python 3.7 and later. Holds no secret.
"""

from __future__ import annotations

import copy
import logging
import os
import time

from airflow.exceptions import ConnectionNotUnique
from airflow.secrets import local_filesystem

# Time stamps of files are coarse (a tick of the kernel; two seconds on some file systems). Two writes within this time
# may look like one, so what is read of a file as young as this is not kept.
_SETTLED_AFTER_SECONDS = 2.0

# For each path: what the file looked like before it was read, and what Airflow's parser made of it. One for the process
# and not for the backend, because Airflow 3.0 and 3.1 make a backend for each lookup of a task (3.1.8
# airflow/configuration.py, ensure_secrets_loaded). Needs no lock: a pair is replaced as a whole and never changed, and two
# threads that both find it outdated read the file twice, no more.
_parsed = {}

# Private to Airflow, though the same from 2.3.0 to 3.3.2. Should a later one lack them, its own class still works.
_IS_LAZY = all(hasattr(local_filesystem, name) for name in ("_parse_secret_file", "_create_connection"))
if not _IS_LAZY:
    logging.getLogger(__name__).warning(
        "this Airflow is newer than LazyLocalFilesystemBackend: every lookup builds every connection of the file, as in "
        "LocalFilesystemBackend; take a newer airflow-secrets-init"
    )


class LazyLocalFilesystemBackend(local_filesystem.LocalFilesystemBackend):
    """Takes what LocalFilesystemBackend takes, and looks variables and config options up as it does."""

    def get_connection(self, conn_id: str, team_name: str | None = None):
        """Give the connection of this conn_id, or None; raise as LocalFilesystemBackend would for this entry alone.

        Airflow 3.2 and later pass team_name, which LocalFilesystemBackend does not look at either.
        """
        if not _IS_LAZY or not self.connections_file:
            return super().get_connection(conn_id)
        entries = _entries(self.connections_file)
        # Not get(): what an .env file gives is a defaultdict.
        if conn_id not in entries:
            return None
        entry = entries[conn_id]
        # A list is how .env gives every value; of one value it stands for that value, empty it stands for nothing
        # (2.3.0 to 3.3.2 airflow/secrets/local_filesystem.py, load_connections_dict).
        if isinstance(entry, list):
            if len(entry) > 1:
                raise ConnectionNotUnique(
                    "the conn_id %s has %d values in %s; leave one" % (conn_id, len(entry), self.connections_file)
                )
            if not entry:
                return None
            entry = entry[0]
        return local_filesystem._create_connection(conn_id, _own(entry))


def _entries(path):
    """Give the parsed file, conn_id to entry; parse it only if it is not the file that was parsed last."""
    looks = _looks(path)
    kept = _parsed.get(path)
    if kept is not None and looks is not None and kept[0] == looks:
        return kept[1]
    entries = local_filesystem._parse_secret_file(path)
    # Looked at before it was read: a file that changes in between is merely read again next time.
    if looks is not None and time.time() - max(looks[:2]) / 1e9 > _SETTLED_AFTER_SECONDS:
        _parsed[path] = (looks, entries)
    return entries


def _looks(path):
    """Give what tells one state of a file from the next; None if it can't be looked at: Airflow's parser says why."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    # The time of the inode too: unlike that of the content, no program can set it back.
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)


def _own(entry):
    """Give a copy that Airflow may write into, and keep: it adds conn_id, and an empty extra stays the dict it is.

    Two levels are enough. What is deeper becomes text; and a copy of every level would fail on nesting that JSON takes.
    """
    if isinstance(entry, dict):
        return {key: copy.copy(value) for key, value in entry.items()}
    return entry
