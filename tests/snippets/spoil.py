#!/usr/bin/env python3.11
"""The checks of snippets.py find what is wrong: each snippet is spoilt in every way below, and line by line.

    spoil.py

- Each entry of SPOILT is done to every file that it says something about, and must break the rule that it names.
- Each line of a file that is not a comment is taken out. What is left must break some rule, or be no YAML any more.
- Each rule of the Pod Security level is broken in a pod, and no other rule may say so.
"""

import copy
import re
import sys

import yaml

import promises
import snippets

AWS_KWARGS = re.compile(r"""value: '(\{"connections_prefix".*?\})'""")
READER_KWARGS = re.compile(r"""(KWARGS|backend_kwargs|value): '(\{"connections_file_path".*?\})'""")

# What is done to the text, and the rule that it breaks.
SPOILT = [
    ("the kwargs of the init container are a map", AWS_KWARGS, r"value: \1", "env"),
    ("the kwargs of the init container are no JSON", AWS_KWARGS, "value: connections_prefix=x", "env"),
    ("the init container has the reader's kwargs", AWS_KWARGS, """value: '{"connections_file_path": "/x"}'""", "env"),
    ("Airflow's kwargs are a map", READER_KWARGS, r"\1: \2", "reader"),
    (
        "Airflow has the kwargs of AWS",
        re.compile(r'"connections_file_path": "[^"]*"'),
        '"connections_prefix": "x"',
        "reader",
    ),
    ("Airflow reads another file", re.compile(r"secrets/connections\.json"), "secrets/other.json", "reader"),
    ("Airflow has another backend", re.compile(re.escape(promises.READER)), "some.other.Backend", "reader"),
    ("no version of Airflow", re.compile(r'(AIRFLOW_VERSION, value: )"[^"]*"'), r'\1"latest"', "env"),
    ("the volume is on disk", re.compile(r"medium: Memory, "), "", "volume"),
    ("the volume has no size", re.compile(r", sizeLimit: 8Mi"), "", "volume"),
    ("the volume is too small", re.compile(r"sizeLimit: 8Mi"), "sizeLimit: 1Mi", "volume"),
    ("the volume does not fit into the limit", re.compile(r"sizeLimit: 8Mi"), "sizeLimit: 32Mi", "resources"),
    ("a sidecar that ends", re.compile(r"restartPolicy: Always"), "restartPolicy: OnFailure", "refresh"),
    ("Airflow does not wait", re.compile(r"failureThreshold: 120"), "failureThreshold: 10", "refresh"),
    ("it is killed while AWS is away", re.compile(r", --alive"), "", "refresh"),
    ("no limit of memory", re.compile(r"limits: \{cpu: 500m, memory: 64Mi\}"), "limits: {cpu: 500m}", "resources"),
    ("much is asked for", re.compile(r"cpu: 10m"), "cpu: 250m", "resources"),
    ("Airflow could write the file", re.compile(r", readOnly: true"), "", "mount"),
    (
        "Airflow does not mount the file",
        re.compile(r"- \{name: airflow-secrets, mountPath: [^}]*readOnly: true\}"),
        "[]",
        "mount",
    ),
    (
        "it is mounted elsewhere",
        re.compile(r"mountPath: /opt/airflow/secrets, readOnly"),
        "mountPath: /opt/secrets, readOnly",
        "mount",
    ),
    (
        "the init container can't write",
        re.compile(r"mountPath: /opt/airflow/secrets\}"),
        "mountPath: /opt/airflow/secrets, readOnly: true}",
        "mount",
    ),
    ("another image", re.compile(re.escape(promises.IMAGE)), "airflow-secrets-init:latest", "init"),
    ("no last words", re.compile(r"FallbackToLogsOnError"), "File", "init"),
    ("capabilities are kept", re.compile(r"drop: \[ALL\]"), "drop: [NET_RAW]", "capabilities"),
    ("a capability comes back", re.compile(r"drop: \[ALL\]"), "drop: [ALL], add: [SYS_PTRACE]", "capabilities"),
    (
        "it may get more rights",
        re.compile(r"allowPrivilegeEscalation: false"),
        "allowPrivilegeEscalation: true",
        "allowPrivilegeEscalation",
    ),
    ("it may be root", re.compile(r"runAsNonRoot: true"), "runAsNonRoot: false", "runAsNonRoot"),
    ("it is root", re.compile(r"runAsUser: 50000"), "runAsUser: 0", "runAsUser"),
    ("no seccomp", re.compile(r"type: RuntimeDefault"), "type: Unconfined", "seccomp"),
    (
        "it may write to its image",
        re.compile(r"readOnlyRootFilesystem: true"),
        "readOnlyRootFilesystem: false",
        "readOnlyRootFilesystem",
    ),
    (
        "a volume of the node",
        re.compile(r"emptyDir: \{medium: Memory, sizeLimit: 8Mi\}"),
        "hostPath: {path: /tmp}",
        "volume types",
    ),
]
# What a file does not have, and so can't be spoilt in: its init container takes the kwargs from the chart's Secret.
NOT_IN = {
    "community-8.9-keep-config.yaml": {
        "the kwargs of the init container are a map",
        "the kwargs of the init container are no JSON",
        "the init container has the reader's kwargs",
    }
}


