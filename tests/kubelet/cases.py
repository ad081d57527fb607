"""What is seen of each pod. A case is a generator: it yields what it waits for and gets the pod as the kubelet then has it; it ends with
what was seen, or with Wrong."""

import json
import os
import pathlib
from collections.abc import Callable, Generator

import cloud
import static
from node import Node, Wrong
from static import INIT

DIRECTORY = "/opt/airflow/secrets"
Case = Generator[Callable[[dict], object], dict, str]
# The first fields of what read_connections.py gives: backend, type, host, login, password.
OWN = ["LocalFilesystemBackend", "mysql", "h", "own", "pw"]
FILED = ["LocalFilesystemBackend", "postgres", "warehouse.team.internal", "team", "own-wins"]
MIB = 1 << 20


class Lab:
    """What the cases share."""

    def __init__(self, node: Node, aws: cloud.Cloud, machine: static.Machine, entries: list[dict]) -> None:
        self.node, self.aws, self.machine, self.entries = node, aws, machine, entries
        self.template = next(entry for entry in entries if entry["source"] == "pod-template.yaml")

    def pod(self, name: str, env: dict | None = None, role: str = "airflow", **spec) -> dict:
        """That of pod-template.yaml with other variables of the init container, another role, other parts of its spec. Airflow's
        container looks at the directory alone."""
        pod = static.of_entry(self.template | {"role": cloud.ROLE + role}, name, self.machine)
        pod["spec"].update(spec)
        for key, value in (env or {}).items():
            static.variable(init_of(pod), key, value)
        pod["spec"]["containers"][0]["args"] = ["reads"]
        return pod

    def seen(self, pod: dict, container: str) -> dict:
        """What app.py printed, among what Airflow says."""
        for line in self.all_seen(pod, container):
            return line
        raise Wrong(f"{container} printed: {self.node.log(pod, container)[-2000:]}")

    def all_seen(self, pod: dict, container: str) -> list[dict]:
        """Every line of app.py's."""
        return [json.loads(line) for line in self.node.log(pod, container).splitlines() if line.startswith('{"uid": ')]

    def summary(self, pod: dict, attempt: int = 0, container: str = INIT) -> dict:
        """The summary in the init container's log: the last line, or that of the first render where it goes on."""
        lines = [json.loads(line) for line in self.node.log(pod, container, attempt).splitlines()]
        return next((line for line in lines if "outcome" in line), lines[-1])


# ---- every way to deploy -----------------------------------------------------------------------------------------------


def runs(lab: Lab, name: str, entry: dict, pod: dict) -> Case:
    """The init container ends with 0, Airflow reads the file."""
    lab.node.put(pod)
    ours_alone = pod["spec"]["containers"][0]["name"] == INIT
    apps = [container["name"] for container in pod["spec"]["containers"]]
    there = yield all_ended(*apps)
    summary = lab.summary(there)
    expect(summary["outcome"], "written", summary)
    if ours_alone:
        place = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "secrets")["hostPath"]["path"]
        (file,) = pathlib.Path(place).iterdir()
        expect((file.name, f"{file.stat().st_mode & 0o7777:o}", file.stat().st_uid), ("connections.json", "440", 50000))
        return f"{summary['connections']} connections in the volume"
    init = init_of(pod)
    for before in there["spec"]["initContainers"]:
        if before["name"] != INIT:
            expect(lab.seen(there, before["name"])["directory"]["files"], {}, "files before the init container ran")
    for app in apps:
        seen = lab.seen(there, app)
        compose = "one_shot" in entry
        user = 1000 if compose else 50000
        expect([seen["uid"], seen["gid"]], [user, 0], seen)
        mode = "777" if compose else "3777"
        expect((seen["directory"]["owner"], seen["directory"]["writable"]), ([mode, 0, 0], False), seen)
        if not compose:
            expect((seen["directory"]["type"], seen["directory"]["bytes"]), ("tmpfs", 8 * MIB), seen)
        # Beside it, of a sidecar: its status.
        (file,) = (one for name, one in seen["directory"]["files"].items() if not name.endswith("status.json"))
        expect(file[:3], ["440", user, 0], seen)
        skips = static.SKIP in pod["metadata"]["annotations"]
        expect(bool(seen["credentials"]), not skips and not compose, seen["credentials"])
        if "connections" not in seen:
            found = seen["variables"]
            expect(sorted(found), ["AIRFLOW_CONN_REPORTING_DB", "AIRFLOW_CONN_WAREHOUSE"], sorted(found))
            return "the job's program has both connections as variables"
        expect(seen["connections"], connections(entry, init), seen["connections"])
    found = sum(one is not None for one in seen["connections"].values())
    return f"{summary['connections']} connections; {len(apps)} x Airflow {entry['airflow']} found {found} of {len(static.CONN_IDS)}"


