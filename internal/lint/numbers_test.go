package lint

import (
	"context"
	"log/slog"
	"testing"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/internal/oneshot"
	"lictor/watch"
	"lictor/watch/watchtest"
)

// An integer that parseJSON reads is found where the output has it as a float, and at the call that read it.
func TestIntegersAsFloats(t *testing.T) {
	const values = `{"small": 80, "big": 2592000, "list": [3232235530], "text": "2592000", "float": 2.5e7, "round": 1000000.0}`
	for _, c := range []struct{ text, want string }{
		{`{{ with keyOrDefault "c" "" | parseJSON }}{{ .big }}{{ end }}`, "1:31 L010"},
		{`{{ with parseJSON (keyOrDefault "c" "") }}{{ range .list }}a {{ . }}.{{ end }}{{ end }}`, "1:9 L010"},
		{`{{ range ls "/" }}{{ range $k, $v := .Value | parseJSON }}{{ if eq $k "big" }}{{ printf "%v" $v }}{{ end }}{{ end }}{{ end }}`, "1:47 L010"},
		{`{{ with keyOrDefault "c" "" | parseYAML }}{{ .big }}{{ end }}{{ (keyOrDefault "c" "" | parseJSON).small }}`, ""},
		{`{{ (keyOrDefault "c" "" | parseYAML).big }} {{ (keyOrDefault "c" "" | parseJSON).big }}`, "1:71 L010"},
		{`{{ with keyOrDefault "c" "" | parseJSON }}{{ .small }} {{ .text }} {{ .float }} {{ .round }} {{ printf "%.0f" .big }} {{ toJSON . }} {{ toYAML . }}{{ end }}`, ""},
		{`{{ keyOrDefault "c" "" | parseJSON | toTOML }}`, "1:26 L010"},
		{`{{ $c := keyOrDefault "c" "" | parseJSON }}{{ sprig_dict "a" $c.text | toTOML }} 10.80.0.1 180.0 80.0.0`, ""},
		{`{{ (keyOrDefault "c" "" | parseJSON).big }}{{ plugin "touch" "/nonexistent/x" }}`, ""}, // is not run, so it does not render
		{`{{ (keyOrDefault "c" "" | parseJSON).big }}{{ key "none" }}`, ""},
		{`{{ (parseJSON "[").big }}`, ""},
		{`{{/* lictor:ignore L010 */}}{{ (keyOrDefault "c" "" | parseJSON).big }}`, ""},
	} {
		data := &watchtest.Source{}
		data.Set(watch.Key{Path: "c"}, &watch.KeyPair{Path: "c", Key: "c", Value: values})
		data.Set(watch.Prefix{Path: ""}, []*watch.KeyPair{{Path: "c", Key: "c", Value: values}})
		data.Set(watch.Key{Path: "none"}, (*watch.KeyPair)(nil))
		if got := codesOf(Source{Name: "t", Text: c.text + "\n", Render: renderOn(data)}, "L003"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.want)
		}
		if got := codesOf(Source{Name: "t", Text: c.text + "\n"}, "L003"); got != "" {
			t.Errorf("%s: without data it finds %s", c.text, got)
		}
	}
	data := &watchtest.Source{}
	data.Set(watch.Key{Path: "c"}, &watch.KeyPair{Value: "[2592000]"})
	s := Source{Name: "t", Text: "ä <<\"c\" |key|parseJSON>>{{ x\n", Left: "<<", Right: ">>", Render: renderOn(data)}
	if got := codesOf(s, "L003"); got != "1:14 L010" {
		t.Errorf("with other delimiters: %s", got)
	}
}

// A template that may not call parseJSON at all does not render.
func TestIntegersAsFloatsWithoutParseJSON(t *testing.T) {
	s := Source{Name: "t", Text: "{{ (parseJSON \"[2592000]\") }}\n", Functions: funcs.Options{Denylist: []string{"parse*"}}, Render: renderOn(&watchtest.Source{})}
	if got := codesOf(s); got != "1:5 L001" {
		t.Error(got)
	}
}

func renderOn(source watch.Source) func(*engine.Template) ([]byte, error) {
	return func(t *engine.Template) ([]byte, error) {
		w := watch.New(source, slog.New(slog.DiscardHandler))
		defer w.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done, err := oneshot.Render(ctx, w, t)
		return done.Output, err
	}
}
