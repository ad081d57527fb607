"""Is a render as fast as the project wants it? Each goal with what was measured, PASS or MISS.

    python3 benches/goals.py [--program PATH] [--rtt MS] [--runs N] [--only WORD | --floor]

Time is counted in round trips of the relay's network, over TLS 1.3, with static credentials. CPU and memory are those of
runs over plain HTTP without the relay. Beside the floor means: beside a client that knows all names beforehand, asks for all
pages at once and only moves the bytes, over 40 connections of the same TLS library. Figures are medians; `best` is the fastest run. The scenarios take turns, so that
a busy moment of the machine does not strike one of them alone.
"""

import argparse
import pathlib
import sys
import tempfile
from dataclasses import dataclass

import lab
import pages
import render

SIZES = [10, 20, 100, 1000, 5000]


@dataclass(frozen=True)
class Goal:
    """So many own and shared connections in so many round trips, with an allowance."""

    name: str
    own: int
    shared: int
    factor: float
    trips: int
    by_id: bool = False

    def env(self, file: pathlib.Path) -> dict[str, str]:
        env = lab.ours(self.own, file, lab.shared_kwargs() if self.shared else "{}")
        if self.by_id:
            env["SECRETS_INIT_CONN_IDS"] = ",".join(lab.conn_ids(self.own))
        return env


TIME_GOALS = [
    Goal("10", 10, 0, 1.25, 3),
    Goal("20", 20, 0, 1.25, 3),
    Goal("100", 100, 0, 1.25, 4),
    Goal("1,000", 1000, 0, 1.5, 5),
    Goal("5,000", 5000, 0, 2, 6),
    Goal("100 by conn_id", 100, 0, 1.25, 4, by_id=True),
    Goal("100 + 100 by role", 100, 100, 1.25, 6),
]

# Connections, and at most so many times what the client takes that knows all names beforehand (benches/relay/src/bin/floor.rs).
FLOOR_GOALS = [(20, 1.0), (100, 1.15), (1000, 1.5), (5000, 1.75)]
FLOOR = lab.TARGET / "server" / "floor"

# Connections, CPU ms, peak MiB.
COST_GOALS = [(100, 12.0, 12.0), (5000, 150.0, 40.0)]
START_CPU_MS = 5.0


def verdict(measured: float, limit: float) -> str:
    """PASS or MISS, and by what factor."""
    return f"{'PASS' if measured <= limit else 'MISS'} {measured / limit:.2f}"


def time_goals(program: pathlib.Path, round_trip: float, runs: int, only: str = "") -> tuple[str, list[dict], dict]:
    """Wall time in round trips."""
    goals = [goal for goal in TIME_GOALS if only in goal.name]
    rows = {goal: lab.Row() for goal in goals}
    with (
        tempfile.TemporaryDirectory() as directory,
        lab.fake(tls=True, document=lab.scenario(SIZES)) as server,
        lab.relay(server, round_trip) as network,
    ):
        file = pathlib.Path(directory) / "connections.json"
        neighbours = lab.Neighbours(server.process, network.process)
        for turn in range(runs + 1):
            for goal, row in rows.items():
                server.reset()
                before = lab.cpu_ms(server.process, network.process)
                run = lab.measure([program], goal.env(file) | network.env)
                servers = lab.cpu_ms(server.process, network.process) - before
                stats = server.stats()
                if (count := lab.written(file)) != goal.own + goal.shared:
                    sys.exit(f"{goal.name}: {count} connections are in the file")
                # The first turn reads the programs from disk.
                if turn:
                    row.add(run, stats, servers)
            if not turn:
                network.report()
        late = network.report()["late_us"]
        others = neighbours.share()
    lines, results = [], []
    for goal, row in rows.items():
        limit = goal.factor * goal.trips
        trips, best = row.wall_ms / round_trip, row.best_ms / round_trip
        limit_words = f"{goal.factor:g} x {goal.trips}"
        judged = verdict(trips, limit)
        figures = [f"{row.wall_ms:.1f}", f"{trips:.2f}", f"{best:.2f}", limit_words, judged, f"{row.cpu_ms:.1f}", f"{row.servers_ms:.1f}", f"{row.peak_mib:.1f}"]
        lines.append([goal.name, *figures, str(row.connections), row.calls])
        results.append({"goal": goal.name, "wall_ms": row.wall_ms, "trips": trips, "limit": limit, "met": trips <= limit})
        results[-1] |= {"cpu_ms": row.cpu_ms, "servers_ms": row.servers_ms, "peak_mib": row.peak_mib, "calls": row.calls}
    headings = ["connections", "wall ms", "trips", "best", "goal", "", "CPU ms", "servers'", "peak MiB", "sockets", "calls"]
    note = f"TLS 1.3, {round_trip:g} ms round trip; the relay was late by {late['p50']} µs (median), {late['p99']} (p99), {late['max']} (most)"
    note += "\n`servers'` is the CPU time of the fake AWS and the relay: on two CPUs, a part of the wall time that no AWS would take"
    note += f"\nother programs kept {others:.0%} of the machine busy meanwhile"
    return f"{lab.table(headings, lines)}\n{note}", results, late | {"others": others}


