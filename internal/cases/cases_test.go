package cases

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder makes a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func find(t *testing.T, only string, paths ...string) []Location {
	t.Helper()
	list, err := Find(paths, regexp.MustCompile(only))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const good = "-- template --\n{{ key \"a\" }}\n-- data --\nkv: {a: 1}\n-- want --\n1\n"

func TestFind(t *testing.T) {
	dir := folder(t, map[string]string{"b.txtar": good, "sub/a.txtar": good, ".hidden/c.txtar": good, "sub/data.yaml": "", "d.txt": ""})
	var names []string
	for _, l := range find(t, "", dir) {
		names = append(names, l.Name)
	}
	if got := strings.Join(names, " "); got != "b sub/a" {
		t.Errorf("found %q", got)
	}
	if got := find(t, "^sub/", dir); len(got) != 1 || got[0].Path != filepath.Join(dir, "sub/a.txtar") {
		t.Errorf("found %v", got)
	}
}

// Cases wait for each other's checks: they only end when all of them run at the same time.
func TestCasesRunInParallel(t *testing.T) {
	dir := folder(t, nil)
	const n = 4
	for i := range n {
		check := fmt.Sprintf("check: touch %[1]s/ran-%[2]d; until [ $(ls %[1]s | grep -c ^ran-) = %[3]d ]; do sleep 0.01; done\n", dir, i, n)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.txtar", i)), []byte(check+good), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, r := range (&Runner{Parallel: n}).Run(ctx, find(t, "", dir)) {
		if !r.Passed() || r.Name != fmt.Sprint(i) {
			t.Errorf("result %d is %+v", i, r)
		}
	}
}

func TestChecksEndWithTheRun(t *testing.T) {
	dir := folder(t, map[string]string{"a.txtar": "check: touch ran; exec sleep 1000\n" + good})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results := make(chan []Result)
	go func() { results <- (&Runner{}).Run(ctx, find(t, "", dir)) }()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the check has not begun")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case r := <-results:
		if r[0].Passed() || !strings.Contains(r[0].Failure, "context canceled") {
			t.Errorf("%+v", r[0])
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the run has not ended")
	}
}

// Each mistake in a case is named with its file and line, and none is passed over.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   `c.txtar:1: want either a line "template: FILE" or a section "-- template --"`,
		"template: t\n" + good:               `c.txtar:1: want either`,
		"template: none.ctmpl\n":             "failed to read template: open ",
		"# ok\nsome words\n" + good:          `c.txtar:2: "some words" is no setting`,
		"set:\n" + good:                      `c.txtar:1: nothing follows "set:"`,
		"env: NOVALUE\n" + good:              `c.txtar:1: env: want NAME=VALUE`,
		"error_on_missing_key: yep\n" + good: `c.txtar:1: error_on_missing_key: want true or false`,
		"error_on_missing_key: true\n-- template --\n{{ (parseJSON \"{}\").a }}\n-- want --\n\n": `c.txtar:3:15: at <"{}">: map has no entry for key "a"`,
		"now: today\n" + good:                           `c.txtar:1: now: want a time such as`,
		"delimiters: <<\n" + good:                       `c.txtar:1: delimiters: want the left and the right one`,
		"data: none.yaml\n" + good:                      `data file: stat `,
		"set: a\n" + good:                               `can't set "a"`,
		"#\n-- template --\n\n{{ nope }}\n-- want --\n": `c.txtar:4:4: function "nope" not defined`,
		good + "-- want --\nx\n":                        `c.txtar:7: section "want" is there twice`,
		good + "-- error --\nx\n":                       `c.txtar:1: a case wants an output or an error, not both`,
		good + "-- env --\nA\n":                         `c.txtar:7: env: want NAME=VALUE, found "A"`,
		good + "-- more.json --\n[":                     `c.txtar:8`,
	} {
		dir := folder(t, map[string]string{"c.txtar": text})
		r := (&Runner{}).Run(t.Context(), find(t, "", dir))[0]
		if !strings.Contains(r.Failure, want) {
			t.Errorf("%q:\n fails with %q\n      want %q", text, r.Failure, want)
		}
	}
}

