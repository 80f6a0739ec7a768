#!/bin/sh
# Reloads nginx, and fails when nginx goes on with the configuration that it had. Usage: reload.sh [PIDFILE [ERRORLOG]]
#
# "systemctl reload nginx" and "nginx -s reload" send a signal and succeed, whatever nginx then makes of it. What "nginx -t"
# can't see (a port that somebody else has, memory for a cache) shows only now, and only in nginx's log. But an nginx that
# takes its configuration over starts new workers: this waits for one.
pidfile=${1:-/run/nginx.pid} log=${2:-/var/log/nginx/error.log}

fail() {
  echo "nginx was not reloaded: $*" >&2
  exit 1
}
# The files in /proc of the master's processes. (pgrep -P would list them too, where it is installed.)
workers() { grep -ls "^PPid:[[:space:]]*$master\$" /proc/[0-9]*/status; }

master=$(cat "$pidfile") && [ "$master" ] || fail "it does not run: $pidfile names no process"
before=$(workers)
size=$(wc -c 2>/dev/null <"$log" || echo 0)
kill -HUP "$master" || fail "it does not run: $pidfile is of an earlier one"

left=100 # tenths of a second
while [ $left -gt 0 ]; do
  for worker in $(workers); do
    case $before in
    *"$worker"*) ;;
    *) exit 0 ;;
    esac
  done
  said=$(tail -c "+$((size + 1))" "$log" 2>/dev/null | grep -F '[emerg]')
  # It has given up, but for a port that is taken, which it tries to get for 2.5 s.
  if [ "$said" ] && [ $left -gt 30 ]; then left=30; fi
  sleep 0.1
  left=$((left - 1))
done
fail "${said:-it has started no new workers; see $log}"
