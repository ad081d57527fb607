"""Hundreds of pods that start in the same second, as real processes, under AWS's quotas.

    python3 benches/herd.py                                         the herds with goals, in three conditions
    python3 benches/herd.py --scale 0.1                             the same in one
    python3 benches/herd.py --pods 500 [--own 100] [--shared 100]   one herd

Every process is a pod: the same account, the same connections. The fake AWS has the quotas that AWS publishes (per account
and region and second: 100 ListSecrets, 100 BatchGetSecretValue, 10,000 GetSecretValue), with a burst of one second.

All pods of a herd share the CPUs of this machine, which real pods do not. `CPU floor` is the CPU time of all processes
divided by the number of CPUs: no herd can be faster here, whatever the quotas allow. Where the measured times are near it,
they tell of this machine. Three ways to have less of it: --plain (HTTP: no handshakes), --spread (starts over more
seconds), and --scale 0.1 (a tenth of the pods under a tenth of the quotas: each pod gets the same share, for a tenth of
the CPU time).
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import lab
import pages
import peers

SAMPLE_S = 0.1
# A throttled pod may have dozens of connections, with two ends each in the relay, and a limit of 20,000 open files is common.
PODS_OF_A_RELAY = 100
# No pod may take longer; past it the benchmark gives up.
PATIENCE_S = 300


@dataclass(frozen=True)
class Herd:
    """What to start, and what is wanted of it."""

    pods: int
    own: int = 100
    shared: int = 0
    wanted_s: dict[str, float] = field(default_factory=dict)
    wanted_ratio: float | None = None

    @property
    def name(self) -> str:
        return f"{self.pods:,} pods x {self.own}{f' + {self.shared} by role' if self.shared else ''}"


GOALS = [
    Herd(500, 100, 0, {"p50": 2.5, "p99": 10}, 1.3),
    Herd(500, 100, 100, {"max": 15}),
    Herd(1000, 100, 0, {"max": 30}),
]


@dataclass(frozen=True)
class Conditions:
    """How the herds are run."""

    tls: bool = True
    round_trip_ms: float = 20
    spread_s: float = 1
    scale: float = 1

    def __str__(self) -> str:
        quotas = "AWS's quotas" if self.scale == 1 else f"pods and AWS's quotas times {self.scale:g}"
        network = f"{self.round_trip_ms:g} ms round trip" if self.round_trip_ms else "no latency"
        return f"{'TLS 1.3' if self.tls else 'plain HTTP'}, {network}, starts within {self.spread_s:g} s, {quotas}"


def quotas(scale: float) -> list[dict]:
    """What AWS publishes, as Quota::published_by_aws of the fake has it, times a factor."""
    sts = ["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"]
    published = [(["GetSecretValue"], 10_000), (["BatchGetSecretValue"], 100), (["ListSecrets"], 100), (sts, 600)]
    return [{"operations": names, "rate": rate * scale, "burst": max(1, rate * scale)} for names, rate in published]


# ---- the machine ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def saturation():
    """Yields a list that gets, for each tenth of a second of the block, the share of the CPUs that was busy."""
    shares: list[float] = []
    done = threading.Event()

    def watch() -> None:
        before, at = lab.idle_s(), time.monotonic()
        while not done.wait(SAMPLE_S):
            now, then = lab.idle_s(), time.monotonic()
            shares.append(1 - (now - before) / (lab.CPUS * (then - at)))
            before, at = now, then

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield shares
    finally:
        done.set()
        thread.join()


# ---- the herd ------------------------------------------------------------------------------------------------------


@dataclass
class Pod:
    """One process."""

    started: float
    file: pathlib.Path
    said: pathlib.Path
    wall_s: float = 0
    code: int | None = None


def stampede(command: list[str], envs: list[tuple[dict[str, str], pathlib.Path, pathlib.Path]], spread_s: float) -> list[Pod]:
    """Starts all processes within that time and waits for the last."""
    pods: dict[int, Pod] = {}
    # The reaper may see the end of a process before its number is in the map.
    starting = threading.Lock()

    def reap() -> None:
        for _ in envs:
            pid, status, _ = os.wait4(-1, 0)
            ended = time.monotonic()
            with starting:
                pod = pods.get(pid)
            if pod is None:
                return  # a helper has died; the pods that are not accounted for tell it
            pod.wall_s = ended - pod.started
            pod.code = os.waitstatus_to_exitcode(status)

    reaper = threading.Thread(target=reap, daemon=True)
    reaper.start()
    begin = time.monotonic()
    for number, (env, file, said) in enumerate(envs):
        due = begin + number * spread_s / len(envs)
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        actions = [(os.POSIX_SPAWN_OPEN, fd, path, flags, 0o600) for fd, path, flags in (
            (0, "/dev/null", os.O_RDONLY),
            (1, "/dev/null", os.O_WRONLY),
            (2, str(said), os.O_WRONLY | os.O_CREAT),
        )]  # fmt: skip
        with starting:
            started = time.monotonic()
            pid = os.posix_spawn(command[0], command, env, file_actions=actions)
            pods[pid] = Pod(started, file, said)
    reaper.join(PATIENCE_S)
    if reaper.is_alive():
        sys.exit(f"some pods have not ended after {PATIENCE_S} s")
    if any(pod.code is None for pod in pods.values()):
        sys.exit("the fake AWS or the relay has died")
    return list(pods.values())


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the sorted values does not exceed."""
    return values[min(len(values) - 1, int(len(values) * share))]


