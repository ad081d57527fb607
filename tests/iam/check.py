#!/usr/bin/env python3
"""Checks what `iam` prints, with the checkers of others. Runs in the environment that environment.py makes.

    check.py DIRECTORY

DIRECTORY holds NAME.json and NAME.tf for each case: the same policies in both forms, placeholders and all. Each policy is
taken by parliament as a policy of AWS (grammar, names of actions and condition keys, form of ARNs); policy_sentry's data from
AWS's service authorization reference says which actions take a resource, and of which form; and python-hcl2 reads the
Terraform, out of which the very same policies come. First, policies with a mistake in them are seen to be found out.
"""

import copy
import json
import pathlib
import re
import sys
import warnings

import hcl2

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources, for which there is a lock file
    import parliament
from policy_sentry.querying.actions import get_action_data

# What stands for a placeholder. A name that is not here fails: nobody would know how to fill it in.
FILLED = {
    "OWN_ACCOUNT": "111111111111",
    "POD_ACCOUNT": "555555555555",
    "POD_ROLE": "path/airflow",
    "PUBLISHER_ROLE": "publisher",
    "OWN_REGION": "eu-central-1",
    "OWN_IDENTITY_ARN": "arn:aws:iam::111111111111:user/airflow",
    "OIDC_ISSUER": "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF",
    "NAMESPACE": "airflow",
    "SERVICE_ACCOUNT": "airflow-*",
}
KEY_ID = "01234567-89ab-cdef-0123-456789abcdef"

# A trust policy is about the role that it belongs to, and has no Resource; parliament asks for one everywhere.
OF_TRUST = {("MALFORMED", "Statement contains neither Resource nor NotResource")}
# parliament knows the four federation sources of old alone, and no condition keys that begin with an issuer.
OF_FEDERATION = {"UNKNOWN_FEDERATION_SOURCE", "UNKNOWN_CONDITION_FOR_ACTION"}
# Resources of every kind of ARN: in a policy of a resource, `*` is that resource.
ANY_RESOURCE = {"resource", "key"}
# Policies without a principal.
OF_IDENTITY = {"identity", "session"}


class Wrong(Exception):
    """Something about a policy."""


def main() -> int:
    """Runs the command line; returns the exit code."""
    directory = pathlib.Path(sys.argv[1])
    policies = 0
    cases = sorted(directory.glob("*.json"))
    try:
        mistakes_are_found()
        for case in cases:
            printed = json.loads(case.read_text("utf-8"))
            from_terraform = read_terraform(case.with_suffix(".tf").read_text("utf-8"), printed["placeholders"])
            names = [document["name"] for document in printed["documents"]]
            expect(names == list(from_terraform), f"{case.stem}: {names} in JSON, {list(from_terraform)} in Terraform")
            for document in printed["documents"]:
                place = f"{case.stem} {document['name']}"
                expect(
                    normal(document["policy"]) == normal(from_terraform[document["name"]]),
                    f"{place}: JSON and Terraform differ:\n{document['policy']}\n{from_terraform[document['name']]}",
                )
                check(filled(document, printed["placeholders"]), place)
                policies += 1
    except Wrong as wrong:
        print(f"check.py: {wrong}", file=sys.stderr)
        return 1
    print(f"{policies} policies of {len(cases)} cases")
    return 0 if policies else 1


def expect(holds: bool, message: str) -> None:
    """Raises Wrong unless it holds."""
    if not holds:
        raise Wrong(message)


def filled(document: dict, placeholders: dict) -> dict:
    """The document with something in each placeholder's place."""
    text = json.dumps(document)
    for name in sorted(placeholders, key=len, reverse=True):
        expect(name in text or name in str(placeholders), f"{name} is a placeholder of nothing")
        text = text.replace(name, KEY_ID if "KMS_KEY_ID" in name else FILLED.get(name, "?"))
    return json.loads(text)


def check(document: dict, place: str) -> None:
    """One document, filled in."""
    policy, form = document["policy"], document["form"]
    expect(list(policy) == ["Version", "Statement"] and policy["Version"] == "2012-10-17", f"{place}: {list(policy)}")
    sids = [statement["Sid"] for statement in policy["Statement"]]
    expect(len(set(sids)) == len(sids) > 0, f"{place}: {sids}")
    expect(all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids), f"{place}: {sids}")
    expect([about["sid"] for about in document["statements"]] == sids, f"{place}: what is said is about other statements")
    for about in document["statements"]:
        expect(about["needed_for"] and about["without_it"].startswith(("the ", "these ", "secrets ")), f"{place}: {about}")
    findings = parliament.analyze_policy_string(json.dumps(policy), ignore_private_auditors=True).findings
    for finding in findings:
        known = form == "trust" and (finding.issue, finding.detail) in OF_TRUST
        known = known or form in ANY_RESOURCE and finding.issue == "RESOURCE_STAR"
        known = known or finding.issue in OF_FEDERATION and "oidc-provider" in json.dumps(policy)
        expect(known, f"{place}: parliament: {finding.issue} {finding.detail} {finding.location}")
    limit = {"identity": 6144, "session": 2048, "trust": 2048, "endpoint": 20480, "resource": 20480, "key": 32768}[form]
    size = len(re.sub(r"\s", "", json.dumps(policy)))
    expect(size <= limit, f"{place}: {size} characters, {limit} are allowed")
    for statement in policy["Statement"]:
        check_statement(statement, form, f"{place} {statement['Sid']}")


