"""A node: containerd and a kubelet without an API server, whose pods are files. Runs as the first process of its namespaces (e2e.py
makes them), so all of it ends with this process: processes, mounts, the network. What it writes lies below one directory.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import images

# The kernel's settings that a kubelet sets for the whole machine: it gets files in their place.
SETTINGS = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
]
NAME = "node"
ADDRESS = "10.99.0.1"
# Of Pod Identity's agent on a node of EKS.
AGENT = "169.254.170.23"
SHARES = 12 * 1024
HIERARCHIES = pathlib.Path("/sys/fs/cgroup")


class Wrong(Exception):
    """Something is not as it should be."""


class Node:
    """containerd and the kubelet, from `start` to the end of this process."""

    def __init__(self, work: pathlib.Path, tools: pathlib.Path, kubelet: str, cgroup: str) -> None:
        self.work, self.kubelet, self.cgroup = work, kubelet, cgroup
        self.tools = tools / "usr"
        self.manifests = work / "manifests"
        self.socket = work / "containerd/containerd.sock"
        self.servers: list[subprocess.Popen] = []

    def start(self, archives: list[pathlib.Path], tags: dict[str, list[str]]) -> None:
        """Both of them, with these images, some of them under more names."""
        self.network()
        self.own_places()
        for name in ["manifests", "kubelet", "containerd"]:
            (self.work / name).mkdir(exist_ok=True)
        path = f"{self.tools}/bin:{self.tools}/sbin:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(self.work)}
        (self.work / "containerd.toml").write_text(self.containerd_settings())
        (self.work / "kubelet.json").write_text(json.dumps(self.kubelet_settings()))
        (self.work / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        self.serve([f"{self.tools}/bin/containerd", "--config", str(self.work / "containerd.toml")], environment)
        self.until("containerd answers", lambda: execute(self.ctr_command("version")).returncode == 0)
        for archive in archives:
            self.ctr("images", "import", str(archive))
        for name, more in tags.items():
            for tag in more:
                self.ctr("images", "tag", name, tag)
        command = [self.kubelet, "--config", str(self.work / "kubelet.json"), "--root-dir=/var/lib/kubelet"]
        self.serve([*command, f"--hostname-override={NAME}", f"--node-ip={ADDRESS}", "--v=2"], environment)
        self.until("the kubelet is healthy", self.healthy)

    def network(self) -> None:
        """The loopback, with the addresses that a node has."""
        for words in (
            ["link", "set", "lo", "up"],
            ["address", "add", f"{ADDRESS}/32", "dev", "lo"],
            ["address", "add", f"{AGENT}/32", "dev", "lo"],
            ["route", "add", "default", "dev", "lo", "src", ADDRESS],
        ):
            run(["ip", *words])

    def own_places(self) -> None:
        """Over the fixed places of both: /run, /var/lib/kubelet, /var/log, and the settings of the kernel."""
        for place in ["/run", "/var/lib", "/var/log"]:
            run(["mount", "-t", "tmpfs", "tmpfs", place])
        (self.work / "kubelet").mkdir()
        pathlib.Path("/var/lib/kubelet").mkdir()
        run(["mount", "--bind", self.work / "kubelet", "/var/lib/kubelet"])
        for setting in SETTINGS:
            there = pathlib.Path("/proc/sys") / setting
            ours = self.work / setting.replace("/", ".")
            ours.write_text(there.read_text())
            run(["mount", "--bind", ours, there])
        run(["mount", "--make-rshared", "/"])

    def containerd_settings(self) -> str:
        """Nothing outside of the directory, no network of its own."""
        return f"""
