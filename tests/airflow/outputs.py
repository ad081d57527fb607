"""Everything but the connections file, read by Airflow: variables, config values, the env file, and the URIs of templates.

    target/airflow/2.8.1/bin/python tests/airflow/outputs.py --bin target/debug/airflow-secrets-init [--seed S] [--cases N]

Runs inside an Airflow environment (venv.py). Random secrets go through our program into every format, and Airflow's own
backends must give back what the live backend gives. For connections the file of connections stands for the live backend:
fuzz.py compares those two. Prints a line for each thing compared; exits with 1 if anything differs.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import airflow_side
import fuzz

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "formats"))
import env_readers
from readers import environment

# What a loader could take for something else than text, and what a format could lose.
WORDS = """yes no on off true false null ~ None 0 1 0123 0x1f 1e5 1.0 .inf .nan 2020-01-01 2020-01-01T00:00:00Z 12:30:45 1_000 = << - [] {}
"" '' !tag &a *a @x %x `x |x >x #x a: b a #b [1, 2] {"a": 1} postgres://u:p@h/db""".split("\n")
TEXTS = [*" ".join(WORDS).split(" "), "a: b", "a #b", "[1, 2]", '{"a": [1, 2]}', " x", "x ", "\t", "a=b=c", "a\nb", "a\r\nb", "x\n", "é", "漢😀", "\x7f", "\x85", "\u2028",
         "\ufeffx", "a'b\"c\\d$HOME`e`", "\\n", "'", '"', "%(a)s", "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n"]
KEYS = ["k", "key-1", "a/b", "UPPER", "with.dot", "x_y", "yes", "null", "123", "1e5", "2020-01-01", "plus+x", "at@x", "eq=x"]
URIS = "{ {% for id, c in connections.items() %}{{ id }}: {{ c.uri }}{% if not loop.last %}, {% endif %}{% endfor %} }"


class Check:
    """Runs our program and counts what differs."""

    def __init__(self, program: pathlib.Path, target: str, answers) -> None:
        self.program, self.target, self.answers, self.failed = program.resolve(), target, answers, False

    def render(self, directory: str, own: dict[str, str], **settings: str) -> None:
        """Renders these secrets of the own account; settings are paths of files, or other variables."""
        store = pathlib.Path(directory) / "store.json"
        store.write_text(json.dumps({"own": own}), encoding="ascii")
        environment = {
            "AIRFLOW__SECRETS__BACKEND_KWARGS": "{}",
            "SECRETS_INIT_STORE": f"file:{store}",
            "SECRETS_INIT_AIRFLOW_VERSION": self.target,
            "SECRETS_INIT_ON_INVALID": "ignore",
            "SECRETS_INIT_ON_EMPTY": "ignore",
            "SECRETS_INIT_CONNECTIONS_FILE": "none",
            "SECRETS_INIT_LOG": "error",
            "SECRETS_INIT_LOG_FORMAT": "text",
        }
        done = subprocess.run([self.program], env=environment | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def compare(self, what: str, expected: dict, said: dict, left_out: int = 0) -> None:
        """Prints how many are equal, and some of those that are not."""
        wrong = [key for key in expected if json.dumps(expected[key]) != json.dumps(said.get(key))]
        self.failed |= bool(wrong) or not expected
        print(f"airflow {airflow_side.versions()['airflow']}: {what}: {len(expected) - len(wrong)} equal, {left_out} left out, {len(wrong)} differ", file=self.answers)
        for key in wrong[:5]:
            print(f"  {key}: expected {json.dumps(expected[key])}, read {json.dumps(said.get(key))}", file=self.answers)


def local(**paths: str):
    """The stock backend on these files."""
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    return LocalFilesystemBackend(**paths)


def env_backend():
    """Airflow's own backend of environment variables, for the class that the server has."""
    from airflow.models import Connection
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    backend = EnvironmentVariablesBackend()
    if hasattr(backend, "_set_connection_class"):
        backend._set_connection_class(Connection)
    return backend


def text(pick: random.Random) -> str:
    """A secret that is a variable or a config value."""
    if pick.random() < 0.3:
        return pick.choice(TEXTS) or "x"
    return fuzz.mutated(pick, pick.choice(TEXTS)) or "x"


def live_variables(texts: dict[str, str]) -> dict[str, str]:
    """What the provider's backend gives for these secrets."""
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    class Backend(SecretsManagerBackend):
        """Only where the text comes from is replaced."""

        def _get_secret(self, path_prefix, secret_id, *_):
            assert path_prefix == "airflow/variables"
            return texts[secret_id]

    return {key: Backend().get_variable(key) for key in texts}


def variables(check: Check, directory: str, pick: random.Random, cases: int) -> None:
    """Files of variables in the three formats, and config values where LocalFilesystemBackend knows them."""
    texts = {f"{pick.choice(KEYS)}{i}": text(pick) for i in range(cases)}
    live = live_variables(texts)
    for extension in ("json", "yaml", "env"):
        file, configs = f"{directory}/variables.{extension}", f"{directory}/configs.{extension}"
        own = {f"airflow/variables/{key}": value for key, value in texts.items()} | {f"airflow/config/{key}": value for key, value in texts.items()}
        check.render(directory, own, SECRETS_INIT_VARIABLES_FILE=file, SECRETS_INIT_CONFIGS_FILE=configs)
        backend = local(variables_file_path=file)
        # Parsing the file for each key would take minutes: Airflow parses it for each.
        values = backend._local_variables
        carried = live if extension != "env" else {key: value for key, value in live.items() if in_env(key, value)}
        assert values.keys() == carried.keys(), f"{extension}: {list(values.keys() ^ carried.keys())[:5]}"
        check.compare(f"variables.{extension}", carried, values, len(live) - len(carried))
        for key in pick.sample(list(carried), 5):
            assert backend.get_variable(key) == live[key], key
        if fuzz.version() >= (3, 2):
            check.compare(f"configs.{extension}", carried, local(configs_file_path=configs)._local_configs, len(live) - len(carried))
            assert local(configs_file_path=configs).get_config(next(iter(carried))) == live[next(iter(carried))]


def in_env(key: str, value: str) -> bool:
    """What a line of LocalFilesystemBackend's .env can hold, as COMPATIBILITY.md has it."""
    breaks = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    return "=" not in key and value != "" and not any(c in breaks for c in value) and value.isascii()


def env_file(check: Check, directory: str, pick: random.Random, cases: int) -> None:
    """The env file, read by a shell, then by Airflow; and the URIs of a template."""
    secrets = {f"c{i}": secret for i, secret in enumerate(fuzz.secrets(pick, cases))}
    texts = {f"v{i}": text(pick) for i in range(cases // 4)}
    own = {f"airflow/connections/{key}": value for key, value in secrets.items()} | {f"airflow/variables/{key}": value for key, value in texts.items()}
    template, uris = pathlib.Path(directory) / "uris.j2", f"{directory}/uris.json"
    template.write_text(URIS, encoding="ascii")
    file, dotenv, lines = f"{directory}/connections.json", f"{directory}/airflow.env", f"{directory}/airflow.list"
    check.render(directory, own, SECRETS_INIT_CONNECTIONS_FILE=file, SECRETS_INIT_AIRFLOW_ENV_FILE=dotenv)
    check.render(directory, own, SECRETS_INIT_AIRFLOW_ENV_FILE=lines)

    from airflow.secrets import local_filesystem

    entries = local_filesystem._parse_secret_file(file)
    built = {key: local_filesystem._create_connection(key, entry) for key, entry in entries.items()}
    live = {key: fuzz.without_reason(lambda: connection) for key, connection in built.items()}
    by_shell = env_readers.read("bash", dotenv)
    by_line = dict(line.split("=", 1) for line in pathlib.Path(lines).read_bytes().decode().split("\n") if line)
    for what, variables_of in (("airflow.env", by_shell), ("airflow.list", by_line)):
        with environment(**variables_of):
            backend = env_backend()
            there = [key for key in live if f"AIRFLOW_CONN_{key.upper()}" in variables_of]
            said = {key: fuzz.without_reason(lambda: backend.get_connection(key)) for key in there}
            check.compare(f"{what}, connections", {key: live[key] for key in there}, said, len(live) - len(there))
            there = [key for key in texts if f"AIRFLOW_VAR_{key.upper()}" in variables_of]
            check.compare(f"{what}, variables", {key: texts[key] for key in there}, {key: backend.get_variable(key) for key in there}, len(texts) - len(there))
            # What neither JSON nor a URI can say is a handful of odd ones.
            assert len(there) > 0.6 * len(texts) and len(said) > 0.97 * len(live), (len(there), len(texts), len(said), len(live))

    # docs/COMPATIBILITY.md, "lone-surrogate".
    plain = {key: secrets[key] for key in built if not fuzz.has_lone_surrogate(secrets[key])}
    assert len(plain) > 0.9 * len(built)
    own = {f"airflow/connections/{key}": value for key, value in plain.items()}
    check.render(directory, own, SECRETS_INIT_TEMPLATES=f"{template}={uris}")
    said = json.loads(pathlib.Path(uris).read_text(encoding="utf-8"))
    check.compare("uri in templates", {key: built[key].get_uri() for key in plain}, said)


def config_options(check: Check, directory: str) -> None:
    """An option whose _SECRET form is set becomes the option itself, for Airflow before 3.2."""
    options = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": ("db", "postgresql://u:p%40'\"@h:5432/db?x=1"),
        "AIRFLOW__CELERY__BROKER_URL": ("broker", "redis://:a\\b c`d@h/0"),
        "AIRFLOW__CORE__FERNET_KEY": ("fernet", "a" * 43 + "="),
        "AIRFLOW__SMTP__SMTP_PASSWORD": ("smtp", "has $HOME in it"),
        "AIRFLOW__WEBSERVER__SECRET_KEY": ("key", "~root"),
    }
    own = {f"airflow/config/{key}": value for key, value in options.values()}
    file = f"{directory}/options.env"
    secret_forms = {f"{variable}_SECRET": key for variable, (key, _) in options.items()}
    check.render(directory, own, SECRETS_INIT_AIRFLOW_ENV_FILE=file, **secret_forms)
    read = env_readers.read("bash", file)
    # Airflow replaces names in an option's variable: such a value can't be carried.
    assert read.keys() == {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CORE__FERNET_KEY"}, read.keys()
    with environment(**read):
        from airflow.configuration import conf

        said = {name: conf.get(*name.removeprefix("AIRFLOW__").lower().split("__")) for name in read}
    check.compare("config options in airflow.env", {name: options[name][1] for name in read}, said, 2)


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="our program")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--cases", type=int, default=2000)
    options = parser.parse_args()
    seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
    answers = airflow_side.only_answers_on_stdout()
    airflow_side.import_airflow()
    fuzz.stop_compiling_masks()
    print(f"airflow {airflow_side.versions()['airflow']}: seed {seed}, {options.cases} cases", file=answers)
    check = Check(options.bin, fuzz.default_target(), answers)
    with tempfile.TemporaryDirectory(prefix="outputs-") as directory:
        variables(check, directory, random.Random(seed), options.cases)
        env_file(check, directory, random.Random(seed), options.cases)
        config_options(check, directory)
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
