"""Every way to deploy as real Pods, by a kubelet without an API server. Needs root; scripts/e2e-kubelet makes the rest.

Prints what was seen of each pod, and ends with 1 where something is not as it should be. Beside that it looks at the machine before
and after: nothing may be left.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import cases
import cloud
import images
import node
import static

HERE = pathlib.Path(__file__).resolve().parent
# So many pods at a time: more of Airflow's processes than that only wait for each other.
AT_ONCE = 12
# What both of them call their directories.
THEIRS = "kube|containerd|cni|runc|^pods$|^containers$"
# A case that takes longer hangs. None of them takes a minute where a machine has time for it.
LONGEST = 900


def main() -> None:
    """Once outside of the node's namespaces, and from there once more as their first process."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in [
        "kubelet",
        "tools",
        "image-archive",
        "image",
        "python",
        "catatonit",
        "airflow-2",
        "airflow-3",
        "fake-aws",
        "pods",
    ]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", default="", help="the cases with this pattern in their name")
    parser.add_argument(
        "--timing", type=int, default=0, help="so many starts of a pod with and without the init container instead"
    )
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("e2e-kubelet: needs root")
    sys.exit(inside(options) if options.inside else outside())


# ---- outside -----------------------------------------------------------------------------------------------------------


def outside() -> int:
    """Makes a directory, a control group and the namespaces; afterwards nothing of it may be there."""
    parent = HERE.parents[1] / "target/e2e-kubelet"
    parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(dir=parent, prefix="node-"))
    work.chmod(0o755)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    before, began = machine(), time.monotonic()
    group = f"/asi-{work.name}"
    node.make_cgroups(group)
    namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child", "--net"]
    try:
        command = ["unshare", *namespaces, sys.executable, *sys.argv, "--inside", str(work)]
        code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    finally:
        node.remove_cgroups(group)
        for log in work.glob("*.log"):
            shutil.copy(log, parent / log.name)
        left = in_namespaces(work)
        shutil.rmtree(work)
    for what, there in machine().items():
        left += [f"{what}: {one}" for one in sorted(there ^ before[what])]
    if left:
        print("e2e-kubelet: not as before:", *left, sep="\n  ", file=sys.stderr)
    print(f"\n{time.monotonic() - began:.0f} s; {'something' if left else 'nothing'} is left of it on this machine")
    return code or int(bool(left))


def machine() -> dict[str, set[str]]:
    """What a kubelet could leave: mounts, control groups, settings of the kernel, interfaces, directories. Podman may be at work beside
    this; its own do not count."""
    groups = [pathlib.Path(place) for place, *_ in os.walk(node.HIERARCHIES)]
    places = ["/etc", "/opt", "/run", "/var/lib", "/var/log"]
    mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "mount": {place for place in mounts if "/containers/" not in place},
        "control group": {str(place) for place in groups if not re.search("libpod|buildah", str(place))},
        "setting": {f"{file} {text}" for file, text in settings()},
        "interface": set(os.listdir("/sys/class/net")),
        "directory": {f"{place}/{name}" for place in places for name in os.listdir(place) if re.search(THEIRS, name)},
    }


