#!/usr/bin/env python3
"""What `iam` prints, judged by MiniStack: an evaluator of signatures, identity, trust and resource policies that no one here wrote.

    unshare --map-root-user --net policies.py PROGRAM

Runs in the environment that environment.py makes, in a network namespace of its own: MiniStack listens everywhere. With the printed
policies every run does what it is to do; without any one statement of an identity or a role it ends as the output says. Statements on
keys are left out, for there are none: MiniStack asks no key of a secret. Nothing is waited for but MiniStack's first answer.
"""

import array
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import botocore.session

OWN, SHARED = "111111111111", "222222222222"
REGION = "eu-central-1"
PORT = 4566
URL = f"http://127.0.0.1:{PORT}"
READER = f"arn:aws:iam::{SHARED}:role/reader"
LONGEST = 120


class Wrong(Exception):
    """A run that did not end as it was to."""


def main() -> int:
    """Runs the command line; returns the exit code."""
    program = pathlib.Path(sys.argv[1]).resolve()
    set_loopback_up()
    with tempfile.TemporaryDirectory() as place, ministack(pathlib.Path(place)):
        try:
            seed()
            checked = sum(case(program, pathlib.Path(place), number) for number, case in enumerate(CASES))
        except Wrong as wrong:
            print(f"policies.py: {wrong}", file=sys.stderr)
            return 1
    print(f"{checked} runs, each ended as the printed policies say")
    return 0


def set_loopback_up() -> None:
    """A new network namespace has a loopback interface that is down (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(control, 0x8914, array.array("b", flags))  # SIOCSIFFLAGS


@contextlib.contextmanager
def ministack(place: pathlib.Path):
    """A server that judges every call."""
    environment = {"AUTH": "true", "GATEWAY_PORT": str(PORT), "BIND_HOST": "127.0.0.1", "HOME": str(place), "PATH": os.environ["PATH"]}
    log = (place / "ministack.log").open("wb")
    server = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, cwd=place, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(LONGEST * 10):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT)):
                break
            if server.poll() is not None:
                raise SystemExit(f"policies.py: MiniStack ended:\n{(place / 'ministack.log').read_text()}")
            time.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def client(service: str, account: str):
    """A client of the account's root user: twelve digits are its key."""
    session = botocore.session.Session()
    return session.create_client(
        service, region_name=REGION, endpoint_url=URL, aws_access_key_id=account, aws_secret_access_key="test"
    )


def seed() -> None:
    """The secrets of both accounts, with more than one batch and one that the policies do not name."""
    for account, prefix, ids in ((OWN, "airflow/connections/", ["a", "b"]), (OWN, "airflow/other/", ["x"]), (SHARED, "airflow/connections/", ["s", "t"])):
        secrets = client("secretsmanager", account)
        for name in ids:
            secrets.create_secret(Name=prefix + name, SecretString=f"http://{name}.example")


def printed(program: pathlib.Path, environment: dict, fill: dict) -> list[dict]:
    """The documents of `iam`, placeholders filled in."""
    ended = subprocess.run([program, "iam"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise Wrong(f"iam ended with {ended.returncode}: {ended.stderr}")
    parsed = json.loads(ended.stdout)
    text = json.dumps(parsed["documents"])
    for name in sorted(parsed["placeholders"], key=len, reverse=True):
        text = text.replace(name, "the-key" if "KMS" in name else fill[name])
    return json.loads(text)


def user(account: str, name: str, policy: dict) -> tuple[str, str]:
    """Gives a user this policy and no other; returns the keys."""
    iam = client("iam", account)
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="printed", PolicyDocument=json.dumps(policy))
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def role(policy: dict, trust: dict) -> None:
    """The role in the shared account, with these policies."""
    iam = client("iam", SHARED)
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_role_policy(RoleName="reader", PolicyName="printed")
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_role(RoleName="reader")
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))
    if policy["Statement"]:
        iam.put_role_policy(RoleName="reader", PolicyName="printed", PolicyDocument=json.dumps(policy))


def environment_of(place: pathlib.Path, kwargs: dict, more: dict) -> dict:
    """What a run sees."""
    return {
        "SECRETS_INIT_BACKEND_KWARGS": json.dumps(kwargs),
        "SECRETS_INIT_TERMINATION_LOG": str(place / "termination-log"),
        "SECRETS_INIT_LOG": "error",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": URL,
        "AWS_EC2_METADATA_DISABLED": "true",
    } | more


