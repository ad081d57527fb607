"""Time, CPU, peak memory and API calls of whole renders without any latency: what our own code costs.

    python3 benches/render.py [--program PATH] [--runs N]

Each row is a scenario: so many own and so many shared connections (through an assumed role). Plain HTTP, no relay. Medians
over the runs of one process each, from exec to exit, as the kernel counts them (wait4). They say how the rows relate to each
other and to an empty process on this machine, not how fast another machine is.
"""

import argparse
import pathlib
import sys
import tempfile

import lab

SCENARIOS = [(20, 0), (100, 0), (100, 100), (1000, 0), (5000, 0)]
HEADINGS = ["own + shared", "wall ms", "CPU ms", "peak MiB", "calls"]


def rows(program: pathlib.Path, runs: int) -> list[dict]:
    """One row a scenario, after one of a process that does nothing."""
    measured = {"--version": lab.Row()}
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "connections.json"
        with lab.fake(tls=False, document=lab.scenario(sorted({own for own, _ in SCENARIOS}))) as server:
            for _ in range(runs):
                server.reset()
                measured["--version"].add(lab.measure([program, "--version"], {}), server.stats())
                for own, shared in SCENARIOS:
                    server.reset()
                    env = lab.ours(own, file, lab.shared_kwargs() if shared else "{}") | {"AWS_ENDPOINT_URL": server.url}
                    row = measured.setdefault(f"{own} + {shared}", lab.Row())
                    row.add(lab.measure([program], env), server.stats())
                    if (count := lab.written(file)) != own + shared:
                        sys.exit(f"{count} connections are in the file, {own + shared} were meant")
    return [
        {"scenario": name, "wall_ms": row.wall_ms, "cpu_ms": row.cpu_ms, "peak_mib": row.peak_mib, "calls": row.calls}
        for name, row in measured.items()
    ]


def report(made: list[dict]) -> str:
    """The rows in words."""
    return lab.table(HEADINGS, [[row["scenario"], *(f"{row[key]:.1f}" for key in ("wall_ms", "cpu_ms", "peak_mib")), row["calls"]] for row in made])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    lab.prepare()
    print(report(rows(options.program, options.runs)))


if __name__ == "__main__":
    main()
