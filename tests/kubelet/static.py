"""From what a chart, a Job or compose has, to a pod that a kubelet without an API server runs.

What an API server and its controllers would give, is given here, and no more:

| there | here |
|---|---|
| Deployment, StatefulSet, Job, the executor | the pod of their template, alone |
| Secrets and ConfigMaps | their data: values in `env`, a directory of this machine for a volume |
| the token of a service account | none; the account's name is taken out, static pods may have none |
| EKS's webhook for the account's role | role and token file in every container that `skip-containers` does not name |
| a claim for a volume | a directory of this machine |
| a pod network | that of the node; AWS's names lead to the fake AWS, by the node's name server |
| the trust in AWS's certificates | that in the fake's: its CA lies over the image's list |
| a minute for the init container | a quarter of an hour: this machine may be busy |
| Airflow's image | an image of that name; Python, Airflow and its packages are mounted; app.py runs in place of Airflow's commands |
| admission | none: what it would say is tests/snippets' |
"""

import copy
import json
import os
import pathlib
import re

PROJECT = pathlib.Path(__file__).resolve().parents[2]
INIT = "airflow-secrets-init"
VERSION = re.search(r'^version = "(.*)"', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)[1]
IMAGE = f"registry.example.com/airflow-secrets-init:{VERSION}"
COMPOSE_IMAGE = f"localhost/airflow-secrets-init:{VERSION}"
SKIP = "eks.amazonaws.com/skip-containers"
NAMESPACE = "airflow"
TOKENS = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
CONN_IDS = ["warehouse", "snowflake", "db_0007", "absent"]
FERNET_KEY = "ZmFrZWZha2VmYWtlZmFrZWZha2VmYWtlZmFrZWZha2U="


class Machine:
    """The places of this machine that pods get: made once, for all of them."""

    def __init__(self, work: pathlib.Path, ca: pathlib.Path, python: str, packages: dict[str, str]) -> None:
        self.work, self.ca, self.python, self.packages = work, ca, python, packages
        self.made = 0

    def directory(self, files: dict[str, str], mode: int = 0o755, user: int = 0) -> str:
        """A new directory with these files."""
        self.made += 1
        place = self.work / f"volume-{self.made}"
        place.mkdir()
        for name, text in files.items():
            (place / name).write_text(text)
            (place / name).chmod(0o644)
        place.chmod(mode)
        os.chown(place, user, 0)
        return str(place)


def of_entry(entry: dict, name: str, machine: Machine) -> dict:
    """The pod of an entry of tests/snippets/pods.py."""
    if "one_shot" in entry:
        return of_compose(entry, name, machine)
    spec = copy.deepcopy(entry["pod"]["spec"])
    spec.pop("serviceAccountName", None)
    values = Values(entry["secrets"])
    for container in containers(spec):
        values.written_out(container)
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            del volume["configMap"]
            mounted(volume, machine.directory({"airflow.cfg": entry["airflow_cfg"]}))
        elif "persistentVolumeClaim" in volume:
            del volume["persistentVolumeClaim"]
            mounted(volume, machine.directory({}, 0o2770, 50000))
    annotations = entry["pod"]["metadata"].get("annotations") or {}
    skipped = annotations.get(SKIP, "").split(",")
    webhook(spec, entry["role"], skipped, machine)
    return finished(name, spec, entry["airflow"], machine, annotations)


def finished(name: str, spec: dict, airflow: str, machine: Machine, annotations: dict | None = None) -> dict:
    """The rest that is alike for all of them."""
    spec["hostNetwork"] = True
    # Not those of this release's charts: what is to be seen is ours.
    spec.setdefault("terminationGracePeriodSeconds", 30)
    for container in spec.get("initContainers", []):
        if container["name"] == INIT:
            trusting(container, spec, machine)
        else:
            python(container, spec, airflow, machine, ["before"])
    for container in spec["containers"]:
        if container["name"] == INIT:
            trusting(container, spec, machine)
        else:
            python(container, spec, airflow, machine, ["reads", *CONN_IDS])
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class Values:
    """The data of Secrets, by name. What a chart's database needs is not in its manifests."""

    def __init__(self, secrets: dict[str, dict[str, str]]) -> None:
        self.secrets = secrets

    def written_out(self, container: dict) -> None:
        """References become values. As in the kubelet, `env` beats `envFrom`."""
        own = {variable["name"]: variable for variable in container.get("env", [])}
        for source in container.pop("envFrom", []):
            for key, value in self.secrets[source["secretRef"]["name"]].items():
                own.setdefault(key, {"name": key, "value": value})
        for variable in own.values():
            reference = variable.pop("valueFrom", {}).get("secretKeyRef")
            if reference:
                made_up = FERNET_KEY if reference["key"] == "fernet-key" else "made-up"
                variable["value"] = self.secrets.get(reference["name"], {}).get(reference["key"], made_up)
        container["env"] = list(own.values())


def webhook(spec: dict, role: str, skipped: list[str], machine: Machine) -> None:
    """What EKS adds to a pod whose service account has a role."""
    mounted(new_volume(spec, "aws-iam-token"), machine.directory({"token": "token-of-the-pod"}))
    for container in containers(spec):
        if container["name"] not in skipped:
            variable(container, "AWS_ROLE_ARN", role)
            variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE", f"{TOKENS}/token")
            mount(container, "aws-iam-token", TOKENS)


