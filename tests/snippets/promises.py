"""What helm-snippets/ promises of a pod. Takes pods as Kubernetes would get them, gives what is wrong with them.

`of_reader` is for a pod that looks connections up, `of_other` for any other, `schema` for any resource. A problem is a text that
begins with the name of the rule that is broken, so that a test of these rules can ask for it.
"""

import configparser
import functools
import json
import re

import kubernetes_validate
from kubernetes_validate import utils

# The one place that the tests know it from: what every snippet calls the image.
IMAGE = "registry.example.com/airflow-secrets-init:0.2.0"
INIT = "airflow-secrets-init"
DIRECTORY = "/opt/airflow/secrets"
FILE = f"{DIRECTORY}/connections.json"
BACKEND = "AIRFLOW__SECRETS__BACKEND"
KWARGS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
READER = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
READER_KEYS = {"connections_file_path", "variables_file_path", "configs_file_path"}
SKIP = "eks.amazonaws.com/skip-containers"

# The oldest, the newest, and all between that the package has schemas for.
VERSIONS = utils.all_versions()

# What the process itself may take: its peak with 5,000 connections is 35 MiB (docs/PERFORMANCE.md).
PROCESS_BYTES = 40 * 2**20

# The schemas of one version are read from disk once, not for each resource.
utils.schema_contents = functools.lru_cache(None)(utils.schema_contents)


def schema(resource, versions=tuple(VERSIONS)):
    """What the schemas of these Kubernetes versions say of a resource, unknown fields included."""
    for version in versions:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as problem:
            where = ".".join(map(str, problem.path))
            yield f"schema {version}: {resource['kind']} {resource['metadata']['name']} {where}: {problem.message}"


def of_other(pod):
    """A pod that looks nothing up has no secrets in it."""
    spec = pod["spec"]
    for container in containers(spec):
        if container["name"] == INIT:
            yield "reach: has the init container, but looks no connection up"
        if any(mount["mountPath"] == DIRECTORY for mount in container.get("volumeMounts", [])):
            yield f"reach: {container['name']} mounts the file, but looks no connection up"


def of_reader(pod, secrets=None, airflow_cfg="", whole=False):
    """A pod that looks connections up. `secrets`: the data of Secrets by name. `whole`: the Pod Security level is asked of every
    container, not of ours alone."""
    spec = pod["spec"]
    ours = [container for container in spec.get("initContainers", []) if container["name"] == INIT]
    if len(ours) != 1:
        yield f"init: {len(ours)} init containers are called {INIT}"
        return
    init = ours[0]
    if spec["initContainers"][-1] is not init:
        yield "init: it is not the last init container"
    if init.get("image") != IMAGE or init.get("imagePullPolicy") != "IfNotPresent":
        yield f"init: not the image {IMAGE}, pulled if not present"
    if init.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        yield "init: its last words do not get into the termination message"
    goes_on = "SECRETS_INIT_REFRESH" in environment(init, secrets or {})
    more = SIDECAR_PARTS if goes_on else ()
    if set(init) - {"name", "image", "imagePullPolicy", "terminationMessagePolicy", *INIT_PARTS, *more}:
        yield f"init: has more than it needs: {sorted(init)}"
    if goes_on:
        yield from of_sidecar(init)
    volume = next((volume for volume in spec.get("volumes", []) if volume["name"] == "airflow-secrets"), {})
    yield from of_env(init, secrets or {})
    yield from of_volume(volume)
    yield from of_mounts(spec, init)
    yield from of_resources(init, volume)
    for container in spec["containers"][:1]:
        yield from of_airflow(container, secrets or {}, airflow_cfg)
        yield from of_version(init, secrets or {}, container)
    yield from of_skipped(pod)
    if (either(pod, init, "runAsUser"), either(pod, init, "runAsGroup")) != (50000, 0):
        yield "user: not Airflow's own, 50000:0"
    if context(init).get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem: the init container could write to its image"
    judged = containers(spec) if whole else [init]
    for rule, broken in RESTRICTED.items():
        for text in broken(pod, judged):
            yield f"{rule}: {text}"


INIT_PARTS = ("env", "resources", "securityContext", "volumeMounts")
SIDECAR_PARTS = ("restartPolicy", "startupProbe", "livenessProbe")


# ---- the init container ------------------------------------------------------------------------------------------------


def of_env(init, secrets):
    """It has the renderer's kwargs as a JSON object in a string, a region, and nothing of Airflow's own."""
    env = environment(init, secrets)
    if "envFrom" in init:
        yield "env: the init container gets a whole Secret or ConfigMap"
    kwargs = json_object(env.get(KWARGS))
    if kwargs is None:
        yield "env: the kwargs of the init container are no JSON object in a string"
    elif READER_KEYS & set(kwargs):
        yield "env: the init container has the kwargs of the reader"
    if not env.get("AWS_REGION"):
        yield "env: the init container has no region"
    if not re.fullmatch(r"2|3|[23]\.\d+\.\d+", env.get("SECRETS_INIT_AIRFLOW_VERSION") or ""):
        yield "env: the init container does not say which Airflow reads the file"
    for name in env:
        if name not in (KWARGS, "AWS_REGION") and not name.startswith("SECRETS_INIT_"):
            yield f"env: the init container has {name}"


