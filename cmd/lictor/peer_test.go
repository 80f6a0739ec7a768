package main

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What was seen of consul-template as a daemon (../shared/spec/consul-template-cli.md) and takes changing data to see.

func TestPeerDaemonAndTemplateErrors(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	for _, tc := range []struct {
		name, program, flag string
		ends                bool
	}{
		{"peer", "consul-template", "", true},
		{"peer, not fatal", "consul-template", "-template-error-fatal=false", false},
		{"lictor", "lictor", "", false},
		{"lictor, fatal", "lictor", "-template-error-fatal", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			key := "peer/" + strings.NewReplacer(" ", "-", ",", "").Replace(tc.name)
			server.Put(t, key, `{"n": 1}`)
			dir := folder(t, map[string]string{"in.ctmpl": `n={{ (key "` + key + `" | parseJSON).n }}`})
			args := []string{"-consul-addr", server.Addr, "-template", "in.ctmpl:out"}
			if tc.flag != "" {
				args = append(args, tc.flag)
			}
			d := start(t, dir, tc.program, args...)
			d.file("out", "n=1")
			server.Put(t, key, `{"n":`)
			if tc.ends {
				if code := d.exit(patience); code != 14 {
					t.Errorf("a template error ended it with %d, want 14", code)
				}
			} else {
				d.waitPrinted("template failed, the destination keeps what it has", 1)
			}
			if got := read(t, dir, "out"); got != "n=1" {
				t.Errorf("after the error the file has %q", got)
			}
			if strings.Count(d.printed(), "in.ctmpl:1:") != 1 {
				t.Error("the error is not reported once")
			}
			if !tc.ends {
				server.Put(t, key, `{"n": 2}`)
				d.file("out", "n=2")
			}
		})
	}
}

func TestPeerDaemonEnds(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "ends/mode", "http")
	dir := folder(t, map[string]string{"in.ctmpl": webTemplateFor("ends"), "slow.hcl": slowWatch})
	for _, tc := range []struct {
		flag string
		sig  syscall.Signal
	}{
		{"-kill-signal=SIGINT", syscall.SIGINT}, {"-kill-signal=SIGUSR1", syscall.SIGUSR1}, {"-kill-signal=SIGINT", syscall.SIGTERM}, {"-kill-signal=SIGTERM", syscall.SIGINT},
	} {
		d := start(t, dir, "consul-template", "-consul-addr", server.Addr, "-config", "slow.hcl", "-template", "in.ctmpl:out", "-pid-file=pid", tc.flag)
		d.file("pid", strconv.Itoa(d.cmd.Process.Pid))
		d.signal(tc.sig)
		if code := d.exit(patience); code != 12 {
			t.Errorf("%v with %s: exit code %d, want 12", tc.sig, tc.flag, code)
		}
	}
}

// -dry goes on without -once, and prints each change.
func TestDryDaemon(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-dry", "-data", "data.yaml", "-template", "k.ctmpl:out:touch ran")
	d.waitPrinted("> out\nk=1\n", 1)
	write(t, dir, "data.yaml", "kv: {k: 2}\n")
	d.waitPrinted("> out\nk=2\n", 1)
	if !d.alive() {
		t.Fatal("it has ended")
	}
	for _, name := range []string{"out", "ran"} {
		if read(t, dir, name) != "" {
			t.Errorf("a dry run has made %s", name)
		}
	}
}

// A key that goes away leaves the file as it is, and a value that is written again does nothing.
func TestDeletedAndRepeatedValues(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "repeat/k", "1")
	dir := folder(t, map[string]string{"in.ctmpl": `{{ key "repeat/k" }}`})
	d := start(t, dir, "lictor", "-consul", server.Addr, "-template", "in.ctmpl:out:cat out >> seen; echo >> seen")
	d.file("seen", "1\n")
	server.Put(t, "repeat/k", "1")
	server.Put(t, "repeat/k", "2")
	d.file("seen", "1\n2\n")
	server.Delete(t, "repeat/k")
	d.waitPrinted("waiting for data, the destination keeps what it has", 1)
	if got := read(t, dir, "out"); got != "2" {
		t.Errorf("the key is gone, and the file has %q", got)
	}
	server.Put(t, "repeat/k", "2")
	server.Put(t, "repeat/k", "3")
	d.file("seen", "1\n2\n3\n")
}
