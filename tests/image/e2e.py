"""The image as it is deployed: alone, in a Pod, in compose. Needs root and podman; scripts/e2e-image makes the rest.

Prints what was seen, with times, and ends with 1 at the first thing that is not as it should be.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime

from certificate import certificate

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
ACCOUNT, SHARED, REGION = "111111111111", "258781458051", "eu-central-1"
NAME = "secretsmanager.fake.test"
CERTIFICATES = PROJECT / "tests/support/fake-aws/certs"
# What the Pod Security level "restricted" asks for, and what a node does to a small container.
CONFINED = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=32m",
    "--memory-swap=32m",
    "--pids-limit=64",
]


def main() -> None:
    """Runs each part in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["image", "reader", "fake-aws", "airflow-2", "airflow-3", "compose"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", help="one part, by the name of its function")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("e2e: needs root")
    with tempfile.TemporaryDirectory(dir=PROJECT / "target/e2e") as work, contextlib.ExitStack() as stack:
        lab = Lab(options, pathlib.Path(work), stack)
        for part in [confinement, contents, any_user, names_and_tls, refresh, pod, pod_that_fails, compose]:
            if options.only not in (None, part.__name__):
                continue
            before = time.monotonic()
            print(f"\n== {part.__doc__.splitlines()[0]}", flush=True)
            part(lab)
            print(f"   ({time.monotonic() - before:.1f} s)", flush=True)


class Lab:
    """What the parts share: images, a fake AWS with TLS, a directory that is thrown away."""

    def __init__(self, options: argparse.Namespace, work: pathlib.Path, stack: contextlib.ExitStack) -> None:
        self.options, self.work, self.stack = options, work, stack
        work.chmod(0o755)
        self.ca, self.certificate, self.key = certificate(work, [NAME, "localhost"])

    def aws(self, count: int = 1000) -> str:
        """A fake AWS over TLS; gives its port."""
        big = {
            f"airflow/connections/db_{n:04}": f"postgres://user:p%20w@db-{n}.internal:5432/app" for n in range(count)
        }
        own = big | {"airflow/connections/warehouse": "mysql://own:pw@h/db"}
        shared = {
            "airflow/connections/warehouse": "mysql://shared:pw@h/db",
            "airflow/connections/snowflake": json.dumps(
                {"conn_type": "snowflake", "login": "svc", "password": "line\nbreak", "extra": {"a": 1}}
            ),
        }
        accounts = {
            account: {"regions": {REGION: {"secrets": secrets}}}
            for account, secrets in [(ACCOUNT, own), (SHARED, shared)]
        }
        reader = f"arn:aws:iam::{SHARED}:role/reader"
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        roles = [{"arn": reader, "trust": [f"arn:aws:iam::{ACCOUNT}:root"], "policy": everything}]
        scenario = self.work / "scenario.json"
        scenario.write_text(json.dumps({"accounts": accounts, "roles": roles}))
        arguments = ["--scenario", str(scenario), "--tls", str(self.certificate), str(self.key), "--until-stdin-closes"]
        server = self.start([self.options.fake_aws, *arguments])
        return server.stdout.readline().strip().rsplit(":", 1)[1]

    def start(self, command: list[str]) -> subprocess.Popen:
        """A server, until the end."""
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.stack.callback(server.wait)
        self.stack.callback(server.kill)
        return server

    def tmpfs(self, name: str) -> pathlib.Path:
        """A directory as a kubelet makes a memory-backed emptyDir with fsGroup 0: tmpfs, root:0, mode 3777, so sticky."""
        directory = self.work / name
        directory.mkdir()
        run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=3777", "tmpfs", str(directory)])
        self.stack.callback(run, ["umount", str(directory)])
        return directory


def confinement(lab: Lab) -> None:
    """The image runs as any user, read-only, without capabilities, in 32 MiB; and the limit is a limit"""
    for user in ["50000:0", "12345:0", "65532:65532"]:
        said = podman(
            "run", "--rm", *CONFINED, "--network=none", f"--user={user}", lab.options.image, "--version"
        ).stdout
        check(re.fullmatch(r"airflow-secrets-init \d+\.\d+\.\d+\n", said), said)
        print(f"   {user}: {said.strip()}")
    hog = "b = bytearray(100 << 20); b[::4096] = b'x' * len(b[::4096]); print('kept')"
    greedy = podman("run", "--rm", *CONFINED, "--network=none", lab.options.reader, "python3", "-c", hog, fails=True)
    check("kept" not in greedy.stdout, "a limit of 32 MiB does not hold here: nothing is shown by running in it")


def contents(lab: Lab) -> None:
    """What is in the image: one program, certificates, a directory with owner and mode; no shell"""
    [config] = json.loads(podman("image", "inspect", lab.options.image).stdout)
    check(
        config["Config"]["User"] == "50000:0" and config["Config"]["Entrypoint"] == ["/airflow-secrets-init"],
        config["Config"],
    )
    labels = {
        name.rsplit(".", 1)[1] for name in config["Config"]["Labels"] if name.startswith("org.opencontainers.image.")
    }
    check({"title", "description", "licenses", "version", "revision"} <= labels, labels)
    container = podman("create", lab.options.image).stdout.strip()
    archive = lab.work / "image.tar"
    podman("export", "--output", str(archive), container)
    podman("rm", container)
    with tarfile.open(archive) as files:
        members = {member.name.rstrip("/"): member for member in files}
    programs = [name for name, member in members.items() if member.isfile() and member.mode & 0o111]
    check(programs == ["airflow-secrets-init"], programs)
    there = members["opt/airflow/secrets"]
    seen = there.uid, there.gid, oct(there.mode & 0o7777)
    check(seen == (50000, 0, "0o2770"), seen)
    check("etc/ssl/certs/ca-certificates.crt" in members, list(members))
    print(f"   files: {', '.join(sorted(name for name, member in members.items() if member.isfile()))}")


def any_user(lab: Lab) -> None:
    """Any user writes to an emptyDir with fsGroup 0, and 50000:0 reads; any of group 0 writes to a named volume"""

    def render(user: str, place: pathlib.Path | str) -> None:
        secrets = PROJECT / "examples/dev-secrets.yaml"
        volumes = ["-v", f"{place}:/opt/airflow/secrets", "-v", f"{secrets}:/dev-secrets.yaml:ro"]
        settings = ["--store=file:/dev-secrets.yaml", "--backend-kwargs={}"]
        podman("run", "--rm", *CONFINED, "--network=none", f"--user={user}", *volumes, lab.options.image, *settings)

    look = "stat -c '%a %u:%g' /s/connections.json; cat /s/connections.json >/dev/null"
    for user in ["50000:0", "1000:0", "65532:65532"]:
        directory = lab.tmpfs(f"emptydir-{user.split(':')[0]}")
        render(user, directory)
        seen = podman("run", "--rm", "--user=50000:0", "-v", f"{directory}:/s:ro", lab.options.reader, "sh", "-c", look)
        print(f"   {user} wrote:", seen.stdout.strip())
    for user in ["50000:0", "1000:0"]:
        render(user, "asi-e2e-volume")
    podman("volume", "rm", "asi-e2e-volume")


def names_and_tls(lab: Lab) -> None:
    """A name in the DNS, TLS, two accounts, 1,000 connections, in 32 MiB"""
    server = lab.start([sys.executable, str(HERE / "dns.py"), "127.0.0.1", NAME])
    check(server.stdout.readline() == "ready\n", "the name server did not start")
    port = lab.aws()
    directory = lab.tmpfs("names")
    command = ["run", "--rm", *CONFINED, "--network=host", "--dns=127.0.0.1", "-v", f"{directory}:/opt/airflow/secrets"]
    environment = environment_of(f"https://{NAME}:{port}") | {"AWS_CA_BUNDLE": "/ca.pem"}
    command += [f"--env={name}={value}" for name, value in environment.items()]
    done = podman(*command, "-v", f"{lab.ca}:/ca.pem:ro", lab.options.image)
    summary = json.loads(done.stderr.splitlines()[-1])
    check((summary["outcome"], summary["connections"]) == ("written", 1002), summary)
    print("  ", done.stderr.splitlines()[-1])
    # The bundle in the image is read, and does not trust this server.
    distrusts = podman(
        *command[:-1], "--env=AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt", lab.options.image, fails=True
    )
    check("ASI-503" in distrusts.stderr, distrusts.stderr)
    nowhere = [word.replace(NAME, "absent.fake.test") for word in command]
    unknown = podman(*nowhere, "--env=AWS_CA_BUNDLE=", lab.options.image, fails=True)
    check("ASI-501" in unknown.stderr, unknown.stderr)


def refresh(lab: Lab) -> None:
    """It goes on and reads again, in 32 MiB: its probes by exec, a rotation that reaches the file, SIGTERM"""
    name, file = "asi-e2e-refresh", lab.tmpfs("refresh") / "connections.json"
    port = lab.aws()
    environment = environment_of(f"https://localhost:{port}") | {"AWS_CA_BUNDLE": "/ca.pem", "SECRETS_INIT_REFRESH": "24h"}
    command = ["run", "--detach", f"--name={name}", *CONFINED, "--network=host", "-v", f"{lab.ca}:/ca.pem:ro"]
    command += ["-v", f"{file.parent}:/opt/airflow/secrets", *(f"--env={key}={value}" for key, value in environment.items())]
    lab.stack.callback(run, ["podman", "rm", "--force", "--ignore", name])
    podman(*command, lab.options.image)

    def probe(*flags: str) -> int:
        return execute(["podman", "exec", name, "/airflow-secrets-init", "status", *flags]).returncode

    def wait_until(has_come: Callable[[], bool], what: str) -> float:
        began = time.monotonic()
        while not has_come():
            check(time.monotonic() - began < 120, f"{what}: {podman('logs', name).stderr}")
            time.sleep(0.05)
        return time.monotonic() - began

    wait_until(lambda: probe() == 0, "the startup probe")
    check(probe("--alive") == 0, "the liveness probe")
    password = lambda: json.loads(file.read_text())["warehouse"]["password"]
    check(password() == "pw" and len(json.loads(file.read_text())) == 1002, "the first file")
    rotated = {"airflow/connections/warehouse": "mysql://own:rotated@h/db"}
    document = json.dumps({"accounts": {ACCOUNT: {"regions": {REGION: {"secrets": rotated}}}}}).encode()
    trust = ssl.create_default_context(cafile=str(lab.ca))
    urllib.request.urlopen(f"https://localhost:{port}/_fake/scenario", document, context=trust).close()
    podman("kill", "--signal=HUP", name)
    took = wait_until(lambda: password() == "rotated", "the rotated password")
    check(probe() == 0, "the probe after a reading")
    [container] = json.loads(podman("inspect", name).stdout)
    memory = pathlib.Path(f"/proc/{container['State']['Pid']}/status").read_text()
    resident, most = (re.search(rf"{field}:\s+(\d+)", memory)[1] for field in ("VmRSS", "VmHWM"))
    began = time.monotonic()
    podman("kill", "--signal=TERM", name)
    code = podman("wait", name).stdout.strip()
    check(code == "0", f"SIGTERM: {code}")
    left = sorted(path.name for path in file.parent.iterdir())
    check(left == ["connections.json", "refresh-status.json"], left)
    print(f"   1,002 connections: the rotated password in the file after {took * 1000:.0f} ms, asked for by SIGHUP")
    print(f"   {int(resident) / 1024:.1f} MiB resident, {int(most) / 1024:.1f} at most; SIGTERM: 0, after {(time.monotonic() - began) * 1000:.0f} ms of podman's")


def pod(lab: Lab) -> None:
    """A Pod: the init container renders, then real Airflow reads connections from the file"""
    done = lab.work / "pod"
    done.mkdir()
    port = lab.aws(100)
    for major in ["2", "3"]:
        secrets = lab.tmpfs(f"pod-{major}")
        manifest = lab.work / f"pod-{major}.yaml"
        spec = pod_spec(lab, major, secrets, environment_of(f"https://localhost:{port}") | {"AWS_CA_BUNDLE": "/ca.pem"})
        manifest.write_text(json.dumps(spec))
        name = spec["metadata"]["name"]
        lab.stack.callback(run, ["podman", "pod", "rm", "--force", name])
        began = time.monotonic()
        podman("kube", "play", str(manifest))
        said = podman("logs", "--follow", f"{name}-airflow").stdout
        whole = time.monotonic() - began
        found = json.loads(said.splitlines()[-1])
        check(found["warehouse"] == ["LocalFilesystemBackend", "mysql", "h", "own", "pw", None, {}], found["warehouse"])
        check(found["snowflake"][4] == "line\nbreak" and found["snowflake"][6] == {"a": 1}, found["snowflake"])
        check(found["db_0099"][1:4] == ["postgres", "db-99.internal", "user"] and found["absent"] is None, found)
        [init] = json.loads(podman("inspect", f"{name}-airflow-secrets-init").stdout)
        [app] = json.loads(podman("inspect", f"{name}-airflow").stdout)
        check(init["State"]["ExitCode"] == 0 and init["HostConfig"]["ReadonlyRootfs"], init["State"])
        check(init["HostConfig"]["Memory"] == 32 << 20 and not init["EffectiveCaps"], init["HostConfig"])
        times = {
            what: moment(container["State"][key])
            for what, container, key in [
                ("start", init, "StartedAt"),
                ("exit", init, "FinishedAt"),
                ("airflow", app, "StartedAt"),
            ]
        }
        log = podman("logs", f"{name}-airflow-secrets-init").stderr.splitlines()
        print(
            f"   Airflow {major}: init container start to exit {ms(times['start'], times['exit'])} ms "
            f"(its own count: {json.loads(log[-1])['elapsed_ms']} ms),"
        )
        print(
            f"      then Airflow's container after {ms(times['exit'], times['airflow'])} ms; "
            f"the whole Pod, Airflow's import included, {whole:.1f} s"
        )
        print(f"      init: {log[-1]}")
        print(
            f"      Airflow found {sum(value is not None for value in found.values())} of {len(found)} "
            f"by {found['warehouse'][0]}"
        )


def pod_that_fails(lab: Lab) -> None:
    """A Pod whose init container fails: Airflow does not start, and the termination message names the cause"""
    port = lab.aws(1)
    secrets = lab.tmpfs("pod-fails")
    environment = environment_of(f"https://localhost:{port}") | {
        "AWS_CA_BUNDLE": "/ca.pem",
        "AWS_ACCESS_KEY_ID": "AKIAUNKNOWN",
    }
    spec = pod_spec(lab, "fails", secrets, environment)
    message = lab.work / "termination-log"
    message.touch()
    message.chmod(0o666)
    spec["spec"]["volumes"].append({"name": "message", "hostPath": {"path": str(message), "type": "File"}})
    # A kubelet mounts it by itself.
    spec["spec"]["initContainers"][0]["volumeMounts"].append({"name": "message", "mountPath": "/dev/termination-log"})
    manifest = lab.work / "pod-fails.yaml"
    manifest.write_text(json.dumps(spec))
    name = spec["metadata"]["name"]
    lab.stack.callback(run, ["podman", "pod", "rm", "--force", name])
    played = podman("kube", "play", str(manifest), fails=True)
    check("77" in played.stderr, played.stderr)
    [app] = json.loads(podman("inspect", f"{name}-airflow").stdout)
    check(
        app["State"]["Status"] in ("created", "initialized") and moment(app["State"]["StartedAt"]).year == 1,
        app["State"],
    )
    told = message.read_text()
    check(told.startswith("airflow-secrets-init failed with 77: ASI-106 "), told)
    check(not list(secrets.iterdir()), "files are there")
    print(f"   podman: {played.stderr.strip().splitlines()[-1]}")
    print(f"   termination message: {told.splitlines()[0]}")


def compose(lab: Lab) -> None:
    """Compose: a file like Airflow's own, the overrides of examples/compose, file store and emulator, then readers"""
    port = lab.aws(1)
    services = {
        "2": ["webserver", "scheduler", "worker", "triggerer"],
        "3": ["apiserver", "dag-processor", "scheduler", "worker", "triggerer"],
    }
    for major, names in services.items():
        project = lab.work / f"compose-{major}"
        project.mkdir()
        for file in (PROJECT / "examples/compose").glob("*.yaml"):
            shutil.copy(file, project)
        shutil.copy(PROJECT / "examples/dev-secrets.yaml", project)
        (project / "docker-compose.yaml").write_text(json.dumps(airflows_file(lab, major, names)))
        # For this machine alone: podman 4.3 knows no host-gateway; the fake AWS has a CA of its own, and is on the loopback.
        emulator = project / "emulator.yaml"
        emulator.write_text(re.sub(r"    extra_hosts:\n      - .*\n", "", emulator.read_text()))
        loopback = {
            "network_mode": "host",
            "environment": {"AWS_CA_BUNDLE": "/ca.pem"},
            "volumes": [f"{lab.ca}:/ca.pem:ro"],
        }
        (project / "loopback.yaml").write_text(json.dumps({"services": {"airflow-secrets-init": loopback}}))
        # The second user comes to a volume that the first has filled.
        for store, extra, user, expected in [
            ("file-store", [], "50000", "own-wins"),
            ("emulator", ["loopback.yaml"], "1000", "pw"),
        ]:
            files = ["docker-compose.yaml", f"airflow-{major}.yaml", f"{store}.yaml", *extra]
            command = [
                lab.options.compose,
                "--project-name",
                f"asi-{major}",
                *[word for file in files for word in ("-f", file)],
            ]
            environment = os.environ | {
                "AIRFLOW_UID": user,
                "AIRFLOW_SECRETS_IMAGE": lab.options.image,
                "EMULATOR_URL": f"https://localhost:{port}",
                "EMULATOR_ACCOUNT": ACCOUNT,
            }
            began = time.monotonic()
            # All of them once; two are enough to see the other store.
            readers = names if store == "file-store" else names[:2]
            run([*command, "up", "--detach", *[f"airflow-{name}" for name in readers]], cwd=project, env=environment)
            [init] = json.loads(podman("inspect", f"asi-{major}_airflow-secrets-init_1").stdout)
            # podman-compose waits for its end, not for its success.
            check(init["State"]["ExitCode"] == 0, podman("logs", f"asi-{major}_airflow-secrets-init_1").stderr)
            for name in readers:
                said = run([*command, "logs", f"airflow-{name}"], cwd=project, env=environment)
                container = podman(
                    "ps", "--all", "--filter", f"name=asi-{major}_airflow-{name}_", "--format={{.Names}}"
                ).stdout.split()[0]
                check(podman("wait", container).stdout.strip() == "0", said)
                found = json.loads(podman("logs", container).stdout.splitlines()[-1])
                check(found["warehouse"][0] == "LocalFilesystemBackend" and found["warehouse"][4] == expected, found)
            print(
                f"   Airflow {major}, {store}, AIRFLOW_UID={user}: {len(readers)} services read it "
                f"({time.monotonic() - began:.1f} s)"
            )
            run([*command, "down"], cwd=project, env=environment)
        run([*command, "down", "--volumes"], cwd=project, env=environment)


def airflows_file(lab: Lab, major: str, names: list[str]) -> dict:
    """A file of the shape of Airflow's own docker-compose.yaml: common keys, AIRFLOW_UID, airflow-init as root."""
    packages = lab.options.airflow_2 if major == "2" else lab.options.airflow_3
    common = {
        "image": lab.options.reader,
        "environment": {
            "AIRFLOW_HOME": "/tmp/airflow",
            "PYTHONPATH": "/airflow",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        },
        "volumes": [f"{packages}:/airflow:ro", f"{HERE / 'read_connections.py'}:/read_connections.py:ro"],
        "user": "${AIRFLOW_UID:-50000}:0",
        "command": ["python3", "/read_connections.py", "warehouse"],
        "depends_on": {"airflow-init": {"condition": "service_completed_successfully"}},
    }
    init = {**common, "user": "0:0", "command": ["true"], "depends_on": {}}
    others = {f"airflow-{name}": common for name in [*names, "cli"]}
    return {"services": {"airflow-init": init, **others}}


def pod_spec(lab: Lab, name: str, secrets: pathlib.Path, environment: dict[str, str]) -> dict:
    """The Pod of a chart: the init container confined, Airflow's with the file read-only and without credentials."""
    restricted = {
        "runAsUser": 50000,
        "runAsGroup": 0,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    packages = lab.options.airflow_2 if name == "2" else lab.options.airflow_3
    init = {
        "name": "airflow-secrets-init",
        "image": lab.options.image,
        "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {"limits": {"memory": "32Mi"}},
        "securityContext": restricted,
        "volumeMounts": [
            {"name": "secrets", "mountPath": "/opt/airflow/secrets"},
            {"name": "ca", "mountPath": "/ca.pem", "readOnly": True},
        ],
    }
    reads = {
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"connections_file_path": "/opt/airflow/secrets/connections.json"}',
        "AIRFLOW_HOME": "/tmp/airflow",
        "PYTHONPATH": "/airflow",
    }
    app = {
        "name": "airflow",
        "image": lab.options.reader,
        "imagePullPolicy": "Never",
        "command": ["python3", "/read_connections.py", "warehouse", "snowflake", "db_0099", "absent"],
        "env": [{"name": key, "value": value} for key, value in reads.items()],
        "securityContext": {"runAsUser": 50000, "runAsGroup": 0, "allowPrivilegeEscalation": False},
        "volumeMounts": [
            {"name": "secrets", "mountPath": "/opt/airflow/secrets", "readOnly": True},
            {"name": "airflow", "mountPath": "/airflow", "readOnly": True},
            {"name": "script", "mountPath": "/read_connections.py", "readOnly": True},
        ],
    }
    paths = {
        "secrets": (secrets, "Directory"),
        "ca": (lab.ca, "File"),
        "airflow": (packages, "Directory"),
        "script": (HERE / "read_connections.py", "File"),
    }
    volumes = [{"name": key, "hostPath": {"path": str(path), "type": kind}} for key, (path, kind) in paths.items()]
    # podman removes an init container that succeeded, unless told that it runs each time.
    annotations = {"io.podman.annotations.init.container.type": "always"}
    spec = {
        "restartPolicy": "Never",
        "hostNetwork": True,
        "initContainers": [init],
        "containers": [app],
        "volumes": volumes,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"asi-pod-{name}", "annotations": annotations},
        "spec": spec,
    }


