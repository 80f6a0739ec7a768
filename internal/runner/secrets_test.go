package runner

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lictor/internal/engine"
	"lictor/internal/retry"
	"lictor/watch"
)

// What a check prints of a file goes into the log without the values that are in it.
func TestOutputOfACheckShowsNoValue(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `user admin pass {{key "v"}} {{range services}}{{.}}{{end}}`,
		`while ! test -e `+w.path("go")+`; do sleep 0.01; done; echo "line 1: $(cat "$STAGED")"; exit 1`, "")
	w.key("v", "hunter2")
	w.services("web")
	w.during(t, func() {
		eventually(t, func() string { return map[bool]string{true: "runs"}[w.Checks.Running() > 0] }, "runs")
		w.key("v", "hunter3") // which is not what the check finds
		w.write(t, "go")
		w.is(t, "out.rejected", "user admin pass hunter3 web")
		w.idle(t)
	})
	w.logs(t, 0, "hunter")
	w.logs(t, 2, `msg="command output" `)
	w.logs(t, 2, `line="line 1: user admin pass <value> web"`)
	w.logs(t, 2, `ended with exit code 1: line 1: user admin pass <value> web"`)

	once := newWorkshop(t)
	once.Once = true
	once.file(t, "out", `pass {{key "v"}}`, `cat "$STAGED" >&2; exit 1`, "")
	once.key("v", "hunter2")
	if err := once.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "exit code 1: pass <value>") {
		t.Errorf("it ended with: %v", err)
	}
}

// Nor does what a reload prints, be it about a file that has come back, or about one of another template that has the same
// command.
func TestOutputOfAReloadShowsNoValue(t *testing.T) {
	w := newWorkshop(t)
	w.again, w.Queue.Retry = never, slowly
	const reload = `cat one two; echo >> log; ! grep -q bad one two`
	w.file(t, "one", `{{key "a"}}`, "", reload).Rollback = true
	w.file(t, "two", `{{key "b"}}`, "", reload)
	w.key("a", "good-hunter1\n")
	w.key("b", "good-hunter2\n")
	w.during(t, func() {
		w.is(t, "log", "\n")
		w.idle(t)
		w.key("a", "bad-hunter3\n")
		w.is(t, "log", "\n\n\n")
		w.idle(t)
		w.is(t, "one", "good-hunter1\n")
		w.key("a", "bad-hunter4\n")
		w.is(t, "log", "\n\n\n\n\n")
		w.idle(t)
	})
	w.logs(t, 0, "hunter")
	w.logs(t, 10, `line=<value>`)
}

// A command that failed is run again when its files may hold other values than when it was asked for.
func TestOutputOfARetryShowsNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.Queue.Retry = retry.Backoff{First: 10 * time.Second, Most: 10 * time.Second}
		w.file(t, "one", `{{key "a"}}`, "", `echo "bad: $(cat one two)"; echo >> log; false`)
		w.file(t, "two", `{{key "b"}}`, "", `true`)
		w.pair(t)
		w.key("a", "hunter1")
		w.key("b", "hunter2")
		w.during(t, func() {
			time.Sleep(2 * time.Second)
			w.key("b", "hunter3")
			time.Sleep(time.Minute)
		})
		w.logs(t, 0, "hunter")
		if n := strings.Count(w.read("log"), "\n"); n < 6 {
			t.Errorf("it was run %d times", n)
		}
	})
}

// A reload may take long, and print what the file had when it began, though that has changed twice since.
func TestOutputOfALongReload(t *testing.T) {
	w := newWorkshop(t)
	w.file(t, "out", `{{key "v"}}`, "", `v=$(cat out); echo began >> log; while ! test -e go; do sleep 0.01; done; echo bad value $v; echo ended >> ends`)
	w.key("v", "hunter-one")
	w.during(t, func() {
		w.is(t, "log", "began\n")
		w.key("v", "hunter-two")
		w.is(t, "out", "hunter-two")
		w.key("v", "hunter-three")
		w.is(t, "out", "hunter-three")
		w.write(t, "go")
		w.is(t, "ends", "ended\nended\n")
	})
	w.logs(t, 0, "hunter-")
}

// A reload that is pending since an earlier run may begin before any template has been read, and be run again when they have been.
func TestOutputOfAnOwedReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const reload = `echo "bad: $(cat out)"; echo >> log; false`
		first := newWorkshop(t)
		first.Once, first.Queue.Retry = true, retry.Backoff{}
		first.file(t, "out", `pass {{key "v"}}`, "", reload)
		first.key("v", "hunter2")
		if first.Run(t.Context()) == nil {
			t.Fatal("no error")
		}
		w := newWorkshop(t)
		w.dir = first.dir
		w.Queue.Retry = retry.Backoff{First: 10 * time.Second, Most: 10 * time.Second}
		w.file(t, "out", `pass {{key "v"}}`, "", reload)
		w.during(t, func() {
			time.Sleep(2 * startHold)
			synctest.Wait()
			before := strings.Count(w.log.String(), "hunter2")
			w.key("v", "hunter2") // the file has it already
			time.Sleep(time.Minute)
			synctest.Wait()
			w.logs(t, before, "hunter2")
		})
		if n := strings.Count(w.read("log"), "\n"); n < 6 {
			t.Errorf("it was run %d times", n)
		}
	})
}

// The environment may hold secrets too, and so do we.
func TestOutputShowsNothingFromOutside(t *testing.T) {
	w := newWorkshop(t)
	w.Secrets = []string{"our-token"}
	j := w.file(t, "out", `{{key "v"}}`, `echo hunter2, our-token and 12`, "").Jobs[0]
	execute := j.Execute
	j.Execute = func(known watch.Lookup) (engine.Result, error) {
		j.ReadOutside("hunter2")
		return execute(known)
	}
	w.key("v", "12") // too short to be a secret
	w.during(t, func() { w.is(t, "out", "12") })
	w.logs(t, 1, `line="<value>, <value> and 12"`)
}

func TestFormsOfAValue(t *testing.T) {
	for _, test := range []struct{ value, printed, want string }{
		{"hunter2", "bad value in: val=hunter2", "bad value in: val=<value>"},
		{"hunter2\n", `"hunter2": hunter2`, `"<value>": <value>`},
		{"hunter2", "aHVudGVyMg== is it", "<value> is it"},
		{"abc", "abc", "abc"},
		{"tr\"icky\\pw", `{"p":"tr\"icky\\pw"}`, `{"p":"<value>"}`},
		{"one hundred", "unexpected argument 'hundred' of 'one hundred'", "unexpected argument '<value>' of '<value>'"},
		{"first line\n  second line\n", "2:   second line", "2:   <value>"},
		{"user: admin\npassword: 'hunter2'\n", "password hunter2 of admin", "password <value> of <value>"},
		{"key = \"hunter2\"\nother = 1", "hunter2", "<value>"},
		{`{"user":{"names":["admin","x"]},"pin":123456,"on":true}`, "user admin with pin 123456 is on: true", "user <value> with pin <value> is on: true"},
		{"hunter2 and hunter2more", "hunter2more", "<value>"},
		{"aHVudGVyMg==", "bad password hunter2", "bad password <value>"},
	} {
		all := forms{}
		all.addValue(test.value)
		if got := all.replacer().Replace(test.printed); got != test.want {
			t.Errorf("of %q, %q became %q, want %q", test.value, test.printed, got, test.want)
		}
	}
}
