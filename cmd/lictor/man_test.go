package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"lictor/internal/config"
)

var update = flag.Bool("update", false, "write the generated documentation instead of checking it")

// TestDocsMan fails when docs/lictor.1 is not what commands, flags and options make of it now.
func TestDocsMan(t *testing.T) {
	const path = "../../docs/lictor.1"
	want := manual()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not up to date (%v): run make docs", path, err)
	}
}

// manual is the manual page: its own text, and what the commands, their flags and the options say of themselves.
func manual() string {
	var out strings.Builder
	out.WriteString(manHead)
	for _, cmd := range newRootCmd(streams{}).Commands() {
		fmt.Fprintf(&out, ".TP\n.B lictor %s\n%s\n", roff(cmd.Use), roff(cmd.Short))
	}
	out.WriteString(manOptions)
	group, seen := "", map[string]bool{}
	flags := append(config.Table(config.Lictor), config.Table(config.LictorExec)...)
	for _, name := range config.Groups() {
		for _, f := range flags {
			if f.Group != name || f.Old || seen[f.Name] {
				continue
			}
			if seen[f.Name] = true; group != name {
				group = name
				fmt.Fprintf(&out, ".SS %s\n", group)
			}
			fmt.Fprintf(&out, ".TP\n.B \\-%s", roff(f.Name))
			if f.Value != "" {
				fmt.Fprintf(&out, "\\fR \\fI%s\\fR", roff(f.Value))
			}
			fmt.Fprintf(&out, "\n%s\n", roff(f.Text()))
		}
	}
	out.WriteString(manMiddle)
	for _, v := range config.Variables() {
		fmt.Fprintf(&out, ".TP\n.B %s\nOption \\fB%s\\fR, where nothing else sets it.\n", roff(strings.Join(v.Names, ", ")), roff(v.Path))
	}
	out.WriteString(manTail)
	return out.String()
}

// roff escapes text for a manual page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

const manHead = `.\" Made by "make docs" from cmd/lictor/man_test.go and the flags; edit there.
.TH LICTOR 1 "" "lictor" "User Commands"
.SH NAME
lictor \- render templates and environments from a service registry, and reload what reads them
.SH SYNOPSIS
.B lictor
[\fIoptions\fR]
.br
.B lictor exec
[\fIoptions\fR] [\fB\-\-\fR] \fICOMMAND\fR [\fIARGUMENT\fR...]
.br
.B lictor
\fICOMMAND\fR [\fIoptions\fR]
.SH DESCRIPTION
.B lictor
watches Consul or a data file. When something that a template reads changes, it renders the template, replaces the file in
one step, and runs a command such as the reload of a load balancer. Unchanged content is not written and runs nothing.
.PP
.B lictor exec
starts a program with its environment taken from keys and services, and starts it anew, or signals it, when they change.
.PP
Called as
.B consul-template
or
.BR envconsul ,
it takes the command line, files and signals of that program and ends with its exit codes.
.SH COMMANDS
Each has a help of its own, with
.BR \-h .
`

const manOptions = `.SH OPTIONS
These are the options of
.B lictor
and
.BR "lictor exec" .
Long options take one dash or two, and their value after "=" or a blank; a true-or-false option takes a value only after
"=". Options end at the first argument that is none.
.TP
.BR \-h ", " \-help
Print the options and end.
.TP
.BR \-v ", " \-version
Print the version and end.
`

const manMiddle = `.SH CONFIGURATION
A file given with
.B \-config
is HCL, JSON (it begins with "{") or YAML (its name ends in .yaml or .yml). Later files override earlier ones, CT_LOCAL_CONFIG
overrides files, flags override everything, and environment variables fill what is still unset. An example:
.PP
.nf
consul {
  address = "10.0.0.1:8500"
}

template {
  source      = "haproxy.ctmpl"
  destination = "/etc/haproxy/haproxy.cfg"
  command     = "systemctl reload haproxy"
}
.fi
.PP
docs/configuration.md in the source describes every option.
.SH ENVIRONMENT
.TP
.B CT_LOCAL_CONFIG
Configuration as HCL or JSON, read after all files.
`

const manTail = `.SH SIGNALS
.TP
.BR SIGHUP " (" \-reload\-signal )
Read the configuration again. A broken one is reported, and the old one goes on.
.TP
.BR SIGINT ", " SIGTERM ", " SIGQUIT ", and the signal of " \-kill\-signal
End. A second one ends at once.
.PP
Other signals go to the program of
.BR \-exec .
.SH EXIT STATUS
.TP
.B 0
Everything was done.
.TP
.B 2
With \-dry \-exit\-code: something would change.
.TP
.B 12
Ended by a signal (as consul-template and envconsul).
.TP
.B 13
The command line is wrong.
.TP
.B 14
A template, command, destination or the registry failed.
.TP
.B 15
A configuration file is wrong, or there is nothing to do: no template and no program.
.TP
.B 16
With \-once \-cache: all is done, but from last known data, since the registry did not answer or a guard holds back what it said.
.PP
With a supervised program, its exit code.
.SH EXAMPLES
Render once, without a registry:
.PP
.nf
lictor \-once \-data data.yaml \-template app.ctmpl:app.conf
.fi
.PP
Keep a load balancer up to date:
.PP
.nf
lictor \-consul 127.0.0.1:8500 \-template "haproxy.ctmpl:/etc/haproxy/haproxy.cfg:systemctl reload haproxy"
.fi
.PP
Run a program with its settings as variables:
.PP
.nf
lictor exec \-prefix app/production \-upcase \-sanitize \-\- /usr/bin/app
.fi
`
