"""What the wheel of airflow-secrets-init has beside the program: a secrets backend for Airflow.

    [secrets]
    backend = airflow_secrets_init.LazyLocalFilesystemBackend

Importing this package imports nothing. Airflow is imported when the class is asked for, so the package is no burden where there is no
Airflow. Python 3.8 and later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_secrets_init.secrets_init_backend import LazyLocalFilesystemBackend

__all__ = ["LazyLocalFilesystemBackend"]


def __getattr__(name: str) -> object:
    """Give the class when it is asked for by its name (PEP 562)."""
    if name == "LazyLocalFilesystemBackend":
        from airflow_secrets_init.secrets_init_backend import LazyLocalFilesystemBackend

        return LazyLocalFilesystemBackend
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__() -> list[str]:
    """Give the public names."""
    return list(__all__)
