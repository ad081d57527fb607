"""Whether an SBOM names the crates of the program: scripts/check-sbom.py SBOM.cdx.json Cargo.lock."""

import json
import sys
import tomllib

# Whatever the features: without these the program would be another.
CERTAIN = {
    "aws-sdk-secretsmanager",
    "aws-sdk-sts",
    "aws-lc-sys",
    "rustls",
    "tokio",
    "minijinja",
    "serde_json",
    "airflow-secrets-init",
}


def main() -> None:
    """Compares names and versions."""
    with open(sys.argv[1], encoding="utf-8") as file:
        components = json.load(file)["components"]
    with open(sys.argv[2], "rb") as file:
        locked = {(package["name"], package["version"]) for package in tomllib.load(file)["package"]}
    named = {(one["name"], one["version"]) for one in components if one.get("purl", "").startswith("pkg:cargo/")}
    unknown, missing = named - locked, CERTAIN - {name for name, _ in named}
    if unknown or missing:
        sys.exit(f"check-sbom: not in Cargo.lock: {sorted(unknown)}; not in the SBOM: {sorted(missing)}")
    print(f"SBOM: {len(named)} crates, each of Cargo.lock")


main()
