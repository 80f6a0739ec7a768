package config

import (
	"time"

	"lictor/internal/secret"
)

// Consul says how to reach Consul.
type Consul struct {
	Address        string      `opt:"address" flag:"addr" value:"ADDRESS" env:"CONSUL_HTTP_ADDR" redact:"url" doc:"Agent address: HOST:PORT, http://..., https://... or unix:///PATH."`
	Namespace      string      `opt:"namespace" env:"CONSUL_NAMESPACE" doc:"Namespace of queries that name none (Consul Enterprise)."`
	Token          secret.Text `opt:"token" flag:"token" value:"TOKEN" env:"CONSUL_TOKEN,CONSUL_HTTP_TOKEN" doc:"ACL token."`
	TokenFile      string      `opt:"token_file" flag:"token-file" value:"FILE" in:"lxc" env:"CONSUL_TOKEN_FILE,CONSUL_HTTP_TOKEN_FILE" doc:"File that holds the ACL token; it wins over token, and is read again for each request. The flag -consul-token wins over a token_file set in a file."`
	Auth           Auth        `opt:"auth" flag:"auth" env:"CONSUL_HTTP_AUTH" doc:"HTTP basic authentication; as text, USER[:PASSWORD]."`
	Retry          Retry       `opt:"retry" flag:"retry" doc:"What to do when a request fails."`
	SSL            SSL         `opt:"ssl" flag:"ssl" doc:"TLS to the agent. Any option of the block switches it on. Its files are read again for each new connection."`
	Transport      Transport   `opt:"transport" flag:"transport" doc:"Tuning of HTTP connections."`
	MaxConnections int         `opt:"max_connections" own:"yes" flag:"max-connections" in:"lx" doc:"Most connections held to the agent at any time. At least 2; an agent accepts 200 from one address, all programs of the host together, and answers 429 beyond."`
}

// Auth is HTTP basic authentication.
type Auth struct {
	Enabled  Switch      `opt:"enabled" doc:"Unset: on if a name or password is given."`
	Username string      `opt:"username" doc:"User name."`
	Password secret.Text `opt:"password" doc:"Password."`
}

// Retry says what to do when a request fails: pause n is Backoff doubled n times, capped at MaxBackoff.
type Retry struct {
	Enabled    bool     `opt:"enabled" flag:"." doc:"Whether a failed request is tried again at all."`
	Attempts   int      `opt:"attempts" flag:"attempts" doc:"How often in a row, then the program ends. 0 is no limit. Unset: no limit in a daemon; with -once 5, or 12 when called as a peer."`
	Backoff    Duration `opt:"backoff" flag:"backoff" doc:"First pause; doubled each time."`
	MaxBackoff Duration `opt:"max_backoff" flag:"max-backoff" doc:"Longest pause. 0 is no limit."`
}

func defaultRetry() Retry {
	return Retry{Enabled: true, Backoff: 250 * time.Millisecond, MaxBackoff: time.Minute}
}

// SSL is the TLS side of a client.
type SSL struct {
	Enabled     Switch `opt:"enabled" flag:"." env:"CONSUL_HTTP_SSL" doc:"Unset: on if another option of the block is given."`
	Verify      bool   `opt:"verify" flag:"verify" env:"CONSUL_HTTP_SSL_VERIFY" doc:"Whether the server's certificate is checked."`
	Cert        string `opt:"cert" flag:"cert" value:"FILE" env:"CONSUL_CLIENT_CERT" doc:"Our certificate (file)."`
	Key         string `opt:"key" flag:"key" value:"FILE" env:"CONSUL_CLIENT_KEY" doc:"Our private key (file)."`
	CACert      string `opt:"ca_cert" flag:"ca-cert" value:"FILE" env:"CONSUL_CACERT" doc:"Certificate authority (file)."`
	CACertBytes string `opt:"ca_cert_bytes" doc:"Certificate authority as PEM text."`
	CAPath      string `opt:"ca_path" flag:"ca-path" value:"DIR" env:"CONSUL_CAPATH" doc:"Folder of certificate authorities."`
	ServerName  string `opt:"server_name" flag:"server-name" value:"NAME" env:"CONSUL_TLS_SERVER_NAME" doc:"Name to expect in the server's certificate."`
}

