package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// TestNamesOfConsul renders all services and all nodes while Consul has names that the grammar of templates can't read, or takes for
// something else, also such that come while the daemon runs.
func TestNamesOfConsul(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	dir := folder(t, map[string]string{
		"services.ctmpl": `{{ range services }}{{ if ne .Name "consul" }}{{ printf "%q" .Name }}:{{ range service .Name }} {{ .ID }}{{ end }}
{{ end }}{{ end -}}
`,
		"nodes.ctmpl": `{{ range nodes }}{{ if .Meta }}{{ else }}{{ printf "%q" .Node }}:{{ with node .Node }}{{ range .Services }} {{ .ID }}{{ end }}{{ end }}
{{ end }}{{ end -}}
`,
		"slow.hcl": slowWatch,
	})
	register := func(name string, n int) {
		server.Register(t, &api.CatalogRegistration{
			Node: name, Address: "10.0.0.1", Service: &api.AgentService{ID: fmt.Sprintf("id-%d", n), Service: name, Port: 80},
		})
	}
	register("web", 0)
	d := start(t, dir, "lictor", "-consul", server.Addr, "-config", "slow.hcl", "-template", "services.ctmpl:services", "-template", "nodes.ctmpl:nodes")
	d.file("services", "\"web\": id-0\n")
	names := []string{"..", "a b", "a/b", "a:b", "a?ns=b", "a@b", "a@dc1", "a|any", "a|b", "my-service-1.0", "ü"}
	for i, name := range names {
		register(name, i+1)
	}
	lines := []string{"\"new\\nline\":", `"web": id-0`} // no request to Consul can have a newline
	register("new\nline", 90)
	for i, name := range names {
		lines = append(lines, fmt.Sprintf("%q: id-%d", name, i+1))
	}
	slices.Sort(lines)
	all := strings.Join(lines, "\n") + "\n"
	d.file("services", all)
	d.file("nodes", all)
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		`level=WARN msg="service \"my-service-1.0\" is taken as the name of a service`, `level=WARN msg="service \"new\\nline\" is left empty`,
	} {
		if n := strings.Count(d.printed(), want); n != 1 {
			t.Errorf("%d times in the log: %s\n%s", n, want, d.printed())
		}
	}

	// The same once, in a peer's place.
	d = start(t, dir, "consul-template", "-consul-addr", server.Addr, "-once", "-template", "services.ctmpl:once")
	if code := d.exit(patience); code != 0 || read(t, dir, "once") != all {
		t.Errorf("exit code %d, printed %s", code, d.printed())
	}
}
