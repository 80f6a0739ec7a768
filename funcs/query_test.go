package funcs

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"lictor/watch"
)

func TestParseService(t *testing.T) {
	passing := []string{"passing"}
	for _, c := range []struct {
		args string // joined by blanks
		want serviceRequest
		err  string
	}{
		{args: "web", want: serviceRequest{query: watch.Service{Name: "web"}, statuses: passing}},
		{args: "web any", want: serviceRequest{query: watch.Service{Name: "web"}, statuses: []string{"any"}}},
		{args: "v=1.a:b.web?ns=n&partition=p&peer=c&sameness-group=s@dc-1.x~_agent|warning,passing", want: serviceRequest{
			query: watch.Service{Name: "web", Near: "_agent", Scope: watch.Scope{
				Datacenter: "dc-1.x", Namespace: "n", Partition: "p", Peer: "c", SamenessGroup: "s"}},
			tag: "v=1.a:b", statuses: []string{"warning", "passing"}}},
		{args: "web|,", want: serviceRequest{query: watch.Service{Name: "web"}, statuses: []string{}}},
		{args: `web filter=Node.Node=="a"`, want: serviceRequest{query: watch.Service{Name: "web", Filter: `Node.Node=="a"`}, statuses: passing}},
		{args: "web|any|any", err: `"|any" is out of place`},
		{args: "web|healthy", err: `"healthy" is no status; there are any, passing, warning, critical, maintenance`},
		{args: "web~near@dc1", err: `"@dc1" is out of place: the order is NAME?OPTIONS@DATACENTER~NEAR|STATUSES`},
		{args: "web?ns=a#b", err: `'#' can not be in a list of options`},
		{args: `"a.b/c:d|é"@dc2|any`, want: serviceRequest{query: watch.Service{Name: "a.b/c:d|é", Scope: watch.Scope{Datacenter: "dc2"}}, statuses: []string{"any"}}},
		{args: `v1."a.b"~n`, want: serviceRequest{query: watch.Service{Name: "a.b", Near: "n"}, tag: "v1", statuses: passing}},
		{args: `"web`, err: "what begins with a quotation mark is no string"},
		{args: `"web"1`, err: `"1" is out of place`},
		{args: `""`, err: "can not be empty"},
		{args: `"a\nb"`, err: "characters that can't be printed"},
		{args: `+."web"`, err: `'+' can not be in a tag`},
		{args: `we"b"`, err: `'"' can not be in a service name`},
		{args: "web/1", err: `'/' can not be in a service name`},
		{args: "we+b.web", err: `'+' can not be in a tag`},
		{args: ".web", err: "no tag before the dot"},
		{args: "tag.", err: "has no service name"},
		{args: "web|", err: "nothing follows '|'"},
		{args: "web@", err: "nothing follows '@'"},
		{args: "web?colour=red", err: `unknown option "colour": there are source, ns, partition, peer and sameness-group`},
		{args: "web\xff", err: "is not valid UTF-8"},
		{args: "web filter=((", err: `filter "((" does not parse`},
	} {
		args := strings.Split(c.args, " ")
		got, err := parseService(args[0], args[1:])
		switch {
		case c.err == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%s: got %+v, %v; want %+v", c.args, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %q", c.args, err, c.err)
		case err != nil && strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: the error has several lines: %v", c.args, err)
		}
	}
}

func TestParsePaths(t *testing.T) {
	for text, want := range map[string]string{
		"app/name": "app/name", "/app/name": "app/name", "//x": "x", "a b+%:c": "a b+%:c", "größe": "größe", "app/": "app/",
	} {
		if q, err := parseKey(text); err != nil || q.Path != want {
			t.Errorf("key %q: %q, %v", text, q.Path, err)
		}
	}
	for _, text := range []string{"", "/", "@dc1", "?ns=a", "a@", "a?", "a@dc 1", "a@b/c", "a@b@c", "a\xff"} {
		if q, err := parseKey(text); err == nil {
			t.Errorf("key %q: %+v without an error", text, q)
		}
	}
	if q, err := parsePrefix("/"); err != nil || q.Path != "" {
		t.Errorf("the whole store: %+v, %v", q, err)
	}
	if q, err := parseKey("app?ns=n@dc2"); err != nil || q != (watch.Key{Path: "app", Scope: watch.Scope{Namespace: "n", Datacenter: "dc2"}}) {
		t.Errorf("got %+v, %v", q, err)
	}
}

