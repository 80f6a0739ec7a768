package main

import (
	"bytes"
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

// A trial is one run of lictor try.
type trial struct {
	*assembly
	template config.Template
	registry watch.Source // nil where data files answer

	last  []byte // the output shown last, nil before there was any
	wrong string // the error shown last, "" when all is well
}

// run shows the template until ctx ends. What is rendered is read anew each time; the watcher only says when.
func (t *trial) run(ctx context.Context) error {
	if !t.hasData() && t.asksRegistry() {
		var err error
		if t.registry, err = t.newRegistry(); err != nil {
			return err
		}
	}
	w := watch.New(withFiles(t.registry), slog.New(slog.DiscardHandler)) // errors are shown where the output would be
	ctx, cancel := context.WithCancel(ctx)
	defer w.Wait()
	defer cancel()
	t.log = slog.New(slog.DiscardHandler)
	for {
		w.Sync(ctx, t.show(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-w.Changed():
			w.Take()
		}
	}
}

// show renders and shows the outcome. It returns what a change of would change it.
func (t *trial) show(ctx context.Context) watch.Set {
	want := watch.Set{watch.File{Path: t.template.Source}: {}}
	for _, path := range t.cfg.Data {
		want.Add(watch.File{Path: path})
	}
	output, answers, err := t.renderNow(ctx)
	for q := range answers {
		if _, local := q.(watch.File); local || t.registry != nil {
			want.Add(q)
		}
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		t.showError(err)
	default:
		t.showOutput(output)
	}
	return want
}

// renderNow renders with the files as they are now.
func (t *trial) renderNow(ctx context.Context) ([]byte, map[watch.Query]any, error) {
	tmpl, err := t.parse(ctx, t.template)
	if err != nil {
		return nil, nil, err
	}
	source := t.registry
	if source == nil {
		data, err := file.Load(t.cfg.Set, t.cfg.Data...)
		if err != nil {
			return nil, nil, lines(err)
		}
		if source, err = file.NewFixed(data); err != nil {
			return nil, nil, lines(err)
		}
	}
	done, err := t.render(ctx, withFiles(source), tmpl)
	return done.Output, done.Answers, err
}

func (t *trial) showOutput(output []byte) {
	out := t.streams.out
	switch {
	case t.last == nil:
		out.Write(output) //nolint:errcheck // who reads it sees
	case !bytes.Equal(t.last, output):
		fmt.Fprint(out, colourDiff(out, renderer.Diff("before", "now", t.last, output)))
	case t.wrong != "":
		fmt.Fprintln(out, "all is well again, and the output as before")
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
