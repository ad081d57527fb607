"""Does the file of a team hold what the provider's backend gives that team, for every id?

    target/airflow/3.3.2/bin/python tests/airflow/teams.py --bin target/debug/airflow-secrets-init

Runs inside an Airflow environment (venv.py) whose provider knows teams. The backend is the provider's own, with `[core]
multi_team` on; only its client is a stand-in, which holds the secrets that our program reads from a file store. Ends with an
AssertionError where the two differ.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import types

import airflow_side

KINDS = {"connections": "airflow/connections/", "variables": "airflow/variables/", "configs": "airflow/config/"}
# What stands behind the prefix, of every kind. `team_a--team_b` is a team whose name holds the separator.
NAMES = [
    "plain", "both", "team_a--both", "team_b--both", "team_a--only", "team_b--only", "team_a--b--deep", "team_a---dash", "-dash",
    "team_a--", "--plain", "team_a", "Team_a--case", "team_a--team_b--nested", "a--b", "a-b",
]
TEAMS = ["team_a", "team_b", "team_a--team_b", "team_c", None]
IDS = sorted({*NAMES, "only", "deep", "case", "nested", "b", "-b", "b--deep", "team_b--nested", "nowhere"})


class Client:
    """Holds secrets by name."""

    exceptions = types.SimpleNamespace(
        **{
            name: type(name, (Exception,), {})
            for name in (
                "ResourceNotFoundException", "InvalidParameterException", "InvalidRequestException", "DecryptionFailure",
                "InternalServiceError",
            )
        }
    )

    def __init__(self, secrets: dict) -> None:
        self.secrets = secrets

    def get_secret_value(self, SecretId: str) -> dict:  # noqa: N803  (boto3's name)
        if SecretId not in self.secrets:
            raise self.exceptions.ResourceNotFoundException
        return {"SecretString": self.secrets[SecretId]}


def value(kind: str, name: str) -> str:
    """What a secret holds: a text that tells it from every other."""
    return f"mysql://{name}@h" if kind == "connections" else f"{kind} {name}"


def live(secrets: dict, team: str | None) -> dict:
    """What the provider's backend gives, by kind and id."""
    from airflow.models import Connection
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    backend = SecretsManagerBackend()
    backend.__dict__["client"] = Client(secrets)

    def login(uri: str | None) -> str | None:
        return None if uri is None else Connection(uri=uri).login

    return {
        "connections": {each: login(backend.get_conn_value(each, team_name=team)) for each in IDS},
        "variables": {each: backend.get_variable(each, team_name=team) for each in IDS},
        "configs": {each: backend.get_config(each) for each in IDS},
    }


def ours(binary: str, secrets: dict, team: str | None, by_name: bool) -> dict:
    """What LocalFilesystemBackend reads from our files."""
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    with tempfile.TemporaryDirectory() as directory:
        home = pathlib.Path(directory)
        (home / "store.yaml").write_text(json.dumps({"own": secrets}))
        variables = {"SECRETS_INIT_STORE": f"file:{home}/store.yaml", "SECRETS_INIT_BACKEND_KWARGS": "{}"}
        variables |= {f"SECRETS_INIT_{kind.upper()}_FILE": f"{home}/{kind}.json" for kind in KINDS}
        variables |= {"SECRETS_INIT_ON_MISSING": "ignore"}
        variables |= {"SECRETS_INIT_TEAM": team} if team else {"AIRFLOW__CORE__MULTI_TEAM": "True"}
        if by_name:
            ids = ",".join(each for each in IDS if "--" not in each)
            variables |= {f"SECRETS_INIT_{name}": ids for name in ("CONN_IDS", "VARIABLE_KEYS", "CONFIG_KEYS")}
        ended = subprocess.run([binary], env=variables, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        if not team and not by_name:
            assert "set SECRETS_INIT_TEAM" in ended.stderr, ended.stderr
        backend = LocalFilesystemBackend(
            connections_file_path=f"{home}/connections.json",
            variables_file_path=f"{home}/variables.json",
            configs_file_path=f"{home}/configs.json",
        )
        connections = {each: backend.get_connection(each) for each in IDS}
        return {
            "connections": {each: found and found.login for each, found in connections.items()},
            "variables": {each: backend.get_variable(each) for each in IDS},
            "configs": {each: backend.get_config(each) for each in IDS},
        }


def main() -> None:
    """Asks both, for every team, listed and by name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    binary = parser.parse_args().bin
    os.environ["AIRFLOW__CORE__MULTI_TEAM"] = "True"
    secrets = {prefix + name: value(kind, name) for kind, prefix in KINDS.items() for name in NAMES}
    found = 0
    for team in TEAMS:
        expected = live(secrets, team)
        found += sum(each is not None for of_kind in expected.values() for each in of_kind.values())
        for by_name in (False, True):
            got = ours(binary, secrets, team, by_name)
            for kind, ids in expected.items():
                for each, wanted in ids.items():
                    assert got[kind][each] == wanted, f"{team} {kind} {each}: {got[kind][each]} is not {wanted}, by_name={by_name}"
    # The rules are there to be seen: a provider that knows no team would give other figures.
    assert live(secrets, "team_a")["connections"]["both"] == "team_a--both"
    assert live(secrets, None)["connections"]["team_b--only"] is None
    print(airflow_side.versions(), f"{len(TEAMS)} teams, {len(IDS)} ids of {len(KINDS)} kinds, {found} found, no difference")


if __name__ == "__main__":
    main()