def trusting(container: dict, spec: dict, machine: Machine) -> None:
    """The fake's CA in the place of the public ones, and time enough on a busy machine."""
    if not any(one["name"] == "SECRETS_INIT_DEADLINE" for one in container["env"]):
        variable(container, "SECRETS_INIT_DEADLINE", "15m")
    mounted(new_volume(spec, "ca"), str(machine.ca), "File")
    mount(container, "ca", "/etc/ssl/certs/ca-certificates.crt")


def python(container: dict, spec: dict, airflow: str, machine: Machine, arguments: list[str]) -> None:
    """Python and Airflow in their places; a command of the container's own stays."""
    mounted(new_volume(spec, "python"), f"{machine.python}/usr")
    mounted(new_volume(spec, "packages"), machine.packages[airflow])
    mount(container, "python", "/usr")
    mount(container, "packages", "/airflow")
    if "command" not in container:
        container["args"] = arguments


def of_compose(entry: dict, name: str, machine: Machine) -> dict:
    """The one-shot as init container, Airflow's services beside each other, the named volume as an emptyDir on disk."""
    one_shot, services = entry["one_shot"], entry["services"]
    variables = one_shot["environment"] | {"AWS_ACCESS_KEY_ID": "111122223333", "AWS_SECRET_ACCESS_KEY": "x"}
    if entry["name"] == "file-store":
        variables = one_shot["environment"]
    assert (one_shot["read_only"], one_shot["cap_drop"], one_shot["mem_limit"]) == (True, ["ALL"], "64m")
    init = {
        "name": INIT,
        "image": COMPOSE_IMAGE,
        "env": [{"name": key, "value": default(value)} for key, value in variables.items() if value is not None],
        "resources": {"limits": {"memory": "64Mi"}},
        "securityContext": {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "airflow-secrets", "mountPath": "/opt/airflow/secrets"}],
    }
    apps = [
        {
            "name": service,
            "image": "apache/airflow:" + entry["airflow"],
            "env": [{"name": key, "value": value} for key, value in settings["environment"].items()],
            "volumeMounts": [{"name": "airflow-secrets", "mountPath": "/opt/airflow/secrets", "readOnly": True}],
        }
        for service, settings in services.items()
    ]
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1000, "runAsGroup": 0},
        "initContainers": [init],
        "containers": apps,
        "volumes": [{"name": "airflow-secrets", "emptyDir": {}}],
    }
    if entry["name"] == "file-store":
        mounted(
            new_volume(spec, "dev-secrets"),
            machine.directory({"dev-secrets.yaml": (PROJECT / "examples/dev-secrets.yaml").read_text()}),
        )
        mount(init, "dev-secrets", "/dev-secrets.yaml", subPath="dev-secrets.yaml")
    return finished(name, spec, entry["airflow"], machine)


def default(value: object) -> str:
    """`${NAME:-default}` where NAME is not set."""
    text = str(value)
    return text.removeprefix("${").removesuffix("}").partition(":-")[2] if text.startswith("${") else text


def images_of(entries: list[dict]) -> set[str]:
    """Of Airflow: every name that a container of the entries has for it."""
    pods = [entry["pod"] for entry in entries if "pod" in entry]
    named_ones = {container["image"] for pod in pods for container in containers(pod["spec"])}
    return {f"apache/airflow:{entry['airflow']}" for entry in entries} | (named_ones - {IMAGE})


# ---- small things ----


def containers(spec: dict) -> list[dict]:
    """All of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def named(spec: dict, name: str) -> dict:
    """One of them."""
    return next(container for container in containers(spec) if container["name"] == name)


def new_volume(spec: dict, name: str) -> dict:
    """A volume of this name, the same for whoever asks for it again."""
    volumes = spec.setdefault("volumes", [])
    for volume in volumes:
        if volume["name"] == name:
            return volume
    volumes.append({"name": name})
    return volumes[-1]


def mounted(volume: dict, path: str, kind: str = "Directory") -> None:
    """It is a place of this machine."""
    volume["hostPath"] = {"path": path, "type": kind}


def mount(container: dict, name: str, path: str, **more) -> None:
    """Read-only."""
    container.setdefault("volumeMounts", []).append({"name": name, "mountPath": path, "readOnly": True, **more})


def variable(container: dict, name: str, value: str | None) -> None:
    """Sets a variable of a container, or takes it away."""
    kept = [one for one in container.get("env", []) if one["name"] != name]
    container["env"] = kept if value is None else [*kept, {"name": name, "value": value}]


def same(pod: dict) -> str:
    """What two pods have in common that differ in names alone: of their own containers, labels, places of this machine."""
    spec = copy.deepcopy(pod["spec"])
    spec["containers"][0]["name"] = "app"
    for volume in spec["volumes"]:
        if "hostPath" in volume:
            volume["hostPath"] = volume["name"]
    return json.dumps([spec, SKIP in pod["metadata"]["annotations"]], sort_keys=True)
