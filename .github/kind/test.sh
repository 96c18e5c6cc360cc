#!/usr/bin/env bash
# Isthmus with the real provider plugins on kind clusters. Needs Docker and internet access.
#
#   .github/kind/test.sh mesh        a mesh of two clusters and two networks: up, traffic, unchanged
#                                    preview, refresh, destroy; no object may be left behind
#   .github/kind/test.sh stand-ins   the tests of the stand-ins (tests/engine), run against the real
#                                    plugins; failures are differences
#
# Also needs go, kubectl, pulumi 3.259 and `make .venv`. Everything that it creates is named isthmus-… or
# is in .lab/kind, and is removed at the end, also after a failure. Results stay in .lab/kind/results.
set -euo pipefail

KIND=v0.32.0
CLOUD_PROVIDER=v0.11.1
KUBERNETES_PLUGIN=4.34.2 TLS_PLUGIN=5.6.2 GCP_PLUGIN=10.2.0 # as in requirements.txt

cd "$(dirname "$0")/../.."
work=$PWD/.lab/kind
results=$work/results
export KUBECONFIG=$work/kubeconfig
export PATH=$work/bin:$PWD/.venv/bin:$PATH
export PULUMI_BACKEND_URL=file://$work/state PULUMI_CONFIG_PASSPHRASE=kind PULUMI_SKIP_UPDATE_CHECK=true
clusters=()
balancer=

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

fail() {
  printf 'error: %s\n  next: %s\n' "$1" "$2" >&2
  exit 1
}

clean() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    for name in "${clusters[@]}"; do
      kind export logs --name "$name" "$results/$name" >/dev/null 2>&1 || true
    done
  fi
  [ -z "$balancer" ] || kill "$balancer" 2>/dev/null || true
  for name in "${clusters[@]}"; do
    kind delete cluster --name "$name" --quiet || true
    # Each load balancer is a separate container.
    docker ps --all --quiet --filter "label=io.x-k8s.cloud-provider-kind.cluster=$name" |
      xargs -r docker rm --force >/dev/null || true
  done
  rm -rf "$work/state" "$work/kubeconfig" Pulumi.kind.yaml
}

tools() {
  local missing=()
  for tool in docker go kubectl pulumi; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] || fail "not on PATH: ${missing[*]}" "install them, then run this again"
  [ -x .venv/bin/python ] || fail ".venv is not there" "run make .venv"
  docker info >/dev/null 2>&1 || fail "docker does not answer" "start its daemon"
  mkdir -p "$results" "$work/state" "$work/bin"
  say "tools: kind $KIND, cloud-provider-kind $CLOUD_PROVIDER, the plugins"
  GOBIN=$work/bin go install "sigs.k8s.io/kind@$KIND" "sigs.k8s.io/cloud-provider-kind@$CLOUD_PROVIDER"
  pulumi plugin install resource kubernetes "$KUBERNETES_PLUGIN"
  pulumi plugin install resource tls "$TLS_PLUGIN"
  pulumi plugin install resource gcp "$GCP_PLUGIN"
}

# cluster NAME NUMBER: on Docker's network for kind; the number gives it separate ranges.
cluster() {
  say "cluster $1: creating"
  clusters+=("isthmus-$1")
  kind create cluster --name "isthmus-$1" --wait 180s --quiet --config - <<YAML
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  podSubnet: 10.$((100 + $2)).0.0/16
  serviceSubnet: 10.$((200 + $2)).0.0/16
YAML
}

# The address of the API server for pods of other clusters; the kubeconfig has a local port.
api_server() {
  local address
  address=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' "isthmus-$1-control-plane")
  echo "https://$address:6443"
}

# objects CLUSTER: names of all objects, except those that Kubernetes writes all the time.
objects() {
  local kinds
  kinds=$(kubectl --context "kind-isthmus-$1" api-resources --verbs=list --output=name |
    grep -Ev '^(events|leases|componentstatuses|endpointslices|ipaddresses|pods\.metrics|nodes\.metrics)(\.|$)')
  local kind
  for kind in $kinds; do
    kubectl --context "kind-isthmus-$1" get "$kind" --all-namespaces --no-headers --ignore-not-found \
      --output=custom-columns="KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
  done | tr -s ' ' | sort
}

isthmus() { pulumi --non-interactive "$@" --stack kind; }

mesh() {
  cluster east 1
  cluster west 2
  say "load balancers"
  # Without the Gateway API: its CRDs would count as objects that Isthmus left.
  cloud-provider-kind --gateway-channel disabled >"$results/cloud-provider-kind.log" 2>&1 &
  balancer=$!
  cat >Pulumi.kind.yaml <<YAML
config:
  isthmus:mesh:
    id: kind
    istio: {version: 1.31.0, charts: "oci://ghcr.io/istio/release/charts"}
    mtls: strict
  isthmus:clusters:
    - name: east
      network: east-net
      kubeconfig: $KUBECONFIG
      context: kind-isthmus-east
      apiServer: {server: "$(api_server east)"}
    - name: west
      network: west-net
      kubeconfig: $KUBECONFIG
      context: kind-isthmus-west
      primary: east
      apiServer: {server: "$(api_server west)"}
  isthmus:sample: {enabled: true}
YAML
  for name in east west; do objects "$name" >"$results/$name.before"; done
  pulumi stack init kind

  say "up, with the traffic that proves it"
  isthmus up --yes --skip-preview --suppress-progress
  isthmus stack output verified

  say "no changes, before and after a refresh"
  isthmus preview --expect-no-changes --diff
  isthmus refresh --yes --skip-preview --expect-no-changes --diff
  isthmus preview --expect-no-changes --diff

  say "destroy"
  isthmus destroy --yes --skip-preview --suppress-progress
  for name in east west; do
    objects "$name" >"$results/$name.after"
    diff -u "$results/$name.before" "$results/$name.after" >"$results/$name.diff" ||
      fail "cluster $name is not as it was: $results/$name.diff" "find the component that created the remaining objects"
  done
  say "the clusters are as they were"
}

stand_ins() {
  cluster one 3
  # As in the lab, where these tests have controllers but no node that runs pods.
  kubectl --context kind-isthmus-one cordon isthmus-one-control-plane
  say "the tests of the stand-ins, with the real plugins"
  ISTHMUS_ENGINE_KUBECONFIG=$KUBECONFIG python -m pytest --junitxml="$results/engine.xml" \
    tests/engine/kubernetes_plugin tests/engine/test_tls.py ||
    fail "the real plugins differ from lab/stand_ins: $results/engine.xml" \
      "compare with 'What differs, on purpose' in lab/stand_ins/README.md; fix the stand-in if the difference is not listed there"
}

case ${1:-} in
  mesh | stand-ins) ;;
  *) fail "usage: $0 mesh|stand-ins" "name one of them" ;;
esac
trap clean EXIT
trap 'exit 130' INT TERM
tools
if [ "$1" = mesh ]; then mesh; else stand_ins; fi
