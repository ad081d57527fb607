"""What each file costs: 1,000 connections and 1,000 variables through every built-in template, and through one of 50 lines.

    python3 benches/outputs.py [--program PATH] [--runs N] [--entries N]

From a file store, so that nothing is waited for. Each row is a whole run that writes that file alone; the last column sets
it beside the JSON file of the same entries. Medians over the runs of one process each, from exec to exit, as the kernel counts
them (wait4). They say how the rows relate to each other on this machine, not how fast another machine is.
"""

import argparse
import json
import pathlib
import tempfile

import lab

HEADINGS = ["file", "bytes", "wall ms", "CPU ms", "peak MiB", "x .json"]
FIELDS = ["conn_type", "host", "login", "password", "schema"]


def secrets(entries: int) -> dict:
    """Connections with every field and variables, as a platform has them."""
    own = {}
    for number in range(entries):
        own[f"airflow/connections/c{number:05}"] = {
            "conn_type": "postgres",
            "host": f"db{number}.data.example.com",
            "login": f"user{number}",
            "password": f"p@ss/w\"ord'{number}$#%",
            "schema": "analytics",
            "port": "5432",
            "extra": {"sslmode": "require", "keepalives": 1, "options": "-c search_path=mart"},
        }
        own[f"airflow/variables/v{number:05}"] = f"a value with \"quotes\" and {number}"
    return {"own": own}


def fifty_lines() -> str:
    """A template of 50 lines, nearly all of them run for each connection."""
    body = [f"{field}{n} = {{{{ c.{field} | tojson }}}}" for n in range(8) for field in FIELDS]
    body += [
        "port = {{ c.port | default(5432) }}",
        "{% if c.extra.sslmode is defined %}",
        "sslmode = {{ c.extra.sslmode | ini }}",
        "{% endif %}",
        "uri = {{ c.uri }}",
        "token = {{ (c.login ~ ':' ~ c.password) | b64encode }}",
        "url = {{ c.login | urlencode }}:{{ c.password | urlencode }}@{{ c.host }}",
    ]
    return "\n".join(["{% for id, c in connections.items() %}", "[{{ id }}]", *body, "{% endfor %}"]) + "\n"


def rows(program: pathlib.Path, runs: int, entries: int) -> list[list[str]]:
    """One row a file."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / "secrets.json").write_text(json.dumps(secrets(entries)), encoding="ascii")
        template = fifty_lines()
        assert template.count("\n") == 50, template.count("\n")
        (directory / "fifty.j2").write_text(template, encoding="ascii")
        files = {
            "connections.json": ("CONNECTIONS_FILE", None, "connections.json"),
            "connections.yaml": ("CONNECTIONS_FILE", None, "connections.yaml"),
            "connections.env": ("CONNECTIONS_FILE", None, "connections.env"),
            "template of 50 lines": ("TEMPLATES", "fifty.j2", "fifty.txt"),
            "airflow.env, with variables": ("AIRFLOW_ENV_FILE", None, "airflow.env"),
            "airflow.list, with variables": ("AIRFLOW_ENV_FILE", None, "airflow.list"),
            "variables.json": ("VARIABLES_FILE", None, "variables.json"),
            "variables.yaml": ("VARIABLES_FILE", None, "variables.yaml"),
            "variables.env": ("VARIABLES_FILE", None, "variables.env"),
        }
        measured = {row: lab.Row() for row in files}
        for _ in range(runs):
            for row, (setting, source, target) in files.items():
                path = directory / target
                path.unlink(missing_ok=True)
                env = {
                    "AIRFLOW__SECRETS__BACKEND_KWARGS": "{}",
                    "SECRETS_INIT_STORE": f"file:{directory}/secrets.json",
                    "SECRETS_INIT_CONNECTIONS_FILE": "none",
                    "SECRETS_INIT_ON_INVALID": "error",
                    "SECRETS_INIT_LOG": "error",
                }
                env[f"SECRETS_INIT_{setting}"] = f"{directory}/{source}={path}" if source else str(path)
                measured[row].add(lab.measure([program], env), {"by_operation": {}, "connections_opened": 0})
        made = []
        for row, (setting, source, target) in files.items():
            one = measured[row]
            base = measured["variables.json" if setting == "VARIABLES_FILE" else "connections.json"]
            figures = [f"{one.wall_ms:.1f}", f"{one.cpu_ms:.1f}", f"{one.peak_mib:.1f}", f"{one.cpu_ms / base.cpu_ms:.2f}"]
            made.append([row, str((directory / target).stat().st_size), *figures])
        return made


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=lab.PROGRAM)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--entries", type=int, default=1000)
    options = parser.parse_args()
    lab.prepare()
    print(lab.table(HEADINGS, rows(options.program, options.runs, options.entries)))


if __name__ == "__main__":
    main()
