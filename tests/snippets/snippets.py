#!/usr/bin/env python3.11
"""Checks helm-snippets/: the pods that its files stand for keep their promises (promises.py), and the settings in them are read by
the built program without a word of warning.

    snippets.py check PROGRAM     all files, as they are and with every optional line switched on
    snippets.py json [--on] FILE  one file's documents as JSON, to compare with what other parsers make of it

A pod is put together here as the chart would do it, around a minimal Airflow container. scripts/e2e-helm does the same with
Helm's own engine and charts with the same plumbing.
"""

import json
import pathlib
import re
import subprocess
import sys

import yaml

import promises
from promises import INIT, SKIP

HOME = pathlib.Path(__file__).resolve().parents[2] / "helm-snippets"
ROLE = "eks.amazonaws.com/role-arn"
# What a line looks like that is to be switched on: nothing stands between # and the key. A component takes fewer connections or goes on
# as a sidecar: the latter is switched on by itself.
OPTIONAL = re.compile(r"^( *)#(?!.*-refresh\]$)(?=[a-zA-Z-])", re.MULTILINE)
REFRESHING = re.compile(r"^( *)#(?=extraInitContainers: .*-refresh\]$)", re.MULTILINE)
# How a file is looked at: as it is, with every option but the sidecar, as a sidecar.
AS_IT_IS, ON, REFRESH = False, True, "refresh"
MODES = (AS_IT_IS, ON, REFRESH)
# The files that have the sidecar. Pods of the KubernetesExecutor never do: each is made for one task.
HAVE_REFRESH = {"official-1.21.yaml", "community-8.9.yaml", "community-8.9-keep-config.yaml"}

OFFICIAL = {
    "scheduler": ("scheduler",),
    "triggerer": ("triggerer",),
    "dag-processor": ("dagProcessor",),
    "api-server": ("apiServer",),
    "webserver": ("webserver",),
}
COMMUNITY = {
    "airflow-scheduler": ("scheduler",),
    "airflow-worker": ("workers",),
    "airflow-web": ("web",),
    "airflow-triggerer": ("triggerer",),
    "base": ("airflow", "kubernetesPodTemplate"),
}
# The file, and the section of the values for each pod that looks connections up, by the name of its own container.
SNIPPETS = {
    "official-1.21.yaml": OFFICIAL | {"worker": ("workers", "celery"), "base": ("workers", "kubernetes")},
    "official-1.11.yaml": OFFICIAL | {"worker": ("workers",), "base": ("workers",)},
    "community-8.9.yaml": COMMUNITY,
    "community-8.9-keep-config.yaml": COMMUNITY,
    "community-8.8.yaml": COMMUNITY,
    "community-8.8/flux-helmrelease.yaml": {name: path for name, path in COMMUNITY.items() if name != "base"},
    "pod-template.yaml": {"base": ()},
}
PATCH = "community-8.8/add-init-container.yaml"
# Which pods get fewer connections once the optional lines are on.
FEW = {"triggerer", "api-server", "webserver", "airflow-web", "airflow-triggerer"}
LISTS = ("extraInitContainers", "extraVolumes", "extraVolumeMounts")
# What the official chart evaluates in an extra init container.
AIRFLOW_VERSION = "{{ .Values.airflowVersion }}"


def main():
    """Runs the command line; returns the exit code."""
    what, *rest = sys.argv[1:]
    if what == "json":
        text = read(rest[-1])
        json.dump(documents(switched_on(text) if "--on" in rest else text), sys.stdout)
        return 0
    unknown = {path.name for path in HOME.glob("*.yaml")} - set(SNIPPETS)
    wrong = show("helm-snippets", (f"{name} is not checked" for name in sorted(unknown)))
    pods_checked, environments = 0, []
    for name in SNIPPETS:
        for on in MODES:
            found = problems(name, read, on)
            how = {AS_IT_IS: "", ON: " with all options", REFRESH: " with refresh"}[on]
            wrong |= show(f"{name}{how}", found)
            for pod, secrets, _ in pods(name, read, on).values():
                pods_checked += 1
                is_sidecar = "restartPolicy" in pod["spec"]["initContainers"][-1]
                versions = [version for version in promises.VERSIONS if not is_sidecar or has_sidecars(version)]
                wrong |= show(name, promises.schema(pod, versions))
                env = promises.environment(pod["spec"]["initContainers"][-1], secrets)
                if env not in environments:
                    environments.append(env)
    for env in environments:
        wrong |= show("the program", of_program(rest[0], env))
    versions = f"Kubernetes {promises.VERSIONS[0]} to {promises.VERSIONS[-1]}"
    print(
        f"{pods_checked} pods of {len(SNIPPETS)} files by the schemas of {versions}, {len(environments)} environments run"
    )
    return int(wrong)


def show(where, found):
    """Says what is wrong; whether anything is."""
    found = list(found)
    for problem in found:
        print(f"{where}: {problem}", file=sys.stderr)
    return bool(found)


