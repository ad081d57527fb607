"""One lookup as the live backend makes it, with boto3.

Preloaded once and forked for each case. What a client is made of is that of apache-airflow-providers-amazon 9.39.0:
secrets/secrets_manager.py (SecretsManagerBackend.client), utils/connection_wrapper.py (AwsConnectionWrapper) and
hooks/base_aws.py (BaseSessionFactory), without Airflow around it.
"""

import datetime
import getpass
import json
import os
import sys

import boto3
import botocore.config
import botocore.credentials
import botocore.loaders
import botocore.session
import botocore.tokens
import botocore.utils
from dateutil.tz import tzlocal

LOADER = botocore.loaders.Loader()
# Read before the fork, so that no case reads them again.
for _service in ("secretsmanager", "sts", "sso", "sso-oidc"):
    for _kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
        try:
            LOADER.load_service_model(_service, _kind)
        except botocore.exceptions.UnknownServiceError:
            raise
        except botocore.exceptions.DataNotFoundError:
            pass
for _name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
    LOADER.load_data(_name)

# What the backend takes for itself (SecretsManagerBackend.__init__).
OF_THE_BACKEND = (
    "connections_prefix", "connections_lookup_pattern", "variables_prefix", "variables_lookup_pattern", "config_prefix",
    "config_lookup_pattern", "sep", "extra_conn_words",
)  # fmt: skip


def run(environment: dict[str, str], kwargs: dict, result: str) -> None:
    """Looks one secret up in this environment and writes what came of it into the file `result`."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(environment.get("HOME", "/"))
    # Made at import time from the home directory of whoever imported it.
    cache = os.path.expanduser(os.path.join("~", ".aws", "sso", "cache"))
    botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR = cache
    botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR = cache
    # No verdict hangs on waiting, and nobody is there to type a code.
    botocore.utils.ContainerMetadataFetcher.SLEEP_TIME = 0
    getpass.getpass = _nobody_is_there
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    try:
        _client(dict(kwargs)).get_secret_value(SecretId="airflow/connections/x")
        outcome = {"found": True}
    except BaseException as error:  # pylint: disable=broad-exception-caught  # whatever it is, it is the outcome
        outcome = {"found": False, "error": type(error).__name__, "message": str(error)[:300]}
    with open(result, "w", encoding="utf-8") as file:
        json.dump(outcome, file)


def _nobody_is_there(*_arguments: object, **_how: object) -> str:
    raise EOFError("nobody is there to type a code")


def _client(kwargs: dict):
    for key in OF_THE_BACKEND:
        kwargs.pop(key, None)
    api_version, use_ssl = kwargs.pop("api_version", None), kwargs.pop("use_ssl", None)
    wrapper = _Wrapper(kwargs)
    client_kwargs = {
        "region_name": wrapper.region_name,
        "verify": kwargs.get("verify"),
        "endpoint_url": kwargs.get("endpoint_url"),
        "api_version": api_version,
        "use_ssl": use_ssl,
    }
    return wrapper.session().client(service_name="secretsmanager", **_without_none(client_kwargs))


def _without_none(values: dict) -> dict:
    return {key: value for key, value in values.items() if value is not None}


class _Wrapper:
    """AwsConnectionWrapper and BaseSessionFactory in one."""

    def __init__(self, extra: dict):
        self.extra = extra
        session_kwargs = extra.get("session_kwargs") or {}
        key, secret = extra.get("aws_access_key_id"), extra.get("aws_secret_access_key")
        if not (key and secret):
            of_session = session_kwargs.get("aws_access_key_id"), session_kwargs.get("aws_secret_access_key")
            if all(of_session):
                key, secret = of_session
        self.keys = key, secret, extra.get("aws_session_token") or session_kwargs.get("aws_session_token")
        self.region_name = extra.get("region_name")
        self.config = botocore.config.Config(**extra["config_kwargs"]) if extra.get("config_kwargs") else None
        self.role_arn = extra.get("role_arn") or None
        self.method = extra.get("assume_role_method", "assume_role")
        self.role_kwargs = extra.get("assume_role_kwargs") or {}

    def session(self) -> boto3.session.Session:
        if not self.role_arn:
            return self.basic_session()
        if self.method == "assume_role_with_web_identity":
            credentials = self.web_identity()
        elif self.method == "assume_role":
            credentials = botocore.credentials.RefreshableCredentials.create_from_metadata(
                metadata=self.assume_role(), refresh_using=self.assume_role, method="sts-assume-role"
            )
        else:
            raise NotImplementedError(self.method)
        session = _botocore_session()
        session._credentials = credentials  # pylint: disable=protected-access  # as the provider does
        session.set_config_variable("region", self.basic_session().region_name)
        return boto3.session.Session(botocore_session=session, **_without_none({"region_name": self.region_name}))

    def basic_session(self) -> boto3.session.Session:
        key, secret, token = self.keys
        session_kwargs = {
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "aws_session_token": token,
            "region_name": self.region_name,
            "profile_name": self.extra.get("profile_name"),
        }
        return boto3.session.Session(botocore_session=_botocore_session(), **_without_none(session_kwargs))

    def sts_endpoint(self) -> str | None:
        return self.extra.get("service_config", {}).get("sts", {}).get("endpoint_url")

    def assume_role(self) -> dict:
        sts = self.basic_session().client("sts", config=self.config, endpoint_url=self.sts_endpoint())
        session_name = {"RoleSessionName": "Airflow_SecretsManagerBackend__connection"}
        answer = sts.assume_role(**{**session_name, **self.role_kwargs, "RoleArn": self.role_arn})["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }

    def web_identity(self) -> botocore.credentials.DeferredRefreshableCredentials:
        federation = str(self.extra.get("assume_role_with_web_identity_federation"))
        if federation != "file":
            raise RuntimeError(f"Unsupported federation: {federation}.")
        session, endpoint = self.basic_session(), self.sts_endpoint()

        def creator(service_name, **how):
            config = how.pop("config", None)
            if self.config:
                config = self.config.merge(config) if config else self.config
            return session.client(service_name, config=config, endpoint_url=endpoint, **how)

        file = self.extra.get("assume_role_with_web_identity_token_file") or os.getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
        fetcher = botocore.credentials.AssumeRoleWithWebIdentityCredentialFetcher(
            client_creator=creator,
            web_identity_token_loader=botocore.utils.FileWebIdentityTokenLoader(file),
            role_arn=self.role_arn,
            extra_args=self.role_kwargs,
        )
        fetcher.feature_ids = set()
        return botocore.credentials.DeferredRefreshableCredentials(
            method="assume-role-with-web-identity",
            refresh_using=fetcher.fetch_credentials,
            time_fetcher=lambda: datetime.datetime.now(tz=tzlocal()),
        )


def _botocore_session() -> botocore.session.Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", LOADER)
    return session


if __name__ == "__main__":
    sys.exit("live.py is loaded by differential.py")