version = 2
root = "{self.work}/containerd/root"
state = "{self.work}/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "{self.socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{self.work}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{images.PAUSE}"
stream_server_address = "127.0.0.1"
disable_apparmor = true
tolerate_missing_hugetlb_controller = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{self.work}/none"
conf_dir = "{self.work}/none"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{self.tools}/sbin/runc"
SystemdCgroup = false
"""

    def kubelet_settings(self) -> dict:
        """Standalone; no eviction for what else is on this machine's disks."""
        nothing = dict.fromkeys(
            ["memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"], "0%"
        )
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "staticPodPath": str(self.manifests),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "address": "127.0.0.1",
            "readOnlyPort": 10255,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self.cgroup,
            "failSwapOn": False,
            "failCgroupV1": False,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": nothing | {"imagefs.inodesFree": "0%"},
            "makeIPTablesUtilChains": False,
            "resolvConf": str(self.work / "resolv.conf"),
            "clusterDNS": ["127.0.0.1"],
            "maxPods": 250,
            "registerNode": False,
        }

    def serve(self, command: list, environment: dict[str, str]) -> None:
        """A server; its log is beside its settings."""
        log = self.work / f"{pathlib.Path(command[0]).name.split('-')[0]}.log"
        with log.open("wb") as output:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        self.servers.append(server)

    def healthy(self) -> bool:
        """Whether the kubelet says that it is."""
        with contextlib.suppress(OSError):
            return urllib.request.urlopen("http://127.0.0.1:10248/healthz", timeout=5).read() == b"ok"
        return False

    def until(self, what: str, holds) -> None:
        """Waits, for five minutes at most; not for a server that has ended."""
        end = time.monotonic() + 300
        while not holds():
            ended = [server.args[0] for server in self.servers if server.poll() is not None]
            if ended or time.monotonic() > end:
                raise Wrong(f"not so: {what}; ended: {ended}\n{self.logs()}")
            time.sleep(0.05)

    def logs(self) -> str:
        """The last lines of the two servers."""
        lines = []
        for log in sorted(self.work.glob("*.log")):
            lines += [f"-- {log.name}", *log.read_text(errors="replace").splitlines()[-15:]]
        return "\n".join(lines)

    # ---- pods ----

    def put(self, pod: dict) -> None:
        """Has a pod run. The file appears whole: the kubelet reads it as soon as it is there."""
        place = self.manifests / f"{pod['metadata']['name']}.json"
        part = self.work / place.name
        part.write_text(json.dumps(pod))
        part.rename(place)

    def remove(self, name: str) -> None:
        """Has a pod end."""
        (self.manifests / f"{name}.json").unlink(missing_ok=True)

    def pods(self) -> dict[str, dict]:
        """What the kubelet says of each pod, by name."""
        with urllib.request.urlopen("http://127.0.0.1:10255/pods", timeout=60) as answer:
            pods = json.load(answer)["items"] or []
        return {pod["metadata"]["name"].removesuffix(f"-{NAME}"): pod for pod in pods}

    def log(self, pod: dict, container: str, attempt: int = 0) -> str:
        """What a container has printed."""
        meta = pod["metadata"]
        place = pathlib.Path(
            f"/var/log/pods/{meta['namespace']}_{meta['name']}_{meta['uid']}/{container}/{attempt}.log"
        )
        lines = place.read_text(errors="replace").splitlines() if place.exists() else []
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    def volume(self, pod: dict, name: str) -> pathlib.Path:
        """Where an emptyDir is on the node."""
        return pathlib.Path("/var/lib/kubelet/pods") / pod["metadata"]["uid"] / "volumes/kubernetes.io~empty-dir" / name

    # ---- containerd ----

    def ctr_command(self, *arguments: str) -> list[str]:
        """The words of a call to containerd's own client."""
        return [f"{self.tools}/bin/ctr", "--address", str(self.socket), "--namespace", "k8s.io", *arguments]

    def ctr(self, *arguments: str) -> str:
        """What it prints."""
        return run(self.ctr_command(*arguments))

    def containers(self, pod: dict, kind: str) -> list[str]:
        """The ids of a pod's containers, of a kind: sandbox or container."""
        labels = f'labels."io.kubernetes.pod.uid"=={pod["metadata"]["uid"]},labels."io.cri-containerd.kind"=={kind}'
        return self.ctr("containers", "ls", "--quiet", labels).split()

    def moments(self, container: str) -> tuple[float, float]:
        """When a container that has ended was started, and when it ended: containerd's own note of it, in nanoseconds."""
        place = self.work / "containerd/root/io.containerd.grpc.v1.cri/containers" / container / "status"
        note = json.loads(place.read_text())
        return note["StartedAt"] / 1e9, note["FinishedAt"] / 1e9


def run(command: list) -> str:
    """Runs a command that has to succeed; gives what it prints."""
    done = execute([str(word) for word in command])
    if done.returncode != 0:
        raise Wrong(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def execute(command: list[str]) -> subprocess.CompletedProcess:
    """Runs a command, for five minutes at most."""
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300)


def cgroups(name: str) -> list[pathlib.Path]:
    """The directories of a control group: one in each hierarchy, or the one of version 2."""
    if (HIERARCHIES / "cgroup.controllers").exists():
        return [HIERARCHIES / name.lstrip("/")]
    return [
        place / name.lstrip("/")
        for place in HIERARCHIES.iterdir()
        if not place.is_symlink() and (place / "cgroup.procs").exists()
    ]


def make_cgroups(name: str) -> None:
    """A control group for all pods, in each hierarchy. All of them together would count as one process beside the machine's others."""
    for place in cgroups(name):
        place.mkdir()
        if (place / "cpu.shares").exists():
            (place / "cpu.shares").write_text(str(SHARES))
        for group in [place.parent, place] if (HIERARCHIES / "cgroup.controllers").exists() else []:
            controllers = (group / "cgroup.controllers").read_text().split()
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in controllers))


def remove_cgroups(name: str) -> None:
    """Takes it away with all below it. A process that is being killed may be in one for a moment."""
    for place in cgroups(name):
        for directory, *_ in os.walk(place, topdown=False):
            end = time.monotonic() + 60
            while os.path.isdir(directory):
                try:
                    os.rmdir(directory)
                except OSError:
                    if time.monotonic() > end:
                        sys.exit(f"e2e-kubelet: {directory} does not go")
                    time.sleep(0.05)