Environment = Callable[[int, pathlib.Path, str], dict[str, str]]


def of_peer(name: str) -> tuple[list[str], Environment]:
    """What to run for a pod of someone else's: only who reads an account as a whole and writes a file can be a pod here."""
    found = [peer for peer in peers.PEERS if peer.name.startswith("boto3") and name in peer.name]
    if not found:
        sys.exit(f"no such peer: {name}; there are the boto3 ones")
    program = found[0].build()
    return found[0].command(program, None), lambda own, file, _: found[0].env(program, peers.Job(own, file.parent))


def run(herd: Herd, conditions: Conditions, command: list[str], env_of: Environment = lab.ours) -> dict:
    """One herd; everything that was measured."""
    settings = {"quotas": quotas(conditions.scale), "log_limit": 0}
    size = max(1, round(herd.pods * conditions.scale))
    document = lab.scenario([herd.own], herd.shared or 1, **settings)
    kwargs = lab.shared_kwargs() if herd.shared else "{}"
    with (
        tempfile.TemporaryDirectory() as directory,
        lab.fake(conditions.tls, document) as server,
        contextlib.ExitStack() as stack,
    ):
        place = pathlib.Path(directory)
        shards = range(math.ceil(size / PODS_OF_A_RELAY)) if conditions.round_trip_ms else []
        networks = [stack.enter_context(lab.relay(server, conditions.round_trip_ms)) for _ in shards]
        ways = [network.env for network in networks] or [{"AWS_ENDPOINT_URL": server.url}]
        helpers = [server.process, *(network.process for network in networks)]
        one = place / "first" / "connections.json"
        one.parent.mkdir()
        # Once before, so that the herd does not wait for the disk.
        lab.measure(command, env_of(herd.own, one, kwargs) | ways[0])
        envs = []
        for number in range(size):
            # A directory of its own for each, as each pod has a volume of its own.
            home = place / str(number)
            home.mkdir()
            file = home / "connections.json"
            envs.append((env_of(herd.own, file, kwargs) | ways[number % len(ways)], file, home / "said"))
        # A bucket is full again after a second.
        time.sleep(1)
        server.reset()
        for network in networks:
            network.report()
        before = lab.cpu_ms(*helpers)
        children, self_cpu = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
        with saturation() as shares:
            begin = time.monotonic()
            pods = stampede(command, envs, conditions.spread_s)
            all_s = time.monotonic() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        pods_cpu = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
        servers_cpu = (lab.cpu_ms(*helpers) - before) / 1000
        harness_cpu = time.process_time() - self_cpu
        stats = server.stats()
        late = [network.report()["late_us"] for network in networks]
        complete = [pod for pod in pods if pod.code == 0 and len(json.loads(pod.file.read_text())) == herd.own + herd.shared]
        reasons = sorted({pod.said.read_text().strip().rsplit("\n", 1)[-1][:300] for pod in pods if pod not in complete})
    walls = sorted(pod.wall_s for pod in pods)
    useful = sum(codes.get("OK", 0) for codes in stats["codes_by_operation"].values())
    return {
        "herd": herd.name,
        "conditions": str(conditions),
        "pods": size,
        "succeeded": len(complete),
        "reasons": reasons[:5],
        "p50": percentile(walls, 0.5),
        "p99": percentile(walls, 0.99),
        "max": walls[-1],
        "all_s": all_s,
        "percentiles": [percentile(walls, share / 100) for share in range(101)],
        "codes": stats["codes_by_operation"],
        "calls": stats["calls"],
        "useful": useful,
        "ratio": stats["calls"] / max(1, useful),
        "sockets": stats["connections_opened"],
        "cpu": {"pods": pods_cpu, "servers": servers_cpu, "harness": harness_cpu},
        "floor_s": (pods_cpu + servers_cpu + harness_cpu) / lab.CPUS,
        "busy_s": SAMPLE_S * sum(share > 0.95 for share in shares),
        "others_s": max(0, SAMPLE_S * lab.CPUS * sum(shares) - pods_cpu - servers_cpu - harness_cpu),
        "late_us": {key: max(report[key] for report in late) for key in ("p50", "p99", "max")} if late else None,
        "kept_waiting": stats["kept_waiting"],
    }


