"""The live backend, as it is, looks up all conn_ids that it is given. One process here; in a deployment each task pays alone."""

import json
import os
import pathlib

from airflow_aws_shared_secrets.secret_manager import SharedSecretsManagerBackend

backend = SharedSecretsManagerBackend(connections_prefix="airflow/connections", shared_account="222222222222")
conn_ids = pathlib.Path(os.environ["CONN_IDS_FILE"]).read_text().split()
connections = {conn_id: backend.get_connection(conn_id).get_uri() for conn_id in conn_ids}
with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
    json.dump(connections, file)
