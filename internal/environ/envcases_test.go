package environ

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// A recordedCase is one of shared/envcases; its README says what the fields mean.
type recordedCase struct {
	Name       string
	KV         map[string]string
	KVBase64   map[string][]byte `json:"kv_b64"`
	KVRepeat   map[string][2]any `json:"kv_repeat"`
	Services   []api.CatalogRegistration
	Config     string
	Configs    []string
	Args       []string
	Command    *[]string
	Env        map[string]string
	Stdin      *string
	NoAddr     bool `json:"no_addr"`
	Timeout    float64
	CheckBase  []string `json:"check_base"`
	Ignore     []string
	WantEnv    map[string]string `json:"want_env"`
	WantBase64 map[string][]byte `json:"want_env_b64"`
	WantOut    *string           `json:"want_stdout"`
	WantExit   *int              `json:"want_exit"`
	WantError  bool              `json:"want_error"`
	Waits      bool              `json:"want_timeout"`
	Quirk      string

	Message string `json:"want_message"` // ours: what our standard error must say
}

// A decision is a line of differences.md.
type decision struct {
	improved bool
	overlay  string // JSON laid over the recorded case
}

func decisions(t *testing.T) map[string]decision {
	t.Helper()
	text, err := os.ReadFile("differences.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]decision{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.Contains(line, "---") || strings.Contains(line, "| case |") {
			continue
		}
		name, verdict, why := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		d := decision{improved: verdict == "improved", overlay: strings.Trim(cells[4], " `")}
		if verdict != "kept" && verdict != "improved" || why == "" || d.improved != (d.overlay != "") {
			t.Errorf("differences.md: bad line for %s", name)
		}
		all[name] = d
	}
	return all
}

// shared finds a folder of recordings beside the repository.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the recordings are not there: %v", err)
		}
		t.Skipf("the recordings are not there: %v", err)
	}
	return dir
}

// buildEnvconsul builds lictor under envconsul's name.
func buildEnvconsul(t *testing.T) string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "envconsul")
	if out, err := exec.Command("go", "build", "-o", tool, "lictor/cmd/lictor").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return tool
}

// Every recorded case of envconsul, on a real Consul: those without a mark must come out as recorded, the others as
// differences.md says.
func TestRecordedCases(t *testing.T) {
	dir := shared(t, "envcases")
	files, err := filepath.Glob(filepath.Join(dir, "cases", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	server := consultest.Start(t, consultest.Options{})
	r := caseRunner{tool: buildEnvconsul(t), dump: filepath.Join(dir, "dumpenv"), server: server}
	decided := decisions(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c recordedCase
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(c.Name, func(t *testing.T) {
			d, ok := decided[c.Name]
			delete(decided, c.Name)
			if ok != (c.Quirk != "") {
				t.Fatalf("differences.md decides it: %t, but its quirk is %q", ok, c.Quirk)
			}
			if d.improved {
				c.WantEnv = nil
				if err := json.Unmarshal([]byte(d.overlay), &c); err != nil {
					t.Fatalf("differences.md: %v", err)
				}
			}
			r.check(t, c)
		})
	}
	if len(decided) > 0 && !t.Failed() {
		t.Errorf("differences.md decides cases that are not there: %q", slices.Sorted(maps.Keys(decided)))
	}
}

type caseRunner struct {
	tool, dump string
	server     *consultest.Server
}

// fill makes the registry hold what the case wants, and nothing else.
func (r caseRunner) fill(t *testing.T, c recordedCase) {
	t.Helper()
	client := r.server.Client
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := client.KV().DeleteTree("", nil)
	check(err)
	nodes, _, err := client.Catalog().Nodes(nil)
	check(err)
	for _, n := range nodes {
		if n.Node != "agent" {
			_, err := client.Catalog().Deregister(&api.CatalogDeregistration{Node: n.Node}, nil)
			check(err)
		}
	}
	put := func(key string, value []byte) { // by a transaction, since the other way tidies up "//"
		ok, answer, _, err := client.Txn().Txn(api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVSet, Key: key, Value: value}}}, nil)
		check(err)
		if !ok {
			t.Fatalf("%s: %+v", key, answer.Errors)
		}
	}
	for key, value := range c.KV {
		put(key, []byte(value))
	}
	for key, value := range c.KVBase64 {
		put(key, value)
	}
	for key, repeat := range c.KVRepeat {
		put(key, []byte(strings.Repeat(repeat[0].(string), int(repeat[1].(float64)))))
	}
	for _, service := range c.Services {
		_, err := client.Catalog().Register(&service, nil)
		check(err)
	}
}

