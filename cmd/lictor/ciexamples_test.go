package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
	"gopkg.in/yaml.v3"
)

// The examples are tested by lictor test, with the real programs as checks.
func TestExamplesPassTheirCases(t *testing.T) {
	t.Parallel()
	needs(t, "haproxy")
	needs(t, "nginx")
	for folder, passed := range map[string]string{"haproxy": "4 passed, 0 failed\n", "nginx": "3 passed, 0 failed\n", "ci": "2 passed, 0 failed\n"} {
		stdout, stderr, err := lictor(t, "../../examples", "test", folder)
		if err != nil || stdout != passed || stderr != "" {
			t.Errorf("%s: %v\n%s%s", folder, err, stdout, stderr)
		}
	}
}

// copyOf copies a folder to a new one.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return to
}

// shell runs a command as a CI system does, and returns all that it printed.
func shell(t *testing.T, dir, command string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func decode(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// ciCommands lists the commands of the GitHub and GitLab examples, by file.
func ciCommands(t *testing.T, dir string) map[string][]string {
	commands := map[string][]string{}
	var github struct {
		On   any
		Jobs map[string]struct {
			RunsOn    any `yaml:"runs-on"`
			Container string
			Steps     []struct{ Uses, Run string }
		}
	}
	decode(t, filepath.Join(dir, "github-actions.yml"), &github)
	for name, job := range github.Jobs {
		if job.RunsOn == nil || job.Container == "" {
			t.Errorf("github-actions.yml: job %s lacks runs-on or container", name)
		}
		for _, s := range job.Steps {
			if (s.Uses == "") == (s.Run == "") {
				t.Errorf("github-actions.yml: a step of %s has not one of uses and run", name)
			}
			if s.Run != "" {
				commands["github-actions.yml"] = append(commands["github-actions.yml"], s.Run)
			}
		}
	}
	var gitlab map[string]struct {
		Image  string
		Script []string
	}
	decode(t, filepath.Join(dir, "gitlab-ci.yml"), &gitlab)
	for _, job := range gitlab {
		commands["gitlab-ci.yml"] = append(commands["gitlab-ci.yml"], job.Script...)
	}
	return commands
}

func TestCIExamplesRun(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "app/log_level", "warn")
	server.Register(t, &api.CatalogRegistration{Node: "app-01", Address: "10.1.0.1", Service: &api.AgentService{ID: "backend-1", Service: "backend", Port: 8080}})
	dir := copyOf(t, "../../examples/ci")
	for file, commands := range ciCommands(t, dir) {
		if len(commands) != 4 {
			t.Errorf("%s has %d commands, not 4: %q", file, len(commands), commands)
		}
		for _, c := range commands {
			if out, err := shell(t, dir, c, "CONSUL_HTTP_ADDR="+server.Addr); err != nil {
				t.Errorf("%s: %s: %v\n%s", file, c, err, out)
			}
		}
		if report := read(t, dir, "report.xml"); !strings.Contains(report, `tests="2" failures="0"`) {
			t.Errorf("%s leaves the report %q", file, report)
		}
	}

	// They also fail when they should: a doubtful template, a broken one, and drift.
	write(t, dir, "app.yaml", "log_level: older\n")
	write(t, dir, "templates/app.yaml.ctmpl", read(t, dir, "templates/app.yaml.ctmpl")+`more{{ $left := "over" }}`)
	failed := 0
	for _, commands := range ciCommands(t, dir) {
		for _, c := range commands {
			if _, err := shell(t, dir, c, "CONSUL_HTTP_ADDR="+server.Addr); err != nil {
				failed++
			}
		}
	}
	if failed != 6 {
		t.Errorf("%d of the commands fail on a broken template, not 6", failed)
	}
}

func TestCIExampleHooksRun(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, "../../examples/ci")
	var config struct {
		Repos []struct {
			Hooks []struct {
				ID, Entry, Language, Files string
				PassFilenames              *bool `yaml:"pass_filenames"`
			}
		}
	}
	decode(t, filepath.Join(dir, "pre-commit-config.yaml"), &config)
	if len(config.Repos) != 1 || len(config.Repos[0].Hooks) != 2 {
		t.Fatalf("%+v", config)
	}
	for _, h := range config.Repos[0].Hooks {
		command := h.Entry
		if h.PassFilenames == nil || *h.PassFilenames {
			command += " templates/app.yaml.ctmpl" // which is how pre-commit runs it
		}
		if out, err := shell(t, dir, command); err != nil {
			t.Errorf("%s: %s: %v\n%s", h.ID, command, err, out)
		}
	}
}

// The image can't be built in a test. Its instructions are taken apart: what they copy is there, and the build works.
func TestCIExampleContainerfileBuilds(t *testing.T) {
	t.Parallel()
	text := read(t, "../../examples/ci", "Containerfile")
	binary := filepath.Join(t.TempDir(), "lictor")
	built := false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) > 2 && words[0] == "COPY" && !strings.HasPrefix(words[1], "--"):
			for _, source := range words[1 : len(words)-1] {
				if _, err := os.Stat(filepath.Join("../..", source)); err != nil {
					t.Error(err)
				}
			}
		case strings.Contains(line, "go build"):
			command := strings.Replace(strings.TrimPrefix(strings.TrimSpace(line), "RUN "), " /lictor ", " "+binary+" ", 1)
			if out, err := shell(t, "../..", command); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			built = true
		}
	}
	if !built {
		t.Fatal("nothing is built")
	}
	if out, err := exec.CommandContext(t.Context(), binary, "version").Output(); err != nil || !strings.HasPrefix(string(out), "lictor v") {
		t.Errorf("%v: %q", err, out)
	}
}