def floor_goals(program: pathlib.Path, round_trip: float, runs: int) -> tuple[str, list[dict]]:
    """Wall time beside a client that knows all names, parses nothing and only moves the bytes: ratios of one run."""
    rows = {size: (lab.Row(), lab.Row()) for size, _ in FLOOR_GOALS}
    with (
        tempfile.TemporaryDirectory() as directory,
        lab.fake(tls=True, document=lab.scenario(SIZES)) as server,
        lab.relay(server, round_trip) as network,
    ):
        file, names = pathlib.Path(directory) / "connections.json", pathlib.Path(directory) / "names"
        neighbours = lab.Neighbours(server.process, network.process)
        for turn in range(runs + 1):
            for size, (ours, floor) in rows.items():
                names.write_text("".join(f"{lab.PREFIX}{name}\n" for name in lab.conn_ids(size)))
                address = network.secrets_manager.split("//")[1]
                commands = [
                    (ours, [program], lab.ours(size, file) | network.env),
                    (floor, [FLOOR, address, lab.CA, lab.account(size), lab.REGION, names], {}),
                ]
                # Each is the first of the two as often as the other.
                for row, command, env in commands if turn % 2 else reversed(commands):
                    server.reset()
                    run = lab.measure(command, env)
                    stats = server.stats()
                    if row is ours and (count := lab.written(file)) != size:
                        sys.exit(f"{size}: {count} connections are in the file")
                    # The first turn reads the programs from disk.
                    if turn:
                        row.add(run, stats)
        others = neighbours.share()
    lines, results = [], []
    for size, limit in FLOOR_GOALS:
        ours, floor = rows[size]
        ratio = ours.wall_ms / floor.wall_ms
        lines.append([f"{size:,}", f"{ours.wall_ms:.1f}", f"{floor.wall_ms:.1f}", f"{ratio:.2f}", f"{limit:g}", verdict(ratio, limit), ours.calls, floor.calls])
        results.append({"goal": f"{size:,} beside the floor", "wall_ms": ours.wall_ms, "floor_ms": floor.wall_ms, "ratio": ratio, "limit": limit, "met": ratio <= limit})
        results[-1] |= {"calls": ours.calls, "floor_calls": floor.calls}
    headings = ["beside the floor", "wall ms", "floor's", "ratio", "goal", "", "calls", "floor's"]
    note = f"TLS 1.3, {round_trip:g} ms round trip; other programs kept {others:.0%} of the machine busy meanwhile"
    return f"{lab.table(headings, lines)}\n{note}", results


