package oneshot_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"text/template"
	"time"

	"go.uber.org/goleak"

	"lictor/funcs"
	"lictor/internal/engine"
	"lictor/internal/oneshot"
	"lictor/internal/retry"
	"lictor/watch"
	"lictor/watch/watchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, text string) *engine.Template {
	t.Helper()
	tmpl, err := engine.Parse("t.ctmpl", text, engine.Options{}, func(p *engine.Pass) template.FuncMap {
		return funcs.Map(t.Context(), p, funcs.Options{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// render renders text, in a bubble, from a source that says what script has it say. It tells how long that took.
func render(t *testing.T, text string, retry watch.Retry, script func(*watchtest.Source)) (done oneshot.Rendering, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		source := &watchtest.Source{}
		script(source)
		w := watch.New(source, slog.New(slog.DiscardHandler))
		w.Retry = retry
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("gave up after 1s"))
		defer w.Wait()
		defer cancel()
		begun := time.Now()
		done, err = oneshot.Render(ctx, w, parse(t, text))
		took = time.Since(begun)
	})
	return done, took, err
}

func TestRenderGoesAsDeepAsTheData(t *testing.T) {
	done, took, err := render(t, `{{ range services }}{{ .Name }}:{{ range service .Name }}{{ key .ID }}{{ end }} {{ end }}`, watch.DefaultRetry, func(s *watchtest.Source) {
		s.Set(watch.Services{}, []*watch.ServiceName{{Name: "a"}, {Name: "b"}})
		s.Set(watch.Service{Name: "a"}, []*watch.ServiceInstance{{ID: "a1", Status: "passing"}, {ID: "a2", Status: "critical"}})
		s.Set(watch.Service{Name: "b"}, []*watch.ServiceInstance{{ID: "b1", Status: "passing"}})
		s.Set(watch.Key{Path: "a1"}, &watch.KeyPair{Path: "a1", Value: "1"})
		s.Set(watch.Key{Path: "b1"}, &watch.KeyPair{Path: "b1", Value: "2"})
	})
	if err != nil || string(done.Output) != "a:1 b:2 " || took != 0 {
		t.Errorf("%v: %q after %s", err, done.Output, took)
	}
	if len(done.Answers) != 5 || done.Passes != 4 {
		t.Errorf("%d answers in %d passes, not 5 in 4", len(done.Answers), done.Passes)
	}
}

func TestRenderDoesNotWaitForWhatIsNotThere(t *testing.T) {
	_, took, err := render(t, `{{ key "b" }}{{ key "a" }}{{ key "c" }}`, watch.DefaultRetry, func(s *watchtest.Source) {
		s.Set(watch.Key{Path: "a"}, (*watch.KeyPair)(nil))
		s.Set(watch.Key{Path: "b"}, (*watch.KeyPair)(nil))
		s.Set(watch.Key{Path: "c"}, &watch.KeyPair{Path: "c"})
	})
	if want := "t.ctmpl: key(a): there is no such key\nt.ctmpl: key(b): there is no such key"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if took != 0 {
		t.Errorf("it has waited %s", took)
	}
}

func TestRenderSaysWhatFailsBesideWhatIsMissing(t *testing.T) {
	_, _, err := render(t, `{{ key "a" }}{{ index "xy" 7 }}`, watch.DefaultRetry, func(s *watchtest.Source) { s.Set(watch.Key{Path: "a"}, nil) })
	const want = "t.ctmpl: key(a): there is no such key\n" +
		`t.ctmpl:1:17: at <index "xy" 7>: error calling index: index out of range: 7 (with what is there so far)`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestRenderSaysWhyThereIsNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		retry  watch.Retry
		script func(*watchtest.Source)
		took   time.Duration
		want   string
	}{
		"given up": {watch.Retry{Attempts: -1}, func(s *watchtest.Source) { s.Fail(watch.Key{Path: "a"}, errors.New("connection refused")) },
			0, "t.ctmpl: key(a): connection refused"},
		"too late": {watch.Retry{Backoff: retry.Backoff{First: time.Hour}}, func(s *watchtest.Source) { s.Fail(watch.Key{Path: "a"}, errors.New("connection refused")) },
			time.Second, "t.ctmpl: key(a): connection refused (gave up after 1s)"},
		"silence": {watch.DefaultRetry, func(*watchtest.Source) {}, time.Second, "t.ctmpl: key(a): no answer: gave up after 1s"},
		"certain": {watch.DefaultRetry, func(s *watchtest.Source) { s.Set(watch.Key{Path: "a"}, watch.Failure{Err: errors.New("no way")}) },
			0, `t.ctmpl:1:4: at <key "a">: error calling key: key(a): no way`},
	} {
		_, took, err := render(t, `{{ key "a" }}`, c.retry, c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || took != c.took {
			t.Errorf("%s: error %v after %s, want %s after %s", name, err, took, c.want, c.took)
		}
	}
}
