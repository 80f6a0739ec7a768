// Package config holds everything that configures a run, as plain values, and the one way in which they are read:
// defaults, then configuration files (HCL, JSON or YAML), then CT_LOCAL_CONFIG, then flags, and environment variables for
// what is still unset.
//
// An option is one struct field. Its tags say all there is to know about it: its name in a file (opt), older names that
// still work (old), its flag (flag; a block's flag is put in front, "." is the block's own name), the programs that have
// the flag (in), its environment variables (env), whether the peers lack it (own) and its documentation (doc). Decoding,
// flags, -h, the reference in docs/configuration.md and the manual page are all made from these tags.
package config

import "time"

// Config is the whole configuration. [Load] returns it complete: defaults filled in, older spellings moved to their
// present place, and templates carrying what they inherit.
type Config struct {
	Consul             Consul      `opt:"consul" flag:"consul" group:"Consul" doc:"How to reach Consul. The text form consul = \"ADDRESS\" still works."`
	Data               []string    `opt:"data" own:"yes" flag:"data" value:"FILE" in:"lx" group:"Sources" doc:"Data file (YAML or JSON) that answers queries instead of Consul, or beside it (see default_source); several are layered, later over earlier."`
	DefaultSource      string      `opt:"default_source" own:"yes" flag:"default-source" value:"NAME" in:"lx" group:"Sources" doc:"Source of the queries that name none with ?source=NAME: consul or data. Unset: data where there are data files, else consul."`
	Set                []string    `opt:"set" own:"yes" flag:"set" value:"PATH=VALUE" in:"lx" group:"Sources" doc:"Key and value, PATH=VALUE, laid over the data files."`
	Cache              string      `opt:"cache" own:"yes" flag:"cache" value:"DIR" in:"lx" group:"Sources" doc:"Folder that keeps the last complete answers, for a start while the registry is away."`
	Guards             []Guard     `opt:"guard" own:"yes" group:"Sources" doc:"Holds back answers that have shrunk too much, so that a mass deregistration does not empty a load balancer. Repeatable; none by default."`
	Templates          []Template  `opt:"template" group:"Templates" doc:"A template and the file it makes. Repeatable; files add up, flags come last."`
	DefaultDelimiters  Delimiters  `opt:"default_delimiters" flag:"default" in:"lxc" group:"Templates" doc:"Delimiters of templates that set none of their own."`
	TemplateErrorFatal Switch      `opt:"template_error_fatal" flag:"template-error-fatal" in:"lxc" group:"Templates" doc:"Whether a template that fails ends the program; the default for error_fatal of each template. The flag also overrides what templates say themselves. Unset: true with -once and when called as a peer, false for lictor as a daemon."`
	Wait               Wait        `opt:"wait" flag:"wait" group:"Templates" doc:"Quiet time before rendering: MIN[:MAX]. A change waits until nothing changed for MIN, at most MAX (4 times MIN if not given)."`
	Reload             Reload      `opt:"reload" own:"yes" flag:"reload" in:"lx" group:"Templates" doc:"How often programs may be reloaded: the default of all templates."`
	PluginTimeout      Duration    `opt:"plugin_timeout" own:"yes" flag:"plugin-timeout" in:"lx" group:"Templates" doc:"How long a program that a template runs by plugin may take, then it is killed; the default of all templates."`
	MaxStale           Duration    `opt:"max_stale" flag:"max-stale" group:"Sources" doc:"How old an answer of a Consul server that is not the leader may be. 0 asks the leader only."`
	BlockQueryWait     Duration    `opt:"block_query_wait" group:"Sources" doc:"How long one blocking query is held open."`
	ErrOnFailedLookup  bool        `opt:"err_on_failed_lookup" group:"Sources" doc:"End with an error when something that a template needs does not exist."`
	StartTimeout       Duration    `opt:"start_timeout" own:"yes" flag:"start-timeout" in:"lx" group:"Sources" doc:"End with an error when the first render is not complete after this time. 0 waits for ever."`
	Exec               Exec        `opt:"exec" flag:"exec" group:"Process" doc:"The program to run and supervise once all data is there."`
	CommandEnv         Env         `opt:"command_env" own:"yes" flag:"command-env" in:"lx" group:"Process" doc:"What the commands and checks of all templates get of our environment; the exec.env of a template is applied to what this leaves."`
	Prefixes           []Prefix    `opt:"prefix" group:"Environment" doc:"Keys that become environment variables of the program. Repeatable; the last one wins."`
	Services           []Service   `opt:"service" group:"Environment" doc:"Services whose instances become environment variables. Repeatable."`
	Secrets            []VaultPath `opt:"secret" group:"Environment" doc:"Vault secrets that become environment variables. Accepted, then refused: Vault is not supported."`
	Pristine           bool        `opt:"pristine" flag:"pristine" in:"xe" group:"Environment" doc:"Do not pass our own environment on to the program."`
	Sanitize           bool        `opt:"sanitize" flag:"sanitize" in:"xe" group:"Environment" doc:"Turn every character outside A-Z, a-z, 0-9 and _ in a variable's name into _."`
	Upcase             bool        `opt:"upcase" flag:"upcase" in:"xe" group:"Environment" doc:"Write variable names in upper case."`
	KillSignal         Signal      `opt:"kill_signal" flag:"kill-signal" group:"General" doc:"Signal that ends this program, besides SIGINT, SIGTERM and SIGQUIT. \"\" is none."`
	ReloadSignal       Signal      `opt:"reload_signal" flag:"reload-signal" group:"General" doc:"Signal on which the configuration is read again. \"\" is none."`
	PidFile            string      `opt:"pid_file" flag:"pid-file" value:"FILE" group:"General" doc:"File that holds our process number while we run."`
	LogLevel           string      `opt:"log_level" flag:"log-level" value:"LEVEL" env:"LICTOR_LOG,CT_LOG,CONSUL_TEMPLATE_LOG,CONSUL_TEMPLATE_LOG_LEVEL,ENVCONSUL" group:"Logging" doc:"trace, debug, info, warn or error (err), in any case. Unset: info for lictor as a daemon, else warn."`
	LogFormat          string      `opt:"log_format" own:"yes" flag:"log-format" value:"FORMAT" in:"lx" group:"Logging" doc:"text or json."`
	LogFile            LogFile     `opt:"log_file" flag:"log" in:"lxc" group:"Logging" doc:"A log file besides standard error."`
	Syslog             Syslog      `opt:"syslog" flag:"syslog" group:"Logging" doc:"The system log besides standard error. Any of its options switches it on."`
	Vault              Vault       `opt:"vault" flag:"vault" group:"Vault" doc:"Accepted so that existing files and units work; a template that needs Vault says that it is not supported."`
	Nomad              Nomad       `opt:"nomad" group:"Vault" doc:"Accepted so that existing files work; a template that needs Nomad says that it is not supported."`
	Deduplicate        Deduplicate `opt:"deduplicate" flag:"dedup" group:"Sources" doc:"Accepted without effect: sharing rendered output between hosts is not needed, since queries are coalesced."`

	Once       bool `opt:"-" flag:"once" group:"General" doc:"Render (or start the program) once and end."`
	NoCommands bool `opt:"-" flag:"no-commands" in:"l" group:"General" doc:"Render files, and run no command and no program of exec. Checks and plugins run. The next run without it runs the commands."`
	Dry        bool `opt:"-" flag:"dry" in:"lxc" group:"General" doc:"Print what would be written; write nothing and run nothing."`
	Diff       bool `opt:"-" flag:"diff" in:"l" group:"General" doc:"With -dry: print a unified diff against the files on disk."`
	ExitCode   bool `opt:"-" flag:"exit-code" in:"l" group:"General" doc:"With -dry: exit with 2 when something would change, 0 when nothing would."`
	ShowValues bool `opt:"-" flag:"show-values" in:"x" group:"Environment" doc:"With -dry: print the values of variables too, not only their names."`
	JSON       bool `opt:"-" flag:"json" in:"l" group:"General" doc:"With -dry: print the plan as JSON, with the commands that would run. With lint and deps: print what is found as JSON."`
	ParseOnly  bool `opt:"-" flag:"parse-only" in:"lxc" group:"General" doc:"Parse all templates, render nothing."`

	// origin says where each option was set, by its path ("consul.retry.attempts"). Options of repeated blocks are not in it.
	origin map[string]Pos
	// files are the configuration files that were read.
	files []string
}