def of_sidecar(init):
    """It goes on, Airflow starts once its first file is there, and it is killed where it no longer turns: not where AWS is away."""
    if init.get("restartPolicy") != "Always":
        yield "refresh: the init container goes on, and is no sidecar"
    status = [f"/{INIT}", "status"]
    for probe, command in (("startupProbe", status), ("livenessProbe", [*status, "--alive"])):
        asked = init.get(probe) or {}
        if (asked.get("exec") or {}).get("command") != command:
            yield f"refresh: the {probe} does not ask {' '.join(command)}"
        if not asked.get("periodSeconds") or asked.get("timeoutSeconds", 1) < 5:
            yield f"refresh: the {probe} has no period, or no time on a busy node"
    startup = init.get("startupProbe") or {}
    # The deadline is 60 s for reading, and as long for rendering.
    if startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3) < 120 or startup.get("periodSeconds", 10) > 1:
        yield "refresh: the first render has not all of its time, or Airflow waits longer for it than it must"


def of_version(init, secrets, airflow):
    """It is told the version of the Airflow beside it. With 3.1.6 to 3.1.x nothing but the exact one is right: those read the values
    of a URI's query in another way than every other release (docs/COMPATIBILITY.md)."""
    image = re.search(r":(\d+)\.(\d+)\.(\d+)", airflow.get("image", ""))
    if image is None:
        return
    exact = image.group(0)[1:]
    one_of_its_kind = (3, 1, 6) <= tuple(map(int, image.groups())) < (3, 2, 0)
    said = environment(init, secrets).get("SECRETS_INIT_AIRFLOW_VERSION")
    if said not in ((exact,) if one_of_its_kind else (exact, image.group(1))):
        yield f"version: the init container writes for Airflow {said}, and {exact} reads"


def of_volume(volume):
    """Memory, of a size that is said."""
    source = volume.get("emptyDir", {})
    if source.get("medium") != "Memory":
        yield "volume: not in memory"
    if not source.get("sizeLimit"):
        yield "volume: no sizeLimit"
    elif quantity(source["sizeLimit"]) < 4 * 2**20:
        yield "volume: smaller than the file and the next one beside it"


def of_mounts(spec, init):
    """The init container writes there, everything else reads there or is not there."""
    for container in containers(spec):
        found = [mount for mount in container.get("volumeMounts", []) if mount["name"] == "airflow-secrets"]
        is_airflow = container is spec["containers"][0]
        if (container is init or is_airflow) and [mount["mountPath"] for mount in found] != [DIRECTORY]:
            yield f"mount: {container['name']} does not mount the volume at {DIRECTORY}"
        for mount in found:
            if bool(mount.get("readOnly")) == (container is init):
                yield f"mount: {container['name']}: readOnly is {mount.get('readOnly')}"


def of_resources(init, volume):
    """Small, both kinds for both, and enough memory for the process and a full volume."""
    resources = init.get("resources", {})
    for kind in ("requests", "limits"):
        for what in ("cpu", "memory"):
            if what not in resources.get(kind, {}):
                yield f"resources: no {kind}.{what}"
                return
    limit = quantity(resources["limits"]["memory"])
    size = volume.get("emptyDir", {}).get("sizeLimit")
    if size and limit < quantity(size) + PROCESS_BYTES:
        yield "resources: the memory limit does not cover the process and a full volume"
    if quantity(resources["requests"]["memory"]) > 32 * 2**20 or quantity(resources["requests"]["cpu"]) > 0.1:
        yield "resources: more is asked for than so small a process needs"


# ---- Airflow's own container -------------------------------------------------------------------------------------------


def of_airflow(container, secrets, airflow_cfg):
    """It reads the file that the init container writes, and has nothing of the renderer."""
    env = environment(container, secrets)
    backend, text = reader_settings(env, airflow_cfg)
    if backend != READER:
        yield f"reader: {container['name']} has the backend {backend!r}"
    kwargs = json_object(text)
    if kwargs is None:
        yield f"reader: the kwargs of {container['name']} are no JSON object in a string"
    elif not set(kwargs) <= READER_KEYS:
        yield f"reader: {container['name']} has keys that LocalFilesystemBackend does not take: {sorted(kwargs)}"
    elif kwargs.get("connections_file_path") != FILE:
        yield f"reader: {container['name']} does not read {FILE}"
    for name in env:
        if name.startswith("SECRETS_INIT_"):
            yield f"reader: {container['name']} has {name}, which only the init container reads"


