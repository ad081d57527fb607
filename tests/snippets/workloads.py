#!/usr/bin/env python3.11
"""Checks the Jobs and CronJobs of examples/kubernetes: workloads.py FILE ...

Every document by the schemas of Kubernetes from 1.29 on, every container at the Pod Security level "restricted", and
what is promised of the program's own container.
"""

import pathlib
import sys

import yaml

import promises

# Before 1.29 the schema, by mistake, wanted conditions beside exit codes in each rule of a podFailurePolicy.
VERSIONS = [version for version in promises.VERSIONS if int(version.split(".")[1]) >= 29]


def main():
    """Says what is wrong; returns the exit code."""
    wrong = [problem for file in sys.argv[1:] for problem in problems(pathlib.Path(file))]
    print("\n".join(wrong), file=sys.stderr)
    return int(bool(wrong))


def problems(file):
    """What is wrong with a file."""
    documents = list(yaml.load_all(file.read_text(encoding="utf-8"), yaml.CSafeLoader))
    workloads = [one for one in documents if one["kind"] in ("Job", "CronJob")]
    if len(workloads) != 1:
        yield f"{file.name}: {len(workloads)} workloads"
    accounts = {one["metadata"]["name"] for one in documents if one["kind"] == "ServiceAccount"}
    for document in documents:
        yield from (f"{file.name}: {problem}" for problem in promises.schema(document, VERSIONS))
    for workload in workloads:
        job = workload["spec"]["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else workload["spec"]
        pod = {"metadata": {}, **job["template"]}
        spec = pod["spec"]
        for name, rule in promises.RESTRICTED.items():
            yield from (f"{file.name}: {name}: {found}" for found in rule(pod, promises.containers(spec)))
        if spec["serviceAccountName"] not in accounts:
            yield f"{file.name}: the service account is not one of the file's"
        [ours] = [container for container in promises.containers(spec) if container["name"] == promises.INIT]
        others = [container for container in promises.containers(spec) if container is not ours]
        if ours["image"] != promises.IMAGE or not ours["securityContext"].get("readOnlyRootFilesystem"):
            yield f"{file.name}: another image, or its root can be written to"
        if not ours["resources"]["limits"].get("memory") or not ours["resources"]["requests"].get("cpu"):
            yield f"{file.name}: no limits"
        if not all(mount.get("readOnly") for other in others for mount in other["volumeMounts"]):
            yield f"{file.name}: somebody else can write to the volume"
        if others and not all(
            volume["emptyDir"]["medium"] == "Memory" and volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"]
        ):
            yield f"{file.name}: secrets on a disk"


if __name__ == "__main__":
    sys.exit(main())