// Duration is an alias that keeps the fields above readable.
type Duration = time.Duration

// Delimiters are the marks around template actions.
type Delimiters struct {
	Left  string `opt:"left" flag:"left-delimiter" doc:"Left delimiter."`
	Right string `opt:"right" flag:"right-delimiter" doc:"Right delimiter."`
}

// LogFile is a log file and its rotation.
type LogFile struct {
	Path           string   `opt:"path" flag:"file" value:"PATH" doc:"File name, or a folder in which the file gets the program's name. A file that is replaced gets its date into its name: ct.log becomes ct-2026-01-31T12-00-00.000000000Z.log (in a peer's place each has its time in nanoseconds from the beginning)."`
	RotateBytes    int64    `opt:"log_rotate_bytes" flag:"rotate-bytes" doc:"Begin a new file after this many bytes. 0 is no limit."`
	RotateDuration Duration `opt:"log_rotate_duration" flag:"rotate-duration" doc:"Begin a new file after this time."`
	RotateMaxFiles int      `opt:"log_rotate_max_files" flag:"rotate-max-files" doc:"How many old files to keep. 0 keeps all, -1 none."`
}

// Syslog is the connection to the system log.
type Syslog struct {
	Enabled  Switch `opt:"enabled" flag:"." doc:"Switches it on or off. Unset: on if another option of the block is given."`
	Facility string `opt:"facility" flag:"facility" value:"NAME" doc:"LOCAL0 to LOCAL7, DAEMON, USER and so on."`
	Name     string `opt:"name" flag:"name" value:"NAME" in:"lxc" doc:"Name under which messages appear."`
}