// Transport tunes HTTP connections.
type Transport struct {
	DialKeepAlive       Duration `opt:"dial_keep_alive" flag:"dial-keep-alive" doc:"Pause between TCP keep-alive probes."`
	DialTimeout         Duration `opt:"dial_timeout" flag:"dial-timeout" doc:"Limit for making a connection."`
	DisableKeepAlives   bool     `opt:"disable_keep_alives" flag:"disable-keep-alives" doc:"One request per connection."`
	IdleConnTimeout     Duration `opt:"idle_conn_timeout" doc:"How long an idle connection is kept."`
	MaxIdleConns        int      `opt:"max_idle_conns" doc:"Idle connections kept. 0 is no limit."`
	MaxIdleConnsPerHost int      `opt:"max_idle_conns_per_host" flag:"max-idle-conns-per-host" doc:"Idle connections kept to one host."`
	MaxConnsPerHost     int      `opt:"max_conns_per_host" flag:"max-conns-per-host" doc:"Connections to one host. 0 is no limit; for Consul max_connections rules."`
	TLSHandshakeTimeout Duration `opt:"tls_handshake_timeout" flag:"tls-handshake-timeout" doc:"Limit for the TLS handshake."`
}

func defaultTransport() Transport {
	return Transport{
		DialKeepAlive: 30 * time.Second, DialTimeout: 30 * time.Second, IdleConnTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 100, TLSHandshakeTimeout: 10 * time.Second,
	}
}

// Vault is decoded so that mistakes in it are found; nothing uses it.
type Vault struct {
	Address              string      `opt:"address" flag:"addr" value:"ADDRESS" redact:"url" doc:"Not supported."`
	Enabled              Switch      `opt:"enabled" doc:"Not supported."`
	Namespace            string      `opt:"namespace" flag:"namespace" in:"xe" doc:"Not supported."`
	Token                secret.Text `opt:"token" flag:"token" value:"TOKEN" doc:"Not supported."`
	AgentTokenFile       string      `opt:"vault_agent_token_file" flag:"agent-token-file" doc:"Not supported."`
	RenewToken           Switch      `opt:"renew_token" flag:"renew-token" doc:"Not supported."`
	UnwrapToken          bool        `opt:"unwrap_token" flag:"unwrap-token" doc:"Not supported."`
	ClientUserAgent      string      `opt:"client_user_agent" flag:"client-user-agent" in:"lxc" doc:"Not supported."`
	DefaultLeaseDuration Duration    `opt:"default_lease_duration" flag:"default-lease-duration" in:"lxc" doc:"Not supported."`
	LeaseThreshold       float64     `opt:"lease_renewal_threshold" doc:"Not supported."`
	K8SRole              string      `opt:"k8s_auth_role_name" flag:"k8s-auth-role-name" in:"xe" doc:"Not supported."`
	K8SToken             secret.Text `opt:"k8s_service_account_token" flag:"k8s-service-account-token" in:"xe" doc:"Not supported."`
	K8STokenPath         string      `opt:"k8s_service_account_token_path" flag:"k8s-service-account-token-path" in:"xe" doc:"Not supported."`
	K8SMountPath         string      `opt:"k8s_service_mount_path" flag:"k8s-service-mount-path" in:"xe" doc:"Not supported."`
	Retry                Retry       `opt:"retry" flag:"retry" doc:"Not supported."`
	SSL                  SSL         `opt:"ssl" flag:"ssl" doc:"Not supported."`
	Transport            Transport   `opt:"transport" flag:"transport" doc:"Not supported."`
}

func defaultVault() Vault {
	return Vault{
		DefaultLeaseDuration: 5 * time.Minute, LeaseThreshold: 0.9,
		K8STokenPath: "/run/secrets/kubernetes.io/serviceaccount/token", K8SMountPath: "kubernetes",
		Retry: defaultRetry(), SSL: SSL{Verify: true}, Transport: defaultTransport(),
	}
}

// Nomad is decoded so that mistakes in it are found; nothing uses it.
type Nomad struct {
	Address      string      `opt:"address" redact:"url" doc:"Not supported."`
	Enabled      Switch      `opt:"enabled" doc:"Not supported."`
	Namespace    string      `opt:"namespace" doc:"Not supported."`
	Token        secret.Text `opt:"token" doc:"Not supported."`
	AuthUsername string      `opt:"auth_username" doc:"Not supported."`
	AuthPassword secret.Text `opt:"auth_password" doc:"Not supported."`
	Retry        Retry       `opt:"retry" doc:"Not supported."`
	SSL          SSL         `opt:"ssl" doc:"Not supported."`
	Transport    Transport   `opt:"transport" doc:"Not supported."`
}
