# What the end-to-end tests share: a region of their own, and checks that say what they saw.
. "$(dirname "${BASH_SOURCE[0]}")/../../script/lib.sh"
slipway="$bin/slipway" checks=0 broken=0

ok() { checks=$((checks + 1)); echo "ok $*"; }
broke() { broken=$((broken + 1)); echo "FAILED $*"; }
# expect NAME PATTERN COMMAND…: the command's output (both streams) must match the extended regular expression.
expect() {
  local name=$1 pattern=$2 said; shift 2
  said=$("$@" 2>&1 | tr '\n' ' ' | sed 's/ *$//') || true
  if grep -Eq -- "$pattern" <<< "$said"; then ok "$name"; else broke "$name: expected /$pattern/, got: ${said:0:400}"; fi
}
# region PORT LISTEN: starts one with the example; everything of it goes when the script ends.  SLIPWAY_UP: further options
# of `slipway up`; SLIPWAY_YAML: further lines of its configuration.
region() {
  port=$1 listen=$2
  work=$(mktemp -d /tmp/slipway-e2e.XXXXXX)
  export SLIPWAY_STATE="$work/state" DOCKER_CONFIG="$work/docker-config" AWS_PAGER=
  trap region_end EXIT
  trap 'exit 130' INT TERM
  docker_start "$work/docker"
  sed -e "s/^    listen: 8080/    listen: $listen/" "$root/examples/where-car/slipway.yaml" > "$work/slipway.yaml"
  echo "${SLIPWAY_YAML:-}" >> "$work/slipway.yaml"
  "$slipway" up --config "$work/slipway.yaml" --port "$port" --detach ${SLIPWAY_UP:-}
  mkdir "$work/image"
  cp "$bin/where_car" "$root/examples/where-car/Dockerfile" "$work/image/"
}
region_end() {
  local status=$?
  trap - EXIT
  "$slipway" down > /dev/null 2>&1 || true
  docker_stop
  rm -rf "$work"
  exit "$status"
}
aws() { "$slipway" aws "$@"; }
login() { aws ecr get-login-password | docker login --username AWS --password-stdin "localhost:$port" > /dev/null 2>&1; }
image() { DOCKER_BUILDKIT=0 docker build -q --build-arg VERSION="$1" -t "localhost:$port/${2:-where-car-backend}:latest" "$work/image" > /dev/null; }
finish() { echo "$checks checks passed, $broken failed"; [ "$broken" -eq 0 ]; }
