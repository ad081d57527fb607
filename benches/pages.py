"""Puts what was measured into docs/: JSON and plots in docs/performance, tables into docs/PERFORMANCE.md between its markers.

    python3 benches/pages.py        writes the tables and plots again from the JSON that is there

Nothing between the markers is written by hand.
"""

import json
import pathlib
import platform
import subprocess

import lab
import peers
import plots

FOLDER = lab.ROOT / "docs" / "performance"
PAGE = lab.ROOT / "docs" / "PERFORMANCE.md"
BEGIN, END = "<!-- begin: figures, written by --write-docs -->", "<!-- end: figures -->"


def write(name: str, figures: object, others: float) -> None:
    """Keeps the figures of one benchmark, with where they were measured, and renews the page."""
    FOLDER.mkdir(exist_ok=True)
    document = {"machine": machine(), "commit": commit(), "others": others, "figures": figures}
    (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    renew()


def renew() -> None:
    """Writes plots and tables from the JSON that is there."""
    parts = [part(json.loads((FOLDER / f"{name}.json").read_text())) for name, part in PARTS.items() if (FOLDER / f"{name}.json").exists()]
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}")


def machine() -> str:
    """What the figures were measured on."""
    models = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{len(models)} CPUs {models[0]}, Linux {platform.release()}, Python {platform.python_version()}"


