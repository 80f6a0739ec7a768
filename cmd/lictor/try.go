package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"lictor/internal/config"
	"lictor/internal/engine"
	"lictor/internal/oneshot"
	"lictor/renderer"
	"lictor/watch"
	"lictor/watch/file"
)

// newTryCmd renders a template to the terminal again and again while it is being written.
func newTryCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "try [options] TEMPLATE",
		Short: "Render a template to the terminal whenever it or its data is edited.",
		Long: `Renders a template to the terminal, and again whenever it, a data file or a local file that it reads is saved: then as a
diff from the last time. Errors are shown with their line, and do not end it; ^C does. Data is as for lictor render. With
-consul changes in the registry are seen, too.`,
		Args: optionsFirst,
	}
	flags := bindAuthor(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a, err := newBench(s, flags, args)
		if err != nil {
			return err
		}
		t, err := a.oneTemplate()
		if err != nil {
			return err
		}
		if t.Source == "-" || t.Source == "" {
			return &exitError{exitFlags, errors.New("try follows a template's file: standard input and contents can't be followed")}
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return (&trial{assembly: a, template: t}).run(ctx)
	}
	return cmd
}

// A trial is one run of lictor try. All that it shows comes from what its watcher knows, files included, so that each
// change of one is seen, however fast they follow each other.
type trial struct {
	*assembly
	template config.Template
	watcher  *watch.Watcher

	used  watch.Set // what the last passes read
	last  []byte    // the output shown last, nil before there was any
	wrong string    // the error shown last, "" when all is well
}

// run shows the template until ctx ends.
func (t *trial) run(ctx context.Context) error {
	sources := map[string]watch.Source{}
	if t.asksConsul() {
		t.cfg.Once = false // the source is to go on after its first answers
		consul, err := t.newConsul()
		if err != nil {
			return err
		}
		sources[consulSource] = consul
	}
	// Errors are shown where the output would be, so there is no log.
	t.watcher = watch.New(route(sources, consulSource), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(ctx)
	defer t.watcher.Wait()
	defer cancel()
	t.used = watch.Set{watch.File{Path: t.template.Source}: {}}
	for {
		result, err := t.pass(ctx)
		t.show(result, err)
		t.watcher.Sync(ctx, t.want(result, err))
		select {
		case <-ctx.Done():
			return nil
		case <-t.watcher.Changed():
			t.watcher.Take()
		}
	}
}

// want is what is to be watched after a pass. After one that failed that is also what the last good one read, since the
// fix may come from there.
func (t *trial) want(result engine.Result, err error) watch.Set {
	want := watch.Set{watch.File{Path: t.template.Source}: {}}
	for _, path := range t.cfg.Data {
		want.Add(watch.File{Path: path})
	}
	for q := range result.Used {
		if t.watched(q) {
			want.Add(q)
		}
	}
	if err != nil || !result.Complete() {
		want.AddAll(t.used)
	}
	t.used = want
	return want
}

// asksConsul tells whether Consul answers any query. Without data files and a Consul that the command line names nothing is there.
func (t *trial) asksConsul() bool { return (t.hasData() || t.asksRegistry()) && t.usesConsul() }

// watched tells whether the watcher answers a query, and not the data.
func (t *trial) watched(q watch.Query) bool {
	_, local := q.(watch.File)
	return local || t.asksConsul() && cmp.Or(watch.SourceOf(q), t.defaultSource()) == consulSource
}

// errWaiting says that a file was not read yet.
var errWaiting = errors.New("not read yet")

// pass makes a pass over what is known now.
func (t *trial) pass(ctx context.Context) (engine.Result, error) {
	text, err := t.contents(t.template.Source)
	if err != nil {
		return engine.Result{}, err
	}
	tmpl, err := t.parseText(ctx, t.template, t.template.Source, text)
	if err != nil {
		return engine.Result{}, err
	}
	fixed, err := t.fixedData()
	if err != nil {
		return engine.Result{}, err
	}
	known := func(q watch.Query) (any, bool) {
		if t.watched(q) {
			return t.watcher.Get(q)
		}
		return ask(ctx, fixed, q)
	}
	result, err := tmpl.Execute(known)
	if err != nil || len(result.Missing) > 0 {
		return result, errors.Join(err, t.troubles(result.Missing))
	}
	if !result.Complete() {
		err = oneshot.Lacking(tmpl.Name(), result)
	}
	return result, err
}

// contents is a file as the watcher knows it.
func (t *trial) contents(path string) (string, error) {
	switch answer, _ := t.watcher.Get(watch.File{Path: path}); answer := answer.(type) {
	case string:
		return answer, nil
	case watch.Failure:
		return "", answer.Err
	}
	return "", errWaiting
}

// fixedData is what the data files say.
func (t *trial) fixedData() (watch.Source, error) {
	d := &file.Data{}
	for _, path := range t.cfg.Data {
		text, err := t.contents(path)
		if err != nil {
			return nil, err
		}
		if err := d.Merge(path, []byte(text)); err != nil {
			return nil, lines(err)
		}
	}
	for _, a := range t.cfg.Set {
		if err := d.Set(a); err != nil {
			return nil, err
		}
	}
	fixed, err := file.NewFixed(d)
	if err != nil {
		err = lines(err)
	}
	return fixed, err
}

// ask asks a source that answers at once.
func ask(ctx context.Context, source watch.Source, q watch.Query) (answer any, known bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := watch.Follow(ctx, source, q, func(a watch.Answer) bool {
		answer, known = a.Value, true
		cancel()
		return true
	})
	if watch.IsPermanent(err) {
		return watch.Failure{Err: err}, true
	}
	return answer, known
}

// troubles says why queries have no answer; nil where they are only under way.
func (t *trial) troubles(missing watch.Set) error {
	var errs []error
	for _, q := range missing.Sorted() {
		if err := t.watcher.Err(q); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", q, err))
		}
	}
	return errors.Join(errs...)
}

