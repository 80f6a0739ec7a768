package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// configsFolder holds configurations of consul-template with what each was seen to do there.
const configsFolder = "../../../shared/configs"

// differences are where we mean to differ from what the README of configsFolder has seen, with the reason. The test of each
// file checks them.
var differences = map[string]string{
	"05-shared-commands.hcl":  "at the start the shared command may run twice: a template does not wait for the data of another",
	"10-sandbox-denylist.hcl": "-once ends with 14 and both errors, where consul-template panics",
}

// A configCase is one of the recorded configurations at work.
type configCase struct {
	*testing.T
	server *consultest.Server
	dir    string
	file   string
}

// start starts consul-template with the case's configuration.
func (c *configCase) start(args ...string) *running {
	c.Helper()
	return start(c.T, c.dir, "consul-template", append([]string{"-consul-addr=" + c.server.Addr, "-config", c.file}, args...)...)
}

// once runs consul-template -once, which must end with the code, and returns what it printed.
func (c *configCase) once(code int, args ...string) string {
	c.Helper()
	r := c.start(append(args, "-once")...)
	if got := r.exit(patience); got != code {
		c.Fatalf("-once ended with %d, want %d", got, code)
	}
	return r.printed()
}

// change replaces texts of the configuration: old, new, old, new ...
func (c *configCase) change(pairs ...string) {
	c.Helper()
	text := read(c.T, c.dir, c.file)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			c.Fatalf("%s has no %q", c.file, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	write(c.T, c.dir, c.file, text)
}

// has checks a file of the case's folder.
func (c *configCase) has(name, want string) {
	c.Helper()
	if got := read(c.T, c.dir, name); got != want {
		c.Errorf("%s is %q, want %q", name, got, want)
	}
}

// mode checks a file's permissions.
func (c *configCase) mode(name string, want os.FileMode) {
	c.Helper()
	info, err := os.Stat(filepath.Join(c.dir, name))
	if err != nil {
		c.Fatal(err)
	}
	if info.Mode().Perm() != want {
		c.Errorf("%s has the mode %v, want %v", name, info.Mode().Perm(), want)
	}
}

func (c *configCase) put(key, value string) { c.Helper(); c.server.Put(c.T, "larch/"+key, value) }

// TestConfigs runs every recorded configuration of consul-template.
func TestConfigs(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(configsFolder); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("the recorded configurations are not here: %v", err)
	}
	cases := map[string]func(*configCase){
		"01-contents-perms.hcl":          configContents,
		"02-backup-source.hcl":           configBackup,
		"03-no-dest-dirs.hcl":            configNoDirs,
		"04-command-string-and-list.hcl": configCommands,
		"05-shared-commands.hcl":         configShared,
		"06-command-timeout.hcl":         configTimeout,
		"07-missing-key.hcl":             configMissingKey,
		"08-delimiters.json":             configDelimiters,
		"09-wait.hcl":                    configWait,
		"10-sandbox-denylist.hcl":        configSandbox,
		"11-exec-supervise.hcl":          configSupervise,
		"12-owner-and-template-exec.hcl": configOwner,
	}
	files, err := filepath.Glob(configsFolder + "/consul-template/*")
	if err != nil {
		t.Fatal(err)
	}
	server := consultest.Start(t, consultest.Options{})
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			run, ok := cases[name]
			if !ok {
				t.Fatal("this configuration has no test")
			}
			seedConfigs(t, server)
			dir := t.TempDir()
			copyFile(t, path, filepath.Join(dir, name))
			run(&configCase{t, server, dir, name})
		})
	}
	for name := range differences {
		if !slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == name }) {
			t.Errorf("%s is said to differ, and does not exist", name)
		}
	}
}

