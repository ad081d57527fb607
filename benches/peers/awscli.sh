#!/usr/bin/env bash
# The AWS command line: list, then a process for each batch of twenty. Needs `aws` in PATH.
set -euo pipefail
export AWS_PAGER=
aws secretsmanager list-secrets --filters Key=name,Values=airflow/connections/ --query 'SecretList[].ARN' --output text |
    tr '\t' '\n' |
    xargs -n 20 aws secretsmanager batch-get-secret-value --query 'SecretValues[].[Name, SecretString]' \
        --output json --secret-id-list > "$OUTPUT.batches"
python3 -c 'import json, sys
decoder, text, at, values = json.JSONDecoder(), open(sys.argv[1]).read(), 0, {}
while text[at:].strip():
    batch, end = decoder.raw_decode(text[at:].lstrip())
    at = len(text) - len(text[at:].lstrip()) + end
    values |= dict(batch)
json.dump(values, open(sys.argv[2], "w"))' "$OUTPUT.batches" "$OUTPUT"
