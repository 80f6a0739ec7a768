# lictor -config nginx.hcl
#
# Paths are relative to the folder in which lictor runs.

consul {
  address = "127.0.0.1:8500"
}

# Where the last answers are kept, so that lictor can start while Consul is away. They hold the values of keys: the folder must be
# of lictor's own user. Take the mark away to have it.
# cache = "/var/cache/lictor"

template {
  source      = "nginx.ctmpl"
  destination = "/etc/nginx/nginx.conf"

  # This file and the one that it includes replace the old ones together, or neither does.
  commit_group = "nginx"

  # Both are tried before that: below {{.StagedDir}} all of /etc/nginx is as it is going to be. nginx.conf includes the other file by a
  # relative path; by /etc/nginx/conf.d/*.conf it would get the old one here.
  check = "nginx -t -q -c {{.StagedDir}}/etc/nginx/nginx.conf"

  # Runs after a file has changed. "systemctl reload nginx" would do it too, and never fail; this one fails when nginx goes
  # on with what it had. Then the previous files come back.
  command         = "./reload.sh /run/nginx.pid /var/log/nginx/error.log"
  command_timeout = "30s"
  rollback        = true

  # Many changes at once are one reload: wait until nothing has changed for 1 s, at most 10 s.
  wait {
    min = "1s"
    max = "10s"
  }
}

template {
  source       = "blocked.ctmpl"
  destination  = "/etc/nginx/conf.d/blocked.conf"
  commit_group = "nginx"

  # The same as above, so it runs once when both files have changed.
  command         = "./reload.sh /run/nginx.pid /var/log/nginx/error.log"
  command_timeout = "30s"
}
