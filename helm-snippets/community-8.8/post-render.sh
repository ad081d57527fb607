#!/bin/sh
# Adds the init container to what Helm has rendered: stdin to stdout.
#   Helm 3: helm upgrade ... --post-renderer helm-snippets/community-8.8/post-render.sh
#   Helm 4: helm plugin install helm-snippets/community-8.8, then helm upgrade ... --post-renderer airflow-secrets-init
# Needs kubectl, or KUSTOMIZE='kustomize build'.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cp "$here/kustomization.yaml" "$here/add-init-container.yaml" "$work"   # kustomize reads nothing outside of its directory
cat >"$work/rendered.yaml"
${KUSTOMIZE:-kubectl kustomize} "$work"
