package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/config"
	"lictor/internal/engine"
	"lictor/internal/record"
	"lictor/renderer"
	"lictor/watch"
	"lictor/watch/file"
)

// newRecordCmd writes what templates read into a data file.
func newRecordCmd(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record [options] [TEMPLATE...]",
		Short: "Write the data that templates read into a data file.",
		Long: `Renders templates against the registry, and writes the data that they read, and no other, as a data file from which
they render the same offline. That is checked before anything is written. The file is sorted, so that the same data
gives the same file. With -data it cuts what the templates read out of larger data files.`,
		Args: optionsFirst,
	}
	flags := bindAuthor(cmd)
	output := cmd.Flags().StringP("o", "o", "", "`FILE` to write, which only we may read; without it or with -, standard output.")
	redact := cmd.Flags().StringArray("redact", nil, "`PATTERN` of keys whose values are replaced by REDACTED; * stands for any letters. Repeatable.")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a, err := newBench(s, flags, args)
		if err != nil {
			return err
		}
		if len(a.cfg.Templates) == 0 {
			_, err := a.oneTemplate()
			return err
		}
		return a.record(context.Background(), *output, *redact)
	}
	return cmd
}

// A recorded template is one with the output that its recording must give.
type recorded struct {
	config.Template
	tmpl   *engine.Template
	output []byte
	// fickle templates give another output each time (the time, a random number), so it can't be compared.
	fickle bool
}

func (a *assembly) record(ctx context.Context, path string, redact []string) error {
	source, err := a.newSource()
	if a.hasData() {
		source, err = a.fixedSource()
	}
	if err != nil {
		return err
	}
	answers := map[watch.Query]any{}
	var templates []recorded
	for _, t := range a.cfg.Templates {
		r := recorded{Template: t}
		if r.tmpl, err = a.parse(ctx, t); err != nil {
			return err
		}
		done, err := a.render(ctx, source, r.tmpl)
		if err != nil {
			return err
		}
		a.tellWarnings(r.tmpl, done.Warnings, nil)
		known := func(q watch.Query) (any, bool) { answer, ok := done.Answers[q]; return answer, ok }
		r.output = done.Output
		if record.DropPrivateKeys(done.Answers) { // the output to compare with is that of what is recorded
			public, err := r.tmpl.Execute(known)
			if err != nil {
				return fmt.Errorf("nothing is written, since a private key is recorded as %s, and with that %w", record.Redacted, err)
			}
			r.output = public.Output
		}
		again, err := r.tmpl.Execute(known)
		r.fickle = err != nil || !bytes.Equal(again.Output, r.output)
		maps.Copy(answers, done.Answers)
		templates = append(templates, r)
	}
	data, err := a.recording(ctx, answers, templates)
	if err != nil {
		return err
	}
	if n := record.Redact(data, redact); n == 0 && len(redact) > 0 {
		fmt.Fprintf(a.streams.err, "lictor: warning: -redact %s matches no key that was read\n", strings.Join(redact, " -redact "))
	}
	return a.writeRecording(path, data, templates)
}

// recording makes the shortest data from which the templates render the same.
func (a *assembly) recording(ctx context.Context, answers map[watch.Query]any, templates []recorded) (*file.Data, error) {
	var differs error
	for _, detail := range record.Details {
		data, err := record.Data(answers, detail)
		if err != nil {
			return nil, err
		}
		if differs = a.rendersTheSame(ctx, data, answers, templates); differs == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("nothing is written, since the recording would not render the same: %w", differs)
}

// rendersTheSame checks data, made of the answers that the templates had, as it is when it was written and read again.
func (a *assembly) rendersTheSame(ctx context.Context, data *file.Data, answers map[watch.Query]any, templates []recorded) error {
	var text bytes.Buffer
	if err := file.Write(&text, data); err != nil {
		return err
	}
	read := &file.Data{}
	if err := read.Merge("recording", text.Bytes()); err != nil {
		return lines(err)
	}
	source, err := onlyData(read)
	if err != nil {
		return err
	}
	for _, t := range templates {
		done, err := a.render(ctx, source, t.tmpl)
		if err != nil {
			return err
		}
		if !t.fickle && !bytes.Equal(done.Output, t.output) {
			return fmt.Errorf("%s: %s%s", t.tmpl.Name(), firstDifference(t.output, done.Output), lost(answers, done.Answers))
		}
	}
	return nil
}

// firstDifference says where two texts differ, without what they say: it may be secret.
func firstDifference(a, b []byte) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return fmt.Sprintf("the outputs differ from line %d on", 1+bytes.Count(a[:n], []byte("\n")))
}

// lost names the first field of an answer that a recording does not say as it was.
func lost(answers, recorded map[watch.Query]any) string {
	queries := watch.Set{}
	for q := range recorded {
		queries.Add(q)
	}
	for _, q := range queries.Sorted() {
		if !reflect.DeepEqual(answers[q], recorded[q]) {
			return fmt.Sprintf("; a data file can't say %s of %s", cmp.Or(record.Difference(answers[q], recorded[q]), "the whole answer"), q)
		}
	}
	return ""
}

func (a *assembly) writeRecording(path string, data *file.Data, templates []recorded) error {
	var names []string
	for _, t := range templates {
		names = append(names, t.tmpl.Name())
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Recorded by lictor from what %s reads.\n", strings.Join(names, ", "))
	if err := file.Write(&text, data); err != nil {
		return err
	}
	if path == "" || path == "-" {
		_, err := a.streams.out.Write(text.Bytes())
		return err
	}
	return put(renderer.File{Path: path, Mode: 0o600, Exact: true, Called: "data file"}, text.Bytes(), renderer.File.Stream) // it may hold secrets
}
