package file

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lictor/watch"
)

// Each wrong document, and what must be said of it: the line first.
var wrong = map[string]struct{ text, want string }{
	"unknown field":            {"kv: {}\nservces: {}", `2: unknown field "servces" in the data file; did you mean "services"?`},
	"unknown, far from all":    {"zzzzzzzz: 1", `1: unknown field "zzzzzzzz" in the data file; known are agent, ca_leaves,`},
	"unknown instance field":   {"services:\n  web:\n    - adress: 10.0.0.1", `3: unknown field "adress" in instance 1 of service "web"; did you mean "address"?`},
	"unknown node field":       {"nodes:\n  a: {address: x, port: 1}", `2: unknown field "port" in node "a"`},
	"unknown check field":      {"nodes:\n  a: {address: x, checks: [{statu: passing}]}", `2: unknown field "statu" in check 1 of node "a"; did you mean "status"?`},
	"unknown key field":        {"kv:\n  a: {$flag: 1}", `2: unknown field "$flag" of key "a"; known are $value,`},
	"key field without a key":  {"kv:\n  $flags: 1", `2: "$flags" stands at the top of kv`},
	"duplicate key":            {"kv:\n  a: 1\n  b: 2\n  a: 3", `4: "a" is given twice in kv, first in line 2; keep one of them`},
	"duplicate service":        {"services:\n  a: []\n  a: []", `3: "a" is given twice in services, first in line 2`},
	"duplicate in JSON":        {"{\"kv\": {\n\"a\": 1,\n\"a\": 2}}", `3: "a" is given twice in kv, first in line 2`},
	"port is no number":        {"services:\n  web: [{address: x, port: http}]", `2: port of instance 1 of service "web" must be a whole number from 0 to 65535, not "http"`},
	"port is too high":         {"services:\n  web: [{address: x, port: 70000}]", `not "70000"`},
	"port is a list":           {"services:\n  web: [{address: x, port: [80]}]", `2: port of instance 1 of service "web" must be a single value, not a list`},
	"tags are text":            {"services:\n  web: [{address: x, tags: a}]", `2: tags of instance 1 of service "web" must be a list, not a single value`},
	"meta is a list":           {"services:\n  web: [{address: x, meta: [a]}]", `must be a mapping (name: value), not a list`},
	"status":                   {"services:\n  web: [{address: x, status: ok}]", `2: status of instance 1 of service "web" must be one of passing, warning, critical, not "ok"`},
	"status maintenance":       {"nodes: {a: {address: x, status: maintenance}}", `for maintenance write maintenance: true`},
	"kind":                     {"services:\n  web: [{address: x, kind: proxy}]", `must be one of connect-proxy,`},
	"flag":                     {"services:\n  web: [{address: x, connect_native: maybe}]", `must be true or false, not "maybe"`},
	"exposed port":             {"nodes:\n  a: {address: x, checks: [{exposed_port: 99999}]}", `2: exposed_port of check 1 of node "a" must be a whole number from 0 to 65535, not "99999"`},
	"interval":                 {"nodes:\n  a: {address: x, checks: [{definition: {interval: soon}}]}", `2: interval of definition of check 1 of node "a" must be a duration with its unit`},
	"header":                   {"nodes:\n  a: {address: x, checks: [{definition: {header: {A: b}}}]}", `2: "A" in header of definition of check 1 of node "a" must be a list, not a single value`},
	"definition":               {"nodes:\n  a: {address: x, checks: [{definition: {htp: x}}]}", `2: unknown field "htp" in definition of check 1 of node "a"; did you mean "http"?`},
	"remote":                   {"peerings:\n  - {remote: [x]}", `2: remote of peering 1 must be a mapping (name: value), not a list`},
	"days":                     {"ca_roots:\n  - {days_remaining: many}", `2: days_remaining of CA root 1 must be a whole number`},
	"weight":                   {"services:\n  web: [{address: x, weights: {passing: 0}}]", `must be a whole number from 1 to 65535, not "0"`},
	"instance text":            {"services:\n  web: [10.0.0.1]", `2: instance 1 of service "web" must be an address and port such as 10.0.0.1:80, or a mapping of fields, not "10.0.0.1"`},
	"tagged address":           {"services:\n  web: [{address: x, tagged_addresses: {wan: x}}]", `2: "wan" in tagged_addresses of instance 1 of service "web" must be an address and port`},
	"services is text":         {"services: web", `1: services must be a mapping (name: value), not a single value`},
	"service is text":          {"services:\n  web: 10.0.0.1:80", `2: service "web" must be a list of instances`},
	"service is nothing":       {"services:\n  web:", `2: service "web" must be a list of instances, or a mapping of ids to instances, not nothing; write []`},
	"nodes is a list":          {"nodes: [a]", `1: nodes must be a mapping`},
	"coordinate":               {"nodes:\n  a: {address: x, coordinate: [a]}", `2: number 1 of coordinate of node "a" must be a number, not "a"`},
	"rtt":                      {"nodes:\n  a: {address: x, rtt: {b: 12}}", `2: rtt to b must be a duration with its unit, such as 12ms, not "12"`},
	"key is a list":            {"kv:\n  a:\n    b: [1]", `3: the value of key "a/b" must be text, not a list`},
	"key is nothing":           {"kv:\n  a:\n  b: 1", `2: key "a" has no value; write "" for an empty one`},
	"key with a slash":         {"kv:\n  /a: 1", `2: key "/a" begins with a slash, which no key of Consul does; leave it out`},
	"key without a name":       {"kv:\n  '': 1", `2: a key in kv has no name`},
	"base64":                   {"kv:\n  a: {$base64: '!'}", `2: $base64 of key "a" is not valid base64`},
	"binary tag":               {"kv:\n  a: !!binary '!'", `2: key "a" is not valid base64`},
	"flags":                    {"kv:\n  a: {$flags: -1}", `2: $flags of key "a" must be a whole number from 0, not "-1"`},
	"name is a list":           {"kv:\n  [a]: 1", `2: a name in kv must be text, not a list`},
	"time":                     {"ca_leaves:\n  web: {valid_after: yesterday}", `2: valid_after of CA leaf "web" must be a time such as`},
	"not a mapping":            {"- a", `1: the data file must be a mapping (name: value), not a list`},
	"only text":                {"hello", `1: the data file must be a mapping (name: value), not a single value`},
	"only comments":            {"# nothing\n", `1: the file has only comments; write {} for no data at all`},
	"null":                     {"null", `1: the file has no data; write {} for no data at all`},
	"empty":                    {"", `1: the file is empty; write {} for no data at all`},
	"blank":                    {" \n\n", `1: the file is empty`},
	"two documents":            {"kv: {}\n---\nkv: {}", `2: a second document begins here`},
	"not YAML":                 {"kv:\n  a: [1\nb: 2", `not valid YAML: `},
	"not YAML, tab":            {"kv:\n\ta: 1", `2: not valid YAML: `},
	"not UTF-8":                {"kv:\n  a: \xff\xfe", `2: this is not a text file in UTF-8`},
	"binary":                   {"\x7fELF\x00\x01", `1: this is not a text file`},
	"alias of itself":          {"kv: &a\n  b: *a", `an alias in this value stands for the value itself`},
	"merge of a value":         {"kv:\n  <<: 1", `2: << in kv must name a mapping, not a single value`},
	"unknown alias":            {"kv: *a", `not valid YAML: unknown anchor 'a' referenced`},
	"instance without address": {"services:\n  web:\n    - port: 80", `3: an instance of service "web" has neither an address nor a node; give it one of them`},
	"node without address":     {"nodes:\n  a: {meta: {x: y}}", `2: node "a" has no address; give it one`},
	"unknown node":             {"services:\n  web:\n    - {node: a, port: 80}", `3: node "a", which this instance is on, has no address; add it to nodes, or give the instance an address`},
	"same id": {"services:\n  web:\n    - {id: x, address: h}\n  api:\n    - {id: x, address: h}",
		`3: node "h" has an instance with the id "x" already`},
	"agent":           {"agent: x\nkv: {}", `agent "x" is not one of the nodes; add it to nodes`},
	"home datacenter": {"datacenter: eu\ndatacenters: {eu: {}}", `datacenter "eu" is the home datacenter`},
}