// show shows how a pass came out, unless there is something to wait for.
func (t *trial) show(result engine.Result, err error) {
	switch {
	case errors.Is(err, errWaiting):
	case err != nil:
		t.showError(err)
	case result.Complete():
		t.showOutput(result.Output)
	}
}

func (t *trial) showOutput(output []byte) {
	out := t.streams.out
	switch {
	case t.last == nil:
		out.Write(output) //nolint:errcheck // who reads it sees
	case !bytes.Equal(t.last, output):
		fmt.Fprint(out, colourDiff(out, renderer.Diff("before", "now", t.last, output)))
	case t.wrong != "":
		fmt.Fprintln(out, "recovered: the output is as before")
	}
	t.last, t.wrong = append([]byte{}, output...), ""
}

// showError shows each error with the line that it is about.
func (t *trial) showError(err error) {
	if err.Error() == t.wrong {
		return
	}
	t.wrong = err.Error()
	out := t.streams.out
	for _, e := range joined(err) {
		text := "error: " + e.Error()
		if colourful(out) {
			red := color.New(color.FgRed, color.Bold)
			red.EnableColor()
			text = red.Sprint(text)
		}
		fmt.Fprintf(out, "%s\n%s", text, excerpt(e.Error()))
	}
}

var place = regexp.MustCompile(`^(.+?):(\d+)(?::(\d+))?: `)

// excerpt is the line that an error speaks of, with a mark below the column where it names one; "" where there is none.
func excerpt(message string) string {
	m := place.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	text, err := os.ReadFile(m[1])
	if err != nil {
		return ""
	}
	n, _ := strconv.Atoi(m[2])
	all := strings.Split(string(text), "\n")
	if n < 1 || n > len(all) {
		return ""
	}
	line := all[n-1]
	out := fmt.Sprintf("%5d | %s\n", n, line)
	if column, _ := strconv.Atoi(m[3]); column > 0 && column <= len([]rune(line))+1 {
		blank := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, string([]rune(line)[:column-1]))
		out += "      | " + blank + "^\n"
	}
	return out
}
