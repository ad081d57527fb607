#!/usr/bin/env python3.11
"""Prints what the program a file is meant for reads from it, as one JSON object.

    readers.py READER FILE
    readers.py pgpass FILE HOST PORT DBNAME USER ...    for these connections instead of the file's own

Runs inside the environment of requirements-formats.txt. Entries are keyed by their names. Every reader is the real
program, or the library that it reads with, and is told of the file in the way a user would do it:

| reader           | what reads                                                                             |
|------------------|----------------------------------------------------------------------------------------|
| aws_credentials  | boto3, for each profile (AWS_SHARED_CREDENTIALS_FILE)                                  |
| dbt              | dbt's loader of profiles.yml, with its Jinja, for each profile and target              |
| ini              | configparser.RawConfigParser                                                           |
| ini_interpolated | configparser.ConfigParser, to which % means something                                  |
| json             | json                                                                                   |
| kubeconfig       | the Kubernetes client, for each context                                                |
| netrc            | Python's netrc, with which requests and pip read                                       |
| odbc             | unixODBC's libodbcinst, for each data source (ODBCINI)                                 |
| pg_service       | libpq, for each service (PGSERVICEFILE)                                                |
| pgpass           | libpq (PGPASSFILE): what it sends to a server that asks for a password, for each line  |
| pip_conf         | `pip config list` (PIP_CONFIG_FILE)                                                    |
| properties       | javaproperties: no Java, but it reads as java.util.Properties does                     |
| snowflake_toml   | the Snowflake connector's configuration manager (SNOWFLAKE_HOME)                       |
| toml             | tomllib                                                                                |
| yaml             | PyYAML                                                                                 |
"""

import argparse
import ast
import configparser
import contextlib
import ctypes
import importlib.util
import json
import netrc
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import tomllib

NOWHERE = "/nonexistent"


def main() -> int:
    """Runs the command line; returns the exit code."""
    reader, file, *connections = sys.argv[1:] if len(sys.argv) > 2 else ("", "")
    if reader not in READERS or (connections and (reader != "pgpass" or len(connections) % 4)):
        print(__doc__, file=sys.stderr)
        return 2
    more = [list(zip(*[iter(connections)] * 4))] if connections else []
    print(json.dumps(READERS[reader](pathlib.Path(file).absolute(), *more), sort_keys=True))
    return 0


@contextlib.contextmanager
def environment(**variables: str):
    """Sets environment variables for a while, for C libraries too."""
    before = os.environ.copy()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def named(name: str, file: pathlib.Path):
    """Yields a directory where the file has the only name its program looks for."""
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(file, os.path.join(directory, name))
        yield directory


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def pgpass(file: pathlib.Path, connections: list | None = None) -> dict:
    """What libpq sends for each connection (host, port, dbname, user); by default, for each line of the file."""
    said = {}
    for host, port, dbname, user in pgpass_lines(file) if connections is None else connections:
        with environment(PGPASSFILE=str(file)), FakePostgres(int(port)) as server:
            server.be_called(host=host, port=port, dbname=dbname, user=user)
        said[f"{user}@{host}:{port}/{dbname}"] = server.heard
    return said


def pgpass_lines(file: pathlib.Path):
    """Yields the connections that the lines are for: says what to ask libpq, not what libpq makes of it."""
    for line in file.read_text(encoding="utf-8").split("\n"):
        fields, escaped = [""], False
        for character in line:
            if character == ":" and not escaped:
                fields.append("")
            elif character != "\\" or escaped:
                fields[-1] += character
            escaped = character == "\\" and not escaped
        if len(fields) >= 5 and not line.startswith("#"):
            host, port, dbname, user = fields[:4]
            yield host, "5432" if port == "*" else port, "any" if dbname == "*" else dbname, user