// seedConfigs sets the data as it was when the configurations were recorded.
func seedConfigs(t *testing.T, server *consultest.Server) {
	t.Helper()
	text, err := os.ReadFile(configsFolder + "/seed.json")
	if err != nil {
		t.Fatal(err)
	}
	var seed struct {
		KV       map[string]string
		Services []*api.CatalogRegistration
	}
	if err := json.Unmarshal(text, &seed); err != nil {
		t.Fatal(err)
	}
	for key, value := range seed.KV {
		server.Put(t, key, value)
	}
	for _, s := range seed.Services {
		server.Register(t, s)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

func configContents(c *configCase) {
	const want = "bind=0.0.0.0:8443\nmotd=none\n"
	c.once(0)
	c.has("out/conf.d/http.conf", want)
	c.mode("out/conf.d/http.conf", 0o640)
	if err := os.Chmod(filepath.Join(c.dir, "out/conf.d/http.conf"), 0o600); err != nil {
		c.Fatal(err)
	}
	c.once(0)
	c.mode("out/conf.d/http.conf", 0o600)
}

func configBackup(c *configCase) {
	if said := c.once(14); !strings.Contains(said, "pool.ctmpl: no such file") {
		c.Errorf("without the template it said %q", said)
	}
	write(c.T, c.dir, "pool.ctmpl", `{{ key "larch/pool" }}`)
	c.once(0)
	c.has("out/pool.txt", "16")
	c.has("out/pool.txt.bak", "")
	write(c.T, c.dir, "out/pool.txt", "old")
	for _, value := range []string{"16", "17", "18"} {
		c.put("pool", value)
		c.once(0)
		c.has("out/pool.txt", value)
	}
	c.has("out/pool.txt.bak", "17")
	c.mode("out/pool.txt", 0o600)
	c.mode("out/pool.txt.bak", 0o600)
}

func configNoDirs(c *configCase) {
	if said := c.once(14); !strings.Contains(said, "missing/dir") {
		c.Errorf("it said %q", said)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "missing")); err == nil {
		c.Error("a folder was made")
	}
}

func configCommands(c *configCase) {
	c.once(0)
	c.has("log.txt", "shell:sh:16\n")
	c.has("b.txt", "Guten Tag")
	c.has("c.txt", "third")
	if info, err := os.Stat(filepath.Join(c.dir, "log-$(id).txt")); err != nil || info.Size() != 0 {
		c.Errorf("the list did not run as it stands: %v %v", info, err)
	}
}

func configShared(c *configCase) {
	r := c.start()
	count := func(word string) int { return strings.Count(read(c.T, c.dir, "log.txt"), word) }
	ran := func(what string, reload, other int) {
		c.Helper()
		eventually(c.T, what, func() bool { return count("reload") >= reload && count("other") >= other })
	}
	for f, want := range map[string]string{"a.txt": "16", "b.txt": "Guten Tag", "c.txt": "8443"} {
		r.file(f, want)
	}
	ran("start", 1, 1)
	before := count("reload")
	c.put("pool", "17")
	r.file("a.txt", "17")
	ran("one key", before+1, 1)
	before = count("reload")
	_, _, _, err := c.server.Client.KV().Txn(api.KVTxnOps{
		{Verb: api.KVSet, Key: "larch/pool", Value: []byte("18")},
		{Verb: api.KVSet, Key: "larch/motd", Value: []byte("hello")},
		{Verb: api.KVSet, Key: "larch/http/port", Value: []byte("80")},
	}, nil)
	if err != nil {
		c.Fatal(err)
	}
	for f, want := range map[string]string{"a.txt": "18", "b.txt": "hello", "c.txt": "80"} {
		r.file(f, want)
	}
	ran("three keys", before+1, 2)
	r.signal(syscall.SIGINT)
	if code := r.exit(patience); code != 12 {
		c.Errorf("it ended with %d, want 12", code)
	}
	if count("reload") > 5 || count("other") != 2 {
		c.Errorf("reload ran %d times and other %d times; want at most 2 + 1 + 2, and 2", count("reload"), count("other"))
	}
}

func configTimeout(c *configCase) {
	c.change("sleep 6", "sleep 3600")
	began := time.Now()
	if said := c.once(14); !strings.Contains(said, "did not end within 1s") {
		c.Errorf("it said %q", said)
	}
	if took := time.Since(began); took < time.Second {
		c.Errorf("it took %v", took)
	}
	c.has("a.txt", "16")
	c.has("log.txt", "")
	if processWith(c.T, c.dir) {
		c.Error("something of the command is left")
	}
}

func configMissingKey(c *configCase) {
	r := c.start("-once") // which waits for better data
	r.waitPrinted(`no entry for key \"absent\"`, 1)
	r.file("lenient.txt", "40 <no value>\n")
	c.has("strict.txt", "")
	r.signal(syscall.SIGINT)
	if code := r.exit(patience); code != 12 {
		c.Errorf("exit code %d, want 12", code)
	}
	r = c.start("-once")
	r.waitPrinted(`no entry for key \"absent\"`, 1)
	c.put("flags", `{"limit": 41, "absent": 1}`)
	if code := r.exit(patience); code != 0 {
		c.Errorf("with better data it ended with %d", code)
	}
	c.has("strict.txt", "41 1\n")
	c.put("flags", `{"limit": 42}`)
	r = c.start() // the same as a daemon
	r.waitPrinted(`no entry for key \"absent\"`, 1)
	c.put("flags", `{"limit": 43, "absent": 1}`)
	r.file("strict.txt", "43 1\n")
}

func configDelimiters(c *configCase) {
	c.once(0)
	c.has("default.txt", "16 {{ untouched }}\n")
	c.has("own.txt", "16 [[ untouched ]]\n")
}

// configWait has waits of an hour show what does not wait; when exactly a wait is over is seen in the runner's tests.
func configWait(c *configCase) {
	rendered := func(r *running, value string) {
		c.Helper()
		r.file("own.txt", value)
		r.file("global.txt", value)
		eventually(c.T, "both commands have run", func() bool { return isThere(c.dir, "own.log") && isThere(c.dir, "global.log") })
	}
	anew := func() {
		for _, f := range []string{"own.txt", "own.log", "global.txt", "global.log"} {
			os.Remove(filepath.Join(c.dir, f))
		}
	}
	end := func(r *running) {
		r.signal(syscall.SIGINT)
		r.exit(patience)
	}
	recorded := read(c.T, c.dir, c.file)
	c.change("2s", "1h", "6s", "2h", "500ms:1s", "1h:2h")
	c.once(0)
	anew()
	r := c.start()
	rendered(r, "16") // the first render
	end(r)
	write(c.T, c.dir, c.file, recorded)
	c.change("2s", "1h", "6s", "2h")
	anew()
	r = c.start()
	rendered(r, "16")
	c.put("pool", "17")
	r.file("own.txt", "17")
	c.has("global.txt", "16")
	end(r)
	write(c.T, c.dir, c.file, recorded)
	anew()
	r = c.start()
	rendered(r, "17")
	began := time.Now()
	c.put("pool", "18")
	for _, wait := range []struct {
		log   string
		least time.Duration
	}{{"own.log", 500 * time.Millisecond}, {"global.log", 2 * time.Second}} {
		// The clock that date reads may be set a little meanwhile.
		if at := times(c.T, c.dir, wait.log)[1].Sub(began); at < wait.least-100*time.Millisecond {
			c.Errorf("%s: the command ran %v after the change, want at least %v", wait.log, at, wait.least)
		}
	}
}

// times reads what "date +%s.%N" has written, and waits for the second line.
func times(t *testing.T, dir, name string) []time.Time {
	t.Helper()
	var all []time.Time
	eventually(t, name+" has two lines", func() bool { return strings.Count(read(t, dir, name), "\n") >= 2 })
	for line := range strings.Lines(read(t, dir, name)) {
		var s, ns int64
		if _, err := fmt.Sscanf(line, "%d.%d", &s, &ns); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Unix(s, ns))
	}
	return all
}

