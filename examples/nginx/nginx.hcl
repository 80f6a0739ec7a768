# lictor -config nginx.hcl
#
# Paths are relative to the folder in which lictor runs.

consul {
  address = "127.0.0.1:8500"
}

template {
  source      = "nginx.ctmpl"
  destination = "/etc/nginx/nginx.conf"

  # The new file is tried before it replaces the old one: a broken one never does.
  check = "nginx -t -q -c \"$LICTOR_STAGED\""

  # Runs after the file has changed. "systemctl reload nginx" would do it too, and never fail; this one fails when nginx goes
  # on with what it had. Then the previous file comes back.
  command         = "./reload.sh /run/nginx.pid /var/log/nginx/error.log"
  command_timeout = "30s"
  rollback        = true

  # Many changes at once are one reload: wait until nothing has changed for 1 s, at most 10 s.
  wait {
    min = "1s"
    max = "10s"
  }
}