def reader_settings(env, airflow_cfg):
    """Backend and kwargs as Airflow finds them: the environment beats airflow.cfg."""
    config = configparser.ConfigParser()
    config.read_string(airflow_cfg)
    in_file = lambda option: config.get("secrets", option, fallback=None)
    return env.get(BACKEND, in_file("backend")), env.get(KWARGS, in_file("backend_kwargs"))


def of_skipped(pod):
    """Who is kept from the pod's AWS credentials: everybody or nobody, but never the init container."""
    listed = (pod["metadata"].get("annotations") or {}).get(SKIP)
    if listed is None:
        return
    names = listed.split(",")
    for container in containers(pod["spec"]):
        if (container["name"] in names) == (container["name"] == INIT):
            yield f"skip: {container['name']} is on the wrong side of {SKIP}"


# ---- the Pod Security level "restricted" -------------------------------------------------------------------------------
# https://kubernetes.io/docs/concepts/security/pod-security-standards/, rule by rule, those of "baseline" included. What a
# container does not say, the pod says for it.


def context(container):
    return container.get("securityContext") or {}


def either(pod, container, field):
    """A field of the container, or else of the pod."""
    return context(container).get(field, (pod["spec"].get("securityContext") or {}).get(field))


def each(test):
    """A rule about single containers."""

    def rule(pod, judged):
        return [container["name"] for container in judged if test(pod, container)]

    return rule


def of_pod(test):
    """A rule about the pod, which no container can take back."""

    def rule(pod, _judged):
        return [found] if (found := test(pod["spec"])) else []

    return rule


SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def says_host(_pod, container):
    """A probe or a hook that asks another host than the pod."""
    handlers = [container.get(probe) or {} for probe in PROBES]
    handlers += list((container.get("lifecycle") or {}).values())
    return any((handler.get(kind) or {}).get("host") for handler in handlers for kind in ("httpGet", "tcpSocket"))


def selinux(pod, container):
    options = either(pod, container, "seLinuxOptions") or {}
    return options.get("type") not in SELINUX_TYPES or options.get("user") or options.get("role")


def apparmor(pod, container):
    profile = either(pod, container, "appArmorProfile") or {}
    annotations = pod["metadata"].get("annotations") or {}
    annotated = annotations.get(
        f"container.apparmor.security.beta.kubernetes.io/{container['name']}", "runtime/default"
    )
    allowed = annotated == "runtime/default" or annotated.startswith("localhost/")
    return profile.get("type", "RuntimeDefault") not in ("RuntimeDefault", "Localhost") or not allowed


def capabilities(container):
    return context(container).get("capabilities") or {}


RESTRICTED = {
    "hostProcess": each(lambda pod, c: (either(pod, c, "windowsOptions") or {}).get("hostProcess")),
    "host namespaces": of_pod(
        lambda spec: any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")) and "shared"
    ),
    "privileged": each(lambda pod, c: context(c).get("privileged")),
    "capabilities": each(
        lambda pod, c: "ALL" not in (capabilities(c).get("drop") or [])
        or set(capabilities(c).get("add") or []) - {"NET_BIND_SERVICE"}
    ),
    "volume types": of_pod(
        lambda spec: [v["name"] for v in spec.get("volumes") or [] if not VOLUMES & set(v) and set(v) != {"name"}]
    ),
    "host ports": each(lambda pod, c: any(port.get("hostPort") for port in c.get("ports") or [])),
    "host probes": each(says_host),
    "apparmor": each(apparmor),
    "selinux": each(selinux),
    "procMount": each(lambda pod, c: context(c).get("procMount", "Default") != "Default"),
    "sysctls": of_pod(
        lambda spec: [
            s for s in (spec.get("securityContext") or {}).get("sysctls") or [] if s["name"] not in SAFE_SYSCTLS
        ]
    ),
    "allowPrivilegeEscalation": each(lambda pod, c: context(c).get("allowPrivilegeEscalation") is not False),
    "runAsNonRoot": each(lambda pod, c: either(pod, c, "runAsNonRoot") is not True),
    "runAsUser": each(lambda pod, c: either(pod, c, "runAsUser") == 0),
    "seccomp": each(
        lambda pod, c: (either(pod, c, "seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost")
    ),
}


# ---- small things ------------------------------------------------------------------------------------------------------


def containers(spec):
    """All containers of a pod."""
    return [*(spec.get("initContainers") or []), *spec["containers"]]


def environment(container, secrets):
    """The environment as the kubelet makes it: envFrom first, then env, of which the last counts. A value that is no text is kept
    as it is."""
    env = {}
    for source in container.get("envFrom") or []:
        env.update(secrets.get((source.get("secretRef") or {}).get("name"), {}))
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            env[variable["name"]] = secrets.get(reference["name"], {}).get(reference["key"])
        else:
            env[variable["name"]] = variable.get("value")
    return env


def json_object(text):
    """The object in a text, or nothing."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def quantity(text):
    """Kubernetes' quantities, as far as the snippets use them."""
    number, unit = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi)?", str(text)).groups()
    return float(number) * {None: 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]