// The environment of the machine is none of a test's business.
func TestEnvironmentIsTheCasesOwn(t *testing.T) {
	t.Setenv("LICTOR_CASES_TEST", "outside")
	dir := folder(t, map[string]string{"a.txtar": "env: B=1\nenv: B=2\n-- template --\n[{{ env \"LICTOR_CASES_TEST\" }}]{{ env \"B\" }}\n-- want --\n[]2\n"})
	if r := (&Runner{}).Run(t.Context(), find(t, "", dir))[0]; !r.Passed() {
		t.Errorf("%+v", r)
	}
}

// So is where it is run from.
func TestFilesAreBesideTheCase(t *testing.T) {
	dir := folder(t, map[string]string{
		"sub/a.txtar": "-- template --\n{{ file \"motd\" }}{{ file \"../other\" }}\n-- want --\nhello you\n",
		"sub/motd":    "hello ", "other": "you",
	})
	if r := (&Runner{}).Run(t.Context(), find(t, "", dir))[0]; !r.Passed() {
		t.Errorf("%+v", r)
	}
}

// What -update writes is what passes, whatever the output is, and a second time nothing is left to write.
func TestUpdateThenPass(t *testing.T) {
	for _, output := range []string{"", "x", "x\n", "\n", "x\n\n", "-- a\n", "a\r\nb\t\n", "\xff\x00\n"} {
		dir := folder(t, map[string]string{
			"t.ctmpl": `{{ base64Decode "` + base64.StdEncoding.EncodeToString([]byte(output)) + `" }}`,
			"c.txtar": "# a comment\ntemplate: t.ctmpl\n",
		})
		list := find(t, "", dir)
		first := (&Runner{Update: true}).Run(t.Context(), list)[0]
		second := (&Runner{Update: true}).Run(t.Context(), list)[0]
		plain := (&Runner{}).Run(t.Context(), list)[0]
		if !first.Updated || !first.Passed() || second.Updated || !plain.Passed() {
			t.Errorf("%q: first %+v\nsecond %+v\nplain %+v", output, first, second, plain)
		}
		if text, _ := os.ReadFile(filepath.Join(dir, "c.txtar")); !strings.HasPrefix(string(text), "# a comment\ntemplate: t.ctmpl\n-- want --\n") {
			t.Errorf("%q: the case is now %q", output, text)
		}
	}
}

func TestReports(t *testing.T) {
	results := []Result{{Name: "a", Path: "d/a.txtar", Elapsed: 1500 * time.Millisecond}, {Name: "b", Path: "d/b.txtar", Diff: "-<x>\n+\x01\n"}, {Name: "c", Failure: "one\ntwo"}}
	var junit, doc bytes.Buffer
	if err := WriteJUnit(&junit, results); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Time    string `xml:"time,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(junit.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 3 || suite.Failures != 2 || suite.Cases[0].Time != "1.500" || suite.Cases[0].Failure != nil {
		t.Errorf("%+v", suite)
	}
	if f := suite.Cases[1].Failure; f == nil || f.Message != "the output is not as wanted" || f.Text != "-<x>\n+\uFFFD\n" {
		t.Errorf("%+v", f)
	}
	if f := suite.Cases[2].Failure; f == nil || f.Message != "one" || f.Text != "one\ntwo" {
		t.Errorf("%+v", f)
	}
	if err := WriteJSON(&doc, results); err != nil {
		t.Fatal(err)
	}
	var all struct{ Passed, Failed int }
	if err := json.Unmarshal(doc.Bytes(), &all); err != nil || all.Passed != 1 || all.Failed != 2 {
		t.Errorf("%v: %+v", err, all)
	}
}