def connections(entry: dict, init: dict) -> dict:
    """What Airflow must find."""
    fewer = any(variable["name"] == "SECRETS_INIT_INCLUDE" for variable in init["env"])
    snowflake = ["LocalFilesystemBackend", "snowflake", None, "svc", "line\nbreak", None, {"a": 1}]
    db = ["LocalFilesystemBackend", "postgres", "db-7.internal", "user", "p w", 5432, {}]
    everything = {"warehouse": [*OWN, None, {}], "snowflake": snowflake, "db_0007": db, "absent": None}
    if fewer:
        return dict.fromkeys(everything)
    if "one_shot" not in entry:
        # The README's short values name no shared account.
        return everything | ({"snowflake": None} if entry["source"] == "README.md" else {})
    if entry["name"] == "aws":
        return everything | {"snowflake": None}
    extra = {"account": "ab12345", "region": "eu-central-1", "warehouse": "COMPUTE_WH"}
    filed = ["LocalFilesystemBackend", "snowflake", None, "svc_airflow", "shared-secret", None, extra]
    return {"warehouse": [*FILED, 5439, {}], "snowflake": filed, "db_0007": None, "absent": None}


def pod_identity(lab: Lab) -> Case:
    """Credentials by the agent of EKS Pod Identity, and no role in an annotation"""
    pod = lab.pod("pod-identity")
    init = init_of(pod)
    for name in ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]:
        static.variable(init, name, None)
    static.variable(init, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
    static.variable(init, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", f"{static.TOKENS}/token")
    lab.node.put(pod)
    there = yield all_ended("base")
    summary = lab.summary(there)
    expect((summary["outcome"], summary["own"], summary["shared"]), ("written", 104, 1), summary)
    return f"{summary['own']} own, {summary['shared']} of the shared account"


# ---- a render that fails -------------------------------------------------------------------------------------------------

READERS_KWARGS = '{"connections_file_path": "/opt/airflow/secrets/connections.json"}'
KWARGS = "AIRFLOW__SECRETS__BACKEND_KWARGS"


def of_prefix(prefix: str, shared: bool = False) -> dict[str, str]:
    """Kwargs of another prefix, of the own account alone or not."""
    more = {"shared_account": cloud.SHARED, "shared_role_arn": f"arn:aws:iam::{cloud.SHARED}:role/airflow-reader"}
    more["connections_prefix_shared"] = "airflow/connections"
    return {KWARGS: json.dumps({"connections_prefix": f"{prefix}/connections"} | (more if shared else {}))}


# What makes a run end with each code, but 70, which is a bug: no setting makes one.
FAILURES = {
    64: ({}, "is an unknown flag"),
    65: (of_prefix("invalid"), "conn_id x (own account) is invalid"),
    66: ({"SECRETS_INIT_CONN_IDS": "nobody"}, "conn_id nobody is missing"),
    69: ({"AWS_ENDPOINT_URL": "https://127.0.0.1:9"}, "ASI-502"),
    73: ({}, "/opt/airflow/secrets"),
    74: (of_prefix("large"), "/opt/airflow/secrets"),
    75: (
        of_prefix("slow") | {"SECRETS_INIT_CONN_IDS": "x", "SECRETS_INIT_DEADLINE": "2s"},
        "the deadline of 2s passed",
    ),
    77: ({}, "AccessDenied"),
    78: ({KWARGS: READERS_KWARGS}, "LocalFilesystemBackend"),
}


def fails(lab: Lab, code: int) -> Case:
    """With `restartPolicy: Never` the pod fails with the code and its reasons, and Airflow is never started"""
    env, words = FAILURES[code]
    pod = lab.pod(f"fails-{code}", env, role="nobody" if code == 77 else "airflow")
    if code == 64:
        init_of(pod)["args"] = ["--no-such-flag"]
    elif code == 73:
        init_of(pod)["volumeMounts"] = [one for one in init_of(pod)["volumeMounts"] if one["name"] != "airflow-secrets"]
    elif code == 74:
        volume_of(pod)["sizeLimit"] = "64Ki"
    lab.node.put(pod)
    there = yield lambda pod: pod["status"]["phase"] in ("Failed", "Succeeded")
    ended = end(there, INIT)
    message = ended.get("message", "")
    expect((there["status"]["phase"], ended["exitCode"]), ("Failed", code), ended)
    expect(message.startswith(f"airflow-secrets-init failed with {code}: ") and words in message, True, message)
    base = status(there, "base")
    expect((base["state"].get("waiting", {}).get("reason"), base["restartCount"]), ("PodInitializing", 0), base)
    expect((base.get("containerID"), lab.node.log(there, "base")), (None, ""), base)
    return message.splitlines()[0][:110]


def comes_back(lab: Lab) -> Case:
    """With `restartPolicy: Always` it is tried again, with a pause; once the cause is gone the pod starts by itself"""
    pod = lab.pod("comes-back", of_prefix("late") | {"SECRETS_INIT_CONN_IDS": "here,late"}, restartPolicy="Always")
    lab.node.put(pod)
    there = yield lambda pod: waits(pod) == "CrashLoopBackOff"
    ended, waiting = end(there, INIT), status(there, INIT)["state"]["waiting"]
    expect(ended["exitCode"], 66, ended)
    expect("conn_id late is missing" in ended["message"], True, ended)
    expect(
        waiting["message"].startswith("back-off 10s restarting failed container=airflow-secrets-init"), True, waiting
    )
    lab.aws.now_has({"late/connections/late": "http://late"})
    there = yield all_ended("base")
    expect(status(there, INIT)["restartCount"] >= 1, True, there["status"])
    return f"{waiting['message'].split(' container=')[0]}; then {sorted(lab.seen(there, 'base')['directory']['files'])}"


def last_words(lab: Lab) -> Case:
    """FallbackToLogsOnError: where the termination message is empty, the last lines of the log are in its place"""
    pod = lab.pod(
        "last-words", {"SECRETS_INIT_CONN_IDS": "nobody", "SECRETS_INIT_TERMINATION_LOG": f"{DIRECTORY}/reason"}
    )
    lab.node.put(pod)
    there = yield lambda pod: pod["status"]["phase"] == "Failed"
    message = end(there, INIT)["message"]
    expect(json.loads(message.splitlines()[-1])["exit_code"], 66, message)
    return message.splitlines()[-1][:110]


# ---- memory and room -----------------------------------------------------------------------------------------------------


def most_connections(lab: Lab) -> Case:
    """As many connections as the documents promise for the snippets' 64 MiB, with a shared account, in memory"""
    lab.node.put(lab.pod("most-connections", of_prefix("many", shared=True)))
    there = yield all_ended("base")
    summary = lab.summary(there)
    expect((summary["outcome"], summary["own"]), ("written", cloud.MANY), summary)
    return f"{summary['connections']} connections, {sizes(lab.seen(there, 'base'))}"


def most_text(lab: Lab) -> Case:
    """A file of more than half of the volume: made once; over itself there is no room, and the old one stays"""
    pod = lab.pod("most-text", of_prefix("large"), restartPolicy="Always")
    pod["spec"]["containers"][0]["args"] = ["lasts"]
    lab.node.put(pod)
    there = yield printed(lab, "base")
    expect(lab.summary(there)["outcome"], "written", "")
    first = sizes(lab.seen(there, "base"))
    lab.aws.now_has({"large/connections/l_000": "http://changed"})
    kill_sandbox(lab, there)
    there = yield lambda pod: (end(pod, INIT) or {}).get("exitCode", 0) != 0
    ended = end(there, INIT)
    expect((ended["exitCode"], "No space left on device" in ended["message"]), (74, True), ended)
    left = [(file.name, file.stat().st_size) for file in lab.node.volume(there, "airflow-secrets").iterdir()]
    expect([name for name, _ in left], ["connections.json"], left)
    return f"{first}; then {ended['message'].splitlines()[0][:110]}"


def too_much_text(lab: Lab) -> Case:
    """More than fits into 64 MiB ends with 65 and the limit's name, and is not killed"""
    lab.node.put(lab.pod("too-much-text", of_prefix("huge")))
    there = yield lambda pod: pod["status"]["phase"] in ("Failed", "Succeeded")
    ended = end(there, INIT)
    expect((ended["exitCode"], "a limit of 64 MiB" in ended["message"]), (65, True), ended)
    return ended["message"].splitlines()[0][:140]


def full_volume(lab: Lab) -> Case:
    """A volume that is too small: 74 again and again, and nothing is left in it"""
    pod = lab.pod("full-volume", of_prefix("large"), restartPolicy="Always")
    volume_of(pod)["sizeLimit"] = "64Ki"
    lab.node.put(pod)
    there = yield lambda pod: status(pod, INIT).get("restartCount", 0) >= 1 and waits(pod) == "CrashLoopBackOff"
    left = list(lab.node.volume(there, "airflow-secrets").iterdir())
    expect((end(there, INIT)["exitCode"], left), (74, []), end(there, INIT))
    return end(there, INIT)["message"].splitlines()[0][:110]


def full_disk_volume(lab: Lab) -> Case:
    """On disk `sizeLimit` stops no write. That Kubernetes then evicts the pod is not seen here: no static pod is evicted"""
    pod = lab.pod("full-disk-volume", of_prefix("large"))
    pod["spec"]["volumes"][0]["emptyDir"] = {"sizeLimit": "64Ki"}
    lab.node.put(pod)
    there = yield all_ended("base")
    expect(lab.summary(there)["outcome"], "written")
    return f"a file of {lab.seen(there, 'base')['directory']['files']['connections.json'][3] / MIB:.1f} MiB where 64 KiB are allowed"


def no_size(lab: Lab, limited: bool) -> Case:
    """Without `sizeLimit` the volume is as large as the pod's memory limit, or as the node's memory where a container has no limit"""
    pod = lab.pod(f"no-size-{'limited' if limited else 'unlimited'}")
    del volume_of(pod)["sizeLimit"]
    if limited:
        pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "512Mi"}}
    lab.node.put(pod)
    there = yield all_ended("base")
    size = lab.seen(there, "base")["directory"]["bytes"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    expect(size // MIB, 512 if limited else memory // MIB, "of MiB")
    return (
        f"{size // MIB} MiB: {'the limit of Airflow, which is more than ours' if limited else 'the memory of the node'}"
    )


# ---- users and directories -------------------------------------------------------------------------------------------------


def directory(lab: Lab, name: str, medium: str, group: int | None, expected: list) -> Case:
    """Mode and owner of an emptyDir"""
    pod = lab.pod(name)
    pod["spec"]["volumes"][0]["emptyDir"] = {"medium": medium} if medium else {}
    pod["spec"]["securityContext"].pop("fsGroup")
    if group is not None:
        pod["spec"]["securityContext"]["fsGroup"] = group
    # Another user of group 0 reads it.
    pod["spec"]["containers"][0]["securityContext"] = {"runAsUser": 1000}
    lab.node.put(pod)
    there = yield all_ended("base")
    seen = lab.seen(there, "base")
    found = seen["directory"]
    expect((found["owner"], found["files"]["connections.json"][:3]), (expected, ["440", 50000, group or 0]), found)
    return f"{found['owner'][0]} {found['owner'][1]}:{found['owner'][2]}, {found['type'] or 'disk'}"


def openshift(lab: Lab) -> Case:
    """As on OpenShift: a user without an entry in passwd, which is the pod's fsGroup too, and group 0"""
    user = 1000650000
    pod = lab.pod("openshift")
    pod["spec"]["securityContext"] = {
        "runAsUser": user, "runAsGroup": 0, "fsGroup": user, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    pod["spec"]["containers"][0]["args"] = ["reads", *static.CONN_IDS]
    lab.node.put(pod)
    there = yield all_ended("base")
    seen = lab.seen(there, "base")
    expect(seen["directory"]["owner"], ["3777", 0, user], seen)
    expect(seen["directory"]["files"]["connections.json"][:3], ["440", user, user], seen)
    expect(seen["connections"]["warehouse"], [*OWN, None, {}], seen)
    return "Airflow reads"


def other_user(lab: Lab, medium: str) -> Case:
    """Another user of the same group comes to the file later: on disk he replaces it, in memory the directory is sticky"""
    pod = lab.pod("other-user-" + (medium.lower() or "disk"))
    pod["spec"]["volumes"][0]["emptyDir"] = {"medium": medium} if medium else {}
    again, other = (json.loads(json.dumps(init_of(pod))) | {"name": f"{INIT}-{name}"} for name in ("again", "other"))
    other["securityContext"]["runAsUser"] = 1000
    pod["spec"]["initContainers"] += [again, other]
    lab.node.put(pod)
    there = yield lambda pod: pod["status"]["phase"] in ("Failed", "Succeeded")
    expect(lab.summary(there, 0, again["name"])["outcome"], "unchanged")
    ended = end(there, other["name"])
    if not medium:
        owner = lab.seen(there, "base")["directory"]["files"]["connections.json"][1]
        expect((ended["exitCode"], owner), (0, 1000), ended)
        return "the file is his"
    expect((ended["exitCode"], "sticky" in ended["message"]), (74, True), ended)
    return ended["message"].splitlines()[0][:140]


# ---- ends and restarts -----------------------------------------------------------------------------------------------------


def rerun(lab: Lab) -> Case:
    """The sandbox dies: all is run again, the init container over the file that is there"""
    pod = lab.pod("rerun", restartPolicy="Always")
    pod["spec"]["containers"][0]["args"] = ["lasts"]
    lab.node.put(pod)
    there = yield printed(lab, "base")
    before = lab.node.volume(there, "airflow-secrets") / "connections.json"
    written = before.stat()
    kill_sandbox(lab, there)
    there = yield lambda pod: status(pod, INIT)["restartCount"] >= 1 and printed(lab, "base", 1)(pod)
    expect(lab.summary(there, 1)["outcome"], "unchanged", lab.node.log(there, INIT, 1))
    expect((before.stat().st_ino, before.stat().st_mtime_ns), (written.st_ino, written.st_mtime_ns), "another file")
    return "written, then unchanged"


def confined(lab: Lab) -> Case:
    """While it runs: no capabilities, no new privileges, a seccomp filter, a root that can't be written to. Then the pod's time is over:
    SIGTERM, 143 within the grace, no file left"""
    pod = lab.pod("confined", of_prefix("slow") | {"SECRETS_INIT_CONN_IDS": "x"}, activeDeadlineSeconds=15)
    volume_of(pod).clear()
    del pod["spec"]["volumes"][0]["emptyDir"]
    place = lab.machine.directory({}, 0o2770, 50000)
    static.mounted(pod["spec"]["volumes"][0], place)
    lab.node.put(pod)
    there = yield lambda pod: "running" in status(pod, INIT).get("state", {})
    (container,) = lab.node.containers(there, "container")
    process = next(line.split()[1] for line in lab.node.ctr("tasks", "ls").splitlines() if line.startswith(container))
    fields = dict(
        line.split(":\t", 1)
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
        if ":\t" in line
    )
    what = {
        name: int(fields[name], 16)
        for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"]
    }
    none = dict.fromkeys(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"], 0)
    expect(what, none | {"NoNewPrivs": 1, "Seccomp": 2}, what)
    expect((fields["Uid"].split(), fields["Gid"].split()), (["50000"] * 4, ["0"] * 4), fields["Uid"])
    mounts = [line.split() for line in pathlib.Path(f"/proc/{process}/mountinfo").read_text().splitlines()]
    expect(next(words[5].split(",")[0] for words in mounts if words[4] == "/"), "ro", mounts)
    there = yield lambda pod: pod["status"]["phase"] == "Failed" and end(pod, INIT)
    ended = end(there, INIT)
    expect((there["status"]["reason"], ended["exitCode"]), ("DeadlineExceeded", 143), ended)
    expect((lab.summary(there)["exit_code"], os.listdir(place)), (143, []), ended)
    return f"confined; then {ended['exitCode']}: {ended.get('message', '').splitlines()[:1]}"


def killed(lab: Lab) -> Case:
    """Killed by the kernel, as for want of memory: 137, no reasons but the code, and Airflow is not started"""
    lab.node.put(lab.pod("killed", of_prefix("slow") | {"SECRETS_INIT_CONN_IDS": "x"}))
    there = yield lambda pod: "running" in status(pod, INIT).get("state", {})
    (container,) = lab.node.containers(there, "container")
    lab.node.ctr("tasks", "kill", "--signal", "SIGKILL", container)
    there = yield lambda pod: pod["status"]["phase"] in ("Failed", "Succeeded")
    ended = end(there, INIT)
    expect((ended["exitCode"], ended.get("message"), lab.node.log(there, "base")), (137, None, ""), ended)
    return f"{ended['exitCode']}, reason {ended['reason']}"


def removed(lab: Lab) -> Case:
    """The pod is deleted while it renders: the init container ends by itself, long before its grace of 30 s is over"""
    pod = lab.pod(
        "removed",
        of_prefix("slow") | {"SECRETS_INIT_CONN_IDS": "x", "SECRETS_INIT_DEADLINE": "1h"},
        terminationGracePeriodSeconds=600,
    )
    lab.node.put(pod)
    there = yield lambda pod: "running" in status(pod, INIT).get("state", {})
    (container,) = lab.node.containers(there, "container")
    meta = there["metadata"]
    place = pathlib.Path(f"/var/log/pods/{meta['namespace']}_{meta['name']}_{meta['uid']}/{INIT}/0.log")
    with place.open(encoding="utf-8") as log:
        lab.node.remove("removed")
        yield lambda pod: container not in lab.node.ctr("tasks", "ls")
        last = json.loads(log.read().splitlines()[-1].split(" ", 3)[3])
    expect(last["exit_code"], 143, last)
    return last["reason"]


# ---- a refresh beside Airflow ----------------------------------------------------------------------------------------------


def beside(lab: Lab, name: str, prefix: str, *app: str) -> dict:
    """A pod whose init container goes on as a sidecar, with the probes of the snippets."""
    pod = lab.pod(name, of_prefix(prefix) | {"SECRETS_INIT_REFRESH": "24h"})
    sidecar = next(entry for entry in lab.entries if entry["source"].endswith("with refresh"))["pod"]
    for part in ("restartPolicy", "startupProbe", "livenessProbe"):
        init_of(pod)[part] = static.named(sidecar["spec"], INIT)[part]
    pod["spec"]["containers"][0]["args"] = list(app)
    return pod


def rotation(lab: Lab) -> Case:
    """Airflow starts once the probe finds the first file; a rotated password is at its next lookup; when it has ended, the sidecar gets
    SIGTERM after it and ends with 0, and so does the pod"""
    lab.node.put(beside(lab, "rotation", "rotates", "watches", "db"))
    there = yield lambda pod: lab.all_seen(pod, "base")
    expect(status(there, INIT)["started"], True, there["status"])
    before = lab.seen(there, "base")["connections"]["db"]
    lab.aws.now_has({"rotates/connections/db": "mysql://own:rotated@h/db"})
    lab.node.ctr("tasks", "kill", "--signal", "SIGHUP", status(there, INIT)["containerID"].removeprefix("containerd://"))
    there = yield lambda pod: pod["status"]["phase"] in ("Failed", "Succeeded")
    after = lab.all_seen(there, "base")[-1]["connections"]["db"]
    expect((before[4], after[4]), ("before", "rotated"), there["status"])
    ended, last = end(there, INIT), end(there, "base")
    expect((there["status"]["phase"], ended["exitCode"], last["exitCode"]), ("Succeeded", 0, 0), there["status"])
    expect(last["finishedAt"] <= ended["finishedAt"], True, there["status"])
    expect(status(there, INIT)["restartCount"], 0, there["status"])
    lines = [json.loads(line) for line in lab.node.log(there, INIT).splitlines()]
    expect(any("rotated" in json.dumps(line) for line in lines), False, "a value in the log")
    return f"{before[4]}, then {after[4]}; {sum(line['level'] == 'INFO' for line in lines)} lines at INFO"


def out_of_memory(lab: Lab) -> Case:
    """Airflow killed for want of memory is still to be seen in the status, with the sidecar beside it"""
    pod = beside(lab, "out-of-memory", "rotates", "eats")
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "96Mi"}}
    lab.node.put(pod)
    there = yield lambda pod: pod["status"]["phase"] in ("Failed", "Succeeded")
    ended, last = end(there, INIT), end(there, "base")
    # The kernel kills it. It is called OOMKilled where the event of the memory cgroup comes in time, which it does not always.
    expect((last["reason"] in ("OOMKilled", "Error"), last["exitCode"], ended["exitCode"]), (True, 137, 0), there["status"])
    return f"Airflow: {last['reason']}, {last['exitCode']}; the sidecar: {ended['exitCode']}"


def second_user(lab: Lab) -> Case:
    """A sidecar of another user comes to the file of the first one: refused before it renames anything, with what to do"""
    pod = beside(lab, "second-user", "rotates", "reads")
    first = json.loads(json.dumps(init_of(lab.pod("first", of_prefix("rotates"))))) | {"name": f"{INIT}-first"}
    init_of(pod)["securityContext"]["runAsUser"] = 1000
    pod["spec"]["initContainers"].insert(0, first)
    lab.node.put(pod)
    there = yield lambda pod: end(pod, INIT)
    ended = end(there, INIT)
    expect((ended["exitCode"], "sticky" in ended["message"]), (74, True), ended)
    left = [file.name for file in lab.node.volume(there, "airflow-secrets").iterdir()]
    expect(left, ["connections.json"], left)
    return ended["message"].splitlines()[0][:160]


def every_case(lab: Lab) -> dict[str, Case]:
    """By name."""
    cases: dict[str, Case] = {}
    alike: dict[str, tuple[dict, list[str]]] = {}
    for entry in lab.entries:
        pod = static.of_entry(entry, f"pod-{len(alike)}", lab.machine)
        _, names = alike.setdefault(static.same(pod), ((entry, pod), []))
        names.append(f"{entry['source']}: {entry['name']}")
    for (entry, pod), names in alike.values():
        cases["; ".join(joined(names))] = runs(lab, pod["metadata"]["name"], entry, pod)
    cases["Pod Identity"] = pod_identity(lab)
    for code in FAILURES:
        cases[f"a render that fails with {code}"] = fails(lab, code)
    cases["a render that fails and comes back"] = comes_back(lab)
    cases["last words"] = last_words(lab)
    for case in (most_connections, most_text, too_much_text, full_volume, full_disk_volume):
        cases[case.__name__.replace("_", " ")] = case(lab)
    for limited in (True, False):
        cases[f"no sizeLimit, {'all limited' if limited else 'Airflow not limited'}"] = no_size(lab, limited)
    for name, medium, group, expected in (
        ("memory-fsgroup", "Memory", 0, ["3777", 0, 0]),
        ("memory-no-fsgroup", "Memory", None, ["1777", 0, 0]),
        ("disk-fsgroup", "", 0, ["2777", 0, 0]),
        ("disk-no-fsgroup", "", None, ["777", 0, 0]),
    ):
        cases[f"directory: {name}"] = directory(lab, name, medium, group, expected)
    cases["OpenShift"] = openshift(lab)
    for medium in ("Memory", ""):
        cases[f"another user, {medium or 'disk'}"] = other_user(lab, medium)
    for case in (rerun, confined, killed, removed):
        cases[case.__name__] = case(lab)
    for case in (rotation, out_of_memory, second_user):
        cases[f"refresh: {case.__name__.replace('_', ' ')}"] = case(lab)
    return cases


def joined(names: list[str]) -> list[str]:
    """`FILE: pod, pod` for several pods of one file."""
    files: dict[str, list[str]] = {}
    for name in names:
        file, _, pod = name.rpartition(": ")
        files.setdefault(file, []).append(pod)
    return [f"{file}: {', '.join(pods)}" for file, pods in files.items()]


# ---- the parts of a pod ----------------------------------------------------------------------------------------------------


def init_of(pod: dict) -> dict:
    """Our container."""
    return static.named(pod["spec"], INIT)


def volume_of(pod: dict) -> dict:
    """The emptyDir of the template, which is its first volume."""
    return pod["spec"]["volumes"][0]["emptyDir"]


def status(pod: dict, name: str) -> dict:
    """What the kubelet says of a container."""
    there = pod["status"]
    both = [*(there.get("initContainerStatuses") or []), *(there.get("containerStatuses") or [])]
    return next((one for one in both if one["name"] == name), {})


def end(pod: dict, name: str) -> dict | None:
    """How it ended, the last time that it did."""
    there = status(pod, name)
    return there.get("state", {}).get("terminated") or there.get("lastState", {}).get("terminated")


def waits(pod: dict) -> str | None:
    """Why our container waits."""
    return status(pod, INIT).get("state", {}).get("waiting", {}).get("reason")


def can_start(pod: dict | None) -> None:
    """No container waits for what will not come, such as an image."""
    there = pod["status"] if pod else {}
    for one in [*(there.get("initContainerStatuses") or []), *(there.get("containerStatuses") or [])]:
        waiting = one["state"].get("waiting", {})
        if waiting.get("reason") in (
            "ErrImagePull",
            "ErrImageNeverPull",
            "InvalidImageName",
            "CreateContainerConfigError",
        ):
            raise Wrong(f"{one['name']}: {waiting}")


def all_ended(*names: str) -> Callable[[dict], object]:
    """All of these have ended, and with 0; or the pod has failed, which no case that waits for this wants."""

    def holds(pod: dict) -> bool:
        ends = [end(pod, name) for name in names]
        if pod["status"]["phase"] == "Failed" or (end(pod, INIT) or {}).get("exitCode", 0) not in (0, 66):
            raise Wrong(f"failed: {json.dumps(pod['status'])[:3000]}")
        return all(one is not None and one["exitCode"] == 0 for one in ends)

    return holds


def printed(lab: Lab, name: str, attempt: int = 0) -> Callable[[dict], object]:
    """A container that stays has printed its line."""
    return lambda pod: lab.node.log(pod, name, attempt)


def kill_sandbox(lab: Lab, pod: dict) -> None:
    """As when the node's runtime is restarted, or its pause process dies."""
    (sandbox,) = lab.node.containers(pod, "sandbox")
    lab.node.ctr("tasks", "kill", "--signal", "SIGKILL", sandbox)


def sizes(seen: dict) -> str:
    """Of the file and the volume."""
    file = seen["directory"]["files"]["connections.json"][3]
    return f"a file of {file / MIB:.1f} MiB in a volume of {seen['directory']['bytes'] / MIB:.0f}"


def expect(found: object, wanted: object, seen: object = "") -> None:
    """Ends the case where something is not as it should be."""
    if found != wanted:
        raise Wrong(f"{found!r}, not {wanted!r}: {str(seen)[:3000]}")
