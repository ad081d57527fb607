#!/usr/bin/env python3.11
"""Makes the virtual environment of the Python wheel: what builds it and what checks it, from requirements-wheel.txt, below target/wheel.

    environment.py              make it unless it is there; print its Python
    environment.py --relock     resolve requirements-wheel.in again into requirements-wheel.txt

Needs python3.11, its venv module and PyPI (tests/airflow/venv.py does the work).
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "airflow"))
import venv  # pylint: disable=wrong-import-position

RESOLVED_AS_OF = "2026-11-20"


if __name__ == "__main__":
    sys.exit(venv.alone("wheel", HERE, RESOLVED_AS_OF))
