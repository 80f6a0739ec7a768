#!/usr/bin/env bash
# Shows the example on a real Consul: servers come and go, and nginx follows.
#
# It needs nginx, curl and python3, and consul to start an agent with, or an agent: CONSUL_HTTP_ADDR=HOST:PORT. It builds
# lictor with go unless LICTOR names a binary. On the agent it uses the keys below service/nginx/ and the services shop and
# cart, refuses to when there are some already, and takes them away again.
set -euo pipefail
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin

tmp=$(mktemp -d)
pids=()
ours= # whether the keys and services on the agent are ours
finish() {
  if [[ $ours ]]; then
    curl -s -X DELETE "$api/kv/service/nginx/?recurse" >/dev/null || true
    for id in shop-1 shop-2 cart-1; do deregister $id || true; done
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
for need in nginx curl python3; do
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
[[ $(curl -s -o /dev/null -w '%{http_code}' "$api/kv/service/nginx/?keys") == 404 ]] ||
  fail "the agent $CONSUL_HTTP_ADDR has keys below service/nginx/ already; name another one"
for name in shop cart; do
  [[ $(curl -s "$api/catalog/service/$name") == "[]" ]] || fail "the agent $CONSUL_HTTP_ADDR has a service $name already; name another one"
done
ours=yes

put() { curl -sf -X PUT --data-binary "$2" "$api/kv/$1" >/dev/null; }
say "writing the keys that the template reads"
put service/nginx/domain demo.test
put service/nginx/listen "127.0.0.1:$port"
put service/nginx/access_log off

server() { # NAME PORT: a web server that says its name
  mkdir "$tmp/$1"
  echo "hello from $1" >"$tmp/$1/index.html"
  python3 -m http.server "$2" --bind 127.0.0.1 --directory "$tmp/$1" >/dev/null 2>&1 &
  pids+=($!)
}
register() { # ID SERVICE PORT
  curl -sf -X PUT "$api/agent/service/register" -d \
    "{\"ID\": \"$1\", \"Name\": \"$2\", \"Address\": \"127.0.0.1\", \"Port\": $3, \"Tags\": [\"http\"]}"
}
deregister() { curl -sf -X PUT "$api/agent/service/deregister/$1"; }
server shop-1 "$first"
server shop-2 "$second"
say "registering shop-1"
register shop-1 shop "$first"

mkdir "$tmp/nginx"
options="-p $tmp/nginx -e stderr"
cat >"$tmp/demo.hcl" <<HCL
consul {
  address = "$CONSUL_HTTP_ADDR"
}

template {
  source      = "nginx.ctmpl"
  destination = "$tmp/nginx.conf"
  check       = "nginx -t -q $options -g 'pid $tmp/check.pid;' -c \"\$LICTOR_STAGED\""

  wait {
    min = "500ms"
    max = "2s"
  }
}

# lictor starts nginx once the file is there, and has it read the file again when that changes.
exec {
  command       = "exec nginx $options -g 'daemon off; pid $tmp/nginx.pid;' -c $tmp/nginx.conf"
  reload_signal = "SIGHUP"
  kill_signal   = "SIGTERM"
}
HCL
say "starting lictor, which renders $tmp/nginx.conf and starts nginx on port $port"
"$LICTOR" -config "$tmp/demo.hcl" -log-level info >"$tmp/lictor.log" 2>&1 &
pids+=($!)

ask() { curl -s -H "Host: $1.demo.test" "http://127.0.0.1:$port/"; }
status() { curl -s -o /dev/null -w '%{http_code}' -H "Host: $1.demo.test" "http://127.0.0.1:$port/"; }
answers() { ask "$1" | grep -q "hello from $2"; }
gives() { [[ $(status "$1") == "$2" ]]; }
all() { for _ in 1 2 3 4 5 6; do ask shop; done; }
both() { local a; a=$(all); grep -q shop-1 <<<"$a" && grep -q shop-2 <<<"$a"; }
only_second() { local a; a=$(all); grep -q shop-2 <<<"$a" && ! grep -q shop-1 <<<"$a"; }
until_ok answers shop shop-1
ask shop

say "registering shop-2: nginx balances over both"
register shop-2 shop "$second"
until_ok both
sed -n '/upstream shop/,/}/p' "$tmp/nginx.conf"

say "deregistering shop-1: all requests go to shop-2"
deregister shop-1
until_ok only_second
sed -n '/upstream shop/,/}/p' "$tmp/nginx.conf"

say "a new service, cart, which nobody told nginx of"
gives cart 404 || fail "cart is known already"
register cart-1 cart "$first"
until_ok answers cart shop-1 # it is the first server

say "putting cart into maintenance: clients get 503, the other services go on"
curl -sf -X PUT "$api/agent/service/maintenance/cart-1?enable=true&reason=demo"
until_ok gives cart 503
answers shop shop-2 || fail "shop does not answer"
sed -n '/server_name cart/,/^    }/p' "$tmp/nginx.conf"

say "a key that would break the file: nginx keeps the one that works"
put service/nginx/upstream_keepalive plenty
until_ok grep -q 'level=ERROR.*check' "$tmp/lictor.log"
grep -E 'level=ERROR|emerg' "$tmp/lictor.log"
answers shop shop-2 || fail "shop does not answer"

say "what lictor logged"
grep level= "$tmp/lictor.log"