def environment_of(endpoint: str) -> dict[str, str]:
    """Of the init container: an account of its own, and a shared one by a role."""
    kwargs = {
        "connections_prefix": "airflow/connections",
        "shared_account": SHARED,
        "shared_role_arn": f"arn:aws:iam::{SHARED}:role/reader",
    }
    return {
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs),
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "x",
    }


def podman(*arguments: str, fails: bool = False) -> subprocess.CompletedProcess:
    """Runs podman; ends the test when it fails, or when it should and does not."""
    done = execute(["podman", *arguments])
    if (done.returncode != 0) != fails:
        sys.exit(f"e2e: podman {' '.join(arguments[:4])} ... ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def run(command: list, **how) -> str:
    """Runs a command that has to succeed; gives what it says."""
    command = [str(word) for word in command]
    done = execute(command, **how)
    if done.returncode != 0:
        sys.exit(f"e2e: {' '.join(command[:6])} ... ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def execute(command: list[str], **how) -> subprocess.CompletedProcess:
    """Runs a command, for five minutes at most."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300, **how
        )
    except subprocess.TimeoutExpired as late:
        said = [(text or b"").decode(errors="replace") for text in (late.stdout, late.stderr)]
        sys.exit(f"e2e: {' '.join(command)} did not end:\n{''.join(said)}")


def check(holds: object, seen: object) -> None:
    """Ends the test where something is not as it should be."""
    if not holds:
        caller = sys._getframe(1)
        sys.exit(f"e2e: line {caller.f_lineno}: not as it should be: {seen}")


def moment(text: str) -> datetime:
    """A time as podman writes it, with nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00")))


def ms(start: datetime, end: datetime) -> int:
    """Milliseconds between two of them."""
    return round((end - start).total_seconds() * 1000)


main()
