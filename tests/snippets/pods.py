#!/usr/bin/env python3.11
"""Prints every pod that the ways to deploy come to, as JSON: scripts/e2e-kubelet runs them. pods.py RENDER, as rendered.py.

A list of {source, name, airflow, pod, secrets, airflow_cfg, role}: the pod as the chart renders it, with the data of the Secrets and
the airflow.cfg that it refers to and the AWS role of its service account.
"""

import json
import pathlib
import sys

import yaml

import promises
import rendered
import snippets

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
# The two that tests/airflow has, of what the files are for.
AIRFLOW_2, AIRFLOW_3 = "2.8.1", "3.3.2"


def main():
    """All of them, in the order of the README's table."""
    found = []
    for on in snippets.MODES:
        how = {snippets.AS_IT_IS: "", snippets.ON: " with all options", snippets.REFRESH: " with refresh"}[on]
        for source, airflow, text in charts(on):
            found += of_chart(f"{source}{how}", airflow, text)
        if on == snippets.REFRESH:
            continue
        template = snippets.documents(rendered.values_text("pod-template.yaml", on))[0]
        source = f"pod-template.yaml{' with all options' if on else ''}"
        found.append(entry(source, "task", AIRFLOW_3, template, role="arn:aws:iam::111122223333:role/airflow"))
    found += [of_workload("job.yaml", "job"), of_workload("cronjob.yaml", "cronjob"), *compose()]
    json.dump(found, sys.stdout)


def charts(on):
    """Each snippet by the chart that it is for, with every executor that it serves: (file, Airflow, manifests)."""
    both = {"executor": "CeleryExecutor,KubernetesExecutor"}
    for name, version, airflow in (
        ("official-1.21.yaml", "1.21.0", AIRFLOW_3),
        ("official-1.11.yaml", "1.20.0", AIRFLOW_2),
        ("official-1.11.yaml", "1.11.0", AIRFLOW_2),
    ):
        if lacks(name, on):
            continue
        values = rendered.values_text(name, on)
        if version in rendered.BEFORE_EVALUATION:
            values = values.replace(snippets.AIRFLOW_VERSION, "2")
        text = rendered.helm("official", version, values, both | {"airflowVersion": airflow})
        yield f"{name} on {version}", airflow, text
    if not on:
        values = rendered.readme_values()
        yield "README.md", AIRFLOW_3, rendered.helm("official", "1.21.0", values, both | {"airflowVersion": AIRFLOW_3})
    more = {"airflow": {"executor": "CeleryKubernetesExecutor", "image": {"tag": AIRFLOW_2}}}
    for name in ("community-8.9.yaml", "community-8.9-keep-config.yaml"):
        if lacks(name, on):
            continue
        yield name, AIRFLOW_2, rendered.helm("community", "8.9.0", rendered.values_text(name, on), more)
    if lacks("community-8.8.yaml", on):
        return
    yield "community-8.8.yaml", AIRFLOW_2, rendered.post_rendered("8.8.0", more, on)
    yield "flux-helmrelease.yaml", AIRFLOW_2, rendered.released(on)


def lacks(name, on):
    """Whether it would be looked at as a sidecar, and has none."""
    return on == snippets.REFRESH and name not in snippets.HAVE_REFRESH


def of_chart(source, airflow, text):
    """The pods of a release that look connections up; the others have nothing of ours, which rendered.py holds."""
    pods, secrets, airflow_cfg, accounts = rendered.parts(text)
    for name, pod in pods.items():
        if any(one["name"] == promises.INIT for one in promises.containers(pod["spec"])):
            account = accounts[pod["spec"]["serviceAccountName"]]
            role = account["metadata"]["annotations"][snippets.ROLE]
            yield entry(source, name, airflow, pod, secrets, airflow_cfg, role)


def of_workload(file, name):
    """The pod of a Job or CronJob of examples/kubernetes."""
    documents = snippets.documents((EXAMPLES / "kubernetes" / file).read_text(encoding="utf-8"))
    job = next(one for one in documents if one["kind"] in ("Job", "CronJob"))["spec"]
    pod = job.get("jobTemplate", {"spec": job})["spec"]["template"]
    account = next(one for one in documents if one["kind"] == "ServiceAccount")
    annotations = account["metadata"]["annotations"]
    pod["metadata"] = {
        "annotations": {promises.SKIP: annotations[promises.SKIP]} if promises.SKIP in annotations else {}
    }
    return entry(file, name, AIRFLOW_3, pod, role=annotations[snippets.ROLE])


def compose():
    """The services of examples/compose as the containers of a pod: the one-shot runs first, the others when it has succeeded."""
    for major, airflow in (("2", AIRFLOW_2), ("3", AIRFLOW_3)):
        for store in ("file-store", "aws"):
            read = [
                yaml.load((EXAMPLES / "compose" / f"{name}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)[
                    "services"
                ]
                for name in (f"airflow-{major}", store)
            ]
            one_shot, *services = read[0].items()
            # All of them once; two are enough to see the other store.
            services = services if store == "file-store" else services[:2]
            environment = one_shot[1]["environment"] | read[1][one_shot[0]]["environment"]
            yield {
                "source": f"compose: airflow-{major}.yaml, {store}.yaml",
                "name": store,
                "airflow": airflow,
                "one_shot": one_shot[1] | {"environment": environment},
                "services": dict(services),
            }


def entry(source, name, airflow, pod, secrets=None, airflow_cfg="", role=""):
    """One of the list."""
    return {
        "source": source,
        "name": name,
        "airflow": airflow,
        "pod": pod,
        "secrets": secrets or {},
        "airflow_cfg": airflow_cfg,
        "role": role,
    }


if __name__ == "__main__":
    main()
