#!/usr/bin/env python3.11
"""Makes the virtual environment of the policy checkers from requirements-iam.txt, below target/iam.

    environment.py              make it unless it is there; print its Python
    environment.py --relock     resolve requirements-iam.in again into requirements-iam.txt

Needs python3.11, its venv module and PyPI (tests/airflow/venv.py does the work). parliament 1.6.4 looks its own data up
through pkg_resources, which setuptools 81 no longer has.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "airflow"))
import venv  # pylint: disable=wrong-import-position

RESOLVED_AS_OF = "2026-11-20"


if __name__ == "__main__":
    sys.exit(venv.alone("iam", HERE, RESOLVED_AS_OF))
