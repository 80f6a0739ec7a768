package consul

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"lictor/watch"
)

// seeds are what decoders are begun with.
func seeds(f *testing.F) {
	for _, body := range badBodies {
		if len(body) < 1000 {
			f.Add([]byte(body))
		}
	}
	for _, body := range []string{
		`null`, ` null `, `[]`, `{}`, `[{"Key":"k","Value":"dg==","Flags":4},{"Key":"l","Value":null}]`,
		`[{"Node":{"Node":"n"},"Service":{"ID":"a","Service":"a","Tags":["b","a"]},"Checks":[{"Node":"n","CheckID":"c","Status":"critical"}]}]`,
		`[{"Node":{"Node":"n"},"Service":{"ID":"a","Service":"a"},"Checks":[null]}]`,
		`[{"Node":"n","CheckID":"c","ServiceID":"a","ServiceName":"a","ServiceTags":["y","x"]},{"Node":"N","CheckID":"d"}]`,
		`{"Node":{"Node":"n"},"Services":[{"ID":"a","Service":"a"},null]}`, `{"Node":null,"Services":null}`,
		`{"Node":{"Node":"n"},"Services":{"a":{"ID":"a","Service":"a"},"b":null}}`, `{"a":["x","y"],"b":null}`, `{"a\"":["]","{"]}`,
		`["dc1",null]`, `["a/b","c\"d"]`, `{"Roots":[{"ID":"r","RootCert":"c","Active":true}]}`, `{"Roots":[null]}`, `{"Roots":null}`,
		`{"SerialNumber":"1","CertPEM":"c","PrivateKeyPEM":"p","ValidAfter":"2026-01-01T00:00:00Z"}`, `{"ValidAfter":5}`,
		`{"ImportedServices":[{"Service":"s"}]}`, `{"ImportedServices":[null]}`, `[{"Name":"p","State":"ACTIVE","StreamStatus":{"ImportedServices":["b","a"]}}]`,
	} {
		f.Add([]byte(body))
	}
}

// FuzzAnswers gives any text to the decoder of each kind of query. What is believed is JSON, and nothing in it is nil.
func FuzzAnswers(f *testing.F) {
	seeds(f)
	s, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	var endpoints []endpoint
	for _, q := range everyKind {
		e, err := s.endpoint(f.Context(), q)
		if err != nil {
			f.Fatal(err)
		}
		endpoints = append(endpoints, e)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for i, e := range endpoints {
			if _, ok := everyKind[i].(watch.Services); ok { // its decoder remembers; see FuzzNames
				e = namesEndpoint(nil)
			}
			answer, err := e.decode(bytes.NewReader(body))
			if err != nil {
				continue
			}
			if !json.Valid(body) {
				t.Errorf("%s: %q is read as %#v", everyKind[i], body, answer)
			}
			if v := reflect.ValueOf(answer); v.Kind() == reflect.Slice {
				for k := range v.Len() {
					if e := v.Index(k); e.Kind() == reflect.Pointer && e.IsNil() {
						t.Errorf("%s: element %d of %q is nil", everyKind[i], k, body)
					}
				}
			}
		}
	})
}

// FuzzElements splits any text, in pieces and as a whole, and compares with encoding/json.
func FuzzElements(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		split := func(r io.Reader) (out []string, err error) {
			err = elements(r, func(e []byte) error { out = append(out, string(e)); return nil })
			return out, err
		}
		got, err := split(bytes.NewReader(body))
		again, err2 := split(iotest.OneByteReader(bytes.NewReader(body)))
		if (err == nil) != (err2 == nil) || err == nil && !slices.Equal(got, again) {
			t.Errorf("%q is %q, %v; in pieces %q, %v", body, got, err, again, err2)
		}
		if s := strings.Trim(string(body), " \r\n\t"); err == nil && s != "null" && (!strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]")) {
			t.Errorf("%q passes for a list", body)
		}
		var raw []json.RawMessage
		valid := json.Unmarshal(body, &raw) == nil
		for _, e := range raw {
			valid = valid && e[0] == '{'
		}
		if !valid {
			if err == nil && json.Valid(body) {
				t.Errorf("%q passes for a list of objects", body)
			}
			return
		}
		var want []string
		for _, e := range raw {
			want = append(want, string(e))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is %q, %v; want %q", body, got, err, want)
		}
	})
}

// FuzzNames reads two lists of services with one decoder: the second is answered as if there had been no first.
func FuzzNames(f *testing.F) {
	f.Add([]byte(`{"a":["x","y"],"b":[]}`), []byte(`{"a":["y","x"],"b":[]}`))
	f.Add([]byte(`{"a":["x"],"b":[]}`), []byte(`{"a":[],"b":["x"]}`))
	f.Add([]byte(`{"a":["\""]}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		list, fresh := nameList{}, nameList{}
		_, _ = list.decode(bytes.NewReader(first))
		got, err := list.decode(bytes.NewReader(second))
		want, freshErr := fresh.decode(bytes.NewReader(second))
		if freshErr != nil || twice(first) || twice(second) {
			return
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q after %q is %s, %v; want %s", second, first, text(got), err, text(want))
		}
	})
}

// twice tells whether an object has a name twice, which Consul's have not.
func twice(text []byte) bool {
	var once map[string]json.RawMessage
	if json.Unmarshal(text, &once) != nil {
		return false
	}
	d, names := json.NewDecoder(bytes.NewReader(text)), 0
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return names != len(once)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if depth == 1 {
				names++
			}
		}
	}
}

// FuzzCountNames counts the names of any text.
func FuzzCountNames(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		err := countNames(bytes.NewReader(body), 3)
		if s := strings.Trim(string(body), " \r\n\t"); err == nil && (!strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]")) {
			t.Errorf("%q passes for a list", body)
		}
		var names []string
		if json.Unmarshal(body, &names) == nil && names != nil && !bytes.Contains(body, []byte("null")) {
			if (err != nil) != (len(names) > 3) {
				t.Errorf("%d names: %v", len(names), err)
			}
		}
	})
}