def read(name):
    """The text of a file of helm-snippets/."""
    return (HOME / name).read_text(encoding="utf-8")


def documents(text):
    """The YAML documents of a text."""
    return list(yaml.load_all(text, yaml.CSafeLoader))


def has_sidecars(version):
    """Whether Kubernetes knows native sidecars without a feature gate."""
    return tuple(map(int, version.split(".")[:2])) >= (1, 29)


def switched_on(text, on=ON):
    """The text with its optional lines."""
    return (REFRESHING if on == REFRESH else OPTIONAL).sub(r"\1", text)


def problems(name, reading, on=False):
    """What is wrong with a snippet. `reading` gives the files' texts."""
    expected = SNIPPETS[name]
    made = pods(name, reading, on)
    for container, (pod, secrets, config) in made.items():
        whole = name == "pod-template.yaml"
        found = promises.of_reader(pod, secrets, config, whole)
        yield from (f"{problem} (pod of {container})" for problem in found)
        env = promises.environment(pod["spec"]["initContainers"][-1], secrets)
        has_few = on == ON and container in FEW and PATCHED.get(name) is None
        if ("SECRETS_INIT_INCLUDE" in env) != has_few:
            yield f"few: the filter of {container} is where it should not be, or is not where it should be"
        if ("SECRETS_INIT_REFRESH" in env) != (on == REFRESH and container != "base" and name in HAVE_REFRESH):
            yield f"refresh: {container} goes on where it should not, or does not where it should"
        if (SKIP in (pod["metadata"].get("annotations") or {})) != (on == ON):
            yield f"skip: {container} has the annotation, or has it not"
    if len({json.dumps(container_of(pod), sort_keys=True) for pod, _, _ in made.values()}) > (2 if on else 1):
        yield "same: the init container is not the same everywhere"
    values = values_of(name, reading, on)
    if name == "pod-template.yaml":
        yield from of_template(values)
        return
    if name.endswith("flux-helmrelease.yaml"):
        yield from of_release(documents(reading(name)))
    for path in sections_with_lists(values):
        if path not in expected.values():
            yield f"reach: {'.'.join(path)} has lists, but is no section of a pod that looks connections up"
    accounts = [expected[container] for container in expected] if name.startswith("official") else [()]
    for path in accounts:
        if ROLE not in ((section(values, path).get("serviceAccount") or {}).get("annotations") or {}):
            yield f"account: the service account of {'.'.join(path) or 'the release'} has no role"


# ---- from values to pods -----------------------------------------------------------------------------------------------

# Where the init container comes from, where the chart can't put it there.
PATCHED = {"community-8.8.yaml": PATCH, "community-8.8/flux-helmrelease.yaml": "community-8.8/flux-helmrelease.yaml"}


def values_of(name, reading, on):
    """The values of a snippet: the file itself, or what a HelmRelease has of them."""
    text = reading(name).replace(AIRFLOW_VERSION, "3.1.8")
    found = documents(switched_on(text, on) if on else text)
    return found[1]["spec"]["values"] if name.endswith("flux-helmrelease.yaml") else found[0]


def pods(name, reading, on=False):
    """Each pod, by its own container: the pod, the Secrets that it refers to, and its airflow.cfg."""
    values = values_of(name, reading, on)
    if name == "pod-template.yaml":
        return {"base": (values, {}, "")}
    official = name.startswith("official")
    made = {}
    for container, path in SNIPPETS[name].items():
        lists = section(values, path)
        ours = list(lists.get("extraInitContainers") or [])
        if name in PATCHED and container != "base":
            ours += patch(name, reading, container)
        airflow = {"name": container, "image": "apache/airflow", "volumeMounts": lists.get("extraVolumeMounts") or []}
        if official:
            airflow["env"] = values.get("env") or []
            annotations = values.get("airflowPodAnnotations")
        else:
            airflow["envFrom"] = [{"secretRef": {"name": "airflow-config-envs"}}]
            airflow["env"] = values["airflow"].get("extraEnv") or []
            annotations = (lists if container == "base" else values["airflow"]).get("podAnnotations")
        spec = {
            "initContainers": [{"name": "base" if container == "base" else WAITS[official], "image": "x"}, *ours],
            "containers": [airflow],
            "volumes": lists.get("extraVolumes") or [],
        }
        if container == "base":
            del spec["initContainers"][0]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": container, "annotations": annotations},
            "spec": spec,
        }
        if annotations is None:
            del pod["metadata"]["annotations"]
        made[container] = (pod, {} if official else config_envs(values), airflow_cfg(values) if official else "")
    return made


WAITS = {True: "wait-for-airflow-migrations", False: "wait-for-db-migrations"}


def section(values, path):
    """The part of the values at a path."""
    for key in path:
        values = values.get(key) or {}
    return values


