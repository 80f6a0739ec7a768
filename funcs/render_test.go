package funcs_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"text/template"
	"time"

	"go.uber.org/goleak"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/watch"
	"lictor/watch/file"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write docs/functions.md anew")

// sources answers from the data file of the examples, and from files.
type sources struct {
	data     *file.Source
	contents *file.Contents
}

func (s sources) of(q watch.Query) watch.Source {
	if _, ok := q.(watch.File); ok {
		return s.contents
	}
	return s.data
}

var env = map[string]string{"REGION": "eu-1", "BLANK": ""}

func lookupEnv(name string) (string, bool) { value, ok := env[name]; return value, ok }

// render renders text on testdata/data.yaml until it is complete. Where it waits for something for ever, the error is a
// waiting.
func render(t testing.TB, o funcs.Options, text string) (engine.Result, error) {
	t.Helper()
	if o.Env == nil {
		o.Env = lookupEnv
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	w := watch.New(watch.Route(sources{file.New("testdata/data.yaml"), &file.Contents{}}.of), slog.New(slog.DiscardHandler))
	defer func() { cancel(); w.Wait() }()
	tmpl, err := engine.Parse("test", text, engine.Options{}, func(p *engine.Pass) template.FuncMap { return funcs.Map(ctx, p, o) })
	if err != nil {
		return engine.Result{}, err
	}
	for {
		r, err := tmpl.Execute(w.Get)
		if err != nil || r.Complete() {
			return r, err
		}
		if len(r.Missing) == 0 {
			return r, waiting{r.Unmet}
		}
		w.Sync(ctx, r.Used)
		select {
		case <-w.Changed():
			w.Take()
			for q := range r.Missing {
				if err := w.Err(q); err != nil {
					return r, fmt.Errorf("%s: %w", q, err)
				}
			}
		case <-ctx.Done():
			t.Fatalf("%s: no answer to %v", text, r.Missing.Sorted())
		}
	}
}

type waiting struct{ unmet map[watch.Query]string }

func (w waiting) Error() string { return fmt.Sprint("waits for ", w.unmet) }

// aMoment is when the examples are run.
func aMoment() time.Time { return time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)) }

// TestExamples runs the example of each function. Only those of the library, and those that can't work here, need none.
func TestExamples(t *testing.T) {
	for _, d := range funcs.Docs() {
		if d.Example == "" {
			if d.Link == "" && !strings.HasPrefix(d.Summary, "An error: ") {
				t.Errorf("%s has no example", d.Name)
			}
			continue
		}
		if !strings.Contains(d.Example, d.Name) {
			t.Errorf("the example of %s does not use it", d.Name)
		}
		r, err := render(t, funcs.Options{Now: aMoment}, d.Example)
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
		} else if string(r.Output) != d.Output {
			t.Errorf("%s: %s\n got %q\nwant %q", d.Name, d.Example, r.Output, d.Output)
		}
	}
}

// TestDocsAreFresh keeps docs/functions.md as the catalogue says.
func TestDocsAreFresh(t *testing.T) {
	const path = "../docs/functions.md"
	want := funcs.Markdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != want {
		t.Errorf("%s is stale (%v): run go test ./funcs -update", path, err)
	}
}