// Deduplicate is accepted without effect.
type Deduplicate struct {
	Enabled        Switch   `opt:"enabled" flag:"." in:"lxc" doc:"No effect."`
	Prefix         string   `opt:"prefix" doc:"No effect."`
	TTL            Duration `opt:"ttl" doc:"No effect."`
	MaxStale       Duration `opt:"max_stale" doc:"No effect."`
	BlockQueryWait Duration `opt:"block_query_wait" doc:"No effect."`
}

// Default is the configuration before anything was read. name is the program's name, which is how it signs in the system
// log.
func Default(name string) Config {
	return Config{
		Consul: Consul{
			Address: "127.0.0.1:8500", Retry: defaultRetry(), SSL: SSL{Verify: true},
			Transport: defaultTransport(), MaxConnections: 64,
		},
		DefaultDelimiters: Delimiters{Left: "{{", Right: "}}"},
		PluginTimeout:     30 * time.Second,
		MaxStale:          2 * time.Second,
		BlockQueryWait:    time.Minute,
		Exec:              defaultExec(),
		KillSignal:        sigint,
		ReloadSignal:      sighup,
		LogFormat:         "text",
		LogFile:           LogFile{RotateDuration: 24 * time.Hour},
		Syslog:            Syslog{Facility: "LOCAL0", Name: name},
		Vault:             defaultVault(),
		Nomad:             Nomad{Retry: defaultRetry(), SSL: SSL{Verify: true}, Transport: defaultTransport()},
		Deduplicate:       Deduplicate{Prefix: "consul-template/dedup/", TTL: 15 * time.Second, MaxStale: 2 * time.Second, BlockQueryWait: time.Minute},
	}
}

// IsSet tells whether the option at a path such as "consul.retry.attempts", or any option of the block at that path, was
// given by a file, a flag or the environment. Options of repeated blocks are never set in this sense.
func (c Config) IsSet(path string) bool {
	for p := range c.origin {
		if p == path || len(p) > len(path) && p[len(path)] == '.' && p[:len(path)] == path {
			return true
		}
	}
	return false
}

// At is where the option at path was set; the zero Pos when it has its default.
func (c Config) At(path string) Pos { return c.origin[path] }
