"""Our program beside the others: the same secrets, the same server, the same network, taking turns in one run.

    python3 benches/compare.py [--program PATH] [--sizes 10,100] [--only WORD] [--rtt MS] [--runs N]

TLS 1.3 through the relay, static credentials, own account. Wall time is from exec to exit, a median. A peer that is slow at a
size takes part in fewer turns. One that can't be built or does not read what it should says so in its row.
"""

import argparse
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import lab
import peers
from peers import OURS, Job, Peer

SIZES = [10, 20, 100, 1000, 5000]
# Whoever needs longer for one run than this gets no second turn at that size.
SLOW_MS = 10_000
# Twice what the slowest needs for the largest size that it is given.
PATIENCE_S = 300


@dataclass
class Entry:
    """A peer and what came of it: a row or a reason for each size."""

    peer: Peer
    program: pathlib.Path | None = None
    rows: dict[int, lab.Row] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    def takes_turn(self, size: int) -> bool:
        row = self.rows.get(size)
        return size not in self.reasons and not (row and row.runs and row.wall_ms > SLOW_MS)


def entries(chosen: list[Peer], sizes: list[int]) -> list[Entry]:
    """Builds the peers; those that can't be built have that as their reason everywhere."""
    made = []
    for peer in chosen:
        entry = Entry(peer)
        entry.reasons = {size: peer.because for size in sizes if size > peer.most}
        try:
            entry.program = peer.build()
        except peers.NotBuilt as reason:
            print(f"!!! {peer.name} COULD NOT BE BUILT: {reason}\n", flush=True)
            entry.reasons = dict.fromkeys(sizes, "NOT BUILT")
        made.append(entry)
    return made


def turn(entry: Entry, size: int, server: lab.Fake, env: dict[str, str]) -> tuple[lab.Run, dict] | str:
    """One run of one peer; a reason where it did not do what it should."""
    with tempfile.TemporaryDirectory() as directory:
        job = Job(size, pathlib.Path(directory))
        command, own = entry.peer.command(entry.program, job), entry.peer.env(entry.program, job)
        server.reset()
        try:
            run = lab.measured(command, own | env, PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"longer than {PATIENCE_S} s"
        stats = server.stats()
        if run.code:
            return f"FAILED: {' '.join(run.said.split())[-200:]}"
        try:
            count = entry.peer.count(job)
        except (OSError, ValueError, IndexError) as error:
            return f"FAILED: its output: {error}"
        return (run, stats) if count == size else f"FAILED: it read {count} of {size}"


def race(chosen: list[Peer], sizes: list[int], round_trip: float, runs: int) -> tuple[list[Entry], dict]:
    """All peers at all sizes, in turns; and how late the relay was and how busy others kept the machine."""
    field_ = entries(chosen, sizes)
    with lab.fake(tls=True, document=lab.scenario(SIZES)) as server, lab.relay(server, round_trip) as network:
        neighbours = lab.Neighbours(server.process, network.process)
        for size in sizes:
            for number in range(runs + 1):
                for entry in field_:
                    if not entry.takes_turn(size):
                        continue
                    result = turn(entry, size, server, network.env)
                    if isinstance(result, str):
                        entry.reasons[size] = result
                        print(f"!!! {entry.peer.name}, {size:,}: {result}\n", flush=True)
                    # The first turn reads programs from disk; it counts only where there is no second.
                    elif number or result[0].wall_ms > SLOW_MS:
                        entry.rows.setdefault(size, lab.Row()).add(*result)
        conditions = network.report()["late_us"] | {"others": neighbours.share()}
    return field_, conditions


def lines(field_: list[Entry], sizes: list[int], round_trip: float) -> Iterator[list[str]]:
    """The table's rows."""
    ours = next(entry for entry in field_ if entry.peer.name == OURS)
    for size in sizes:
        for entry in field_:
            row = entry.rows.get(size)
            if row is None:
                yield [f"{size:,}", entry.peer.name, *[""] * 5, entry.reasons.get(size, "not tried")]
                continue
            yield [
                f"{size:,}",
                entry.peer.name,
                f"{row.wall_ms:,.0f}",
                f"{row.wall_ms / ours.rows[size].wall_ms:.1f}" if size in ours.rows else "",
                f"{row.wall_ms / round_trip:,.1f}",
                f"{row.cpu_ms:,.0f}",
                f"{row.peak_mib:,.0f}",
                row.calls,
            ]


HEADINGS = ["N", "who", "wall ms", "x ours", "trips", "CPU ms", "MiB", "calls"]


def figures(field_: list[Entry], sizes: list[int], round_trip: float) -> list[dict]:
    """The same for the documents."""
    made = []
    for entry in field_:
        for size in sizes:
            row = entry.rows.get(size)
            base = {"who": entry.peer.name, "remark": entry.peer.remark, "size": size}
            if row is None:
                made.append(base | {"reason": entry.reasons.get(size, "not tried")})
            else:
                made.append(base | {"wall_ms": row.wall_ms, "trips": row.wall_ms / round_trip, "runs": len(row.runs)})
                made[-1] |= {"cpu_ms": row.cpu_ms, "peak_mib": row.peak_mib, "operations": row.operations, "calls": row.calls}
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", default="", metavar="WORD", help="only peers with this in their name, beside ours")
    parser.add_argument("--rtt", type=float, default=20, help="round trip of the network in milliseconds")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    lab.prepare()
    sizes = [int(size) for size in options.sizes.split(",")]
    chosen = peers.ours(options.program) + [peer for peer in peers.PEERS if options.only in peer.name]
    print(report(*race(chosen, sizes, options.rtt, options.runs), sizes, options.rtt))


def report(field_: list[Entry], late: dict, sizes: list[int], round_trip: float) -> str:
    """The table in words."""
    text = [lab.table(HEADINGS, list(lines(field_, sizes, round_trip))), ""]
    text += [f"{entry.peer.name}: {entry.peer.remark}" for entry in field_ if entry.peer.remark]
    text += [f"{name}: not measured: {reason}" for name, reason in peers.NOT_COMPARABLE.items()]
    text.append(f"TLS 1.3, {round_trip:g} ms round trip; the relay was late by {late['p50']} µs (median), {late['p99']} (p99)")
    text.append(f"other programs kept {late['others']:.0%} of the machine busy meanwhile")
    return "\n".join(text)


if __name__ == "__main__":
    main()