class FakePostgres:
    """A server that asks for the password in clear text, hears it and hangs up."""

    def __init__(self, port: int) -> None:
        # libpq looks up the very port that it connects to, so that's where this must listen. Each process has a
        # loopback address of its own: whatever else runs here, the port is free.
        pid = os.getpid()
        self.address = f"127.{1 + pid // 62500 % 250}.{1 + pid // 250 % 250}.{1 + pid % 250}"
        self.heard = {"user": None, "database": None, "password": None}
        self.listener = socket.create_server((self.address, port))
        self.listener.settimeout(600)
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> "FakePostgres":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join()
        self.listener.close()

    def be_called(self, **parameters: str) -> None:
        """Makes libpq connect; `hostaddr` leads it here whatever the host."""
        import psycopg

        here = {"hostaddr": self.address, "sslmode": "disable", "gssencmode": "disable", "connect_timeout": "600"}
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(**parameters, **here)

    def serve(self) -> None:
        """Takes one connection."""
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as stream:
            words = [word.decode() for word in self.payload(stream)[4:].split(b"\0")]
            self.heard |= {key: value for key, value in zip(words[::2], words[1::2]) if key in self.heard}
            connection.sendall(b"R" + struct.pack("!ii", 8, 3))
            if stream.read(1) == b"p":  # otherwise libpq has no password and hangs up
                self.heard["password"] = self.payload(stream)[:-1].decode()

    @staticmethod
    def payload(stream) -> bytes:
        """Reads a message's length and the rest."""
        return stream.read(struct.unpack("!i", stream.read(4))[0] - 4)


def pg_service(file: pathlib.Path) -> dict:
    """The parameters that libpq connects with for each service, its defaults among them.

    The connection is only begun: that is when libpq reads the file.
    """
    import psycopg

    said = {}
    for service in section_names(file):
        with environment(PGSERVICEFILE=str(file), PGSERVICE=service, PGPASSFILE=NOWHERE):
            connection = psycopg.pq.PGconn.connect_start(b"hostaddr=127.0.0.1")
            if connection.status == psycopg.pq.ConnStatus.BAD:
                raise SystemExit(f"pg_service: {service}: {connection.get_error_message()}")
            parameters = {option.keyword.decode(): option.val for option in connection.info if option.val is not None}
            connection.finish()
        ours = ("hostaddr", "passfile", "service", "servicefile")
        said[service] = {key: value.decode() for key, value in parameters.items() if key not in ours}
    return said


def section_names(file: pathlib.Path) -> list[str]:
    """The names in brackets: whom to ask for."""
    lines = file.read_text(encoding="utf-8").split("\n")
    return [line.strip()[1:-1] for line in lines if line.startswith("[") and line.strip().endswith("]")]


# --- INI and its relatives ------------------------------------------------------------------------------------------


def ini(file: pathlib.Path) -> dict:
    """Every section; % is nothing special."""
    return ini_with(configparser.RawConfigParser(), file)


def ini_interpolated(file: pathlib.Path) -> dict:
    """Every section; %% is a % and %(name)s another value."""
    return ini_with(configparser.ConfigParser(), file)


def ini_with(parser: configparser.RawConfigParser, file: pathlib.Path) -> dict:
    """What the parser says."""
    parser.read_string(file.read_text(encoding="utf-8"))
    return {section: dict(parser.items(section)) for section in parser.sections()}


def aws_credentials(file: pathlib.Path) -> dict:
    """What boto3 signs with under each profile."""
    import boto3

    os_wide = {"AWS_CONFIG_FILE": NOWHERE, "AWS_EC2_METADATA_DISABLED": "true"}
    with environment(AWS_SHARED_CREDENTIALS_FILE=str(file), **os_wide):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            os.environ.pop(name, None)
        said = {}
        for profile in boto3.Session().available_profiles:
            session = boto3.Session(profile_name=profile)
            signs_with = session.get_credentials().get_frozen_credentials()
            said[profile] = {"region": session.region_name} | signs_with._asdict()
    return said


