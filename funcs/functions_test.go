package funcs_test

import (
	"errors"
	"strings"
	"testing"

	"lictor/funcs"
)

// TestFunctions holds what the examples don't show. The wanted outputs are those of consul-template 0.42.1 where it gives
// any.
func TestFunctions(t *testing.T) {
	for text, want := range map[string]string{
		// The registry.
		`{{ range service "web|any" }}{{ .ID }}:{{ .Status }} {{ end }}`:                            `web-1:passing web-2:passing web-3:critical `,
		`{{ range service "web" "critical" }}{{ .ID }} {{ end }}`:                                   `web-3 `,
		`{{ range service "BLUE.web" }}{{ .ID }} {{ end }}`:                                         `web-1 `,
		`{{ range service "web|any" "filter=Service.Meta.version == \"1.1\"" }}{{ .ID }} {{ end }}`: `web-2 web-3 `,
		`{{ range service "web|," }}x{{ else }}none{{ end }}`:                                       `none`,
		`{{ service "ghost" | toJSON }} {{ ls "ghost" | toJSON }} {{ service | toJSON }}`:           `[] [] []`,
		`{{ range connect "whatever.web" }}{{ .ID }} {{ end }}`:                                     `web-1-proxy `,
		`{{ with node "ghost" }}{{ if .Node }}x{{ else }}nobody{{ end }}{{ end }}`:                  `nobody`,
		`{{ with node }}{{ .Node.Node }}{{ end }}`:                                                  `app-1`,
		`{{ (index (service "web") 1).Address }}`:                                                   `10.0.0.2`,
		`{{ range tree "/" }}{{ .Key }} {{ end }}`:                                                  `app/limits/conns app/limits/rate app/name app/port `,
		`{{ range ls "/" }}x{{ else }}none{{ end }}`:                                                `none`,
		`{{ range tree "app/na" }}{{ .Key }}|{{ .Path }}{{ end }}`:                                  `me|app/name`,
		`{{ with keyExistsGet "app/none" }}x{{ else }}none{{ end }}`:                                `none`,
		// Environment.
		`[{{ env "BLANK" }}][{{ envOrDefault "BLANK" "x" }}][{{ env "NONE" }}]`: `[][][]`,
		// Files. Blanks around a path are no part of it, blanks in it are.
		"{{ file \" testdata/a blank.txt\\n\" }}{{ file \"\" }}": "with blanks\n",
		// Lists and maps.
		`{{ range $i, $n := loop 5 8 }}{{ $i }}{{ $n }} {{ end }}{{ range loop 3 1 }}x{{ end }}{{ range loop "2" }}{{ . }}{{ end }}`:                                                        `05 16 27 01`,
		`{{ in (parseJSON "[1,2]") 1.0 }} {{ in (parseJSON "[1,2]") 1 }} {{ in (parseJSON "[true]") true }} {{ in 3 3 }}`:                                                                   `true false false false`,
		`{{ containsAll (sprig_list) "x" }} {{ containsAny (sprig_list) "x" }} {{ containsNone (sprig_list) "x" }} {{ containsNotAll (sprig_list) "x" }}`:                                   `true false true false`,
		`{{ containsAll (sprig_list "a" "b") "cab" }} {{ containsAny (sprig_list "a" "b") "x" }} {{ containsNone (sprig_list "a" "b") "b" }} {{ containsNotAll (sprig_list "a" "b") "b" }}`: `true false false true`,
		"{{ explodeMap (parseJSON `{\"a\":{\"x/y\":2},\"b//c\":1,\"e/\":4}`) | toJSON }}":                                                                                                   `{"a":{"x/y":2},"b":{"":{"c":1}},"e":{}}`,
		"{{ $a := parseJSON `{\"x\":{\"y\":1}}` }}{{ $b := mergeMap $a (parseJSON `{\"x\":{\"z\":2}}`) }}{{ $a | toJSON }}":                                                                 `{"x":{"y":1,"z":2}}`,
		`{{ splitToMap "," "=" "a=1=2,b,=3" | toJSON }}`:                                                    `{"":"3","a":"1=2"}`,
		`{{ sprig_keys (sprig_dict "c" 1 "a" 2 "b" 3) }} {{ sprig_values (sprig_dict "c" 1 "a" 2 "b" 3) }}`: `[a b c] [2 3 1]`,
		// Texts.
		`{{ split "," " a, b " | toJSON }} {{ split "" "ab" | toJSON }}`: `["a"," b"] ["a","b"]`,
		`{{ toTitle "o'neil foo-bar wORLD" }}`:                           `O'neil Foo-Bar WORLD`,
		"{{ indent 2 \"\\n\\na\\n\" | printf \"%q\" }}":                  `"\n\n  a\n"`,
		// Formats.
		`{{ sprig_dict "n" 1000000.0 "big" 1e21 "tiny" 1e-7 | toTOML }}`:                                                            "big = 1000000000000000000000.0\nn = 1000000.0\ntiny = 0.0000001",
		"{{ with parseJSON `{\"a\": [2592000, 12, -3232235530, 2.5, 1e30]}` }}{{ toYAML . }} {{ toJSON . }}{{ end }}":               "a:\n- 2592000\n- 12\n- -3232235530\n- 2.5\n- 1e+30 {\"a\":[2592000,12,-3232235530,2.5,1e+30]}",
		"{{ with parseYAML `{a: [2592000, 12345678901234567], 1: 2592000}` }}{{ toYAML . }} {{ toJSON . }} {{ toTOML . }}{{ end }}": "1: 2592000\na:\n- 2592000\n- 12345678901234567 {\"1\":2592000,\"a\":[2592000,12345678901234567]} 1 = 2592000\na = [2592000, 12345678901234567]",
		`{{ parseYAML "a: {b: 1}\n2: x" | toJSON }}`:                                                                                `{"2":"x","a":{"b":1}}`,
		`{{ parseYAML "a: {b: 1}" | toTOML }}`:                                                                                      "[a]\n  b = 1",
		`{{ parseYAML "[yes, 012, 1_000, ~, \"yes\"]" | toYAML }}`:                                                                  "- true\n- 10\n- 1000\n- null\n- \"yes\"",
		// Numbers.
		`{{ printf "%T" (add 1 2) }} {{ printf "%T" (add 1 2.0) }} {{ printf "%T" (add (parseUint "1") 2) }} {{ printf "%T" (add (parseUint "1") (parseUint "2")) }}`: `int64 float64 int64 uint64`,
		`{{ subtract (parseUint "5") (parseUint "3") }} {{ divide 2 -7 }} {{ modulo 2 -7 }} {{ divide 0.0 1 }}`:                                                       `18446744073709551614 -3 -1 +Inf`,
		`{{ minimum 1 2.5 }} {{ maximum 1 2.5 }} {{ minimum (parseUint "3") -1 }} {{ maximum (parseUint "3") -1 }} {{ printf "%T" (maximum 1.0 1) }}`:                 `1 2.5 -1 3 float64`,
		`{{ divide -1 (parseInt "-9223372036854775808") }} {{ add (parseInt "9223372036854775807") 1 }}`:                                                              `-9223372036854775808 -9223372036854775808`,
		// Scratch.
		`{{ scratch.MapSet "m" "b" 2 }}{{ scratch.MapSetX "m" "b" 3 }}{{ scratch.MapSetX "m" "a" 4 }}{{ scratch.MapValues "m" }} {{ scratch.MapValues "none" }}`: `[4 2] []`,
		`{{ scratch.SetX "a" nil }}{{ scratch.SetX "a" 2 }}{{ scratch.Key "a" }}{{ scratch.Get "a" }}`:                                                           `true<no value>`,
		// Time.
		`{{ timestamp }} {{ timestamp "unix" }} {{ timestamp "Jan 2" }} [{{ timestamp "" }}]`: `2026-01-02T03:04:05Z 1767323045 Jan 2 []`,
	} {
		o := funcs.Options{Now: aMoment}
		r, err := render(t, o, text)
		if err != nil || string(r.Output) != want {
			t.Errorf("%s\n got %q, %v\nwant %q", text, r.Output, err, want)
		}
	}
}

