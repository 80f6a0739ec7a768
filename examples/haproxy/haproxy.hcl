# lictor -config haproxy.hcl
#
# Paths are relative to the folder in which lictor runs.

consul {
  address = "127.0.0.1:8500"
}

template {
  source      = "haproxy.ctmpl"
  destination = "/etc/haproxy/haproxy.cfg"

  # The new file is tried before it replaces the old one: a broken one never does.
  check = "haproxy -c -f \"$LICTOR_STAGED\""

  # Runs after the file has changed, and again until it succeeds.
  command         = "systemctl reload haproxy"
  command_timeout = "30s"

  # HAProxy loses a reload signal that comes while it still handles the last one: another reason to keep them apart.
  # Many changes at once are one reload: wait until nothing has changed for 1 s, at most 10 s.
  wait {
    min = "1s"
    max = "10s"
  }
}
