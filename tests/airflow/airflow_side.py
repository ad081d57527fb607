"""What the scripts that run inside an Airflow environment share: a quiet Airflow, and how it sees a connection.

Import this module before anything of Airflow's: importing it sets the process up.
"""

import atexit
import base64
import contextlib
import functools
import importlib.metadata
import json
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import warnings

FIELDS = ("conn_type", "host", "login", "password", "port", "schema", "extra")


def _prepare() -> None:
    """Gives this process an Airflow of its own: no file, database, example or log of the machine's is touched."""
    home = tempfile.mkdtemp(prefix="airflow-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        # Without a Fernet key `extra` and `password` would skip their encryption, which is one of the places that
        # refuse a lone surrogate.
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    }


_prepare()


def only_answers_on_stdout():
    """Returns the real stdout and sends everything else that is printed to stderr: Airflow logs to stdout."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def import_airflow():
    """Imports Airflow, then silences it: it logs a stack trace for each connection that is not found."""
    import airflow.models.connection  # noqa: F401  (the first Connection costs a second: SQLAlchemy's mappers)

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ImportError):
        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@functools.cache
def lazy_module():
    """The module that our program writes, from the text that it writes."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "templates"))
    import secrets_init_backend

    return secrets_init_backend


def masked_patterns() -> set[str]:
    """What the log masker of server processes knows by now: the patterns that it has joined into one regular expression."""
    try:
        from airflow._shared.secrets_masker import _secrets_masker
    except ImportError:
        from airflow.utils.log.secrets_masker import _secrets_masker  # 2.x
    return set(_secrets_masker().patterns)


def versions() -> dict:
    """The versions that an answer comes from."""
    return {
        name: importlib.metadata.version(package)
        for name, package in {"airflow": "apache-airflow", "providers_amazon": "apache-airflow-providers-amazon"}.items()
    }


def as_airflow_sees(lookup) -> dict:
    """The outcome of one lookup, as a hook gets it.

    Airflow's get_connection_from_secrets takes an exception of a backend for "not here", and calls get_uri() on what
    it got, to fill a cache that is usually off. So a connection that cannot be written as a URI is not found either.
    """
    try:
        connection = lookup()
        if connection is None:
            return {"found": False, "why": "None"}
        connection.get_uri()
        return {"found": True} | {field: getattr(connection, field) for field in FIELDS}
    except Exception as error:  # noqa: BLE001  (just as Airflow does)
        return {"found": False, "why": type(error).__name__}


def serve(answer) -> None:
    """Answers the JSON jobs on stdin, one a line, each with a line on stdout. ASCII: some values are lone surrogates."""
    answers = only_answers_on_stdout()
    import_airflow()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