def told(herd: Herd, figures: dict) -> tuple[str, list[str]]:
    """The figures in words, and the goals that are missed."""
    cpu = figures["cpu"]
    missed: list[str] = []

    def judged(what: str, measured: float, limit: float | None) -> str:
        if limit is None:
            return ""
        if measured > limit:
            missed.append(f"{herd.name}: {what}")
        return f" ({'PASS' if measured <= limit else 'MISS'}, goal {limit:g})"

    times = ", ".join(f"{name} {figures[name]:.2f} s{judged(name, figures[name], herd.wanted_s.get(name))}" for name in ("p50", "p99", "max"))
    lines = [
        f"{herd.name}: {figures['conditions']}",
        f"  succeeded  {figures['succeeded']} of {figures['pods']}{judged('succeeded', figures['pods'] - figures['succeeded'], 0)}",
        f"  wall time  {times}; from the first start to the last end {figures['all_s']:.2f} s",
        f"  calls      {figures['calls']:,}, {figures['ratio']:.2f} for each useful one{judged('calls', figures['ratio'], herd.wanted_ratio)}",
    ]
    for operation, codes in sorted(figures["codes"].items()):
        refused = ", ".join(f"{count:,} {code}" for code, count in sorted(codes.items()) if code != "OK")
        lines.append(f"             {operation}: {sum(codes.values()):,} made{f', of these {refused}' if refused else ''}")
    lines += [
        f"  sockets    {figures['sockets']:,}",
        f"  CPU floor  {figures['floor_s']:.2f} s on {lab.CPUS} CPUs: pods {cpu['pods']:.2f} s ({1000 * cpu['pods'] / figures['pods']:.1f} ms each), "
        f"servers {cpu['servers']:.2f}, harness {cpu['harness']:.2f}",
        f"  saturated  {figures['busy_s']:.1f} s with all CPUs more than 95 % busy; others used {figures['others_s']:.1f} s of CPU meanwhile",
    ]
    if figures["kept_waiting"]:
        lines.append("  NO FILES   the fake AWS ran out of file descriptors, and pods had to wait for it: raise `ulimit -n`")
    if figures["late_us"]:
        lines.append(f"  relay      late by {figures['late_us']['p50']} µs (median), {figures['late_us']['p99']} (p99)")
    return "\n".join(lines + [f"  reason     {reason}" for reason in figures["reasons"]]), missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--pods", type=int, help="one herd of this size instead of those with goals")
    parser.add_argument("--own", type=int, default=100)
    parser.add_argument("--shared", type=int, default=0, help="connections of the shared account, through a role")
    parser.add_argument("--rtt", type=float, default=20, help="round trip of the network in milliseconds; 0: no relay")
    parser.add_argument("--spread", type=float, default=1, metavar="S", help="start them over so many seconds")
    parser.add_argument("--scale", type=float, default=1, metavar="F", help="pods and quotas times this factor")
    wire = parser.add_mutually_exclusive_group()
    wire.add_argument("--tls", dest="tls", action="store_true", default=True, help="TLS 1.3 (the default)")
    wire.add_argument("--plain", dest="tls", action="store_false", help="HTTP")
    parser.add_argument("--peer", metavar="NAME", help="pods of someone else's: `boto3, sequential` or `boto3, 10 threads`")
    parser.add_argument("--write-docs", action="store_true", help="the goals' herds in several conditions, and boto3's; into docs/")
    options = parser.parse_args()
    lab.prepare()
    if options.write_docs:
        write_docs(options.program)
        return
    conditions = Conditions(options.tls, options.rtt, options.spread, options.scale)
    herds = [Herd(options.pods, options.own, options.shared)] if options.pods else GOALS
    command, env_of = of_peer(options.peer) if options.peer else ([str(options.program)], lab.ours)
    for each in [conditions] if options.pods or conditions != Conditions() else DOCUMENTED:
        missed = []
        for herd in herds:
            text, failed = told(herd, run(herd, each, command, env_of))
            print(f"{text}\n", flush=True)
            missed += failed
        if not options.pods:
            verdict = f"missed: {', '.join(missed)}" if missed else "all goals met"
            print(f"{each}: {verdict}\n", flush=True)


# A tenth, where the quotas decide and not this machine; all of them with as little of it as may be; all of them with TLS.
DOCUMENTED = [Conditions(scale=0.1), Conditions(tls=False), Conditions()]


def write_docs(program: pathlib.Path) -> None:
    """Everything that docs/PERFORMANCE.md tells of herds."""
    results = []
    neighbours = lab.Neighbours()
    for conditions in DOCUMENTED:
        for herd in GOALS:
            results.append(run(herd, conditions, [str(program)]) | {"who": peers.OURS})
            print(f"{told(herd, results[-1])[0]}\n", flush=True)
    theirs = next(peer for peer in peers.PEERS if peer.name.startswith("boto3"))
    # The goals are not theirs.
    herd = Herd(GOALS[0].pods, GOALS[0].own)
    results.append(run(herd, DOCUMENTED[0], *of_peer(theirs.name)) | {"who": theirs.name})
    print(told(herd, results[-1])[0])
    pages.write("herd", results, neighbours.share())


if __name__ == "__main__":
    main()