def pip_conf(file: pathlib.Path) -> dict:
    """What pip says of the options in the file, as `section.option`; it has others from the machine's own files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    # pip reads the file in the locale's encoding.
    settings = {"PIP_CONFIG_FILE": str(file), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1", "HOME": NOWHERE}
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, env=kept | settings, capture_output=True, check=True)
    lines = [line.partition("=") for line in done.stdout.decode().splitlines()]
    asked = {f"{section}.{option}".replace("_", "-") for section, options in ini(file).items() for option in options}
    return {key: ast.literal_eval(value) for key, _, value in lines if key in asked}


def odbc(file: pathlib.Path) -> dict:
    """What a driver that asks unixODBC finds in each data source."""
    with environment(ODBCINI=str(file), ODBCSYSINI=NOWHERE):
        ask = odbcinst_asker()
        return {
            source: {key: ask(source, key)[0] for key in ask(source, None)}
            for source in ask(None, None)
            if source != "ODBC Data Sources"
        }


def odbcinst_asker():
    """Returns unixODBC's SQLGetPrivateProfileString: the value of a key, the keys of a section, the sections.

    The wheel with Microsoft's driver is the only one that brings libodbcinst. That wants libltdl for things which are
    of no use here, and which a machine need not have: a copy wants libc in its place.
    """
    package = pathlib.Path(importlib.util.find_spec("mssql_python_odbc").origin).parent
    # The build for RHEL, since its symbols are only looked up when they are called.
    [library] = (package / "libs/linux/rhel").glob("*/lib/libodbcinst.so.2")
    content = library.read_bytes().replace(b"\0libltdl.so.7\0", b"\0libc.so.6\0\0\0\0")
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(content)
        copy.flush()
        odbcinst = ctypes.CDLL(copy.name, os.RTLD_LAZY)

    def ask(section: str | None, key: str | None) -> list[str]:
        buffer = ctypes.create_string_buffer(1 << 16)
        words = [word if word is None else word.encode() for word in (section, key)]
        size = odbcinst.SQLGetPrivateProfileString(*words, b"", buffer, len(buffer), b"odbc.ini")
        said = buffer.raw[: max(size, 0)].decode()
        return said.split("\0")[: None if section and key else -1]

    return ask


# --- the others -----------------------------------------------------------------------------------------------------


def netrc_file(file: pathlib.Path) -> dict:
    """The three words for each machine."""
    hosts = netrc.netrc(str(file)).hosts
    return {host: dict(zip(("login", "account", "password"), words)) for host, words in hosts.items()}


def properties(file: pathlib.Path) -> dict:
    """Every key."""
    import javaproperties

    # ISO 8859-1 is what Properties.load(InputStream) takes; readers of UTF-8 see the same while it is ASCII.
    return javaproperties.loads(file.read_bytes().decode("ascii"))


def yaml(file: pathlib.Path) -> dict:
    """The document."""
    from yaml import safe_load

    return safe_load(file.read_bytes())


def toml(file: pathlib.Path) -> dict:
    """The document."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def json_file(file: pathlib.Path) -> dict:
    """The document."""
    return json.loads(file.read_bytes())


def snowflake_toml(file: pathlib.Path) -> dict:
    """The connections that `snowflake.connector.connect(connection_name=…)` knows."""
    with named("connections.toml", file) as home, environment(SNOWFLAKE_HOME=home):
        # Imported here, where it finds its directory.
        from snowflake.connector.config_manager import CONFIG_MANAGER

        return json.loads(json.dumps(CONFIG_MANAGER["connections"]))


def kubeconfig(file: pathlib.Path) -> dict:
    """What the Kubernetes client talks to the server with, in each context."""
    from kubernetes import config

    said = {}
    for context in config.list_kube_config_contexts(str(file))[0]:
        settings = config.new_client_from_config(str(file), context["name"]).configuration
        said[context["name"]] = {
            "host": settings.host,
            "authorization": [way["value"] for way in settings.auth_settings().values()],
            "certificate_authority": pathlib.Path(settings.ssl_ca_cert).read_text() if settings.ssl_ca_cert else None,
            "verify_ssl": settings.verify_ssl,
            "namespace": context["context"].get("namespace"),
        }
    return said


def dbt(file: pathlib.Path) -> dict:
    """The credentials dbt connects with, for each profile and target."""
    from dbt.config.profile import Profile, read_profile
    from dbt.config.renderer import ProfileRenderer
    from dbt.flags import set_from_args

    with named("profiles.yml", file) as directory:
        set_from_args(argparse.Namespace(PROFILES_DIR=directory, SEND_ANONYMOUS_USAGE_STATS=False), None)
        raw = read_profile(directory)
        return {
            profile: {
                target: Profile.from_raw_profiles(
                    raw, profile, ProfileRenderer({}), target_override=target
                ).credentials.to_dict(omit_none=True)
                for target in raw[profile]["outputs"]
            }
            for profile in raw
            if profile != "config"
        }


READERS = {
    "aws_credentials": aws_credentials,
    "dbt": dbt,
    "ini": ini,
    "ini_interpolated": ini_interpolated,
    "json": json_file,
    "kubeconfig": kubeconfig,
    "netrc": netrc_file,
    "odbc": odbc,
    "pg_service": pg_service,
    "pgpass": pgpass,
    "pip_conf": pip_conf,
    "properties": properties,
    "snowflake_toml": snowflake_toml,
    "toml": toml,
    "yaml": yaml,
}

if __name__ == "__main__":
    sys.exit(main())
