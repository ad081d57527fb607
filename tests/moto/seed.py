"""Fills a running moto_server (argument: its URL) for tests/moto.rs: an own account and a role's account."""

import sys

import boto3

OWN = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
ROLE = "arn:aws:iam::222222222222:role/reader"


def client(service: str, keys: dict):
    """A client of the server in the region of the test."""
    return boto3.client(service, endpoint_url=sys.argv[1], region_name="eu-central-1", **keys)


own = client("secretsmanager", OWN)
# Three pages of names, and neighbours that share the prefix's beginning.
for number in range(250):
    own.create_secret(Name=f"airflow/connections/n{number:03}", SecretString=f"mysql://u:p@own{number}/db")
for number in range(30):
    own.create_secret(Name=f"airflow/variables/v{number:02}", SecretString=f"own {number}")
own.create_secret(Name="airflow/config/sql", SecretString="postgres://own")
own.create_secret(Name="airflow/connections_old/x", SecretString="mysql://u:p@old/db")
own.create_secret(Name="airflow/connections/json", SecretString='{"conn_type": "http", "port": "80", "extra": {"b": 1.50, "a": 1}}')
own.create_secret(Name="airflow/connections/binary", SecretBinary=b"mysql://u:p@binary/db")
own.create_secret(Name="airflow/connections/deleted", SecretString="mysql://u:p@deleted/db")
own.delete_secret(SecretId="airflow/connections/deleted", RecoveryWindowInDays=7)

session = client("sts", OWN).assume_role(RoleArn=ROLE, RoleSessionName="seed")["Credentials"]
keys = {
    "aws_access_key_id": session["AccessKeyId"],
    "aws_secret_access_key": session["SecretAccessKey"],
    "aws_session_token": session["SessionToken"],
}
shared = client("secretsmanager", keys)
for name in ("n000", "shared_only", "binary", "deleted"):
    shared.create_secret(Name=f"airflow/core/{name}", SecretString="mysql://u:p@shared/db")
for name in ("v00", "shared_only"):
    shared.create_secret(Name=f"airflow/shared/{name}", SecretString="shared")