def cost_goals(program: pathlib.Path, runs: int) -> tuple[str, list[dict]]:
    """CPU and memory, without a network worth the name, and what a start takes."""
    lines, results = [], []

    def note(what: str, unit: str, measured: float, limit: float | None) -> None:
        goal = "" if limit is None else f"{limit:g}"
        lines.append([what, f"{measured:.1f}", unit, goal, "" if limit is None else verdict(measured, limit)])
        if limit is not None:
            results.append({"goal": what, "unit": unit, "measured": measured, "limit": limit, "met": measured <= limit})

    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "connections.json"
        with lab.fake(tls=False, document=lab.scenario(SIZES)) as server:
            env = {"AWS_ENDPOINT_URL": server.url}
            rows = {size: lab.Row() for size, _, _ in COST_GOALS}
            for _ in range(runs):
                for size, row in rows.items():
                    server.reset()
                    row.add(lab.measure([program], lab.ours(size, file) | env), server.stats())
                    lab.written(file)
            for size, cpu, peak in COST_GOALS:
                note(f"{size:,} connections", "CPU ms", rows[size].cpu_ms, cpu)
                note(f"{size:,} connections", "peak MiB", rows[size].peak_mib, peak)
        for tls in (False, True):
            measured = refused(program, file, tls, runs)
            note(f"up to the answer to the first request{', TLS' if tls else ''}", "CPU ms", measured, None if tls else START_CPU_MS)
        version = [lab.measure([program, "--version"], {}) for _ in range(runs)]
        note("--version: what a process takes", "CPU ms", sorted(run.cpu_ms for run in version)[runs // 2], None)
    note("the program on disk", "MiB", program.stat().st_size / 2**20, None)
    return lab.table(["without latency", "measured", "unit", "goal", ""], lines), results


def refused(program: pathlib.Path, file: pathlib.Path, tls: bool, runs: int) -> float:
    """CPU of runs whose first request is refused for good: all of the start, one exchange, and the telling of the error."""
    error = {"error": {"status": 400, "code": "AccessDeniedException", "message": "no"}}
    row = lab.Row()
    with lab.fake(tls=tls, document=lab.scenario([10]) | {"faults": [{"operation": "*", "effect": error}]}) as server:
        for _ in range(runs):
            server.reset()
            row.add(lab.measure([program], lab.ours(10, file) | {"AWS_ENDPOINT_URL": server.url}, expect=77), server.stats())
    return row.cpu_ms


def write(options: argparse.Namespace, times: list[dict], floors: list[dict], costs: list[dict], late: dict) -> None:
    """Puts the goals, and what our own code costs, into the documents."""
    rows = render.rows(options.program, options.runs)
    print(f"\nWithout latency, plain HTTP\n\n{render.report(rows)}")
    pages.write("goals", {"rtt_ms": options.rtt, "late_us": late, "time": times, "floor": floors, "cost": costs, "render": rows}, late["others"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--rtt", type=float, default=20, help="round trip of the network in milliseconds")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--only", default="", metavar="WORD", help="only the goals with this in their name; no floor, no costs")
    parser.add_argument("--floor", action="store_true", help="only the goals beside the floor")
    parser.add_argument("--write-docs", action="store_true", help="and what our own code costs; into docs/")
    options = parser.parse_args()
    if options.write_docs and (options.only or options.floor):
        sys.exit("the documents tell of all of them: --write-docs goes without --only and --floor")
    lab.prepare()
    if options.floor:
        text, floors = floor_goals(options.program, options.rtt, options.runs)
        print(text)
        sys.exit(0 if all(row["met"] for row in floors) else 1)
    text, times, late = time_goals(options.program, options.rtt, options.runs, options.only)
    print(f"{text}\n")
    floors: list[dict] = []
    costs: list[dict] = []
    if not options.only:
        text, floors = floor_goals(options.program, options.rtt, options.runs)
        print(f"{text}\n")
        text, costs = cost_goals(options.program, options.runs)
        print(text)
    if options.write_docs:
        write(options, times, floors, costs, late)
    missed = [row["goal"] for row in times + floors + costs if not row["met"]]
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nall goals met")


if __name__ == "__main__":
    main()
