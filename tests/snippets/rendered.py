#!/usr/bin/env python3.11
"""Puts each file of helm-snippets/ through Helm's own engine and looks at every pod that comes out. scripts/e2e-helm runs it.

    rendered.py RENDER    RENDER is the built program of tests/snippets/render

The charts are models (charts/): real ones can't be fetched from everywhere, and would bring a thousand lines that no snippet
touches. Each does with the keys of the snippets as the real chart of a version does: which pods have which lists, what is
evaluated, what replaces what, what the schema refuses. The version is set for each case.
"""

import base64
import concurrent.futures
import functools
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

import promises
import snippets
import spoil

HERE = pathlib.Path(__file__).resolve().parent
RENDER = str(pathlib.Path(sys.argv[1]).resolve())
RELEASE = "airflow"
# Of the official chart: braces in extra init containers stay as they are, so the file says to write "2".
BEFORE_EVALUATION = ("1.11.0", "1.13.1")
# What the README's short values do without, by the rules of promises.py.
LEFT_TO_THE_SNIPPETS = {"env", "init", "resources", "user", "version"}
LEFT_TO_THE_SNIPPETS |= {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem", "runAsNonRoot", "seccomp"}
CELERY, KUBERNETES, BOTH = ("CeleryExecutor",), ("KubernetesExecutor",), ("CeleryExecutor", "KubernetesExecutor")


class Wrong(Exception):
    """A pod or an answer that is not as it must be."""


def main():
    """All cases, two at a time; returns the exit code."""
    cases = [*good_cases(), *(functools.partial(case) for case in BAD)]
    wrong, pods, readers = 0, 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for case, future in [(case, pool.submit(case)) for case in cases]:
            try:
                seen = future.result() or (0, 0)
                pods, readers = pods + seen[0], readers + seen[1]
            except Wrong as problem:
                wrong += 1
                print(
                    f"{' '.join(map(str, getattr(case, 'args', ()))) or case.func.__name__}: {problem}", file=sys.stderr
                )
    print(f"{len(cases)} cases, {len(BAD)} of them of what goes wrong; {pods} pods, {readers} with the init container")
    return int(bool(wrong))


# ---- what must be right ------------------------------------------------------------------------------------------------


def good_cases():
    """Every snippet with the charts that it is for."""
    for on in (False, True):
        for version, airflow, executor in itertools.product(
            ("1.21.0", "1.22.0"), ("2.11.2", "3.1.8"), (CELERY, KUBERNETES, BOTH)
        ):
            yield functools.partial(official, "official-1.21.yaml", version, airflow, executor, on)
        for version, executor in itertools.product(
            ("1.11.0", "1.13.1", "1.15.0", "1.16.0", "1.19.0", "1.20.0"), (CELERY, KUBERNETES)
        ):
            yield functools.partial(official, "official-1.11.yaml", version, "2.10.5", executor, on)
        for version in ("1.16.0", "1.18.0", "1.20.0", "1.21.0"):
            yield functools.partial(official, "official-1.11.yaml", version, "3.0.6", BOTH, on)
        for name, executor in itertools.product(
            ("community-8.9.yaml", "community-8.9-keep-config.yaml"), (CELERY, KUBERNETES, BOTH)
        ):
            yield functools.partial(community, name, "8.9.0", executor, on)
        for version, executor in itertools.product(("8.8.0", "8.6.0"), (CELERY, KUBERNETES, BOTH)):
            yield functools.partial(community_patched, version, executor, on)
        yield functools.partial(community_patched, "8.5.2", CELERY, on)
        yield functools.partial(flux, on)
        yield functools.partial(whole_template, on)
    for executor in (CELERY, BOTH):
        for version in ("1.21.0", "1.22.0"):
            yield functools.partial(official, "official-1.21.yaml", version, "3.3.2", executor, snippets.REFRESH)
        for name in ("community-8.9.yaml", "community-8.9-keep-config.yaml"):
            yield functools.partial(community, name, "8.9.0", executor, snippets.REFRESH)
    for name, on in itertools.product(snippets.SNIPPETS, snippets.MODES):
        yield functools.partial(same_to_both_parsers, name, on)
    for chart, version, name in (
        ("official", "1.21.0", "official-1.21.yaml"),
        ("community", "8.9.0", "community-8.9.yaml"),
    ):
        yield functools.partial(pod_identity, chart, version, name)
        yield functools.partial(openshift, chart, version, name)
    for version, executor in itertools.product(("1.21.0", "1.22.0"), (CELERY, KUBERNETES, BOTH)):
        yield functools.partial(readme, version, executor)


def official(name, version, airflow, executor, on):
    """A snippet of the official chart."""
    text, more = values_text(name, on), {"executor": ",".join(executor), "airflowVersion": airflow}
    if version in BEFORE_EVALUATION:
        text = text.replace(snippets.AIRFLOW_VERSION, "2")
    expected = {"scheduler", "triggerer", "api-server" if airflow.startswith("3") else "webserver"}
    expected |= {"dag-processor"} if airflow.startswith("3") else set()
    return check(helm("official", version, text, more), expected | workers(executor), on)


def community(name, version, executor, on):
    """A snippet of the community chart."""
    more = {"airflow": {"executor": "".join(executor).replace("ExecutorK", "K")}}
    return check(
        helm("community", version, values_text(name, on), more),
        {"scheduler", "triggerer", "web"} | workers(executor),
        on,
    )


def community_patched(version, executor, on):
    """The one with a post-renderer."""
    more = {"airflow": {"executor": "".join(executor).replace("ExecutorK", "K")}}
    return check(post_rendered(version, more, on), {"scheduler", "triggerer", "web"} | workers(executor), on)


def post_rendered(version, more, on):
    """By the script, as Helm 3 runs it, and by the plugin, as Helm 4 does: they must make the same."""
    rendered = helm("community", version, values_text("community-8.8.yaml", on), more)
    script = snippets.HOME / "community-8.8" / "post-render.sh"
    environment = os.environ | {"KUSTOMIZE": f"{RENDER} kustomize"}
    by_script = run([script], rendered, environment)
    with tempfile.TemporaryDirectory() as plugins:
        (pathlib.Path(plugins) / "airflow-secrets-init").symlink_to(script.parent)
        by_plugin = run([RENDER, "plugin", plugins, "airflow-secrets-init"], rendered, environment)
    if by_script != by_plugin:
        raise Wrong("the plugin makes something else than the script")
    return by_script


def flux(on):
    """The HelmRelease. The two objects themselves go through kustomize too, since Flux or `kubectl apply -k` reads them so."""
    text = values_text("community-8.8/flux-helmrelease.yaml", on)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        (place / "release.yaml").write_text(text, encoding="utf-8")
        (place / "kustomization.yaml").write_text("resources: [release.yaml]\n", encoding="utf-8")
        read = snippets.documents(run([RENDER, "kustomize", place]))
    release = next(one for one in read if one["kind"] == "HelmRelease")
    if release["spec"] != snippets.documents(text)[1]["spec"]:
        raise Wrong("kustomize reads the HelmRelease in another way")
    return check(released(on), {"scheduler", "triggerer", "web", "worker"}, on)


def released(on):
    """The values of the HelmRelease through the chart that it names, then its patches by kustomize, which is what Flux does."""
    release = snippets.documents(values_text("community-8.8/flux-helmrelease.yaml", on))[1]
    chart, values = release["spec"]["chart"]["spec"], release["spec"]["values"]
    rendered = helm("community", chart["version"], json.dumps(values), {})
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        (place / "rendered.yaml").write_text(rendered, encoding="utf-8")
        patches = release["spec"]["postRenderers"][0]["kustomize"]["patches"]
        kustomization = {"resources": ["rendered.yaml"], "patches": patches}
        (place / "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        return run([RENDER, "kustomize", place])


def whole_template(on):
    """The pod template, given to both charts as a whole."""
    text = values_text("pod-template.yaml", on)
    for chart, version, values in (
        ("official", "1.21.0", {"executor": KUBERNETES[0], "podTemplate": text}),
        (
            "community",
            "8.9.0",
            {"airflow": {"executor": KUBERNETES[0], "kubernetesPodTemplate": {"stringOverride": text}}},
        ),
    ):
        pods, *around = parts(helm(chart, version, "{}", values))
        if pods["task"] != snippets.documents(text)[0]:
            raise Wrong(f"the {chart} chart makes something else of the template")
        fail_on(promises.of_reader(pods["task"], *around[:2], whole=True))


def same_to_both_parsers(name, on):
    """Helm's parser finds what PyYAML finds, anchors and merge keys included."""
    for text, found in zip(
        values_text(name, on).split("\n---\n"), snippets.documents(values_text(name, on)), strict=True
    ):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            if json.loads(run([RENDER, "values", file.name])) != found:
                raise Wrong("Helm reads the file in another way")


def pod_identity(chart, version, name):
    """As the README says it: no annotation. Then no service account names a role, and the rest is as it was."""
    text = re.sub(r"annotations: .*\n +eks.amazonaws.com/role-arn: .*", "annotations: {}", values_text(name))
    rendered = helm(chart, version, text, {})
    with_role = helm(chart, version, values_text(name), {})
    if snippets.ROLE in rendered or parts(rendered)[:3] != parts(with_role)[:3]:
        raise Wrong("more than the annotation changes, or it is still there")


def openshift(chart, version, name):
    """As the README says it: without user and group. The init container still passes the level "restricted"."""
    text = re.sub(r"\n +runAs(User|Group): .*", "", values_text(name))
    pods, secrets, airflow_cfg, _ = parts(helm(chart, version, text, {}))
    for pod in (pods["scheduler"], pods["worker"]):
        del pod["spec"]["securityContext"]
        rules = {problem.split(":")[0] for problem in promises.of_reader(pod, secrets, airflow_cfg)}
        if rules != {"user"}:
            raise Wrong(f"{sorted(rules)} are broken")


def readme(version, executor):
    """The short values of the README: every pod that looks connections up reads the file; what the text under them says is left to the
    files of helm-snippets/ is all that is missing."""
    values = readme_values()
    if values.count("\n") > 25:
        raise Wrong("the short values have more than 25 lines")
    more = {"executor": ",".join(executor), "airflowVersion": "3.3.2"}
    pods, secrets, airflow_cfg, _ = parts(helm("official", version, values, more))
    for name in {"scheduler", "triggerer", "dag-processor", "api-server"} | workers(executor):
        rules = {problem.split(":")[0] for problem in promises.of_reader(pods[name], secrets, airflow_cfg)}
        if rules != LEFT_TO_THE_SNIPPETS:
            raise Wrong(f"{name}: {sorted(rules)}")


def readme_values():
    """The first YAML of the README's section on Kubernetes."""
    text = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
    return re.search(r"## Kubernetes\n.*?```yaml\n(.*?)```", text, re.DOTALL).group(1)


def workers(executor):
    """The pods that an executor brings."""
    return {"worker" if kind == "CeleryExecutor" else "task" for kind in executor}


# ---- what goes wrong, as the README of helm-snippets/ says ----------------------------------------------------------------


def newer_community_file_on_an_older_chart():
    """Keys that the chart does not know are ignored without a word."""
    pods, *_ = parts(
        helm(
            "community",
            "8.8.0",
            values_text("community-8.9.yaml"),
            {"airflow": {"executor": "CeleryKubernetesExecutor"}},
        )
    )
    expect_init(pods, {"scheduler", "task"})


def patch_forgotten():
    """The values for 8.8 without the post-renderer: no deployment has the init container."""
    pods, *_ = parts(
        helm(
            "community",
            "8.8.0",
            values_text("community-8.8.yaml"),
            {"airflow": {"executor": "CeleryKubernetesExecutor"}},
        )
    )
    expect_init(pods, {"task"})


def newer_official_file_on_an_older_chart():
    """`workers.kubernetes` is taken and ignored by 1.19 and 1.20; before, both keys are refused."""
    more = {"executor": "CeleryExecutor,KubernetesExecutor"}
    for version in ("1.19.0", "1.20.0"):
        pods, *_ = parts(helm("official", version, values_text("official-1.21.yaml"), more))
        expect_init(pods, {"scheduler", "triggerer", "dag-processor", "api-server", "worker"})
    for section in ("celery", "kubernetes"):
        refused(json.dumps({"workers": {section: {"extraInitContainers": [{"name": "x"}]}}}), section, "1.18.0")


def pod_template_of_the_community_chart_before_it_had_init_containers():
    """`airflow.kubernetesPodTemplate.extraInitContainers` is ignored before 8.6.0, and a whole template is what helps."""
    more = {"airflow": {"executor": "KubernetesExecutor"}}
    pods, *_ = parts(post_rendered("8.5.2", more, on=False))
    expect_init(pods, {"scheduler", "web", "triggerer"})
    more["airflow"]["kubernetesPodTemplate"] = {"stringOverride": values_text("pod-template.yaml")}
    pods, *_ = parts(post_rendered("8.5.2", more, on=False))
    expect_init(pods, {"scheduler", "web", "triggerer", "task"})


def wrong_version_of_airflow():
    """A major version beside an Airflow of 3.1.6 to 3.1.x is found; so is the other major beside any."""
    for said, airflow, sound in (
        ("3", "3.1.8", False),
        ("3", "3.3.2", True),
        ("3.1.8", "3.1.8", True),
        ("2", "3.3.2", False),
    ):
        text = values_text("official-1.21.yaml").replace(snippets.AIRFLOW_VERSION, said)
        pods, secrets, airflow_cfg, _ = parts(helm("official", "1.21.0", text, {"airflowVersion": airflow}))
        found = {problem.split(":")[0] for problem in promises.of_reader(pods["scheduler"], secrets, airflow_cfg)}
        if found != (set() if sound else {"version"}):
            raise Wrong(f"{said} for {airflow}: {sorted(found)}")


def global_init_containers_of_the_community_chart():
    """`airflow.extraInitContainers` reaches flower, and not the pods of the KubernetesExecutor."""
    container = {"name": promises.INIT, "image": promises.IMAGE}
    values = {"airflow": {"executor": "CeleryKubernetesExecutor", "extraInitContainers": [container]}}
    pods, *_ = parts(helm("community", "8.9.0", "{}", values))
    expect_init(pods, {"scheduler", "web", "triggerer", "worker", "flower"})


def kwargs_as_a_map():
    """The official chart's schema refuses it, in both places. The community chart prints it as Go does, and the pod is invalid."""
    for pattern in ("AWS_KWARGS", "READER_KWARGS"):
        refused(
            spoilt("official-1.21.yaml", pattern),
            "got object, want string" if pattern == "AWS_KWARGS" else "got object",
        )
    for pattern, word in (("AWS_KWARGS", "schema"), ("READER_KWARGS", "reader")):
        rendered = helm("community", "8.9.0", spoilt("community-8.9.yaml", pattern), {})
        pods, secrets, airflow_cfg, _ = parts(rendered)
        found = [*promises.of_reader(pods["scheduler"], secrets, airflow_cfg)]
        for resource in snippets.documents(rendered):
            found += promises.schema(resource, promises.VERSIONS[-1:]) if resource else ()
        if not any(problem.startswith(word) for problem in found):
            raise Wrong(f"{pattern} as a map: {found}")
        if pattern == "READER_KWARGS" and not secrets["airflow-config-envs"][promises.KWARGS].startswith("map["):
            raise Wrong(f"the kwargs are {secrets['airflow-config-envs'][promises.KWARGS]}")


def misspelt_key():
    """The official chart's schema refuses an unknown key in a section, and takes it in `workers.celery`."""
    refused(json.dumps({"scheduler": {"extraInitContainer": []}}), "extraInitContainer")
    helm("official", "1.21.0", json.dumps({"workers": {"celery": {"extraInitContainer": []}}}), {})


def sidecar_before_the_chart_knows_them():
    """`restartPolicy` in an extra init container is refused before 1.14."""
    values = json.dumps({"scheduler": {"extraInitContainers": [{"name": "x", "restartPolicy": "Always"}]}})
    refused(values, "restartPolicy", "1.13.1")
    helm("official", "1.14.0", values, {})


def lists_replace_lists():
    """A later values file with one of the lists takes the snippet's away."""
    more = {"scheduler": {"extraVolumes": [{"name": "mine", "emptyDir": {}}]}}
    pods, secrets, airflow_cfg, _ = parts(helm("official", "1.21.0", values_text("official-1.21.yaml"), more))
    if not any(problem.startswith("volume") for problem in promises.of_reader(pods["scheduler"], secrets, airflow_cfg)):
        raise Wrong("the volume is still there")


def env_beats_config():
    """Kwargs of AWS that are left in `env` win over `config.secrets`."""
    more = {"env": [{"name": promises.KWARGS, "value": '{"connections_prefix": "x"}'}]}
    pods, secrets, airflow_cfg, _ = parts(helm("official", "1.21.0", values_text("official-1.21.yaml"), more))
    if not any(problem.startswith("reader") for problem in promises.of_reader(pods["scheduler"], secrets, airflow_cfg)):
        raise Wrong("the file is read all the same")


def braces_in_pairs():
    """From 1.14 on they are evaluated, before they stay. And what the README says is the way around."""
    braces, around = "{{ .Release.Name }}", '{{ "{{" }}'
    for version, written, expected in (
        ("1.13.1", braces, braces),
        ("1.14.0", braces, RELEASE),
        ("1.21.0", around, "{{"),
    ):
        text = values_text("official-1.11.yaml").replace('"airflow/connections"', f'"{written}"')
        text = text.replace(snippets.AIRFLOW_VERSION, "2.9.3")
        pods, *_ = parts(helm("official", version, text, {"airflowVersion": "2.9.3"}))
        env = promises.environment(pods["scheduler"]["spec"]["initContainers"][-1], {})
        if json.loads(env[promises.KWARGS])["connections_prefix"] != expected:
            raise Wrong(f"{version}: {env[promises.KWARGS]}")


BAD = [
    newer_community_file_on_an_older_chart,
    patch_forgotten,
    newer_official_file_on_an_older_chart,
    pod_template_of_the_community_chart_before_it_had_init_containers,
    wrong_version_of_airflow,
    global_init_containers_of_the_community_chart,
    kwargs_as_a_map,
    misspelt_key,
    sidecar_before_the_chart_knows_them,
    lists_replace_lists,
    env_beats_config,
    braces_in_pairs,
]


def spoilt(name, pattern):
    """A snippet with its kwargs as a map."""
    entry = next(entry for entry in spoil.SPOILT if entry[1] is getattr(spoil, pattern) and "a map" in entry[0])
    return entry[1].sub(entry[2], values_text(name))


def refused(text, word, version="1.21.0"):
    """The official chart does not take these values, and says why."""
    try:
        helm("official", version, text, {})
    except Wrong as problem:
        if word not in str(problem):
            raise Wrong(f"refused, but not for {word}: {problem}") from problem
        return
    raise Wrong(f"not refused: {word}")


def expect_init(pods, expected):
    """Exactly these pods have the init container."""
    found = {
        name for name, pod in pods.items() if promises.INIT in {one["name"] for one in promises.containers(pod["spec"])}
    }
    if found != expected:
        raise Wrong(f"the init container is in {sorted(found)}, not in {sorted(expected)}")


# ---- rendering and reading ------------------------------------------------------------------------------------------------


def values_text(name, on=False):
    """A snippet's text, as it is or with its optional lines."""
    text = snippets.read(name)
    return snippets.switched_on(text, on) if on else text


def helm(chart, version, values, more):
    """The manifests, which Helm 3 and Helm 4 must make alike."""
    with tempfile.TemporaryDirectory() as place:
        files = [pathlib.Path(place) / name for name in ("values.yaml", "more.yaml")]
        for file, text in zip(files, (values, json.dumps(more)), strict=True):
            file.write_text(text, encoding="utf-8")
        rendered = {run([RENDER, major, HERE / "charts" / chart, version, RELEASE, *files]) for major in ("3", "4")}
    if len(rendered) != 1:
        raise Wrong("Helm 3 and Helm 4 make different manifests")
    return rendered.pop()


def run(command, stdin="", environment=None):
    """What a command prints."""
    ended = subprocess.run(
        list(map(str, command)), input=stdin, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise Wrong(ended.stderr.strip())
    return ended.stdout


def parts(rendered):
    """The pods by what they are for, the data of Secrets, airflow.cfg, and the service accounts by name."""
    pods, secrets, airflow_cfg, accounts = {}, {}, "", {}
    for one in filter(None, snippets.documents(rendered)):
        name = one["metadata"]["name"].removeprefix(f"{RELEASE}-")
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            pods[name] = one["spec"]["template"]
        elif one["kind"] == "Secret":
            data = {key: base64.b64decode(value).decode() for key, value in one["data"].items()}
            secrets[one["metadata"]["name"]] = data
        elif one["kind"] == "ServiceAccount":
            accounts[one["metadata"]["name"]] = one
        elif one["kind"] == "ConfigMap":
            airflow_cfg = one["data"].get("airflow.cfg", airflow_cfg)
            for key in ("pod_template_file.yaml", "pod_template.yaml"):
                if key in one["data"]:
                    pods["task"] = yaml.load(one["data"][key], yaml.CSafeLoader)
    return pods, secrets, airflow_cfg, accounts


def check(rendered, expected, on):
    """Exactly the expected pods have what the snippets promise, all others have nothing of it, and all is valid."""
    pods, secrets, airflow_cfg, accounts = parts(rendered)
    found = []
    if missing := expected - set(pods):
        raise Wrong(f"the chart makes no {sorted(missing)}")
    for name, pod in pods.items():
        if name not in expected:
            found += [f"{problem} (pod of {name})" for problem in promises.of_other(pod)]
            continue
        found += [f"{problem} (pod of {name})" for problem in promises.of_reader(pod, secrets, airflow_cfg)]
        annotated = promises.SKIP in (pod["metadata"].get("annotations") or {})
        if annotated != (on == snippets.ON):
            found.append(f"skip: {name} has the annotation, or has it not")
        account = accounts[pod["spec"]["serviceAccountName"]]
        if snippets.ROLE not in account["metadata"].get("annotations", {}):
            found.append(f"account: that of {name} has no role")
    for one in [*filter(None, snippets.documents(rendered)), *([pods["task"]] if "task" in pods else [])]:
        found += valid(json.dumps(one, sort_keys=True))
    # What the README counts with grep. kustomize writes the pod template in another way.
    if "# Source:" in rendered and (
        counted := len(re.findall(r"name: airflow-secrets-init$", rendered, re.MULTILINE))
    ) != len(expected):
        found.append(f"count: {counted} lines name the init container")
    fail_on(found)
    return len(pods), len(expected)


@functools.cache
def valid(resource):
    """What the schemas say; most resources come out again and again. Sidecars are for the versions that know them."""
    goes_on = '"SECRETS_INIT_REFRESH"' in resource
    versions = [version for version in promises.VERSIONS if not goes_on or snippets.has_sidecars(version)]
    return tuple(promises.schema(json.loads(resource), versions))


def fail_on(found):
    """Nothing may be found."""
    if found := list(found):
        raise Wrong("; ".join(found))


if __name__ == "__main__":
    sys.exit(main())