def run(program: pathlib.Path, arguments: list[str], environment: dict, keys: tuple[str, str]) -> subprocess.CompletedProcess:
    """One run with these keys."""
    environment = environment | {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
    return subprocess.run([program, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def policies_without(documents: list[dict], dropped: tuple[int, int] | None, name: str) -> dict:
    """The policy of a document, without one statement of one of them; those on keys stay out."""
    statements = [
        statement
        for place, document in enumerate(documents)
        if document["name"] == name
        for number, statement in enumerate(document["policy"]["Statement"])
        if (place, number) != dropped and not statement["Action"].startswith("kms:")
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def each(documents: list[dict], names: tuple[str, ...]):
    """Nothing dropped, and then each statement that a call here needs, with what is said of it."""
    yield None, "nothing", "nothing"
    for place, document in enumerate(documents):
        for number, about in enumerate(document["statements"]):
            action = document["policy"]["Statement"][number]["Action"]
            elsewhere = "pod_identity" in about.get("only_with", [])
            if document["name"] in names and not action.startswith("kms:") and not elsewhere:
                yield (place, number), f"{document['name']} without {about['sid']}", about["impact"]


def read(program: pathlib.Path, place: pathlib.Path, number: int, kwargs: dict, expected: dict[str, set[str]]) -> int:
    """Renders under the printed policies, and without each statement; `expected` says which ids a left-out statement costs."""
    file = place / f"{number}.json"
    environment = environment_of(place, kwargs, {"SECRETS_INIT_CONNECTIONS_FILE": str(file), "SECRETS_INIT_ON_EMPTY": "ignore"})
    fill = {"OWN_ACCOUNT": OWN, "POD_ACCOUNT": OWN, "POD_ROLE": "pod"}
    documents = json.loads(json.dumps(printed(program, environment, fill)).replace(f"arn:aws:iam::{OWN}:role/pod", f"arn:aws:iam::{OWN}:user/pod"))
    everything = set().union(*expected.values())
    runs = 0
    names = ("pod_role", f"shared_{SHARED}_role", f"shared_{SHARED}_role_trust")
    for dropped, what, impact in each(documents, names):
        keys = user(OWN, "pod", policies_without(documents, dropped, "pod_role"))
        if "shared_role_arn" in kwargs:
            trust = policies_without(documents, dropped, names[2])
            if not trust["Statement"]:
                trust["Statement"] = [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]
            role(policies_without(documents, dropped, names[1]), trust)
        file.unlink(missing_ok=True)
        ended = run(program, [], environment, keys)
        written = set(json.loads(file.read_text("utf-8"))) if file.exists() else set()
        lost = expected["shared" if "shared" in what else "own"] if impact == "left_out" else set()
        right = (77, set()) if impact == "run_fails" else (0, everything - lost)
        if (ended.returncode, written) != right:
            raise Wrong(f"{what}, {kwargs}: {ended.returncode} {written}, not {right}: {ended.stderr}")
        runs += 1
    return runs


def own(program: pathlib.Path, place: pathlib.Path, number: int) -> int:
    """The own account."""
    return read(program, place, number, {}, {"own": {"a", "b"}})


def by_role(program: pathlib.Path, place: pathlib.Path, number: int) -> int:
    """A role in the shared account."""
    kwargs = {"shared_account": SHARED, "shared_role_arn": READER}
    return read(program, place, number, kwargs, {"own": {"a", "b"}, "shared": {"s", "t"}})


def publisher(program: pathlib.Path, place: pathlib.Path, number: int) -> int:
    """The index of the shared account."""
    index = f"airflow/index-{number}"
    secrets = client("secretsmanager", SHARED)
    secrets.create_secret(Name=index, SecretString="[]")
    environment = environment_of(place, {}, {"SECRETS_INIT_INDEX": index, "SECRETS_INIT_INDEX_READERS": OWN})
    documents = printed(program, environment, {"OWN_ACCOUNT": SHARED, "PUBLISHER_ROLE": "publisher"})
    runs = 0
    for dropped, what, impact in each(documents, ("publisher_role",)):
        secrets.put_secret_value(SecretId=index, SecretString="[]")
        keys = user(SHARED, "publisher", policies_without(documents, dropped, "publisher_role"))
        ended = run(program, ["publish-index"], environment, keys)
        text = secrets.get_secret_value(SecretId=index)["SecretString"]
        ids = json.loads(text)["connections"]["ids"] if text != "[]" else None
        right = (77, None) if impact == "run_fails" else (0, ["s", "t"])
        if (ended.returncode, ids) != right:
            raise Wrong(f"{what}: {ended.returncode} {text}, not {right}: {ended.stderr}")
        runs += 1
    return runs


def signature(program: pathlib.Path, place: pathlib.Path, number: int) -> int:
    """A wrong key is found out: the signatures are judged as well."""
    environment = environment_of(place, {}, {"SECRETS_INIT_CONNECTIONS_FILE": str(place / f"{number}.json")})
    keys = user(OWN, "pod", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    for secret, code in ((keys[1], 0), ("another", 77)):
        ended = run(program, [], environment, (keys[0], secret))
        if ended.returncode != code:
            raise Wrong(f"with {'the' if code == 0 else 'another'} secret key: {ended.returncode}, not {code}: {ended.stderr}")
    return 2


CASES = [signature, own, by_role, publisher]


if __name__ == "__main__":
    sys.exit(main())
