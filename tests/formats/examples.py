#!/usr/bin/env python3.11
"""Are examples/templates/*.j2, rendered from their secrets.yaml, read as what the secrets say?

    examples.py RENDERED_DIR

Runs inside the environment of requirements-formats.txt. A rendered file has its template's name without `.j2`; it is
read by the program it is for (readers.py). What must come out is worked out here from secrets.yaml, by Airflow's rules
for URIs and JSON secrets, and not by the program under test. Prints a line for each file; exits with 1 if any differs.
"""

import os
import pathlib
import sys
import urllib.parse

import yaml

import readers

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "templates"
SECRETS = yaml.safe_load((TEMPLATES / "secrets.yaml").read_text(encoding="utf-8"))["own"]
FIELDS = ("conn_type", "host", "login", "password", "port", "schema")


def main() -> int:
    """Runs the command line; returns the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    rendered = pathlib.Path(sys.argv[1])
    templates = {template.name.removesuffix(".j2") for template in TEMPLATES.glob("*.j2")}
    if templates != EXAMPLES.keys():
        print(f"examples.py: no check, or no template, for {sorted(templates ^ EXAMPLES.keys())}", file=sys.stderr)
        return 1
    return max(check(rendered / name, *EXAMPLES[name]) for name in sorted(EXAMPLES))


def check(file: pathlib.Path, reader: str, expected) -> int:
    """Reads one file and compares; returns what to exit with."""
    try:
        said = readers.READERS[reader](file.absolute())
    except Exception as error:  # whatever a foreign library finds wrong with the file is the answer
        print(f"{file.name}: {reader} cannot read it: {type(error).__name__}: {error}")
        return 1
    wrong = list(differences(expected(), said))
    for line in wrong:
        print(f"{file.name}: {reader}: {line}")
    if not wrong:
        print(f"{file.name} ok: {reader} reads {', '.join(map(str, said))}")
    return 1 if wrong else 0


def differences(expected: object, said: object, where: str = ""):
    """Yields what is not as expected. A program may have more to say of an entry (defaults), not more entries."""
    if not isinstance(expected, dict) or not isinstance(said, dict):
        if expected != said or type(expected) is not type(said):
            yield f"{where or 'all'}: {said!r}, expected {expected!r}"
        return
    more = sorted(said.keys() - expected.keys()) if not where else []
    if more:
        yield f"not expected: {more}"
    for key, value in expected.items():
        if key not in said:
            yield f"{where}/{key}: missing, expected {value!r}"
        else:
            yield from differences(value, said[key], f"{where}/{key}")


# --- what the secrets say -------------------------------------------------------------------------------------------


def connection(conn_id: str) -> dict:
    """The connection's fields, None where it has none, and its extra."""
    secret = SECRETS[f"airflow/connections/{conn_id}"]
    if isinstance(secret, dict):
        return {"extra": {}} | dict.fromkeys(FIELDS) | secret
    uri = urllib.parse.urlsplit(secret)
    place = uri.netloc.rpartition("@")[2].partition(":")[0]  # .hostname would be in small letters
    values = {
        "conn_type": uri.scheme,
        "host": urllib.parse.unquote(place),
        "login": urllib.parse.unquote(uri.username or ""),
        "password": urllib.parse.unquote(uri.password or ""),
        "port": uri.port,
        "schema": urllib.parse.unquote(uri.path[1:]),
    }
    return values | {"extra": dict(urllib.parse.parse_qsl(uri.query, keep_blank_values=True))}


def variable(name: str) -> str:
    """The variable's value."""
    return SECRETS[f"airflow/variables/{name}"]


# --- what must be read from each file -------------------------------------------------------------------------------


def pgpass() -> dict:
    """What libpq sends, by connection."""
    said = {}
    for one in map(connection, ("warehouse", "reporting")):
        key = f"{one['login']}@{one['host']}:{one['port'] or 5432}/{one['schema']}"
        said[key] = {"user": one["login"], "database": one["schema"], "password": one["password"]}
    return said


def pg_service() -> dict:
    """libpq's parameters, by service."""
    return {
        conn_id: {
            "host": one["host"],
            "port": str(one["port"] or 5432),
            "dbname": one["schema"],
            "user": one["login"],
            "password": one["password"],
            "sslmode": one["extra"].get("sslmode", "require"),
        }
        for conn_id, one in ((conn_id, connection(conn_id)) for conn_id in ("warehouse", "reporting"))
    }


