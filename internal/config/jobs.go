package config

import "time"

// A Template is one template and the file it makes. After [Load], Exec holds the command whichever way it was written,
// and Wait, MinInterval, PluginTimeout, LeftDelimiter, RightDelimiter, ErrorFatal, User and Group are final.
type Template struct {
	Source            string   `opt:"source" doc:"Template file; - is standard input. Either this or contents."`
	Contents          string   `opt:"contents" doc:"The template itself. Either this or source."`
	Destination       string   `opt:"destination" doc:"File to write; - is standard output. Needed except with -dry."`
	CreateDestDirs    bool     `opt:"create_dest_dirs" doc:"Make the folders of the destination."`
	Command           Command  `opt:"command" doc:"Command to run after the file changed: a text means what it means to sh -c, a list is run as it stands. Same as exec.command, which wins."`
	CommandTimeout    Duration `opt:"command_timeout" doc:"Limit for the command, 0 is none. Same as exec.timeout, which wins."`
	Exec              Exec     `opt:"exec" doc:"Command to run after the file changed, with its environment and limits."`
	Perms             Perms    `opt:"perms" doc:"Octal mode of the file. Unset: keep that of an existing file, else 0644."`
	User              Owner    `opt:"user" doc:"Owner of the file, name or number. Unset: keep."`
	Group             Owner    `opt:"group" doc:"Group of the file, name or number. Unset: keep."`
	UID               Owner    `opt:"uid" doc:"Older spelling of user."`
	GID               Owner    `opt:"gid" doc:"Older spelling of group."`
	Backup            bool     `opt:"backup" doc:"Keep the previous file as DESTINATION.bak, one generation."`
	LeftDelimiter     string   `opt:"left_delimiter" doc:"Left delimiter of this template."`
	RightDelimiter    string   `opt:"right_delimiter" doc:"Right delimiter of this template."`
	Wait              Wait     `opt:"wait" doc:"Quiet time of this template; wins over the global one."`
	ErrorOnMissingKey bool     `opt:"error_on_missing_key" doc:"A missing map key or struct field is an error instead of <no value>."`
	ErrorFatal        Switch   `opt:"error_fatal" doc:"Whether a failure of this template ends the program. Unset: template_error_fatal."`
	FunctionDenylist  []string `opt:"function_denylist" old:"function_blacklist" doc:"Functions this template may not call; * patterns. One that matches no function is warned of."`
	SandboxPath       string   `opt:"sandbox_path" doc:"Folder in which all files that the template reads must lie."`
	PluginTimeout     Duration `opt:"plugin_timeout" own:"yes" doc:"How long a program that the template runs by plugin may take, then it is killed. Unset or 0: that of the top level."`

	Check        Command  `opt:"check" own:"yes" doc:"Command run on the staged file before it replaces the old one; {{.Staged}} is its path, and below {{.StagedDir}} it lies under its own full path among all that is beside it (LICTOR_STAGED, LICTOR_STAGED_DIR). A failure keeps the old file."`
	CheckTimeout Duration `opt:"check_timeout" own:"yes" doc:"Limit for the check; 0 is not allowed."`
	CommitGroup  string   `opt:"commit_group" own:"yes" doc:"Templates that name the same group are replaced together or not at all."`
	LogDiff      string   `opt:"log_diff" own:"yes" value:"WHEN" doc:"Whether the log shows the lines by which content that was refused or rolled back differs: always, never, or auto, which is where none of them can hold a value of a key, a file or the environment."`
	Rollback     bool     `opt:"rollback" own:"yes" doc:"Bring the previous file back when the command fails, and try the new one again later; the template, or one of its commit group, needs a command."`
	MinInterval  Duration `opt:"min_interval" own:"yes" doc:"Least time between two commits, also across restarts, and between the starts of two runs of the command, whichever templates share it; what changes meanwhile is written when it is over. Does not hold up -once, nor the reload of a rollback. Unset: that of the reload block."`
	InPlace      bool     `opt:"in_place" own:"yes" doc:"Write into the existing file instead of replacing it, as a bind-mounted file needs. Not atomic."`

	// Pos is where the template was configured.
	Pos Pos `opt:"-"`
}

func defaultTemplate() Template {
	t := Template{CreateDestDirs: true, CommandTimeout: 30 * time.Second, CheckTimeout: 30 * time.Second, LogDiff: "auto", Exec: defaultExec()}
	t.Exec.Timeout = 0 // until a block sets it, command_timeout rules
	t.MinInterval = unset
	return t
}

// unset is a duration that no file can hold.
const unset = Duration(-1)

// Reload is what templates inherit for their reloads.
type Reload struct {
	MinInterval Duration `opt:"min_interval" own:"yes" flag:"min-interval" doc:"Least time between two commits of a template, for those that have no min_interval of their own."`
}

