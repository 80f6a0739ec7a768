// Package oneshot renders a template once and says why where that can't be done, instead of waiting for better data as the
// daemon does. The commands for authors and for CI are built on it: what renders there has the same functions, the same
// passes and the same errors as the daemon.
package oneshot

import (
	"context"
	"errors"
	"fmt"

	"lictor/internal/engine"
	"lictor/watch"
)

// A Rendering is a finished render.
type Rendering struct {
	Output []byte
	// Answers are what the template read, by query.
	Answers map[watch.Query]any
	// Warnings are what functions want a person to know.
	Warnings []string
	// Passes is how many times the template ran: the depth of its data, plus one.
	Passes int
}

// Render makes passes over t until it is complete, with the answers of w, whose only user it is. It does not wait for
// what the data does not have (a key that `key` reads): that is an error which names it. Effects of functions are dropped.
// Where there is an error the answers so far are returned with it. The caller ends ctx and then waits for w.
func Render(ctx context.Context, w *watch.Watcher, t *engine.Template) (Rendering, error) {
	done := Rendering{Answers: map[watch.Query]any{}}
	want := watch.Set{}
	for {
		result, err := t.Execute(w.Get)
		done.Passes += result.Passes
		clear(done.Answers)
		for q := range result.Used {
			if answer, ok := w.Get(q); ok {
				done.Answers[q] = answer
			}
		}
		switch {
		case err != nil:
			return done, err
		case result.Complete():
			done.Output, done.Warnings = result.Output, result.Warnings
			return done, nil
		case len(result.Missing) == 0:
			return done, Lacking(t.Name(), result)
		}
		want.AddAll(result.Used) // a later pass may come back to what this one did not reach
		w.Sync(ctx, want)
		if err := await(ctx, w, result.Missing); err != nil {
			return done, fmt.Errorf("%s: %w", t.Name(), err)
		}
	}
}

// await returns when all of these queries are answered.
func await(ctx context.Context, w *watch.Watcher, missing watch.Set) error {
	for {
		var waiting watch.Query
		for q := range missing {
			if _, ok := w.Get(q); !ok {
				waiting = q
				break
			}
		}
		if waiting == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if err := w.Err(waiting); err != nil {
				return fmt.Errorf("%s: %w (%w)", waiting, err, context.Cause(ctx))
			}
			return fmt.Errorf("%s: no answer: %w", waiting, context.Cause(ctx))
		case <-w.Changed():
			w.Take()
			if err := w.GaveUp(); err != nil {
				return err
			}
		}
	}
}

// Lacking says what the data does not have that a template waits for, one error for each query, and what the template fails
// with beside that.
func Lacking(name string, result engine.Result) error {
	all := watch.Set{}
	for q := range result.Unmet {
		all.Add(q)
	}
	var errs []error
	for _, q := range all.Sorted() {
		errs = append(errs, fmt.Errorf("%s: %s: %s", name, q, result.Unmet[q]))
	}
	if result.Failed != nil {
		errs = append(errs, fmt.Errorf("%w (with what is there so far)", result.Failed))
	}
	return errors.Join(errs...)
}
