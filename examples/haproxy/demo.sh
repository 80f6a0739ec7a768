#!/usr/bin/env bash
# Shows the example on a real Consul: two web servers come and go, and HAProxy follows.
#
# It needs haproxy, curl and python3, and consul to start an agent with, or an agent: CONSUL_HTTP_ADDR=HOST:PORT. It builds
# lictor with go unless LICTOR names a binary. On the agent it uses the keys below service/haproxy/ and the service web,
# refuses to when there are some already, and takes them away again.
set -euo pipefail
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin

tmp=$(mktemp -d)
pids=()
ours= # whether the keys and services on the agent are ours
finish() {
  if [[ $ours ]]; then
    curl -s -X DELETE "$api/kv/service/haproxy/?recurse" >/dev/null || true
    for id in web-1 web-2; do deregister $id || true; done
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
for need in haproxy curl python3; do
  command -v "$need" >/dev/null || fail "$need is not installed"
done

# until COMMAND succeeds, at most 20 s.
until_ok() {
  local end=$((SECONDS + 20))
  until "$@"; do
    ((SECONDS < end)) || fail "this did not succeed within 20 s: $*"
    sleep 0.1
  done
}

if [[ -z ${LICTOR:-} ]]; then
  say "building lictor"
  LICTOR=$tmp/lictor
  (cd ../.. && go build -o "$LICTOR" ./cmd/lictor)
fi

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) stats=$(free_port) first=$(free_port) second=$(free_port)

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
[[ $(curl -s -o /dev/null -w '%{http_code}' "$api/kv/service/haproxy/?keys") == 404 ]] ||
  fail "the agent $CONSUL_HTTP_ADDR has keys below service/haproxy/ already; name another one"
[[ $(curl -s "$api/catalog/service/web") == "[]" ]] || fail "the agent $CONSUL_HTTP_ADDR has a service web already; name another one"
ours=yes

put() { curl -sf -X PUT --data-binary "$2" "$api/kv/$1" >/dev/null; }
say "writing the keys that the template reads"
put service/haproxy/maxconn 4096
put service/haproxy/mode http
put service/haproxy/bind "127.0.0.1:$port"
put service/haproxy/stats_bind "127.0.0.1:$stats"
put service/haproxy/timeouts/client 50s
put service/haproxy/timeouts/connect 5s
put service/haproxy/timeouts/server 50s

server() { # NAME PORT: a web server that says its name
  mkdir "$tmp/$1"
  echo "hello from $1" >"$tmp/$1/index.html"
  python3 -m http.server "$2" --bind 127.0.0.1 --directory "$tmp/$1" >/dev/null 2>&1 &
  pids+=($!)
}
register() { # ID PORT
  curl -sf -X PUT "$api/agent/service/register" -d \
    "{\"ID\": \"$1\", \"Name\": \"web\", \"Address\": \"127.0.0.1\", \"Port\": $2, \"Tags\": [\"release\"]}"
}
deregister() { curl -sf -X PUT "$api/agent/service/deregister/$1"; }
server web-1 "$first"
server web-2 "$second"
say "registering web-1"
register web-1 "$first"

cat >"$tmp/demo.hcl" <<HCL
consul {
  address = "$CONSUL_HTTP_ADDR"
}

template {
  source      = "haproxy.ctmpl"
  destination = "$tmp/haproxy.cfg"
  check       = "haproxy -c -f \"\$LICTOR_STAGED\""

  # HAProxy loses a reload signal that comes while it still handles the last one, so keep them apart.
  wait {
    min = "500ms"
    max = "2s"
  }
}

# lictor starts HAProxy once the file is there, and has it read the file again when that changes.
exec {
  command       = ["haproxy", "-W", "-db", "-f", "$tmp/haproxy.cfg"]
  reload_signal = "SIGUSR2"
  kill_signal   = "SIGUSR1" # ends when its connections have
}
HCL
say "starting lictor, which renders $tmp/haproxy.cfg and starts HAProxy on port $port"
"$LICTOR" -config "$tmp/demo.hcl" -log-level info >"$tmp/lictor.log" 2>&1 &
pids+=($!)

ask() { curl -s "http://127.0.0.1:$port/"; }
answers() { ask | grep -q "hello from $1"; }
both() { local all; all=$(for _ in 1 2 3 4 5 6; do ask; done); grep -q web-1 <<<"$all" && grep -q web-2 <<<"$all"; }
none() { curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/" | grep -q 503; }
until_ok answers web-1
ask
grep '    server ' "$tmp/haproxy.cfg"

say "registering web-2: HAProxy balances over both"
register web-2 "$second"
until_ok both
grep '    server ' "$tmp/haproxy.cfg"

say "deregistering web-1: all requests go to web-2"
deregister web-1
until_ok answers web-2
only_second() { local all; all=$(for _ in 1 2 3 4 5 6; do ask; done); ! grep -q web-1 <<<"$all"; }
until_ok only_second
grep '    server ' "$tmp/haproxy.cfg"

say "changing maxconn"
put service/haproxy/maxconn 8192
until_ok grep -q 'maxconn 8192' "$tmp/haproxy.cfg"
grep maxconn "$tmp/haproxy.cfg"

say "a key that would break the file: HAProxy keeps the one that works"
put service/haproxy/mode nonsense
until_ok grep -q 'level=ERROR.*check' "$tmp/lictor.log"
grep 'level=ERROR' "$tmp/lictor.log"
grep ' mode ' "$tmp/haproxy.cfg"
answers web-2 || fail "HAProxy does not answer"
put service/haproxy/mode http

say "deregistering web-2: clients get 503"
deregister web-2
until_ok none

say "what lictor logged"
grep level= "$tmp/lictor.log"
