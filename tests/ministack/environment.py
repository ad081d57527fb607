#!/usr/bin/env python3.11
"""Makes the virtual environment with MiniStack from requirements-ministack.txt, below target/ministack.

    environment.py              make it unless it is there; print its Python
    environment.py --relock     resolve requirements-ministack.in again into requirements-ministack.txt

Needs python3.11, its venv module and PyPI (tests/airflow/venv.py does the work).
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "airflow"))
import venv  # pylint: disable=wrong-import-position

RESOLVED_AS_OF = "2026-11-20"


if __name__ == "__main__":
    sys.exit(venv.alone("ministack", HERE, RESOLVED_AS_OF))