def dbt() -> dict:
    """dbt's credentials."""
    one = connection("warehouse")
    credentials = {
        "host": one["host"],
        "port": one["port"],
        "user": one["login"],
        "password": one["password"],
        "database": one["schema"],
        "schema": one["extra"]["search_path"],
        "sslmode": one["extra"]["sslmode"],
    }
    return {"warehouse": {"prod": credentials}}


def odbc() -> dict:
    """What unixODBC hands to the driver. psqlODBC decodes the password itself, so it is quoted here."""
    one = connection("warehouse")
    return {
        "warehouse": {
            "Driver": "PostgreSQL Unicode",
            "Servername": one["host"],
            "Port": str(one["port"]),
            "Database": one["schema"],
            "Username": one["login"],
            "Password": urllib.parse.quote(one["password"], safe="-._~"),
            "SSLmode": one["extra"]["sslmode"],
        }
    }


def aws_credentials() -> dict:
    """What boto3 signs with, by profile."""
    return {
        profile: {
            "access_key": one["login"],
            "secret_key": one["password"],
            "token": one["extra"].get("aws_session_token"),
            "region": one["extra"]["region_name"],
        }
        for profile, one in (("default", connection("aws_default")), ("archive", connection("aws_archive")))
    }


def pip_conf() -> dict:
    """pip's options; those of the machine are in its own files."""
    one = connection("pypi")
    login, password = (urllib.parse.quote(one[field], safe="-._~") for field in ("login", "password"))
    repository = urllib.parse.quote(variable("pypi_repository"), safe="-._~")
    return {
        "global.index-url": f"https://{login}:{password}@{one['host']}:{one['port']}/{repository}/simple",
        "global.timeout": "30",
        "install.no-cache-dir": "true",
    }


def netrc() -> dict:
    """The words, by machine."""
    return {
        one["host"]: {"login": one["login"], "account": "", "password": one["password"]}
        for one in map(connection, ("pypi", "artifacts"))
    }


def kubeconfig() -> dict:
    """What the client talks to the cluster with."""
    one = connection("k8s_batch")
    return {
        "batch": {
            "host": f"{one['host']}:{one['port']}",
            "authorization": [f"Bearer {one['password']}"],
            "certificate_authority": one["extra"]["ca_certificate"],
            "namespace": os.environ.get("BATCH_NAMESPACE", one["extra"]["namespace"]),
        }
    }


def application() -> dict:
    """The keys of the Java service."""
    one = connection("warehouse")
    schema = urllib.parse.quote(one["schema"], safe="-._~")
    return {
        "spring.datasource.url": f"jdbc:postgresql://{one['host']}:{one['port']}/{schema}",
        "spring.datasource.username": one["login"],
        "spring.datasource.password": one["password"],
        "app.banner": variable("maintenance_banner"),
        "sentry.dsn": SECRETS["airflow/config/sentry_dsn"],
    }


def snowflake() -> dict:
    """The connector's parameters."""
    one = connection("snowflake")
    extra = one["extra"]
    return {
        "prod": {
            "account": extra["account"],
            "user": one["login"],
            "password": one["password"],
            "warehouse": extra["warehouse"],
            "database": extra["database"],
            "schema": one["schema"],
            "role": extra.get("role", "PUBLIC"),
            "session_parameters": {"QUERY_TAG": extra["query_tag"]},
        }
    }


EXAMPLES = {
    "application.properties": ("properties", application),
    "aws_credentials": ("aws_credentials", aws_credentials),
    "dbt_profiles.yml": ("dbt", dbt),
    "kubeconfig.yaml": ("kubeconfig", kubeconfig),
    "netrc": ("netrc", netrc),
    "odbc.ini": ("odbc", odbc),
    "pg_service.conf": ("pg_service", pg_service),
    "pgpass": ("pgpass", pgpass),
    "pip.conf": ("pip_conf", pip_conf),
    "snowflake_connections.toml": ("snowflake_toml", snowflake),
}

if __name__ == "__main__":
    sys.exit(main())
