package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// wideTemplate reads something of every kind that a fixture holds.
const wideTemplate = `{{ key "app/mode" }} {{ keyOrDefault "app/none" "-" }}
{{ range tree "limits/" }}{{ .Key }}={{ .Value }}
{{ end }}{{ range services }}{{ $name := .Name }}[{{ .Name }} {{ .Tags }}]
{{ range service (printf "%s|any" .Name) }}{{ .Node }} {{ .ID }} {{ .Address }}:{{ .Port }} {{ .Status }} {{ .Tags }} {{ .ServiceMeta }} {{ .NodeMeta }} {{ .Weights }}
{{ end }}{{ end }}{{ range nodes }}{{ .Node }} {{ .Address }}
{{ end }}{{ range service "svc-003|any" "filter=Service.Meta.version == \"1\"" }}{{ .ID }}
{{ end }}{{ with node "host-01" }}{{ range .Services }}{{ .ID }} {{ end }}{{ end }}
{{ range connect "svc-001|any" }}{{ .ID }} {{ .Kind }} {{ .Port }}
{{ end }}{{ datacenters }} {{ range service "none" }}some{{ else }}nothing{{ end }}
`

// registerMany puts services of a few instances each on a few nodes, in every state of health.
func registerMany(t *testing.T, server *consultest.Server, services int) {
	statuses := []string{"passing", "warning", "critical", ""}
	for n := range services {
		name := fmt.Sprintf("svc-%03d", n)
		for i := range 1 + n%3 {
			r := &api.CatalogRegistration{
				Node: fmt.Sprintf("host-%02d", (n+i)%20), Address: fmt.Sprintf("10.0.0.%d", (n+i)%20),
				NodeMeta: map[string]string{"zone": fmt.Sprint((n + i) % 20 % 3)},
				Service: &api.AgentService{
					ID: fmt.Sprintf("%s-%d", name, i), Service: name, Port: 8000 + n,
					Meta: map[string]string{"version": fmt.Sprint(i)}, Weights: api.AgentWeights{Passing: 1 + n%4, Warning: 1},
				},
			}
			if n%2 == 0 {
				r.Service.Tags = []string{"web", fmt.Sprintf("v%d", i)}
			}
			if n%5 == 0 {
				r.Service.Address = fmt.Sprintf("192.168.0.%d", n)
			}
			if status := statuses[(n+i)%len(statuses)]; status != "" {
				r.Check = &api.AgentCheck{CheckID: "service:" + r.Service.ID, Name: "up", ServiceID: r.Service.ID, Status: status, Output: "says " + status}
			}
			server.Register(t, r)
		}
	}
	server.Register(t, &api.CatalogRegistration{Node: "host-00", Address: "10.0.0.0", NodeMeta: map[string]string{"zone": "0"}, Service: &api.AgentService{
		Kind: api.ServiceKindConnectProxy, ID: "svc-001-proxy", Service: "svc-001-proxy", Port: 21000, Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "svc-001"},
	}})
}

// lictor runs a command and returns what it printed on its two streams, and how it ended.
func lictor(t *testing.T, dir string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), "lictor", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func TestRecordOfManyServicesRendersTheSame(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{})
	registerMany(t, server, 200)
	server.Put(t, "app/mode", "http: \"quoted\"\n\ttab")
	server.Put(t, "app/unread", "not for the fixture")
	server.Put(t, "limits/rate", "5")
	server.Put(t, "limits/deep/conns", "\xff\x00binary")
	checks := wideTemplate + `{{ range service "svc-002|any" }}{{ range .Checks }}{{ .CheckID }} {{ .Output }} {{ end }}{{ .NodeID }}{{ end }}
{{ with keyExistsGet "app/mode" }}{{ .ModifyIndex }} {{ .CreateIndex }}{{ end }}
`
	dir := folder(t, map[string]string{"brief.ctmpl": wideTemplate, "full.ctmpl": checks})
	for _, name := range []string{"brief", "full"} {
		live, stderr, err := lictor(t, dir, "render", "-consul", server.Addr, name+".ctmpl")
		if err != nil || strings.Count(live, "\n") < 600 {
			t.Fatalf("%v: %s\n%s", err, stderr, live)
		}
		if _, stderr, err := lictor(t, dir, "record", "-consul", server.Addr, "-o", name+".yaml", name+".ctmpl"); err != nil || stderr != "" {
			t.Fatalf("%v: %s", err, stderr)
		}
		offline, stderr, err := lictor(t, dir, "render", "-data", name+".yaml", name+".ctmpl")
		if err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		if offline != live {
			t.Errorf("%s.yaml does not render as Consul does:\n%s", name, diffLines(live, offline))
		}
		first := read(t, dir, name+".yaml")
		if _, stderr, err := lictor(t, dir, "record", "-consul", server.Addr, "-o", name+".yaml", name+".ctmpl"); err != nil {
			t.Fatal(err, stderr)
		}
		if again := read(t, dir, name+".yaml"); again != first {
			t.Errorf("recorded twice, %s.yaml differs:\n%s", name, diffLines(first, again))
		}
		if strings.Contains(first, "unread") {
			t.Errorf("%s.yaml has what the template does not read", name)
		}
	}
	if brief := read(t, dir, "brief.yaml"); strings.Contains(brief, "says critical") || strings.Contains(brief, "modify_index") {
		t.Error("the short recording has the outputs of checks or indexes, which the template does not print")
	}
}

// diffLines shows the first lines in which two texts differ.
func diffLines(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []string
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			out = append(out, fmt.Sprintf("%d: %q\n   %q", i+1, as[i], bs[i]))
		}
	}
	return strings.Join(out[:min(5, len(out))], "\n")
}

// The order by distance is part of what a template prints, and so of the recording.
func TestRecordKeepsTheOrderByDistance(t *testing.T) {
	t.Parallel()
	seed := filepath.Join("..", "..", "..", "shared", "conformance", "seed.json")
	if _, err := os.Stat(seed); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("there is no conformance corpus here: ", err)
	}
	server := consultest.Start(t, consultest.Options{Node: "conf-agent"})
	server.LoadSeed(t, seed)
	dir := folder(t, map[string]string{"near.ctmpl": `{{ range nodes "~app-02" }}{{ .Node }} {{ end }}
{{ range service "web~app-02|any" }}{{ .Node }}/{{ .ID }} {{ end }}
{{ range service "web~_agent|any" }}{{ .Node }}/{{ .ID }} {{ end }}
{{ range service "api~edge-01|any" }}{{ .Node }}/{{ .ID }} {{ end }}
`})
	live, stderr, err := lictor(t, dir, "render", "-consul", server.Addr, "near.ctmpl")
	if err != nil {
		t.Fatal(err, stderr)
	}
	if _, stderr, err := lictor(t, dir, "record", "-consul", server.Addr, "-o", "near.yaml", "near.ctmpl"); err != nil {
		t.Fatal(err, stderr)
	}
	offline, stderr, err := lictor(t, dir, "render", "-data", "near.yaml", "near.ctmpl")
	if err != nil {
		t.Fatal(err, stderr)
	}
	if offline != live {
		t.Errorf("live:\n%s\noffline:\n%s", live, offline)
	}
}
