package environ

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"strings"
	"testing"
)

// runWith starts a program with an environment.
func runWith(t *testing.T, entries ...string) error {
	t.Helper()
	cmd := exec.Command("/bin/true")
	cmd.Env = entries
	return cmd.Run()
}

// awkward are values that a careless quoting would lose. Formats that can't hold one must say so.
var awkward = map[string]string{
	"PLAIN": "10.0.0.1:8080/x", "EMPTY": "", "BLANKS": "  two  words  ", "HASH": "a #b", "SINGLE": "it's", "DOUBLE": `say "hi"`,
	"BOTH": `'"'"`, "BACKSLASH": `c:\new\$x\`, "EXPAND": "$HOME ${PATH} `id` $(id) %n", "EQUALS": "a=b; c=d", "UNICODE": "Grüße ✓ 🍐",
	"LINES": "one\ntwo\n\n", "QUOTED_LINES": "it's\n\"two\"\n", "CRLF": "one\r\ntwo\r\n", "TAB": "a\tb", "BANG": "!x ~ * ? [a]", "HTML": "<a&b>", "TAIL": "x\\",
	"CONTROL": "a\x01b", "LATIN1": "gr\xfcn",
}

func entriesOf(values map[string]string) []string {
	var out []string
	for name, value := range values {
		out = append(out, name+"="+value)
	}
	return out
}

func without(values map[string]string, names ...string) map[string]string {
	out := maps.Clone(values)
	for _, name := range names {
		delete(out, name)
	}
	return out
}

// sourced is what a real shell has in its environment after it read a file.
func sourced(t *testing.T, text []byte) map[string]string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "set -a; eval \"$(cat; echo :)\"; exec /usr/bin/env -0")
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := map[string]string{}
	for _, entry := range Decode(out) {
		name, value, _ := strings.Cut(entry, "=")
		if name != "PATH" && name != "PWD" && name != "_" && name != "OLDPWD" && name != "SHLVL" {
			got[name] = value
		}
	}
	return got
}

func mustFormat(t *testing.T, format string, values map[string]string) []byte {
	t.Helper()
	out, err := Format(format, entriesOf(values))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: got %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d variables, want %d", len(got), len(want))
	}
}

func TestShellReadsItBack(t *testing.T) {
	compare(t, sourced(t, mustFormat(t, "sh", awkward)), awkward)
}

// A shell reads a .env file too, but for the escapes of line ends, which are the dotenv libraries' own.
func TestDotenv(t *testing.T) {
	want := without(awkward, "QUOTED_LINES", "CRLF", "LINES")
	compare(t, sourced(t, mustFormat(t, "dotenv", want)), want)
	got := string(mustFormat(t, "dotenv", map[string]string{"A": "it's\r\n$x \\ \"y\"", "B": "plain", "C": "two words", "D": "", "E": "a\nb"}))
	if want := "A=\"it's\\r\\n\\$x \\\\ \\\"y\\\"\"\nB=plain\nC='two words'\nD=\nE=\"a\\nb\"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJSON(t *testing.T) {
	want := without(awkward, "LATIN1")
	want["db/host"] = "any name"
	out := mustFormat(t, "json", want)
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	compare(t, got, want)
	if !bytes.Contains(out, []byte("<a&b>")) {
		t.Error("JSON is escaped for HTML")
	}
}

// The reader here is written from systemd.exec(5).
func TestSystemd(t *testing.T) {
	want := without(awkward, "CONTROL", "LATIN1", "CRLF")
	compare(t, readSystemd(t, string(mustFormat(t, "systemd", want))), want)
}

func readSystemd(t *testing.T, text string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for text != "" {
		name, rest, ok := strings.Cut(text, `="`)
		if !ok {
			t.Fatalf("no quoted value in %q", text)
		}
		var value strings.Builder
		i := 0
		for ; rest[i] != '"'; i++ {
			if rest[i] == '\\' && strings.ContainsRune("\"\\`$", rune(rest[i+1])) {
				i++
			}
			value.WriteByte(rest[i])
		}
		got[name] = value.String()
		text = strings.TrimPrefix(rest[i+1:], "\n")
	}
	return got
}

func TestDocker(t *testing.T) {
	want := without(awkward, "LINES", "QUOTED_LINES", "CRLF", "LATIN1")
	want["db/host"] = "docker takes such names"
	got := map[string]string{}
	for line := range strings.Lines(string(mustFormat(t, "docker", want))) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		got[name] = value
	}
	compare(t, got, want)
}

// A value or name that a format can't hold is an error that names the variable and does not show the value.
func TestFormatErrors(t *testing.T) {
	for _, test := range []struct{ format, entry, want string }{
		{"docker", "A=secret\nline", `variable "A": the format docker can not hold its value: it has several lines`},
		{"docker", "A=secret\r", "ends with a carriage return"},
		{"docker", "two words=x", "-sanitize"},
		{"docker", "A=secret\xff", "not valid UTF-8"},
		{"systemd", "A=secret\r\n", `control character '\r'`},
		{"systemd", "A=secret\xff", "not valid UTF-8"},
		{"systemd", "db/host=secret", `variable "db/host": the format systemd can not hold this name: -sanitize would fix it`},
		{"sh", "1st=secret", "-sanitize"}, {"sh", "=secret", "-sanitize"}, {"dotenv", "log-level=x", "-sanitize"},
		{"json", "A=secret\xff", "not valid UTF-8"},
		{"xml", "A=1", `unknown format "xml": there are sh, dotenv, json, systemd, docker`},
	} {
		out, err := Format(test.format, []string{"OK=1", test.entry})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") || out != nil {
			t.Errorf("%s, %q: %v", test.format, test.entry, err)
		}
	}
	for _, format := range Formats {
		if out, err := Format(format, nil); err != nil || format != "json" && len(out) > 0 {
			t.Errorf("%s of nothing: %q, %v", format, out, err)
		}
	}
}

func TestListing(t *testing.T) {
	entries := []string{"B=sec\nret", "A="}
	if got := string(Listing(entries, false)); got != "A=(redacted, 0 bytes)\nB=(redacted, 7 bytes)\n" {
		t.Errorf("got %q", got)
	}
	if got := string(Listing(entries, true)); got != "A=\"\"\nB=\"sec\\nret\"\n" {
		t.Errorf("got %q", got)
	}
}
