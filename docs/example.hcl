# Every option that has an effect, once. Leave out what you don't need: no option is required but what names the work.
# A test reads this file and fails when an option is missing here.

consul {
  address         = "127.0.0.1:8500" # or http://..., https://..., unix:///run/consul.sock
  namespace       = ""
  token           = ""
  token_file      = "/run/secrets/consul-token"
  max_connections = 64

  auth {
    enabled  = false
    username = "lictor"
    password = ""
  }

  retry {
    enabled     = true
    attempts    = 0 # for ever
    backoff     = "250ms"
    max_backoff = "1m"
  }

  ssl {
    enabled       = true
    verify        = true
    cert          = "/etc/lictor/client.pem"
    key           = "/etc/lictor/client.key"
    ca_cert       = "/etc/lictor/ca.pem"
    ca_cert_bytes = ""
    ca_path       = ""
    server_name   = "consul.example.com"
  }

  transport {
    dial_keep_alive         = "30s"
    dial_timeout            = "30s"
    disable_keep_alives     = false
    idle_conn_timeout       = "5s"
    max_idle_conns          = 0
    max_idle_conns_per_host = 100
    max_conns_per_host      = 0
    tls_handshake_timeout   = "10s"
  }
}

data  = []            # ["base.yaml", "prod.yaml"] answers instead of Consul
set   = []            # ["app/color=blue"]
# Who answers queries that name no source with ?source=NAME; "" is data where there are data files, else consul.
default_source = ""
cache = "/var/cache/lictor"

max_stale            = "2s"
block_query_wait     = "60s"
err_on_failed_lookup = false
start_timeout        = "0s"

template {
  source               = "/etc/lictor/haproxy.ctmpl"
  destination          = "/etc/haproxy/haproxy.cfg"
  create_dest_dirs     = true
  perms                = 0640
  user                 = "haproxy"
  group                = "haproxy"
  backup               = true
  left_delimiter       = "{{"
  right_delimiter      = "}}"
  error_on_missing_key = true
  error_fatal          = false
  function_denylist    = ["plugin", "write*"]
  sandbox_path         = "/etc/lictor"
  plugin_timeout       = "10s"
  check                = "haproxy -c -f \"$LICTOR_STAGED\""
  check_timeout        = "10s"
  commit_group         = "load-balancer"
  log_diff             = "auto"
  min_interval         = "5s"
  rollback             = true
  in_place             = false

  exec {
    command      = ["systemctl", "reload", "haproxy"]
    enabled      = true
    timeout      = "30s"
    kill_timeout = "5s"

    env {
      pristine  = false
      custom    = ["LANG=C"]
      allowlist = ["PATH", "LANG"]
      denylist  = ["*_TOKEN"]
    }
  }

  wait {
    enabled = true
    min     = "2s"
    max     = "10s"
  }
}

template {
  contents        = "{{ key \"app/motd\" }}\n"
  destination     = "/etc/motd"
  command         = "logger motd changed && true" # a text is for sh -c
  command_timeout = "5s"
  uid             = 0 # older spelling of user
  gid             = 0 # older spelling of group
}

default_delimiters {
  left  = "{{"
  right = "}}"
}

template_error_fatal = true
plugin_timeout       = "30s"

reload { # the default of min_interval for every template
  min_interval = "10s"
}

wait {
  enabled = true
  min     = "500ms"
  max     = "5s"
}

exec {
  command       = ["/usr/bin/app", "-v"]
  enabled       = true
  kill_signal   = "SIGTERM"
  kill_timeout  = "30s"
  reload        = "signal" # none, where the templates' commands reload it
  reload_signal = "SIGHUP"
  splay         = "2s"
  restart       = "on-failure"
  allow_env     = ["PATH"] # a key may give it

  env {
    pristine  = false
    custom    = ["APP_MODE=prod"]
    allowlist = ["PATH", "APP_*"]
    denylist  = ["APP_DEBUG"]
  }
}

command_env { # of every template's command and check
  pristine  = false
  custom    = ["LC_ALL=C"]
  allowlist = ["*"]
  denylist  = ["CONSUL_*", "*_TOKEN"]
}

prefix {
  path       = "app/{{ env \"STAGE\" }}"
  datacenter = "dc1"
  format     = "APP_{{ key }}"
  no_prefix  = true

  key { # accepted without effect
    name   = "host"
    format = "HOST"
  }
}

service {
  query          = "primary.db@dc1"
  format_id      = "DB_{{ key }}"
  format_name    = "DB_{{ key }}"
  format_address = "DB_{{ key }}"
  format_tag     = "DB_{{ key }}"
  format_port    = "DB_{{ key }}"
}

pristine = false
sanitize = true
upcase   = true

guard { # an empty answer never takes a load balancer down at once
  services      = ["web", "api-*"]
  queries       = ["prefix(app/*)", "nodes()"] # or any other list, as the log shows it
  max_shrink    = "50%"
  min_instances = 2
  hold          = "5m"
}

kill_signal   = "SIGINT"
reload_signal = "SIGHUP"
pid_file      = "/run/lictor.pid"

log_level  = "info"
log_format = "text"

log_file {
  path                 = "/var/log/lictor/"
  log_rotate_bytes     = 10485760
  log_rotate_duration  = "24h"
  log_rotate_max_files = 7
}

syslog {
  enabled  = true
  facility = "LOCAL0"
  name     = "lictor"
}
