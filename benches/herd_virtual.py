"""Herds of up to ten thousand pods in virtual time: the program's engine in one process, under AWS's quotas.

    python3 benches/herd_virtual.py                     every herd of docs/PERFORMANCE.md, in minutes; --write-docs puts them there
    python3 benches/herd_virtual.py --pods 500 ...      one herd, with the options of target/server/virtual-herd
    python3 benches/herd_virtual.py --beside-real       beside the processes of benches/herd.py, as a tenth of the pods

The clock is virtual (benches/virtual-herd), so how busy this machine is changes no figure, and a seed always gives the same.
"""

import argparse
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import herd
import lab
import pages

TOOL = lab.TARGET / "server" / "virtual-herd"
BEGIN, END = "<!-- begin: herds, written by benches/herd_virtual.py -->", "<!-- end: herds -->"
# What the virtual herd may differ by from processes.
TOLERANCE = 0.15
SEEDS = 9
REPEATS = 3
# The pods of a herd hold a gigabyte in small pieces: large pages, and lists of free pieces that are long enough, halve the CPU time.
ALLOCATOR = "glibc.malloc.hugetlb=1:glibc.malloc.tcache_count=2000:glibc.malloc.tcache_max=65536"


@dataclass(frozen=True)
class Row:
    """A herd of a table."""

    pods: int
    own: int = 100
    shared: int = 0
    # What another program takes of every quota.
    others: float = 0
    restarted: float = 0
    spread_s: float = 1
    variables: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        sets = [word for variable in self.variables for word in ("--set", f"SECRETS_INIT_{variable}")]
        numbers = {"pods": self.pods, "own": self.own, "shared": self.shared, "quotas": 1 - self.others}
        numbers |= {"restarted": self.restarted, "spread": self.spread_s}
        return [*(word for name, number in numbers.items() for word in (f"--{name}", f"{number:g}")), *sets]

    @property
    def conditions(self) -> str:
        """What is unusual about it. Of names that are given only their number is of interest."""
        named = [f"{name} of {len(value.split(','))}" if name == "CONN_IDS" else f"{name}={value}" for name, _, value in (v.partition("=") for v in self.variables)]
        said = [
            f"others take {self.others:.0%}" if self.others else "",
            f"{self.restarted:.0%} start again" if self.restarted else "",
            "" if self.spread_s else "all at once",
        ]
        return ", ".join(filter(None, [*named, *said]))


LONG = ("DEADLINE=300s",)
SIZES = [500, 1_000, 2_000, 5_000]
ROWS = [
    Row(100),
    *(Row(pods) for pods in SIZES),
    Row(10_000),
    Row(10_000, variables=LONG),
    Row(10_000, variables=(*LONG, "JITTER=100s")),
    *(Row(pods, shared=100) for pods in SIZES),
    Row(10_000, shared=100, variables=LONG),
    Row(500, own=1_000, variables=LONG),
    Row(10_000, own=10, variables=(f"CONN_IDS={','.join(lab.conn_ids(10))}",)),
    Row(1_000, spread_s=0),
    Row(1_000, variables=("JITTER=10s",)),
    Row(500, others=0.5),
    Row(1_000, others=0.5),
    Row(500, restarted=0.1),
    Row(1_000, restarted=0.1),
]


def simulate(options: list[str]) -> dict:
    """The figures of one herd."""
    if not TOOL.exists():
        sys.exit(f"{TOOL} is not there; run `make bench-herd-virtual`")
    env = os.environ | {"GLIBC_TUNABLES": ALLOCATOR}
    ended = subprocess.run([TOOL, *options], capture_output=True, text=True, check=False, env=env)
    if ended.returncode:
        sys.exit(ended.stderr)
    return json.loads(ended.stdout)