def main():
    """Spoils everything; returns the exit code."""
    silent = [*by_hand(), *by_line(), *by_rule()]
    for text in silent:
        print(f"nothing is said: {text}", file=sys.stderr)
    print(f"{COUNT['by hand']} by hand, {COUNT['by line']} by line, {COUNT['by rule']} by rule")
    return int(bool(silent))


# What may be taken out: it stands for what its user has.
FREE = {"community-8.9-keep-config.yaml": ["AIRFLOW__SECRETS__BACKEND: airflow.providers"]}
COUNT = {"by hand": 0, "by line": 0, "by rule": 0}


def by_hand():
    """Each way, in each file and in each of the files that it is put together from."""
    for name in snippets.SNIPPETS:
        for what, pattern, replacement, rule in SPOILT:
            parts = [part for part in files_of(name) if pattern.search(snippets.read(part))]
            if not parts and what not in NOT_IN.get(name, ()) and (rule != "refresh" or name in snippets.HAVE_REFRESH):
                yield f"{name}: {what}: there is nothing to spoil"
            for part in parts:
                if what in NOT_IN.get(name, ()):
                    continue
                COUNT["by hand"] += 1
                found = list(problems(name, part, pattern.sub(replacement, snippets.read(part))))
                if not any(problem.startswith(f"{rule}:") for problem in found):
                    yield f"{part} of {name}: {what}: not {rule}, but {found}"


def by_line():
    """Each line alone."""
    for name in snippets.SNIPPETS:
        for part in files_of(name):
            lines = snippets.read(part).splitlines()
            for number, line in enumerate(lines):
                bare = line.strip()
                if not bare or bare == "#" or bare.startswith(("# ", *FREE.get(name, []))):
                    continue
                COUNT["by line"] += 1
                if not any(problems(name, part, "\n".join(lines[:number] + lines[number + 1 :]) + "\n")):
                    yield f"{part} of {name} without line {number + 1}: {bare}"


def files_of(name):
    """A snippet, and the file of its patch."""
    return [name, *(part for part in [snippets.PATCHED.get(name)] if part and part != name)]


def problems(name, part, text):
    """What is found once one of the files has another text."""
    reading = lambda other: text if other == part else snippets.read(other)
    for on in snippets.MODES:
        try:
            yield from snippets.problems(name, reading, on)
            for pod, _, _ in snippets.pods(name, reading, on).values():
                yield from promises.schema(pod, promises.VERSIONS[-1:])
        except (yaml.YAMLError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            yield f"unreadable: {type(error).__name__}"


# ---- the Pod Security level --------------------------------------------------------------------------------------------


def on_container(**fields):
    """Fields of the init container."""
    return lambda pod: pod["spec"]["initContainers"][-1].update(fields)


def on_context(**fields):
    """Fields of its securityContext."""
    return lambda pod: pod["spec"]["initContainers"][-1]["securityContext"].update(fields)


def on_spec(**fields):
    """Fields of the pod."""
    return lambda pod: pod["spec"].update(fields)


BROKEN = [
    ("hostProcess", on_context(windowsOptions={"hostProcess": True})),
    ("host namespaces", on_spec(hostNetwork=True)),
    ("host namespaces", on_spec(hostPID=True)),
    ("host namespaces", on_spec(hostIPC=True)),
    ("privileged", on_context(privileged=True)),
    ("capabilities", on_context(capabilities={})),
    ("capabilities", on_context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})),
    ("volume types", lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
    ("volume types", lambda pod: pod["spec"]["volumes"].append({"name": "x", "nfs": {"server": "x", "path": "/"}})),
    ("host ports", on_container(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("host probes", on_container(livenessProbe={"httpGet": {"host": "169.254.169.254", "port": 80}})),
    ("host probes", on_container(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}})),
    ("apparmor", on_context(appArmorProfile={"type": "Unconfined"})),
    (
        "apparmor",
        lambda pod: pod["metadata"]
        .setdefault("annotations", {})
        .update({f"container.apparmor.security.beta.kubernetes.io/{promises.INIT}": "unconfined"}),
    ),
    ("selinux", on_context(seLinuxOptions={"type": "spc_t"})),
    ("selinux", on_context(seLinuxOptions={"user": "system_u"})),
    ("procMount", on_context(procMount="Unmasked")),
    (
        "sysctls",
        lambda pod: pod["spec"]
        .setdefault("securityContext", {})
        .update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    ),
    ("allowPrivilegeEscalation", on_context(allowPrivilegeEscalation=None)),
    ("runAsNonRoot", on_context(runAsNonRoot=False)),
    ("runAsUser", on_context(runAsUser=0)),
    ("seccomp", on_context(seccompProfile={"type": "Unconfined"})),
]


def by_rule():
    """Each rule, broken in the pod of the template, where all containers are judged."""
    sound, secrets, airflow_cfg = snippets.pods("pod-template.yaml", snippets.read)["base"]
    never_broken = set(promises.RESTRICTED) - {rule for rule, _ in BROKEN}
    if never_broken:
        yield f"rules that nothing breaks: {sorted(never_broken)}"
    for rule, spoil in BROKEN:
        COUNT["by rule"] += 1
        pod = copy.deepcopy(sound)
        spoil(pod)
        found = {problem.split(":")[0] for problem in promises.of_reader(pod, secrets, airflow_cfg, whole=True)}
        if found & set(promises.RESTRICTED) != {rule}:
            yield f"{rule} is broken, found is {sorted(found)}"


if __name__ == "__main__":
    sys.exit(main())
