"""What Python's re says of a pattern and an id, for the fuzz target `pattern`: requests on stdin, a letter for each on stdout.

A request is the pattern and the id, each as its length in four bytes and then UTF-8. The answer is e: the pattern is refused;
y or n: the id matches or not; t: it took too long or too much.
"""

import re
import signal
import sys
import warnings

SECONDS = 2


class TooLong(Exception):
    """The time for one request is over."""


def stop(*_: object) -> None:
    """Ends what re is doing: it looks for signals now and then."""
    raise TooLong


def text() -> str:
    """The next text of the request; ends the program where there is none."""
    size = sys.stdin.buffer.read(4)
    if len(size) < 4:
        sys.exit()
    return sys.stdin.buffer.read(int.from_bytes(size, "big")).decode()


def answer(pattern: str, name: str) -> bytes:
    """The letter for one request, as the provider asks: secrets_manager.py `_is_pattern_match`."""
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, ValueError):
        return b"e"
    return b"y" if compiled.match(name) else b"n"


warnings.simplefilter("ignore")
signal.signal(signal.SIGALRM, stop)
while True:
    pattern, name = text(), text()
    try:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        letter = answer(pattern, name)
    except (TooLong, OverflowError, MemoryError, RecursionError):
        letter = b"t"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.buffer.write(letter)
    sys.stdout.buffer.flush()
