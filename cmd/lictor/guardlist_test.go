package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"lictor/internal/config"
	"lictor/internal/consultest"
	"lictor/watch"
	"lictor/watch/watchtest"
)

// A template that takes its services from the list of names loses none that a guard is for.
func TestGuardOfServicesInAList(t *testing.T) {
	t.Parallel()
	s := sharedConsul.Server(t)
	for i := 1; i <= 3; i++ {
		s.Register(t, instance("listed-web", i))
		s.Register(t, instance("listed-old", i))
	}
	dir := folder(t, map[string]string{
		"out.ctmpl": `{{range services}}{{if .Name | regexMatch "^listed-"}}{{.Name}}: {{range service .Name}}{{.ID}} {{end}}{{end}}{{end}}`,
		"lictor.hcl": `
guard {
  services      = ["listed-web"]
  min_instances = 2
}
template {
  source      = "out.ctmpl"
  destination = "out"
}`,
	})
	d := start(t, dir, "lictor", "-consul", s.Addr, "-config", "lictor.hcl")
	const web = "listed-web: listed-web-1 listed-web-2 listed-web-3 "
	d.file("out", "listed-old: listed-old-1 listed-old-2 listed-old-3 "+web)
	for i := 1; i <= 3; i++ {
		s.Deregister(t, &api.CatalogDeregistration{Node: fmt.Sprintf("listed-web-node-%d", i)})
	}
	d.waitPrinted("GUARD: services that have left a list of names stay in it", 1)
	for i := 1; i <= 3; i++ { // what nobody guards leaves the file while the other stays
		s.Deregister(t, &api.CatalogDeregistration{Node: fmt.Sprintf("listed-old-node-%d", i)})
	}
	s.Register(t, instance("listed-new", 1))
	eventually(t, "the list goes on", func() bool {
		got := read(t, dir, "out")
		return strings.Contains(got, "listed-new: listed-new-1") && !strings.Contains(got, "listed-old")
	})
	if got := read(t, dir, "out"); !strings.HasSuffix(got, web) && !strings.HasSuffix(got, "listed-web: listed-web-2 listed-web-3 ") {
		t.Errorf("the guard has let the file shrink to %q", got)
	}
	d.signal(syscall.SIGUSR1)
	d.file("out", "listed-new: listed-new-1 ")
	s.Deregister(t, &api.CatalogDeregistration{Node: "listed-new-node-1"})
	d.file("out", "")
}

// The same for runs of their own, which know of each other by the cache: each says by its exit code that something is held
// back, until the hold is over.
func TestServiceStaysInAListOverRuns(t *testing.T) {
	t.Parallel()
	dir := guarded(t, "guard {\n  queries = [\"service(web)\"]\n  min_instances = 2\n  hold = \"2s\"\n}\n")
	write(t, dir, "web.ctmpl", `{{range services}}{{.Name}}: {{range service .Name}}{{.ID}} {{end}}{{end}}`)
	once := func() (code int, printed string) {
		d := start(t, dir, "lictor", "-once", "-config", "lictor.hcl")
		return d.exit(patience), d.printed()
	}
	if code, printed := once(); code != exitOK || read(t, dir, "web") != "web: "+fourInstances {
		t.Fatalf("exit code %d, file %q\n%s", code, read(t, dir, "web"), printed)
	}
	write(t, dir, "data.yaml", "services: {api: {api-1: 10.0.0.1:80}}\n")
	held, said := 0, ""
	eventually(t, "the hold ends", func() bool {
		if err := os.Remove(filepath.Join(dir, "web")); err != nil {
			t.Fatal(err)
		}
		code, printed := once()
		said += printed
		switch got := read(t, dir, "web"); {
		case code == exitStale && got == "api: api-1 web: "+fourInstances && strings.Contains(printed, "GUARD: services that have left a list of names stay in it"):
			held++
			return false
		case code == exitStale && strings.HasPrefix(got, "api: api-1 ") && held > 0: // the hold was over while it ran
			return false
		case code == exitOK && got == "api: api-1 " && strings.Contains(said, "held for long enough"):
			return true
		default:
			t.Fatalf("exit code %d, file %q\n%s", code, got, printed)
			return false
		}
	})
	if held == 0 {
		t.Error("it was never held back")
	}
	if code, printed := once(); code != exitOK || strings.Count(printed, "GUARD") != 1 || !strings.Contains(printed, `guard=lictor.hcl:1 patterns="queries \"service(web)\""`) {
		t.Errorf("exit code %d after the hold; want one warning of a guard that is for nothing\n%s", code, printed)
	}
}