def cells(row: Row, figures: dict) -> list[str]:
    """One line of a table. Calls are of a pod; those that were throttled stand in parentheses."""

    def calls(*operations: str) -> str:
        counts = [figures["calls"][name] for name in operations if name in figures["calls"]]
        answered, throttled = (sum(count[key] for count in counts) for key in ("answered", "throttled"))
        pods = figures["pods"]
        return f"{answered / pods:.1f}" + (f" ({throttled / pods:.1f})" if throttled else "") if counts else ""

    return [
        f"{row.pods:,}",
        f"{row.own:,}" + (f" + {row.shared} by role" if row.shared else ""),
        row.conditions,
        f"{figures['succeeded'] / figures['pods']:.0%}",
        *(f"{figures[key]:.1f}" for key in ("p50", "p99", "max", "all_s")),
        f"{figures['floor_s']:.1f}" + (f" ({figures['floor_by']})" if figures["floor_s"] else ""),
        # The last pod that starts again decides when such a herd has ended.
        f"{figures['all_s'] / figures['floor_s']:.2f}" if figures["floor_s"] and figures["succeeded"] == figures["pods"] and not row.restarted else "",
        calls("ListSecrets"),
        calls("BatchGetSecretValue"),
        calls("GetSecretValue"),
        calls("AssumeRole", "AssumeRoleWithWebIdentity"),
    ]


HEADINGS = ["pods", "connections", "under", "succeed", "p50 s", "p99 s", "max s", "all s", "floor s", "times", "ListSecrets", "batches", "single reads", "STS"]


def tables(write: bool) -> None:
    """Every herd, one on each CPU."""
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = [cells(row, figures) for row, figures in zip(ROWS, pool.map(lambda row: simulate(row.options), ROWS))]
    print(f"{lab.table(HEADINGS, lines)}\n{len(ROWS)} herds in {time.monotonic() - begin:.0f} s")
    if write:
        put(lines)


def put(lines: list[list[str]]) -> None:
    """Writes the table into docs/PERFORMANCE.md."""
    before, rest = pages.PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    pages.PAGE.write_text(f"{before}{BEGIN}\n\n{pages.markdown(HEADINGS, lines)}\n\n{END}{after}")


def beside_real() -> None:
    """Each herd with a goal, as a tenth of the pods under a tenth of the quotas: processes, then virtual ones."""
    lab.prepare()
    missed, lines = [], []
    print(f"load {os.getloadavg()[0]:.1f} on {lab.CPUS} CPUs", flush=True)
    for each in herd.GOALS:
        real = [herd.run(each, herd.Conditions(scale=0.1), [str(lab.PROGRAM)], lab.ours) for _ in range(REPEATS)]
        options = ["--pods", str(each.pods // 10), "--shared", str(each.shared), "--quotas", "0.1", "--deviation", "0", "--warm"]
        virtual = [simulate([*options, "--seed", str(seed)]) for seed in range(SEEDS)]
        for key in ("p50", "p99", "all_s"):
            ours, theirs = (statistics.mean(run[key] for run in runs) for runs in (virtual, real))
            away = ours / theirs - 1
            verdict = "" if abs(away) <= TOLERANCE else "MISS"
            missed += [f"{each.name} {key}"] if verdict else []
            spread = f"{min(run[key] for run in real):.2f}-{max(run[key] for run in real):.2f}"
            lines.append([each.name, key, f"{ours:.2f}", f"{theirs:.2f}", spread, f"{away:+.0%}", verdict])
        floor = statistics.mean(run["floor_s"] for run in real)
        lines.append([each.name, "CPU floor s", "", f"{floor:.2f}", "", "", ""])
    print(lab.table(["a tenth of", "s", "virtual", "real", "real, from-to", "away", ""], lines))
    print(f"load {os.getloadavg()[0]:.1f}; {f'missed: {missed}' if missed else f'all within {TOLERANCE:.0%}'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--beside-real", action="store_true")
    options, of_tool = parser.parse_known_args()
    if options.beside_real:
        beside_real()
    elif of_tool:
        print(json.dumps(simulate(of_tool), indent=1))
    else:
        tables(options.write_docs)


if __name__ == "__main__":
    main()