// Exec is a program to run: the supervised one at top level, the reload command in a template. Some options have an effect
// in one of these places only: see idle.
type Exec struct {
	Command      Command  `opt:"command" flag:"." doc:"The program or command: a text with blanks means what it means to sh -c, a list is run as it stands."`
	Enabled      Switch   `opt:"enabled" doc:"Unset: on if there is a command."`
	Env          Env      `opt:"env" flag:"env" in:"lxc" doc:"The program's environment."`
	KillSignal   Signal   `opt:"kill_signal" flag:"kill-signal" doc:"Signal that asks the program to end."`
	KillTimeout  Duration `opt:"kill_timeout" flag:"kill-timeout" doc:"How long it may take, then it is killed. A template's command has five seconds at most."`
	ReloadSignal Signal   `opt:"reload_signal" flag:"reload-signal" in:"lxc" doc:"Signal sent on a change. Unset: stop and start again."`
	Reload       string   `opt:"reload" own:"yes" flag:"reload" value:"HOW" in:"lx" doc:"What the program gets when only files have changed: none (the templates' commands reload it), signal (reload_signal) or restart. Unset: signal if there is a reload_signal, else restart."`
	Splay        Duration `opt:"splay" flag:"splay" doc:"Random pause, at most this long, before a signal."`
	Timeout      Duration `opt:"timeout" doc:"Limit for a run of the command. Unset or 0: command_timeout."`
	AllowEnv     []string `opt:"allow_env" own:"yes" flag:"allow-env" value:"NAME" in:"x" doc:"Variables that keys and services may give although they decide what programs load or run, such as PATH or LD_PRELOAD. lictor exec refuses these; appended across files."`
	Restart      string   `opt:"restart" own:"yes" flag:"restart" value:"POLICY" in:"lx" doc:"never, on-failure or always: whether a program that ended by itself is started again."`
}

func defaultExec() Exec {
	return Exec{KillSignal: sigint, KillTimeout: 30 * time.Second, Restart: "never"}
}

// Env is what a program gets as its environment.
type Env struct {
	Pristine bool     `opt:"pristine" flag:"pristine" doc:"Pass nothing on but custom and, where a registry is asked, what it takes to reach that."`
	Custom   []string `opt:"custom" flag:"custom" value:"NAME=VALUE" redact:"value" doc:"NAME=VALUE, always added. Appended across files."`
	Allow    []string `opt:"allowlist" old:"whitelist" flag:"allowlist" value:"PATTERN" doc:"Names to pass on; * patterns. Appended across files."`
	Deny     []string `opt:"denylist" old:"blacklist" flag:"denylist" value:"PATTERN" doc:"Names not to pass on; * patterns; wins, also over what it takes to reach the registry, such as CONSUL_HTTP_TOKEN. Appended across files. A name that is nearly a well-known one is warned of, here and in allowlist."`
}

// Wait is quiet time: a change is acted on when nothing changed for Min, at most Max after the first.
type Wait struct {
	Enabled Switch   `opt:"enabled" old:"bool" doc:"Unset: on if min is given."`
	Min     Duration `opt:"min" doc:"Quiet time."`
	Max     Duration `opt:"max" doc:"Longest delay. Unset: 4 times min."`
}

// A Prefix is a folder of keys that become environment variables.
type Prefix struct {
	Path       string      `opt:"path" doc:"Prefix of the keys, PATH[@DATACENTER]; {{ env \"NAME\" }} in it is filled in."`
	Datacenter string      `opt:"datacenter" doc:"Datacenter of the keys."`
	Format     string      `opt:"format" doc:"Template of the variable's name, with key and replaceKey."`
	NoPrefix   Switch      `opt:"no_prefix" doc:"false puts the path in front of the variable's name. Unset means true."`
	Keys       []KeyFormat `opt:"key" doc:"Accepted without effect."`
	// Pos is where the prefix was configured.
	Pos Pos `opt:"-"`
}

// A Service is a catalog query whose answer becomes environment variables.
type Service struct {
	Query         string `opt:"query" doc:"[TAG.]NAME[@DATACENTER][~NEAR]."`
	FormatID      string `opt:"format_id" doc:"Template of the name of the id variable, with service and key."`
	FormatName    string `opt:"format_name" doc:"The same for the name."`
	FormatAddress string `opt:"format_address" doc:"The same for the address."`
	FormatTag     string `opt:"format_tag" doc:"The same for the tags."`
	FormatPort    string `opt:"format_port" doc:"The same for the port."`
	// Pos is where the query was configured.
	Pos Pos `opt:"-"`
}

// A VaultPath is a Vault secret; nothing uses it.
type VaultPath struct {
	Path     string      `opt:"path" doc:"Not supported."`
	Format   string      `opt:"format" doc:"Not supported."`
	NoPrefix Switch      `opt:"no_prefix" doc:"Not supported."`
	Keys     []KeyFormat `opt:"key" doc:"Not supported."`
	// Pos is where the secret was configured.
	Pos Pos `opt:"-"`
}

// A KeyFormat renames one key.
type KeyFormat struct {
	Name   string `opt:"name" doc:"Name of the key."`
	Format string `opt:"format" doc:"Template of the variable's name."`
}