def check_statement(statement: dict, form: str, place: str) -> None:
    """Principals where they belong, and resources of the action's kind."""
    expect(statement["Effect"] == "Allow" and isinstance(statement["Action"], str), f"{place}: {statement}")
    expect(("Principal" in statement) == (form not in OF_IDENTITY), f"{place}: principals")
    expect(("Resource" in statement) == (form != "trust"), f"{place}: resources")
    service, name = statement["Action"].split(":")
    rows = get_action_data(service, name)
    expect(rows, f"{place}: there is no action {statement['Action']}")
    formats = {row["resource_arn_format"] for row in rows[service]} - {"*"}
    resources = statement.get("Resource", [])
    for resource in [resources] if isinstance(resources, str) else resources:
        if resource == "*":
            # On everything only where AWS has nothing narrower, or where the policy belongs to one thing.
            expect(not formats or form in ANY_RESOURCE, f"{place}: {statement['Action']} on *")
        else:
            expect(formats, f"{place}: {statement['Action']} takes no resource, but has {resource}")
            expect(any(is_of(resource, arn) for arn in formats), f"{place}: {resource} is none of {formats}")


def is_of(arn: str, form: str) -> bool:
    """Whether an ARN is of the form that AWS's reference gives."""
    return re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", "[^:]+", re.escape(form)), arn) is not None


def read_terraform(text: str, placeholders: dict) -> dict:
    """The policies of the data sources, by name, with the names of placeholders in the places of variables."""
    parsed = hcl2.loads(text)
    variables = [unquoted(name) for block in parsed.get("variable", []) for name in block]
    expect(variables == [name.lower() for name in placeholders], f"{variables} are declared for {list(placeholders)}")
    documents = {}
    for block in parsed["data"]:
        ((kind, named),) = block.items()
        expect(unquoted(kind) == "aws_iam_policy_document", kind)
        ((name, body),) = named.items()
        documents[unquoted(name)] = {"Version": "2012-10-17", "Statement": [statement(one) for one in body["statement"]]}
    return documents


def statement(block: dict) -> dict:
    """What the AWS provider makes of a statement."""
    made = {"Sid": literal(block["sid"]), "Effect": "Allow", "Action": [literal(action) for action in block["actions"]]}
    if "resources" in block:
        made["Resource"] = [literal(resource) for resource in block["resources"]]
    for principals in block.get("principals", []):
        kind, who = literal(principals["type"]), [literal(who) for who in principals["identifiers"]]
        if kind == "*":
            made["Principal"] = "*"
        else:
            made.setdefault("Principal", {})[kind] = who
    for condition in block.get("condition", []):
        values = [literal(value) for value in condition["values"]]
        made.setdefault("Condition", {}).setdefault(literal(condition["test"]), {})[literal(condition["variable"])] = values
    return made


def unquoted(text: str) -> str:
    """Without the quotes that python-hcl2 leaves on."""
    return text.strip('"')


def literal(quoted: str) -> str:
    """The text of a quoted template: variables by their placeholders, IAM's own `&{` as `${`."""
    expect(quoted[0] == quoted[-1] == '"', quoted)
    text = re.sub(r"(?<!\$)\$\{var\.(\w+)\}", lambda match: match[1].upper(), quoted[1:-1])
    expect("${" not in text.replace("$${", ""), f"{quoted} refers to something else")
    return json.loads(f'"{text}"').replace("$${", "${").replace("%%{", "%{").replace("&{", "${")


def normal(value: object, key: str = "") -> object:
    """One text and a list of one mean the same."""
    if isinstance(value, dict):
        return {key: normal(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) if isinstance(inner, dict) else inner for inner in value]
    return value if key in ("Version", "Sid", "Effect", "Principal") else [value]


def mistakes_are_found() -> None:
    """Policies that AWS would refuse, or that would not do what they are for."""
    right = {
        "form": "identity",
        "policy": {
            "Version": "2012-10-17",
            "Statement": [
                {"Sid": "A", "Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"},
                {
                    "Sid": "B",
                    "Effect": "Allow",
                    "Action": "kms:Decrypt",
                    "Resource": f"arn:aws:kms:eu-central-1:111111111111:key/{KEY_ID}",
                    "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}},
                },
            ],
        },
        "statements": [{"sid": sid, "needed_for": "x", "without_it": "the run ends"} for sid in "AB"],
    }
    check(right, "a right policy")
    secret = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:a-??????"
    mistakes = [
        (0, {"Action": "secretsmanager:ListSecret"}),
        (0, {"Action": "secretsmanager:BatchGetSecretValue", "Resource": secret}),
        (0, {"Action": "secretsmanager:GetSecretValue"}),
        (0, {"Sid": "a b"}),
        (0, {"Effect": "Permit"}),
        (0, {"Principal": {"AWS": "arn:aws:iam::111111111111:role/x"}}),
        (1, {"Resource": secret}),
        (1, {"Resource": f"arn:aws:kms:eu-central-1:OWN_ACCOUNT:key/{KEY_ID}"}),
        (1, {"Condition": {"StringEqual": {"kms:ViaService": "x"}}}),
        (1, {"Condition": {"StringEquals": {"kms:ThroughService": "x"}}}),
    ]
    for place, mistake in mistakes:
        wrong = copy.deepcopy(right)
        wrong["policy"]["Statement"][place] |= mistake
        try:
            check(wrong, "")
        except Wrong:
            continue
        raise Wrong(f"nobody has found the mistake in {wrong['policy']['Statement'][place]}")


if __name__ == "__main__":
    sys.exit(main())