def patch(name, reading, container):
    """The init containers that the post-renderer adds to the pod of a container."""
    if name == "community-8.8.yaml":
        rules = documents(reading("community-8.8/kustomization.yaml"))[0]["patches"]
        rules = [rule | {"patch": reading(f"community-8.8/{rule['path']}")} for rule in rules]
    else:
        rules = documents(reading(name))[1]["spec"]["postRenderers"][0]["kustomize"]["patches"]
    kind = "StatefulSet" if container == "airflow-worker" else "Deployment"
    added = []
    for rule in rules:
        target = rule["target"]
        if target["kind"] == kind and re.fullmatch(target["name"], container):
            for step in documents(rule["patch"])[0]:
                if (step["op"], step["path"]) == ("add", "/spec/template/spec/initContainers/-"):
                    added.append(step["value"])
    return added


def config_envs(values):
    """The Secret that the community chart makes of `airflow.config`: each value as Go prints it."""
    config = values["airflow"].get("config") or {}
    return {"airflow-config-envs": {key: printed_by_go(value) for key, value in config.items()}}


def printed_by_go(value):
    """A map in the values is no JSON in the Secret."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{printed_by_go(inner)}' for key, inner in value.items())}]"
    return str(value)


def airflow_cfg(values):
    """The file that the official chart makes of `config`."""
    lines = []
    for name, options in (values.get("config") or {}).items():
        lines.append(f"[{name}]")
        lines += [f"{option} = {printed_by_go(value)}" for option, value in options.items()]
    return "\n".join(lines)


def container_of(pod):
    """The init container without what makes it the one that reads less."""
    ours = [container for container in pod["spec"]["initContainers"] if container["name"] == INIT]
    env = [variable for variable in ours[0]["env"] if variable["name"] != "SECRETS_INIT_INCLUDE"] if ours else []
    return ours[0] | {"env": env} if ours else None


# ---- what is more than pods --------------------------------------------------------------------------------------------


def sections_with_lists(values, path=()):
    """The paths at which one of the three lists stands, but for the anchors' own."""
    if not isinstance(values, dict):
        return
    if any(key in values for key in LISTS):
        yield path
    for key, value in values.items():
        if not key.startswith("x-"):
            yield from sections_with_lists(value, (*path, key))


def of_template(pod):
    """What the KubernetesExecutor asks of a template, and what a pod needs where no chart says it."""
    spec = pod["spec"]
    wanted = {"fsGroup": 0, "runAsUser": 50000, "runAsGroup": 0}
    if [container["name"] for container in spec["containers"]] != ["base"] or not spec["containers"][0].get("image"):
        yield "template: Airflow's own container is not called base, or has no image"
    if spec.get("restartPolicy") != "Never" or not spec.get("serviceAccountName") or not pod["metadata"].get("name"):
        yield "template: a restartPolicy other than Never, or no service account, or no name"
    if {key: spec["securityContext"].get(key) for key in wanted} != wanted:
        yield f"template: the pod's securityContext lacks {wanted}"


def of_release(objects):
    """What Flux needs of its two objects, and that the patches aim at what the release makes."""
    repository, release = objects
    spec = release["spec"]
    chart = spec["chart"]["spec"]
    for one in objects:
        if one["metadata"] != {"name": one["metadata"]["name"], "namespace": "airflow"}:
            yield "release: not all in one namespace"
    if (repository["apiVersion"], release["apiVersion"]) != (
        "source.toolkit.fluxcd.io/v1",
        "helm.toolkit.fluxcd.io/v2",
    ):
        yield "release: not the versions of Flux's API"
    if chart["sourceRef"] != {"kind": repository["kind"], "name": repository["metadata"]["name"]}:
        yield "release: the chart is not of the repository"
    if (release["kind"], chart["chart"], chart["version"]) != ("HelmRelease", "airflow", "8.8.0"):
        yield "release: not the chart that the file is for"
    if not repository["spec"]["url"].startswith("https://") or not (
        repository["spec"]["interval"] and spec["interval"]
    ):
        yield "release: no address, or no interval"
    targets = [rule["target"]["name"] for rule in spec["postRenderers"][0]["kustomize"]["patches"]]
    if not all(re.match(target.partition("-")[0], "another") for target in targets):
        yield "release: the patches miss what a release of another name makes"
    airflow = spec["values"]["airflow"]
    if (airflow["executor"], airflow["image"]["repository"], airflow["image"]["tag"][:6]) != (
        "CeleryExecutor",
        "apache/airflow",
        "2.8.1-",
    ):
        yield "release: not the Airflow that the file is for"


def of_program(program, env):
    """What the program itself says of an init container's environment: nothing, but which files it would write."""
    ended = subprocess.run([program, "check", "--offline"], env=env, capture_output=True, text=True, check=False)
    if ended.returncode != 0 or ended.stderr or f"{promises.FILE} would be written" not in ended.stdout:
        yield f"ended with {ended.returncode}: {ended.stderr}{ended.stdout}"


if __name__ == "__main__":
    sys.exit(main())
