# What the scripts share.  Source it: . "$(dirname "$0")/lib.sh"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bin="${SLIPWAY_BIN:-$root/build/release/bin}"
# Debian's programs first: other copies of aws or python3 in PATH may be of other versions.
export PATH="/usr/bin:/usr/sbin:/bin:/sbin:$PATH"
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=2G

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '== %s\n' "$*" >&2; }

# build PRESET [TARGET…]: configures and builds; quiet unless it fails or somebody looks on.
build() {
  local preset=$1; shift
  local targets=(); local t
  for t in "$@"; do targets+=(--target "$t"); done
  mkdir -p "$root/build"
  ( cd "$root" && cmake --preset "$preset" > "build/configure-$preset.log" 2>&1 ) || { cat "$root/build/configure-$preset.log" >&2; return 1; }
  ( cd "$root" && cmake --build --preset "$preset" "${targets[@]}" ) >&2
}

# Starts a Docker Engine of our own unless one answers.  Sets DOCKER_HOST and, when it started one, docker_pid.
# docker_start FOLDER
docker_start() {
  if [ -z "${DOCKER_HOST:-}" ] && docker version >/dev/null 2>&1; then
    export DOCKER_HOST=unix:///var/run/docker.sock
    return 0
  fi
  if [ -n "${DOCKER_HOST:-}" ] && docker version >/dev/null 2>&1; then return 0; fi
  docker_folder=$1
  mkdir -p "$docker_folder"
  # The socket's path has a short limit (108 bytes), so it does not live in FOLDER.
  docker_run=$(mktemp -d /tmp/slipway-docker.XXXXXX)
  export DOCKER_HOST="unix://$docker_run/docker.sock"
  # A bridge of its own: two engines on the usual one give the same addresses to different containers.
  docker_bridge="slw$(( RANDOM % 9000 + 1000 ))"
  ip link add name "$docker_bridge" type bridge
  ip addr add "10.$(( RANDOM % 40 + 200 )).$(( RANDOM % 250 )).1/24" dev "$docker_bridge"
  ip link set "$docker_bridge" up
  dockerd --data-root "$docker_folder/data" --exec-root "$docker_run/exec" --pidfile "$docker_run/docker.pid" \
    --bridge "$docker_bridge" -H "$DOCKER_HOST" --log-level warn > "$docker_folder/dockerd.log" 2>&1 < /dev/null &
  docker_pid=$!
  local i
  for i in $(seq 1 150); do
    docker version >/dev/null 2>&1 && return 0
    kill -0 "$docker_pid" 2>/dev/null || break
    sleep 0.2
  done
  echo "the Docker Engine did not start; its last words:" >&2
  tail -n 15 "$docker_folder/dockerd.log" >&2
  return 1
}

# Stops the engine that docker_start started, and only that one.
docker_stop() {
  [ -n "${docker_pid:-}" ] || return 0
  kill "$docker_pid" 2>/dev/null || true
  wait "$docker_pid" 2>/dev/null || true
  docker_pid=
  ip link del "$docker_bridge" 2>/dev/null || true
  rm -rf "$docker_run"
}
