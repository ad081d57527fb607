"""Holds patterns.json to Python's re, asked as the provider does: secrets_manager.py `_is_pattern_match`.

A row is a pattern and either why Python refuses it, or ids with whether they match; "usual" marks what a user would write.
A reason is cut off where it would repeat more of the pattern. Where re gives no place, a row may.
"""

import json
import pathlib
import re
import sys
import warnings


def refused_alike(error: Exception, expected: str) -> bool:
    """Whether a row's words say what Python's error says."""
    place = getattr(error, "pos", None)
    reason, _, ours = expected.partition(" at character ")
    return str(getattr(error, "msg", error)).startswith(reason) and (place is None or ours == str(place))


def is_right(pattern: str, expected: object) -> bool:
    """Whether re says what the row says."""
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, ValueError) as error:
        return isinstance(expected, str) and refused_alike(error, expected)
    return isinstance(expected, dict) and all(
        (compiled.match(name) is not None) == matches for name, matches in expected.items()
    )


warnings.simplefilter("ignore")
rows = json.loads(pathlib.Path(__file__).with_name("patterns.json").read_text())
wrong = [pattern for pattern, expected, *_ in rows if not is_right(pattern, expected)]
for pattern in wrong:
    print(f"{pattern!r}: Python says something else", file=sys.stderr)
print(f"{len(rows)} patterns, {len(wrong)} wrong")
sys.exit(bool(wrong) or len(rows) < 300)
