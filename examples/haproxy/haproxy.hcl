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
  check = "haproxy -c -f {{.Staged}}"

  # Runs after the file has changed, and again until it succeeds.
  command         = "systemctl reload haproxy"
  command_timeout = "30s"

  # When it fails, the previous file comes back and is reloaded. It fails where the reload of the unit does; a port that somebody
  # else has is only told by HAProxy's own log.
  rollback = true

  # Each reload leaves a process behind until its connections end. However often something changes, there is one in 10 s.
  min_interval = "10s"

  # Many changes at once are one reload: wait until nothing has changed for 1 s, at most 10 s. (HAProxy loses a reload signal that
  # comes while it still handles the last one: another reason to keep them apart.)
  wait {
    min = "1s"
    max = "10s"
  }
}

# A health check that fails everywhere at once, or a registry that lost its data, empties no load balancer: when more than half
# of the servers go, or the last one, the last list stands for 5 minutes, or until "kill -USR1" of lictor says that it is true.
# The price: requests may go to servers that are really gone, unless HAProxy's own checks notice.
guard {
  services      = ["web"]
  max_shrink    = "50%"
  min_instances = 1
  hold          = "5m"
}