// A service that the templates of this run read no more does not stay in the list, and nothing is stale for it.
func TestServiceThatIsNotReadAnyMoreLeavesTheList(t *testing.T) {
	t.Parallel()
	dir := guarded(t, "guard {\n  services = [\"web\"]\n  min_instances = 2\n}\n")
	write(t, dir, "web.ctmpl", `{{range services}}{{.Name}}: {{range service .Name}}{{.ID}} {{end}}{{end}}`)
	for _, want := range []string{"web: " + fourInstances, "api "} {
		d := start(t, dir, "lictor", "-once", "-config", "lictor.hcl")
		if code := d.exit(patience); code != exitOK || read(t, dir, "web") != want {
			t.Errorf("exit code %d, file %q, want %q", code, read(t, dir, "web"), want)
		}
		write(t, dir, "data.yaml", "services: {api: {api-1: 10.0.0.1:80}}\n")
		write(t, dir, "web.ctmpl", `{{range services}}{{.Name}} {{end}}`)
	}
}

// Another token asks the same registry: what it may not see is not taken to be gone when the configuration is read again.
func TestReloadWithATokenThatSeesLess(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{ACL: true})
	const nodes = `node_prefix "" { policy = "read" } `
	all := s.NewToken(t, nodes+`service_prefix "" { policy = "read" }`)
	part, none := s.NewToken(t, nodes+`service_prefix "api" { policy = "read" }`), s.NewToken(t, nodes)
	for _, name := range []string{"api", "web"} {
		s.Register(t, &api.CatalogRegistration{Node: "n", Address: "10.0.0.1", Service: &api.AgentService{ID: name, Service: name}})
	}
	withToken := func(token, more string) string {
		return "consul {\n  address = \"" + s.Addr + "\"\n  token = \"" + token + "\"\n  " + more + "\n}\ntemplate {\n  source = \"all.ctmpl\"\n  destination = \"all\"\n}\n"
	}
	dir := folder(t, map[string]string{"all.ctmpl": `{{range services}}{{.Name}} {{end}}`, "lictor.hcl": withToken(all, "")})
	d := start(t, dir, "lictor", "-config", "lictor.hcl")
	d.file("all", "api consul web ")
	for i, next := range []string{withToken(part, ""), withToken(none, "max_connections = 8")} {
		write(t, dir, "lictor.hcl", next)
		d.signal(syscall.SIGHUP)
		d.waitPrinted("answer not believed", i+1)
		if got := read(t, dir, "all"); got != "api consul web " {
			t.Errorf("the file has become %q", got)
		}
	}
	write(t, dir, "lictor.hcl", withToken(all, ""))
	d.signal(syscall.SIGHUP)
	s.Register(t, &api.CatalogRegistration{Node: "n", Address: "10.0.0.1", Service: &api.AgentService{ID: "db", Service: "db"}})
	d.file("all", "api consul db web ")
}

// What a configuration may ask a guard to be for is what a guard can be for.
func TestQueriesThatCanBeGuarded(t *testing.T) {
	for _, q := range []watch.Query{
		watch.Key{Path: "k"}, watch.Prefix{Path: "p/"}, watch.Prefix{Path: "p[*"}, watch.Service{Name: "web"}, watch.Service{Name: "web", Connect: true},
		watch.Services{}, watch.CatalogService{Name: "web"}, watch.Nodes{}, watch.NodeServices{Name: "n"}, watch.Datacenters{}, watch.CARoots{},
		watch.CALeaf{Service: "web"}, watch.Partitions{}, watch.Peerings{}, watch.ExportedServices{}, watch.ImportedServices{}, watch.File{Path: "f"},
	} {
		cfg := config.Guard{Queries: []string{q.String()}, MaxShrink: 0.5}
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		w := watch.New(&watchtest.Source{}, slog.New(slog.NewTextHandler(&log, nil)))
		w.Guards = []watch.Guard{{Queries: cfg.Queries, MaxShrink: 0.5}}
		w.Sync(ctx, watch.Set{q: {}})
		w.Prune()
		cancel()
		w.Wait()
		err := config.Config{Guards: []config.Guard{cfg}}.Validate()
		if guarded := log.Len() == 0; guarded != (err == nil) {
			t.Errorf("%s is guarded: %v, and the configuration says: %v", q, guarded, err)
		}
	}
}