def commit() -> str:
    """The state of the work tree that was measured."""
    words = ["git", "-C", str(lab.ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() or "unknown"


def measured_on(document: dict) -> str:
    """Where, of what, and whether the machine was ours."""
    return (
        f"Measured on {document['machine']}, commit {document['commit']}, with {document['others']:.0%} of the machine kept busy by "
        "other programs."
    )


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    """A table. A bar would end a cell."""
    clean = [[str(cell).replace("|", "/").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [headings]) + "\n|" + "---|" * len(headings) + "\n" + "\n".join(f"| {' | '.join(row)} |" for row in clean)


def judged(row: dict) -> str:
    return "met" if row["met"] else "**missed**"


# ---- the parts of the page -----------------------------------------------------------------------------------------


def compare_part(document: dict) -> str:
    """The others beside ours: an overview by size, then everything."""
    rows = document["figures"]
    sizes = sorted({row["size"] for row in rows})
    names = list(dict.fromkeys(row["who"] for row in rows))
    by = {(row["who"], row["size"]): row for row in rows}

    def cell(name: str, size: int) -> str:
        row, ours = by[name, size], by[peers.OURS, size]
        if "reason" in row:
            return row["reason"]
        ratio = f" ({row['wall_ms'] / ours['wall_ms']:.1f})" if name != peers.OURS and "wall_ms" in ours else ""
        return f"{row['wall_ms']:,.0f} ms{ratio}"

    overview = markdown(["connections", *(f"{size:,}" for size in sizes)], [[name, *(cell(name, size) for size in sizes)] for name in names])
    details = [
        [f"{row['size']:,}", row["who"], f"{row['wall_ms']:,.0f}", f"{row['trips']:,.1f}", row["calls"], f"{row['cpu_ms']:,.0f}", f"{row['peak_mib']:,.0f}", row["runs"]]
        for row in sorted(rows, key=lambda row: row["size"])
        if "wall_ms" in row
    ]
    remarks = [f"- {name}: {by[name, sizes[0]]['remark']}" for name in names if by[name, sizes[0]]["remark"]]
    remarks += [f"- {name}: not measured: {reason}" for name, reason in peers.NOT_COMPARABLE.items()]
    lines = {name: [(row["size"], row["wall_ms"]) for row in rows if row["who"] == name and "wall_ms" in row] for name in names}
    plots.write(FOLDER / "compare.svg", plots.lines("Wall time of one run", "connections", "ms", lines, log=True))
    # Of a hundred connections, for the README.
    hundred = {name: by[name, 100]["wall_ms"] for name in names if "wall_ms" in by.get((name, 100), {}) and name != peers.OURS + ", ids given"}
    plots.write(FOLDER / "hundred.svg", plots.bars("Time to read 100 connections, round trip to AWS 20 ms", "ms", hundred))
    return "\n\n".join(
        [
            "### Ours and others",
            "Wall time of one run, and in parentheses how many times ours that is.",
            overview,
            "![Wall time by number of connections, both axes logarithmic](performance/compare.svg)",
            "\n".join(remarks),
            markdown(["N", "who", "wall ms", "round trips", "calls", "CPU ms", "peak MiB", "runs"], details),
            measured_on(document),
        ]
    )


def goals_part(document: dict) -> str:
    """The goals, and what our own code costs."""
    figures = document["figures"]
    times = [
        [row["goal"], f"{row['wall_ms']:.1f}", f"{row['trips']:.2f}", f"{row['limit']:.2f}", judged(row), row["calls"], f"{row['cpu_ms']:.1f}", f"{row['servers_ms']:.1f}", f"{row['peak_mib']:.1f}"]
        for row in figures["time"]
    ]
    # Figures that were written before there was a floor have none.
    floors = [
        [row["goal"].split()[0], f"{row['wall_ms']:.1f}", f"{row['floor_ms']:.1f}", f"{row['ratio']:.2f}", f"{row['limit']:g}", judged(row), row["calls"], row["floor_calls"]]
        for row in figures.get("floor", [])
    ]
    floor = [
        "The same beside a client that knows all names beforehand, parses nothing and only moves the bytes over 40 connections:",
        markdown(["connections", "wall ms", "its", "ratio", "goal", "", "calls", "its"], floors),
    ]
    costs = [[row["goal"], f"{row['measured']:.1f} {row['unit']}", f"{row['limit']:g}", judged(row)] for row in figures["cost"]]
    rendered = [[row["scenario"], *(f"{row[key]:.1f}" for key in ("wall_ms", "cpu_ms", "peak_mib")), row["calls"]] for row in figures["render"]]
    late = figures["late_us"]
    return "\n\n".join(
        [
            "### Goals",
            f"Over TLS 1.3 with a round trip of {figures['rtt_ms']:g} ms:",
            markdown(["connections", "wall ms", "round trips", "goal", "", "calls", "CPU ms", "servers' CPU ms", "peak MiB"], times),
            *(floor if floors else []),
            "Plain HTTP, no latency:",
            markdown(["what", "measured", "goal", ""], costs),
            markdown(["own + shared", "wall ms", "CPU ms", "peak MiB", "calls"], rendered),
            f"The relay was late by {late['p50']} µs (median), {late['p99']} µs (99th percentile). {measured_on(document)}",
        ]
    )


def herd_part(document: dict) -> str:
    """Herds: one row each, and how the pods' times are spread."""
    rows = [
        [
            row["who"],
            row["herd"],
            row["conditions"],
            f"{row['succeeded']:,} of {row['pods']:,}",
            *(f"{row[key]:.2f}" for key in ("p50", "p99", "max")),
            f"{row['calls']:,} ({row['ratio']:.2f})",
            f"{row['floor_s']:.2f}",
            f"{row['late_us']['p99'] / 1000:.1f}" if row["late_us"] else "",
        ]
        for row in document["figures"]
    ]
    conditions = dict.fromkeys(row["conditions"] for row in document["figures"])
    images = []
    for number, name in enumerate(conditions, 1):
        lines = {
            f"{row['who']}: {row['herd']}": [(seconds, share) for share, seconds in enumerate(row["percentiles"])]
            for row in document["figures"]
            if row["conditions"] == name
        }
        plots.write(FOLDER / f"herd-{number}.svg", plots.lines(f"Pods that have ended: {name}", "seconds", "%", lines))
        images.append(f"![Share of the pods that have ended, by time: {name}](performance/herd-{number}.svg)")
    headings = ["who", "herd", "conditions", "succeeded", "p50 s", "p99 s", "max s", "calls (per useful one)", "CPU floor s", "relay late, p99 ms"]
    short = [row for row in document["figures"] if row["kept_waiting"]]
    notes = [f"{row['herd']}, {row['conditions']}: the server ran out of file descriptors, and pods had to wait for it." for row in short]
    return "\n\n".join(["### Herds", markdown(headings, rows), *notes, *images, measured_on(document)])


PARTS = {"compare": compare_part, "goals": goals_part, "herd": herd_part}


if __name__ == "__main__":
    renew()