func TestScratchIsNewInEachPass(t *testing.T) {
	r, err := render(t, funcs.Options{}, `{{ scratch.Key "n" }}{{ scratch.Set "n" (key "app/name") }}{{ plugin "/bin/echo" "x" }}`)
	if err != nil || string(r.Output) != "falsex" {
		t.Errorf("got %q, %v", r.Output, err)
	}
}

func TestWaits(t *testing.T) {
	for text, why := range map[string]string{
		`{{ key "no/such" }}`:      "there is no such key",
		`{{ safeLs "no/such" }}`:   "there is no key below this prefix",
		`{{ safeLs "app/limit" }}`: "there is no key below this prefix", // only deeper ones
		`{{ safeTree "no" }}`:      "there is no key below this prefix",
	} {
		_, err := render(t, funcs.Options{}, text)
		if _, waits := errors.AsType[waiting](err); !waits || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want it to wait since %s", text, err, why)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{{ secret "x" }}`:       "error calling secret: Vault is not supported: only",
		`{{ nomadVarListSafe }}`: "error calling nomadVarListSafe: Nomad is not supported: only",
		`{{ mustEnv "BLANK" }}`:  `environment variable "BLANK" is needed`,
		`{{ loop 1000001 }}`:     "more than 1000000 numbers",
		`{{ loop -9223372036854775807 9223372036854775807 }}`: "more than 1000000 numbers",
		`{{ sprig_repeat 99999999999 "x" }}`:                  "more than 67108864 bytes",
		`{{ sprig_until 99999999999 }}`:                       "more than 1000000 numbers",
		`{{ sprig_seq 99999999999 }}`:                         "more than 1000000 numbers",
		`{{ sprig_indent 99999999999 "x" }}`:                  "can't indent",
		`{{ indent -1 "x" }}`:                                 "can't indent",
		`{{ modulo 1.5 3 }}`:                                  "modulo is for integers",
		`{{ modulo 0 3 }}`:                                    "divide by zero",
		`{{ divide (parseUint "0") 3 }}`:                      "divide by zero",
		`{{ add nil 1 }}`:                                     "unknown type",
		`{{ $x := "aaaaaaaa" }}{{ range loop 60 }}{{ $x = print $x $x }}{{ end }}`:         "is there a loop that makes it grow?",
		`{{ $x := "aaaaaaaa" }}{{ range loop 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`: "is there a loop that makes it grow?",
		`{{ timestamp "a" "b" }}`:                                                      "wrong number of arguments",
		`{{ executeTemplate "none" }}`:                                                 "is not defined",
		`{{ toTOML nil }}`:                                                             "TOML has nothing for a missing value",
		`{{ service "web@dc9" }}`:                                                      `service(web@dc9): `,
		`{{ file " " }}`:                                                               "the path is nothing but blanks",
		`{{ file "/no/such" }}`:                                                        `no such file`,
		`{{ service "web" | byMeta "version|int" }}`:                                   `what service web-1 has as "version" is no integer`,
		"{{ explodeMap (parseJSON `{\"a\":1,\"a/b\":2}`) }}":                           "a key is both a value and a folder",
		`{{ scratch.Set "a" 1 }}{{ scratch.MapSet "a" "b" 2 }}`:                        `what scratch has under this name is not a map but a int`,
		`{{ $d := sprig_dict }}{{ sprig_set $d "x" (sprig_list $d) }}`:                 "the map would hold itself",
		`{{ $d := sprig_dict }}{{ mergeMap $d (sprig_dict "x" $d) }}`:                  "the map would hold itself",
		`{{ scratch.MapSet "m" "a" 1 }}{{ scratch.MapSet "m" "m" (scratch.Get "m") }}`: "the map would hold itself",
	} {
		if _, err := render(t, funcs.Options{}, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestErrorsKeepSecrets: what came from the registry may be a secret, and must not get into a log.
func TestErrorsKeepSecrets(t *testing.T) {
	for _, f := range []string{
		`parseInt`, `parseUint`, `parseFloat`, `parseBool`, `parseJSON`, `base64Decode`, `base64URLDecode`, `add 1`, `loop`, `plugin "/bin/false"`,
		`parseJSON`, `toJSON | loop`, `regexMatch "("`, `regexReplaceAll "(" "x"`, `printf "*%s" | parseYAML`, `printf "http://user:%s@[" | sprig_urlParse`,
		`sprig_mustToDate "2006"`, `executeTemplate`, `printf "%%%s" | sprig_dict "host" "h" "userinfo" | sprig_urlJoin`,
	} {
		_, err := render(t, funcs.Options{}, `{{ key "app/name" | `+f+` }}`)
		if err == nil || strings.Contains(err.Error(), "orders") {
			t.Errorf("%s: the error is %v", f, err)
		}
	}
	for _, text := range []string{
		`{{ writeToFile "/tmp/lictor-secret" $s "" "0644" "x" }}`, `{{ writeToFile "/tmp/lictor-secret" "" $s "0644" "x" }}`, `{{ writeToFile "/tmp/lictor-secret" "" "" $s "x" }}`,
		`{{ scratch.Set $s "x" }}{{ scratch.MapSet $s "a" "b" }}`,
	} {
		_, err := render(t, funcs.Options{}, `{{ $s := key "app/name" }}`+text)
		if err == nil || strings.Contains(err.Error(), "orders") {
			t.Errorf("%s: the error is %v", text, err)
		}
	}
}

func TestDenylist(t *testing.T) {
	for _, c := range []struct {
		patterns string
		text     string
		denied   bool
	}{
		{"env", `{{ env "X" }}`, true}, {"env", `{{ envOrDefault "X" "y" }}`, false}, {"env*", `{{ envOrDefault "X" "y" }}`, true},
		{"sprig_*", `{{ sprig_upper "x" }}`, true}, {"*Exists", `{{ keyExists "x" }}`, true}, {"k*s", `{{ keyExists "x" }}`, true},
		{"*", `{{ add 1 2 }}`, true}, {"*", `{{ len "x" }}`, false}, {"k*t", `{{ keyExists "x" }}`, false}, {"env", `{{ if false }}{{ env "X" }}{{ end }}`, false},
	} {
		_, err := render(t, funcs.Options{Denylist: []string{"nothing", c.patterns}}, c.text)
		if denied := err != nil && strings.Contains(err.Error(), "function is disabled"); denied != c.denied {
			t.Errorf("%s with %s: %v", c.text, c.patterns, err)
		}
	}
}
