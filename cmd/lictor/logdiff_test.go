package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// refusing is a configuration of templates whose files are refused when the catalog has a port 9999.
const refusing = `
template {
  contents    = "{{ range service \"web\" }}server {{ .Address }}:{{ .Port }}\n{{ end }}"
  destination = "catalog"
  check       = "! grep -q 9999 {{.Staged}}"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ key \"password\" }}\n"
  destination = "key"
  check       = "! grep -q 9999 {{.Staged}}"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ range ls \"app\" }}{{ .Value }}{{ end }}\n"
  destination = "keys"
  check       = "! grep -q 9999 {{.Staged}}"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ env \"PASSWORD\" }}\n"
  destination = "env"
  check       = "! grep -q 9999 {{.Staged}}"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ plugin \"cat\" \"password\" }}\n"
  destination = "plugin"
  check       = "! grep -q 9999 {{.Staged}}"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ file \"password\" }}\n"
  destination = "file"
  check       = "! grep -q 9999 {{.Staged}}"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}\n"
  destination = "never"
  check       = "! grep -q 9999 {{.Staged}}"
  log_diff    = "never"
}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ key \"harmless\" }}\n"
  destination = "always"
  check       = "! grep -q 9999 {{.Staged}}"
  log_diff    = "always"
}
# What the reload refuses is the same.
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}{{ key \"password\" }}\n"
  destination = "reloaded"
  command     = "! grep -q 9999 reloaded"
  rollback    = true
}
template {
  contents    = "{{ range service \"web\" }}reloaded {{ .Port }}\n{{ end }}"
  destination = "open"
  command     = "! grep -q 9999 open"
  rollback    = true
}
`

// The log shows by which lines a refused content differs where those come of the catalog. No secret gets there, in any
// format and at any level.
func TestDifferenceInTheLog(t *testing.T) {
	t.Parallel()
	const data = "kv: {password: hunter2, harmless: tea, app: {password: hunter2}}\nservices: {web: [{address: 10.0.0.1, port: %d}]}\n"
	counted := []string{"key", "keys", "env", "plugin", "file", "never", "reloaded"}
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"lictor.hcl": refusing, "data.yaml": fmt.Sprintf(data, 80), "password": "hunter2"})
			d := startWith(t, dir, []string{"PASSWORD=hunter2"}, "lictor", "-config", "lictor.hcl", "-data", "data.yaml", "-log-level", "trace", "-log-format", format)
			all := append([]string{"catalog", "always", "open"}, counted...)
			for _, name := range all {
				eventually(t, name+" is rendered", func() bool { return strings.Contains(read(t, dir, name), "80") })
			}
			write(t, dir, "data.yaml", fmt.Sprintf(data, 9999))
			for _, name := range all {
				eventually(t, name+" is refused", func() bool { return strings.Contains(read(t, dir, name+".rejected"), "9999") })
			}
			d.waitPrinted("check failed", 8)
			d.waitPrinted("the previous files are back", 2)
			write(t, dir, "data.yaml", fmt.Sprintf(data, 81))
			for _, name := range all {
				eventually(t, name+" is rendered again", func() bool { return strings.Contains(read(t, dir, name), "81") })
			}
			log := d.printed()
			if strings.Contains(log, "hunter2") {
				t.Error("the log holds a secret")
			}
			for _, name := range counted {
				if hint := fmt.Sprintf("diff -u %[1]s/%[2]s %[1]s/%[2]s.rejected", dir, name); strings.Count(log, hint) != 1 {
					t.Errorf("%d times the log says %s", strings.Count(log, hint), hint)
				}
			}
			if format == "json" {
				differencesInJSON(t, log, dir)
			} else {
				differencesInText(t, log, dir)
			}
		})
	}
}

func differencesInText(t *testing.T, log, dir string) {
	t.Helper()
	for _, lines := range [][]string{
		{"--- DIR/catalog", "+++ DIR/catalog (refused)", "@@ -1 +1 @@", "-server 10.0.0.1:80", "+server 10.0.0.1:9999"},
		{"--- DIR/always", "+++ DIR/always (refused)", "@@ -1 +1 @@", "-80 tea", "+9999 tea"},
		{"--- DIR/open", "+++ DIR/open (refused)", "@@ -1 +1 @@", "-reloaded 80", "+reloaded 9999"},
	} {
		for _, line := range lines {
			line = strings.ReplaceAll(line, "DIR", dir)
			if want := fmt.Sprintf("level=ERROR msg=diff line=%q\n", line); !strings.Contains(log, want) && !strings.Contains(log, strings.ReplaceAll(want, `"`, "")) {
				t.Errorf("the log lacks %s", want)
			}
		}
	}
}

func differencesInJSON(t *testing.T, log, dir string) {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(log) {
		var record struct{ Template, Diff string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if record.Diff != "" {
			found[record.Template[strings.LastIndex(record.Template, " ")+1:]] += record.Diff
		}
	}
	for name, want := range map[string]string{
		"catalog": "@@ -1 +1 @@\n-server 10.0.0.1:80\n+server 10.0.0.1:9999",
		"always":  "@@ -1 +1 @@\n-80 tea\n+9999 tea",
		"open":    "@@ -1 +1 @@\n-reloaded 80\n+reloaded 9999",
	} {
		if want = fmt.Sprintf("--- %[1]s/%[2]s\n+++ %[1]s/%[2]s (refused)\n%[3]s", dir, name, want); found[name] != want {
			t.Errorf("%s: %q, want %q", name, found[name], want)
		}
	}
	if len(found) != 3 {
		t.Errorf("differences are shown of %q", found)
	}
}
