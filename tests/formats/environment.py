#!/usr/bin/env python3.11
"""Makes the virtual environment of the readers from requirements-formats.txt, below target/formats.

    environment.py              make it unless it is there; print its Python
    environment.py --relock     resolve requirements-formats.in again into requirements-formats.txt

Needs python3.11, its venv module and PyPI (tests/airflow/venv.py does the work): 3 s and 290 MB.
dbt-core is held below 1.12, which wants a wheel that only GitHub has.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "airflow"))
import venv  # pylint: disable=wrong-import-position

RESOLVED_AS_OF = "2026-11-20"


if __name__ == "__main__":
    sys.exit(venv.alone("formats", HERE, RESOLVED_AS_OF))
