"""Picks from what libFuzzer's merge has measured (-merge_control_file) the few inputs that cover the most, for the committed corpus.

pick.py CONTROL_FILE SEEDS NUMBER: inputs in SEEDS whose name is a hash are replaced by the picked ones, the others stay.
"""

import hashlib
import heapq
import pathlib
import re
import sys

LARGEST = 1024


def main(control: str, seeds: str, number: str) -> None:
    lines = pathlib.Path(control).read_text(errors="replace").splitlines()
    # How many inputs, how many of them from the first directory, then their paths, then what each covers.
    count = int(lines[0])
    paths = [pathlib.Path(line) for line in lines[2 : 2 + count]]
    covers: dict[pathlib.Path, set[str]] = {}
    for line in lines[2 + count :]:
        kind, *rest = line.split()
        if kind == "FT":
            covers[paths[int(rest[0])]] = set(rest[1:])
    directory = pathlib.Path(seeds)
    is_hash = re.compile("[0-9a-f]{40}").fullmatch
    covered: set[str] = set()
    for path, features in covers.items():
        if path.parent.resolve() == directory.resolve() and not is_hash(path.name):
            covered |= features
    small = {path: f for path, f in covers.items() if path.is_file() and path.stat().st_size <= LARGEST}
    # What an input adds only ever shrinks, so the first one that still adds what it did is the best.
    heap = [(-len(features), path.stat().st_size, path) for path, features in small.items()]
    heapq.heapify(heap)
    picked = []
    while heap and len(picked) < int(number):
        known, size, path = heapq.heappop(heap)
        adds = len(small[path] - covered)
        if -known != adds:
            if adds:
                heapq.heappush(heap, (-adds, size, path))
            continue
        covered |= small[path]
        picked.append(path.read_bytes())
    for path in directory.iterdir():
        if is_hash(path.name):
            path.unlink()
    for content in picked:
        (directory / hashlib.sha1(content).hexdigest()).write_bytes(content)
    every = set().union(*covers.values())
    print(f"{len(picked)} picked; with the named ones they cover {len(covered)} of {len(every)}")


main(*sys.argv[1:])
