"""What a platform engineer writes in an afternoon: list, then batches of twenty, one call after the other."""

import json
import os

import boto3

PREFIX = "airflow/connections/"

client = boto3.client("secretsmanager")
pages = client.get_paginator("list_secrets").paginate(
    Filters=[{"Key": "name", "Values": [PREFIX]}], PaginationConfig={"PageSize": 100}
)
arns = [secret["ARN"] for page in pages for secret in page["SecretList"]]
connections = {}
for start in range(0, len(arns), 20):
    answer = client.batch_get_secret_value(SecretIdList=arns[start : start + 20])
    if answer.get("Errors"):
        raise SystemExit(answer["Errors"])
    for secret in answer["SecretValues"]:
        connections[secret["Name"].removeprefix(PREFIX)] = secret["SecretString"]
with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
    json.dump(connections, file)