// check runs a case and compares.
func (r caseRunner) check(t *testing.T, c recordedCase) {
	r.fill(t, c)
	out, errOut, exit, waited := r.run(t, c)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("standard error: %s", errOut)
		}
	})
	if waited != c.Waits {
		t.Errorf("still waiting: %t", waited)
	}
	if c.WantExit != nil && !waited && exit != *c.WantExit {
		t.Errorf("exit code %d, want %d", exit, *c.WantExit)
	}
	if !strings.Contains(errOut, c.Message) {
		t.Errorf("standard error lacks %q", c.Message)
	}
	if c.WantError && (exit == 0 || strings.TrimSpace(errOut) == "" || strings.Contains(errOut, "panic:")) {
		t.Error("it did not fail with a message")
	}
	if c.WantOut != nil {
		if out != *c.WantOut {
			t.Errorf("printed %q, want %q", out, *c.WantOut)
		}
		return
	}
	got, ran := c.environ(out)
	if ran != (c.WantEnv != nil || c.WantBase64 != nil) {
		t.Fatalf("the program ran: %t", ran)
	}
	want := maps.Clone(c.WantEnv)
	for name, value := range c.WantBase64 {
		plain, err := base64.StdEncoding.DecodeString(name)
		if err != nil {
			t.Fatal(err)
		}
		want[string(plain)] = string(value)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there, with value %q", name, got[name])
		}
	}
	for name, value := range want {
		if seen, ok := got[name]; !ok || seen != value {
			t.Errorf("%s is %q (there: %t), want %q", name, seen, ok, value)
		}
	}
}

// environ is the environment that the dump program saw, without what the case does not compare.
func (c recordedCase) environ(out string) (seen map[string]string, ran bool) {
	dumped, _, ran := strings.Cut(out, "__DUMP_END__=1")
	seen = map[string]string{}
	ignored := append([]string{"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}, c.Ignore...)
	for _, entry := range Decode([]byte(dumped)) {
		name, value, _ := strings.Cut(entry, "=")
		if _, again := seen[name]; entry != "" && !again && (!slices.Contains(ignored, name) || slices.Contains(c.CheckBase, name)) {
			seen[name] = value
		}
	}
	return seen, ran
}

// run runs the tool as the case says; waited tells that it had to be stopped.
func (r caseRunner) run(t *testing.T, c recordedCase) (out, errOut string, exit int, waited bool) {
	t.Helper()
	work := t.TempDir()
	fill := strings.NewReplacer("{addr}", r.server.Addr, "{dump}", r.dump, "{work}", work).Replace
	var args []string
	if !c.NoAddr {
		args = append(args, "-consul-addr="+r.server.Addr)
	}
	configs := c.Configs
	if c.Config != "" {
		configs = []string{c.Config}
	}
	for i, text := range configs {
		name := filepath.Join(work, string(rune('0'+i))+".hcl")
		if err := os.WriteFile(name, []byte(fill(text)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-config="+name)
	}
	program := []string{"{dump}"}
	if c.Command != nil {
		program = *c.Command
	}
	for _, arg := range append(c.Args, program...) {
		args = append(args, fill(arg))
	}
	limit := 20 * time.Second // a slow machine is no failure
	if c.Waits {
		limit = time.Duration(c.Timeout * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.tool, args...)
	cmd.Cancel = func() error { waited = true; return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = work
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent"}
	for name, value := range c.Env {
		cmd.Env = append(cmd.Env, name+"="+fill(value))
	}
	if c.Stdin != nil {
		cmd.Stdin = strings.NewReader(*c.Stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok && !waited {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), waited
}
