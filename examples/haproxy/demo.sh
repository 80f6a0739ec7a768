#!/usr/bin/env bash
# Shows the example on a real Consul: two web servers come and go, and HAProxy follows.
#
# It needs haproxy, curl and python3, and consul to start an agent with, or an agent: CONSUL_HTTP_ADDR=HOST:PORT. It builds
# lictor with go unless LICTOR names a binary. On the agent it uses the keys below service/haproxy/ and the service web,
# refuses to when there are some already, and takes them away again.
set -euo pipefail
cd "$(dirname "$0")"
program=haproxy services=web tag=release
source ../demo.bash

stats=$(free_port)
say "writing the keys that the template reads"
put maxconn 4096
put mode http
put bind "127.0.0.1:$port"
put stats_bind "127.0.0.1:$stats"
put timeouts/client 50s
put timeouts/connect 5s
put timeouts/server 50s

server web-1 "$first"
server web-2 "$second"
say "registering web-1"
register web-1 web "$first"

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
run_lictor "$tmp/demo.hcl"

ask() { curl -s "http://127.0.0.1:$port/"; }
answers() { ask | grep -q "hello from $1"; }
both() { local all; all=$(for _ in 1 2 3 4 5 6; do ask; done); grep -q web-1 <<<"$all" && grep -q web-2 <<<"$all"; }
none() { curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/" | grep -q 503; }
until_ok answers web-1
ask
grep '    server ' "$tmp/haproxy.cfg"

say "registering web-2: HAProxy balances over both"
register web-2 web "$second"
until_ok both
grep '    server ' "$tmp/haproxy.cfg"

say "deregistering web-1: all requests go to web-2"
deregister web-1
until_ok answers web-2
only_second() { local all; all=$(for _ in 1 2 3 4 5 6; do ask; done); ! grep -q web-1 <<<"$all"; }
until_ok only_second
grep '    server ' "$tmp/haproxy.cfg"

say "changing maxconn"
put maxconn 8192
until_ok grep -q 'maxconn 8192' "$tmp/haproxy.cfg"
grep maxconn "$tmp/haproxy.cfg"

say "a key that would break the file: HAProxy keeps the one that works"
put mode nonsense
until_ok grep -q 'level=ERROR.*check' "$tmp/lictor.log"
grep 'level=ERROR' "$tmp/lictor.log"
grep ' mode ' "$tmp/haproxy.cfg"
answers web-2 || fail "HAProxy does not answer"
put mode http

say "deregistering web-2: clients get 503"
deregister web-2
until_ok none

say "what lictor logged"
grep level= "$tmp/lictor.log"
