#!/usr/bin/env bash
# Shows the example on a real Consul: servers come and go, and nginx follows.
#
# It needs nginx, curl and python3, and consul to start an agent with, or an agent: CONSUL_HTTP_ADDR=HOST:PORT. It builds
# lictor with go unless LICTOR names a binary. On the agent it uses the keys below service/nginx/ and the services shop and
# cart, refuses to when there are some already, and takes them away again.
set -euo pipefail
cd "$(dirname "$0")"
program=nginx services="shop cart" tag=http
source ../demo.bash

say "writing the keys that the template reads"
put domain demo.test
put listen "127.0.0.1:$port"
put access_log off

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
run_lictor "$tmp/demo.hcl"

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
put upstream_keepalive plenty
until_ok grep -q 'level=ERROR.*check' "$tmp/lictor.log"
grep -E 'level=ERROR|emerg' "$tmp/lictor.log"
answers shop shop-2 || fail "shop does not answer"

say "what lictor logged"
grep level= "$tmp/lictor.log"
