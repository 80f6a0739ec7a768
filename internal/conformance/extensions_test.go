package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"lictor/watch/file/filetest"
)

// TestExtensions shows what consul-template has not, the same on a real Consul and on a data file.
func TestExtensions(t *testing.T) {
	seedFile := filepath.Join(corpus(t), "seed.json")
	server := consul.Server(t)
	server.LoadSeed(t, seedFile)
	data := dataFile(t, seedFile)
	for name, c := range map[string]struct{ template, want string }{
		"filter": {`{{ range service "web|any" "filter=Service.Meta.version == \"1.3.0\"" }}{{ .ID }} {{ end }}`, "web-2 web-7 "},
		"filter-and-status": {`{{ range service "web" "passing,warning" "filter=\"v2\" in Service.Tags and Node.Meta.zone != \"b\"" }}{{ .ID }} {{ end }}`,
			"web-3 "},
		"filter-tag-near": {`{{ range service "http.web@dc1~app-02|any" "filter=Service.Port == 8080" }}{{ .Node }} {{ end }}`,
			"app-02 app-01 edge-01 app-03 sick-01 maint-01 "},
		"keyExistsGet":     {`{{ with keyExistsGet "app/flagged" }}{{ .Value }} {{ .Flags }} {{ .Key }} {{ .Path }}{{ end }}{{ with keyExistsGet "app/none" }}x{{ end }}`, "with flags 42 app/flagged app/flagged"},
		"yaml-to-toml":     {`{{ parseYAML "a: {b: 1}" | toTOML }}`, "[a]\n  b = 1"},
		"index-of-service": {`{{ (index (service "api") 2).Node }}`, "app-02"},
	} {
		for on, source := range map[string][]string{"consul": {"-consul-addr", server.Addr}, "data": {"-data", data}} {
			t.Run(on+"/"+name, func(t *testing.T) {
				t.Parallel()
				extension := testCase{Template: c.template, Want: &c.want}
				if err := extension.check(extension.run(t, program(t), source)); err != nil {
					t.Errorf("%s\n%v", c.template, err)
				}
			})
		}
	}
	for on, source := range map[string][]string{"consul": {"-consul-addr", server.Addr}, "data": {"-data", data}} {
		t.Run(on+"/bad-filter", func(t *testing.T) {
			t.Parallel()
			exit := 14
			bad := testCase{Template: `{{ service "web" "filter=Nothing.Such == 1" }}`, WantError: true, ExitCode: &exit}
			if err := bad.check(bad.run(t, program(t), source)); err != nil {
				t.Error(err)
			}
		})
	}
}

// dataFile writes the data file that answers as a Consul loaded with the seed.
func dataFile(t *testing.T, seedFile string) string {
	t.Helper()
	seed, err := os.ReadFile(seedFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := filetest.FromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data.yaml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