func configSandbox(c *configCase) {
	write(c.T, c.dir, "box/inside.txt", "inside")
	said := c.once(14)
	c.has("inside.txt", "inside")
	for _, name := range []string{"env", "toUpper"} {
		if !regexp.MustCompile(`(?m)^lictor: .*` + name + `.*function is disabled`).MatchString(said) {
			c.Errorf("%s is not reported in %q", name, said)
		}
	}
	for _, f := range []string{"env.txt", "upper.txt"} {
		c.has(f, "")
	}
	os.Remove(filepath.Join(c.dir, "inside.txt"))
	c.once(14, "-template-error-fatal=true")
}

func configSupervise(c *configCase) {
	if _, err := exec.LookPath("/usr/bin/python3"); err != nil {
		c.Skip("sigchild is written in Python: on Debian and Ubuntu, apt-get install python3")
	}
	copyFile(c.T, configsFolder+"/sigchild", filepath.Join(c.dir, "sigchild"))
	if said := c.once(15); !strings.Contains(said, "logs/") {
		c.Errorf("without the folder for logs it said %q", said)
	}
	if err := os.Mkdir(filepath.Join(c.dir, "logs"), 0o755); err != nil {
		c.Fatal(err)
	}
	r := c.start()
	events := func() (names, pids []string) {
		for line := range strings.Lines(read(c.T, c.dir, "child.log")) {
			f := strings.SplitN(strings.TrimSpace(line), " ", 3)
			if len(f) == 3 {
				names, pids = append(names, strings.SplitN(f[2], " pgid", 2)[0]), append(pids, f[1])
			}
		}
		return names, pids
	}
	after := func(what string, want ...string) []string {
		c.Helper()
		var names, pids []string
		c.Cleanup(func() {
			if c.Failed() {
				c.Logf("the child's log: %q", names)
			}
		})
		eventually(c.T, what, func() bool { names, pids = events(); return slices.Equal(names, want) })
		return pids
	}
	after("the child starts", "start")
	if log := read(c.T, c.dir, "child.log"); !strings.Contains(log, "v={'v_mode': 'test'}") {
		c.Errorf("the child's environment: %s", log)
	}
	c.put("pool", "17")
	after("a change is a SIGHUP", "start", "got SIGHUP")
	r.file("pool.txt", "17\n")
	r.signal(syscall.SIGHUP)
	after("SIGHUP is passed on", "start", "got SIGHUP", "got SIGHUP")
	info, err := os.Stat(filepath.Join(c.dir, "pool.txt"))
	if err != nil {
		c.Fatal(err)
	}
	r.signal(syscall.SIGUSR1)
	pids := after("SIGUSR1 reloads", "start", "got SIGHUP", "got SIGHUP", "got SIGINT", "exit", "start")
	if pids[0] != pids[4] || pids[4] == pids[5] {
		c.Errorf("the processes were %v", pids)
	}
	if again, err := os.Stat(filepath.Join(c.dir, "pool.txt")); err != nil || !again.ModTime().Equal(info.ModTime()) {
		c.Errorf("the unchanged file was written again: %v", err)
	}
	logs := logFiles(c.T, c.dir)
	if len(logs) != 2 || !regexp.MustCompile(`^logs/consul-template-\d{19}\.log$`).MatchString(logs[0]) {
		c.Errorf("the log files are %q", logs)
	}
	c.mode(logs[0], 0o640)
	c.has("ct.pid", strconv.Itoa(r.cmd.Process.Pid))
	r.signal(syscall.SIGTERM)
	if code := r.exit(patience); code != 12 {
		c.Errorf("it ended with %d, want 12", code)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "ct.pid")); err == nil {
		c.Error("the process file is left")
	}
}

func configOwner(c *configCase) {
	if os.Getuid() != 0 {
		c.Skip("only root can give files away")
	}
	said := c.once(0)
	c.has("birch.txt", "birch-1 10.2.0.1:7001\nbirch-2 10.2.0.2:7002\n")
	info, err := os.Stat(filepath.Join(c.dir, "birch.txt"))
	if err != nil {
		c.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 65534 || s.Gid != 12 {
		c.Errorf("birch.txt belongs to %d:%d", s.Uid, s.Gid)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if len(lines) != 4 || !slices.Contains(lines, "WHO=template") || strings.Count(said, "CONSUL_HTTP_") != 3 {
		c.Errorf("the command printed %q", said)
	}
	c.has("both.txt", "16")
	c.has("log.txt", "from-exec\n")
}