func TestWrong(t *testing.T) {
	dir := t.TempDir()
	for name, c := range wrong {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "data.yaml")
			write(t, path, c.text)
			_, err := Load(nil, path)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			want := c.want
			if want[0] >= '0' && want[0] <= '9' {
				want = path + ":" + want
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestWrongFiles(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	write(t, big, "kv: {}")
	if err := os.Truncate(big, 100<<20); err != nil {
		t.Fatal(err)
	}
	js := filepath.Join(dir, "data.json")
	write(t, js, "{\"kv\": {\n\"a\": 1,\n}}")
	more := filepath.Join(dir, "more.json")
	write(t, more, "{}\n{}")
	deep := filepath.Join(dir, "deep.json")
	write(t, deep, strings.Repeat("[", 5_000_000))
	deepYAML := filepath.Join(dir, "deep.yaml")
	write(t, deepYAML, strings.Repeat("[", 100_000))
	for path, want := range map[string]string{
		deep: "deep in each other", deepYAML: "exceeded max depth",
		big: big + " is larger than 64 MiB", js: js + ":3: not valid JSON: ", more: more + ":2: not valid JSON: there is more", dir: dir + " is a folder",
		filepath.Join(dir, "none"): "no such file",
	} {
		if _, err := Load(nil, path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

// All that is wrong is told at once, one line each, but not without end.
func TestSeveralProblems(t *testing.T) {
	err := (&Data{}).Merge("f", []byte("a: 1\nb: 2\nkv: {x: [1]}"))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 {
		t.Errorf("%d lines: %v", len(lines), err)
	}
	err = (&Data{}).Merge("f", []byte(strings.Repeat("- x\n", 3)))
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	var b bytes.Buffer
	b.WriteString("services:\n  web:\n")
	for range 1000 {
		b.WriteString("  - {port: x}\n")
	}
	err = (&Data{}).Merge("f", b.Bytes())
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxProblems {
		t.Errorf("%d lines, want %d", len(lines), maxProblems)
	}
}

// A value may be a secret: no error quotes one.
func TestErrorsHideValues(t *testing.T) {
	for _, text := range []string{
		"kv: {a: [sesame]}", "kv: {a: {$base64: 'sesame!'}}", "kv:\n  a: sesame\n  a: sesame", "kv: {a: &x sesame, <<: *x}", "kv: sesame", "kv: {a: !!binary 'sesame!'}",
	} {
		err := (&Data{}).Merge("f", []byte(text))
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (&Data{}).Set("kv/=sesame"); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("Set: %v", err)
	}
}

// A document that grows without end through its aliases is refused before it does.
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("kv:\n  a0: &a0 {x: y}\n")
	for i := range 30 {
		p, q := string(rune('0'+i/10))+string(rune('0'+i%10)), string(rune('0'+(i+1)/10))+string(rune('0'+(i+1)%10))
		if i == 0 {
			p = "0"
		}
		b.WriteString("  a" + q + ": &a" + q + " {l: *a" + p + ", r: *a" + p + "}\n")
	}
	if err := (&Data{}).Merge("f", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "aliases") {
		t.Errorf("error %v", err)
	}
}

func value(tb testing.TB, d *Data, path string) string {
	tb.Helper()
	p := ask[*watch.KeyPair](tb, d, watch.Key{Path: path})
	if p == nil {
		return "(no such key)"
	}
	return p.Value
}

func TestKeysAreTextAsWritten(t *testing.T) {
	d := parsed(t, `
kv:
  app: {port: 08080, ratio: 0.50, on: yes, off: no, "null": "null", date: 2026-01-31, hex: 0x1F, big: 9007199254740993, exp: 1e21}
  folder/: ""
  x/y/z: deep
  x: {y: {w: also}, $value: both, $flags: 42}
  conflict: {a: leaf, a/b: child}
  $$odd: dollar
  1: one
  bin: !!binary AAEC
  text: |
    two
    lines
  base: &base {k: 1, l: 2}
  copy: {<<: *base, l: 3}
  bytes: {$base64: "//8="}
`)
	for path, want := range map[string]string{
		"app/port": "08080", "app/ratio": "0.50", "app/on": "yes", "app/off": "no", "app/null": "null", "app/date": "2026-01-31", "app/hex": "0x1F",
		"app/big": "9007199254740993", "app/exp": "1e21", "folder/": "", "x/y/z": "deep", "x/y/w": "also", "x": "both", "conflict/a": "leaf",
		"conflict/a/b": "child", "$odd": "dollar", "1": "one", "bin": "\x00\x01\x02", "text": "two\nlines\n", "copy/k": "1", "copy/l": "3",
		"bytes": "\xff\xff", "app": "(no such key)", "folder": "(no such key)",
	} {
		if got := value(t, d, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if f := ask[*watch.KeyPair](t, d, watch.Key{Path: "x"}).Flags; f != 42 {
		t.Errorf("flags %d", f)
	}
}

// JSON as other programs write it.
func TestJSON(t *testing.T) {
	d := parsed(t, "{\n\t\"kv\": {\n\t\t\"a\": \"\\ud83d\\ude80 \\/\",\n\t\t\"n\": 1.50, \"t\": true,\n\t\t\"f/\": \"\"\n\t},\n\t\"services\": {\"web\": [\"10.0.0.1:80\"]}\n}")
	for path, want := range map[string]string{"a": "🚀 /", "n": "1.50", "t": "true", "f/": ""} {
		if got := value(t, d, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if n := len(ask[[]*watch.ServiceInstance](t, d, watch.Service{Name: "web"})); n != 1 {
		t.Errorf("%d instances", n)
	}
	if got := value(t, parsed(t, "\xef\xbb\xbf{kv: {a: b}}"), "a"); got != "b" { // YAML in braces, with a byte order mark
		t.Errorf("a is %q", got)
	}
}

func FuzzMerge(f *testing.F) {
	for _, c := range wrong {
		f.Add([]byte(c.text))
	}
	f.Add([]byte("services: {web: [10.0.0.1:80]}"))
	f.Add([]byte("kv: {a: &a {b: 1}, c: {<<: *a}}\nnodes: {n: 1.2.3.4}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Data
		if d.Merge("f", text) != nil {
			return
		}
		if _, err := NewFixed(&d); err != nil {
			return
		}
		// What was read can be written, and says the same when it is read again.
		var b bytes.Buffer
		if err := Write(&b, &d); err != nil {
			t.Fatal(err)
		}
		var again Data
		if err := again.Merge("again", b.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		same(t, &d, &again)
	})
}
