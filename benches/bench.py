"""All that `make bench` measures, one after the other: the others beside ours, the goals, what our own code costs.

    python3 benches/bench.py [--program PATH] [--rtt MS] [--runs N] [--only WORD] [--write-docs]

With --write-docs the figures and plots go to docs/performance and into docs/PERFORMANCE.md. Herds of pods are a
benchmark of their own: benches/herd.py.
"""

import argparse
import pathlib
import sys

import compare
import goals
import lab
import pages
import peers
import render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--rtt", type=float, default=20, help="round trip of the network in milliseconds")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", default="", metavar="WORD", help="only the others with this in their name")
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    if options.write_docs and options.only:
        sys.exit("the documents tell of all of them: --write-docs goes without --only")
    lab.prepare()
    chosen = peers.ours(options.program) + [peer for peer in peers.PEERS if options.only in peer.name]
    entries, late = compare.race(chosen, compare.SIZES, options.rtt, options.runs)
    print(compare.report(entries, late, compare.SIZES, options.rtt), flush=True)
    text, times, goals_late = goals.time_goals(options.program, options.rtt, options.runs)
    print(f"\nThe goals\n\n{text}\n", flush=True)
    text, floors = goals.floor_goals(options.program, options.rtt, options.runs)
    print(f"{text}\n", flush=True)
    text, costs = goals.cost_goals(options.program, options.runs)
    print(f"{text}\n", flush=True)
    if options.write_docs:
        pages.write("compare", compare.figures(entries, compare.SIZES, options.rtt), late["others"])
        goals.write(options, times, floors, costs, goals_late)
    else:
        print(f"Without latency, plain HTTP\n\n{render.report(render.rows(options.program, options.runs))}")


if __name__ == "__main__":
    main()
