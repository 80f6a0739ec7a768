package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/cases"
	"lictor/internal/lint"
)

// A step of a page: a block of commands, and what they print where the page shows it.
type step struct {
	line           int
	commands, want string
	shown          bool
}

// steps takes the ```sh blocks of a page, each with the ```text block that follows it.
func steps(page string) []step {
	var all []step
	block := regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")
	for _, m := range block.FindAllStringSubmatchIndex(page, -1) {
		kind, text := page[m[2]:m[3]], page[m[4]:m[5]]
		if kind == "sh" {
			all = append(all, step{line: 1 + strings.Count(page[:m[0]], "\n"), commands: text})
			continue
		}
		all[len(all)-1].want, all[len(all)-1].shown = text, true
	}
	return all
}

// The page is followed to the letter: its commands in one shell, and their outputs as they are shown.
func TestTestingTemplatesIsTrue(t *testing.T) {
	t.Parallel()
	server := sharedConsul.Server(t)
	server.Put(t, "shop/name", "production")
	server.Register(t, &api.CatalogRegistration{Node: "shop-1", Address: "10.2.0.1", Service: &api.AgentService{ID: "web-1", Service: "web", Port: 80}})
	all := steps(read(t, "../../docs", "testing-templates.md"))
	if len(all) < 10 {
		t.Fatalf("only %d steps are found: are the blocks still marked as sh and text?", len(all))
	}
	const mark = "@@@ the next step @@@"
	var script strings.Builder
	for _, s := range all {
		fmt.Fprintf(&script, "%s\nif [ $? -ne 0 ]; then echo 'THE STEP FAILED'; fi\necho '%s'\n", s.commands, mark)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "CONSUL_HTTP_ADDR="+server.Addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	printed := strings.Split(string(out), mark+"\n")
	if len(printed) != len(all)+1 {
		t.Fatalf("the steps don't all come to their end:\n%s", out)
	}
	for i, s := range all {
		switch got := printed[i]; {
		case s.shown && got != s.want:
			t.Errorf("docs/testing-templates.md:%d prints\n%sand not\n%s", s.line, got, s.want)
		case !s.shown && got != "":
			t.Errorf("docs/testing-templates.md:%d prints %q, which the page does not show", s.line, got)
		}
	}
}

// The page lists what there is.
func TestTestingTemplatesIsComplete(t *testing.T) {
	page := read(t, "../../docs", "testing-templates.md")
	for _, r := range lint.Rules() {
		if !strings.Contains(page, "| "+r.Code+" | ") {
			t.Errorf("docs/testing-templates.md does not list %s (%s)", r.Code, r.Name)
		}
	}
	for _, s := range cases.Settings() {
		if !strings.Contains(page, "| `"+s+": ") {
			t.Errorf("docs/testing-templates.md does not list the setting %q", s)
		}
	}
}
