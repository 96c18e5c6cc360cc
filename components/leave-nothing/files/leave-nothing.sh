# Runs in the hook's pod: POSIX sh, curl, grep and sed, nothing else.
# $1: ifUnused, delete or keep. $2: Istio's namespace. $3: release of the CRDs.
# $4: the CRDs, `plural.group/version` each.
set -u
api=${API:-https://kubernetes.default.svc}
account=${ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}
failed=''

# The agent's name keeps the API server from indenting JSON, as it does for curl.
call() {
  curl --silent --show-error --fail --max-time 20 --user-agent leave-nothing \
    --cacert "$account/ca.crt" --header "Authorization: Bearer $(cat "$account/token")" "$@"
}

gone() { # whether there is no object at a path
  [ "$(call --output /dev/null --write-out '%{http_code}' "$api$1" 2>/dev/null)" = 404 ]
}

remove() {
  call --output /dev/null --request DELETE "$api$1" || gone "$1" || failed="$failed $1"
}

# istiod writes these into every namespace, with this label.
for file in istio-ca-root-cert istio-ca-crl; do
  query="fieldSelector=metadata.name%3D$file&labelSelector=istio.io%2Fconfig%3Dtrue"
  found=$(call "$api/api/v1/configmaps?$query") || failed="$failed $file"
  for namespace in $(echo "$found" | grep -o '"namespace":"[^"]*"' | sed 's|.*:"||; s|"$||'); do
    remove "/api/v1/namespaces/$namespace/configmaps/$file"
  done
done

[ "$1" = keep ] && set -- "$1" "$2" "$3" ''
removed=''
for entry in $4; do
  crd=${entry%/*} plural=${entry%%.*}
  group=${crd#*.} path=/apis/apiextensions.k8s.io/v1/customresourcedefinitions/$crd
  gone "$path" && continue
  found=$(call --header 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' \
    "$api$path") || { failed="$failed $crd"; continue; }
  case $found in *"\"meta.helm.sh/release-name\":\"$3\""*) ;; *) continue ;; esac
  case $found in *"\"meta.helm.sh/release-namespace\":\"$2\""*) ;; *) continue ;; esac
  if [ "$1" != delete ]; then
    # What is left now was not created by the stack. A list that fails keeps the CRD.
    objects=$(call "$api/apis/$group/${entry##*/}/$plural?limit=1") || { failed="$failed $crd"; continue; }
    case $objects in
      *'"items":[]'*) ;;
      *) echo "kept: CRD $crd, because objects of users are left"; continue ;;
    esac
  fi
  remove "$path"
  removed="$removed $path"
done

for path in $removed; do
  try=0
  until gone "$path" || [ "$try" -ge 100 ]; do try=$((try + 1)); sleep 0.2; done
  gone "$path" || failed="$failed $path"
done
[ -z "$failed" ] || { echo "not removed:$failed"; exit 1; }