def settings() -> list[tuple[str, str]]:
    """Those that a kubelet or a network of pods sets."""
    names = [*node.SETTINGS, "net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "net/ipv4/conf/all/rp_filter"]
    return [(name, (pathlib.Path("/proc/sys") / name).read_text().strip()) for name in names]


def in_namespaces(work: pathlib.Path) -> list[str]:
    """The processes that still are in a namespace of the node's."""
    ours = set(work.joinpath("namespaces").read_text().split()) if work.joinpath("namespaces").exists() else set()
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if ours & {os.readlink(f"/proc/{process}/ns/{kind}") for kind in ("mnt", "pid", "net")}:
                found.append(f"process: {process} {pathlib.Path(f'/proc/{process}/cmdline').read_text()}")
        except OSError:
            continue
    return found


# ---- inside ------------------------------------------------------------------------------------------------------------


def inside(options: argparse.Namespace) -> int:
    """The node, AWS, and every case; all of it ends with this process."""
    work = pathlib.Path(options.inside)
    work.joinpath("namespaces").write_text(
        "\n".join(os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid", "net"))
    )
    began = time.monotonic()
    images.pause(work / "pause.tar", options.catatonit)
    entries = json.loads(pathlib.Path(options.pods).read_text())
    images.airflow(work / "airflow.tar", static.images_of(entries))
    aws = cloud.Cloud(work, options.fake_aws)
    kubelet = node.Node(work, pathlib.Path(options.tools), options.kubelet, f"/asi-{work.name}")
    archives = [work / "pause.tar", work / "airflow.tar", pathlib.Path(options.image_archive)]
    kubelet.start(archives, {options.image: [static.IMAGE, static.COMPOSE_IMAGE]})
    aws.start()
    print(f"{version(kubelet)}, up in {time.monotonic() - began:.1f} s", flush=True)
    packages = {"2.8.1": options.airflow_2, "3.3.2": options.airflow_3}
    places = static.Machine(work, aws.ca, options.python, packages)
    lab = cases.Lab(kubelet, aws, places, entries)
    if options.timing:
        timing(lab, options.timing)
        return 0
    chosen = {name: case for name, case in cases.every_case(lab).items() if re.search(options.only, name)}
    wrong = through(kubelet, chosen)
    print(f"{len(chosen)} cases, {wrong} of them not as they should be", flush=True)
    if wrong:
        print(kubelet.logs(), file=sys.stderr)
    return int(bool(wrong) or not chosen)


def version(kubelet: node.Node) -> str:
    """Of what is run."""
    runtime = node.run([kubelet.tools / "bin/containerd", "--version"]).split()[2]
    runner = node.run([kubelet.tools / "sbin/runc", "--version"]).splitlines()[0].split()[-1]
    groups = "v2" if (node.HIERARCHIES / "cgroup.controllers").exists() else "v1"
    return f"{node.run([kubelet.kubelet, '--version']).strip()}, containerd {runtime}, runc {runner}, cgroup {groups}"


def through(kubelet: node.Node, waiting: dict[str, cases.Case]) -> int:
    """Runs the cases, some at a time; gives how many are not as they should be."""
    queue, running, wrong = list(waiting.items()), {}, 0
    while queue or running:
        for name, case in queue[: AT_ONCE - len(running)]:
            names = set(kubelet.manifests.iterdir())
            holds = next(case)
            (manifest,) = set(kubelet.manifests.iterdir()) - names
            running[name] = (manifest.stem, holds, time.monotonic())
            queue = queue[1:]
        time.sleep(0.2)
        pods = kubelet.pods()
        for name, (pod, holds, since) in list(running.items()):
            seen, failed = None, None
            try:
                cases.can_start(pods.get(pod))
                # A pod that was removed is judged by what it was.
                if (pod in pods or not (kubelet.manifests / f"{pod}.json").exists()) and holds(pods.get(pod, {})):
                    running[name] = (pod, waiting[name].send(pods.get(pod, {})), since)
                elif time.monotonic() - since > LONGEST:
                    failed = f"did not come to it: {json.dumps(pods.get(pod, {}).get('status'))}"
            except StopIteration as ended:
                seen = ended.value
            except node.Wrong as problem:
                failed = str(problem)
            except (LookupError, TypeError, ValueError) as problem:
                failed = f"a part is not there: {problem!r}: {json.dumps(pods.get(pod, {}).get('status'))}"
            if seen is None and failed is None:
                continue
            wrong += failed is not None
            print(
                f"{'FAILS' if failed else 'ok'}  {name}\n      {failed or seen} ({time.monotonic() - since:.1f} s)",
                flush=True,
            )
            kubelet.remove(pod)
            del running[name]
    return wrong


def timing(lab: cases.Lab, starts: int) -> None:
    """From the manifest to Airflow's container, with the init container and without, by containerd's clock."""
    shares: dict[str, list[float]] = {}
    for count in range(2 * starts):
        with_init = count % 2 == 0
        pod = lab.pod(f"start-{count}")
        if not with_init:
            pod["spec"]["initContainers"] = []
        began = time.time()
        lab.node.put(pod)
        there = None
        while not (there and cases.end(there, "base")):
            time.sleep(0.2)
            there = lab.node.pods().get(f"start-{count}")
        times = {
            name: moments(lab.node, cases.status(there, name))
            for name in (["base", static.INIT] if with_init else ["base"])
        }
        lab.node.remove(f"start-{count}")
        whole = "whole start, with" if with_init else "whole start, without"
        shares.setdefault(whole, []).append(times["base"][0] - began)
        if with_init:
            init = times[static.INIT]
            shares.setdefault("until the init container starts", []).append(init[0] - began)
            shares.setdefault("the init container, from start to exit", []).append(init[1] - init[0])
            shares.setdefault("of it the program by its own clock", []).append(lab.summary(there)["elapsed_ms"] / 1000)
            shares.setdefault("then until Airflow's container starts", []).append(times["base"][0] - init[1])
    print(f"medians of {starts} starts, in ms, {os.cpu_count()} cores:")
    for what, values in shares.items():
        print(
            f"  {what}: {statistics.median(values) * 1000:.0f} ({min(values) * 1000:.0f} to {max(values) * 1000:.0f})"
        )


def moments(kubelet: node.Node, status: dict) -> tuple[float, float]:
    """When a container started and ended, to the microsecond, which a pod's status has in seconds only."""
    return kubelet.moments(status["state"]["terminated"]["containerID"].removeprefix("containerd://"))


if __name__ == "__main__":
    main()
