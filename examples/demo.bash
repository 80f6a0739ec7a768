# What the demos share: a folder and programs that are gone at the end, and a Consul agent. A demo.sh reads it after it has
# set:
#   program    what it shows
#   services   the names of its services; its service IDs begin with those
#   tag        the tag of its service instances
# It sets tmp, a folder; api, the agent's address; and three free ports: port, first and second.
PATH=$PATH:/usr/sbin

tmp=$(mktemp -d)
pids=()
ours= # whether the keys and services on the agent are ours
finish() {
  if [[ $ours ]]; then
    curl -s -X DELETE "$api/kv/service/$program/?recurse" >/dev/null || true
    for id in "${registered[@]}"; do deregister "$id" || true; done
  fi
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$tmp"
}
trap finish EXIT

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'demo: %s\n' "$*" >&2
  if [[ -e $tmp/lictor.log ]]; then tail -20 "$tmp/lictor.log" >&2; fi
  exit 1
}
for need in "$program" curl python3; do
  command -v "$need" >/dev/null || fail "$need is not installed"
done

# until_ok COMMAND waits until the command succeeds, at most a minute.
until_ok() {
  local end=$((SECONDS + 60))
  until "$@"; do
    ((SECONDS < end)) || fail "this did not succeed within a minute: $*"
    sleep 0.1
  done
}

if [[ -z ${LICTOR:-} ]]; then
  say "building lictor"
  LICTOR=$tmp/lictor
  (cd "$(dirname "${BASH_SOURCE[0]}")/.." && go build -o "$LICTOR" ./cmd/lictor)
fi

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) first=$(free_port) second=$(free_port)

if [[ -z ${CONSUL_HTTP_ADDR:-} ]]; then
  command -v consul >/dev/null || fail "consul is not installed; install it, or name an agent with CONSUL_HTTP_ADDR=HOST:PORT"
  http=$(free_port)
  CONSUL_HTTP_ADDR=127.0.0.1:$http
  say "starting a Consul agent on $CONSUL_HTTP_ADDR"
  consul agent -dev -node=demo -bind=127.0.0.1 -http-port="$http" -dns-port=-1 -grpc-port=-1 \
    -serf-lan-port="$(free_port)" -serf-wan-port="$(free_port)" -server-port="$(free_port)" >"$tmp/consul.log" 2>&1 &
  pids+=($!)
fi
api=http://${CONSUL_HTTP_ADDR#http://}/v1
has_leader() { curl -sf "$api/status/leader" 2>/dev/null | grep -q :; }
until_ok has_leader
[[ $(curl -s -o /dev/null -w '%{http_code}' "$api/kv/service/$program/?keys") == 404 ]] ||
  fail "the agent $CONSUL_HTTP_ADDR has keys below service/$program/ already; name another one"
for name in $services; do
  [[ $(curl -s "$api/catalog/service/$name") == "[]" ]] || fail "the agent $CONSUL_HTTP_ADDR has a service $name already; name another one"
done
registered=()
ours=yes

put() { curl -sf -X PUT --data-binary "$2" "$api/kv/service/$program/$1" >/dev/null; } # KEY VALUE

server() { # NAME PORT: a web server that says its name
  mkdir "$tmp/$1"
  echo "hello from $1" >"$tmp/$1/index.html"
  python3 -m http.server "$2" --bind 127.0.0.1 --directory "$tmp/$1" >/dev/null 2>&1 &
  pids+=($!)
}
register() { # ID SERVICE PORT
  curl -sf -X PUT "$api/agent/service/register" -d \
    "{\"ID\": \"$1\", \"Name\": \"$2\", \"Address\": \"127.0.0.1\", \"Port\": $3, \"Tags\": [\"$tag\"]}"
  registered+=("$1")
}
deregister() { curl -sf -X PUT "$api/agent/service/deregister/$1" >/dev/null; }

# run_lictor CONFIGURATION starts lictor; what it says is in $tmp/lictor.log.
run_lictor() {
  "$LICTOR" -config "$1" -log-level info >"$tmp/lictor.log" 2>&1 &
  pids+=($!)
}