// The grammar again, as expressions, to hold the parsers against.
const (
	optionsExpression = `(\?[\w=&-]+)?`
	dcExpression      = `(@[\w.-]+)?`
	nearExpression    = `(~[\w.-]+)?`
)

func FuzzServiceReference(f *testing.F) {
	grammar := regexp.MustCompile(`\A([\w=:.-]+\.)?[\w-]+` + optionsExpression + dcExpression + nearExpression + `(\|[\w,]+)?\z`)
	for _, seed := range []string{"web", "v1.web@dc1~_agent|any", "a=b.c:d.web?ns=x&peer=y", "web|passing,", "we b", "", ".", "a..b", "|", "web?ns", "web?=&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseService(text, nil)
		if isQuoted(text, serviceMarks) {
			return // see FuzzQuotedName
		}
		if err != nil {
			if grammar.MatchString(text) && !strings.Contains(err.Error(), "unknown option") && !strings.Contains(err.Error(), "is no status") {
				t.Errorf("%q is good, but: %v", text, err)
			}
			if strings.Contains(err.Error(), "\n") || !utf8.ValidString(err.Error()) {
				t.Errorf("%q: bad error %q", text, err)
			}
			return
		}
		if !grammar.MatchString(text) {
			t.Errorf("%q is accepted as %+v", text, r)
		}
		_ = watch.Set{r.query: {}} // a query is a map key
	})
}

func FuzzPathReference(f *testing.F) {
	grammar := regexp.MustCompile(`\A/?[^@?]+` + optionsExpression + dcExpression + `\z`)
	for _, seed := range []string{"app/name", "/app", "a b@dc1", "x?ns=a&partition=b@d", "@", "?", "//", "größe/東京"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parsePrefix(text)
		switch good := grammar.MatchString(text) && utf8.ValidString(text); {
		case err == nil && !good:
			t.Errorf("%q is accepted as %+v", text, q)
		case err != nil && good && !strings.Contains(err.Error(), "unknown option"):
			t.Errorf("%q is good, but: %v", text, err)
		case err == nil && strings.HasPrefix(q.Path, "/"):
			t.Errorf("%q: the path begins with a slash: %q", text, q.Path)
		}
	})
}

func FuzzNodeReference(f *testing.F) {
	node := regexp.MustCompile(`\A([\w.-]+` + optionsExpression + dcExpression + `)?\z`)
	nodes := regexp.MustCompile(`\A` + optionsExpression + dcExpression + nearExpression + `\z`)
	for _, seed := range []string{"", "app-1", "gw.corp.example@dc1", "@dc1", "@dc1~_agent", "?ns=a@b~c", "~"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		unknown := func(err error) bool { return err != nil && strings.Contains(err.Error(), "unknown option") }
		if q, err := parseNode(text); !isQuoted(text, nodeMarks) && (err == nil) != node.MatchString(text) && !unknown(err) {
			t.Errorf("node %q: %+v, %v", text, q, err)
		}
		if q, err := parseNodes(text); (err == nil) != nodes.MatchString(text) && !unknown(err) {
			t.Errorf("nodes %q: %+v, %v", text, q, err)
		}
	})
}

// FuzzQuotedName quotes names, and reads them again as they were.
func FuzzQuotedName(f *testing.F) {
	for _, seed := range []string{"web", "my-service-1.0", "a/b", "a b", "a|any", "a:b", "a@dc1", "ü", `"`, "\\", "a?ns=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		text := strconv.Quote(name)
		ok := utf8.ValidString(name) && askable(name) && len(text) < maxReference/2
		want := watch.Service{Name: name, Near: "n", Scope: watch.Scope{Datacenter: "dc2"}}
		if r, err := parseService("v1."+text+"@dc2~n|any", nil); ok && (err != nil || r.query != want || r.tag != "v1") {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
		if r, err := parseNode(text + "@dc2"); ok && (err != nil || r.Name != name || r.Datacenter != "dc2") {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
		if r, err := parseLeaf(text); ok && (err != nil || r.Service != name) {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	})
}
