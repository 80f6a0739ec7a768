package runner

import (
	"fmt"
	"slices"
	"strings"

	"lictor/watch"
)

// lackLines says what keeps the first render from being complete, one line for each reason.
func (r *Runner) lackLines() []string {
	var lines []string
	for _, g := range r.Groups {
		if g.committed {
			continue
		}
		for _, j := range g.Jobs {
			switch {
			case j.err != nil:
				lines = append(lines, j.err.Error())
			case !j.ready:
				lines = append(lines, fmt.Sprintf("%s: waiting for %s", j.Name, r.missing(j)))
			}
		}
		switch {
		case g.checked != "":
			lines = append(lines, g.Name+": its check has not ended")
		case g.err != nil:
			lines = append(lines, g.err.Error())
		}
	}
	return lines
}

// missing lists what j waits for, a few of many, each with the reason where one is known, and what it fails with already.
func (r *Runner) missing(j *Job) string {
	const most = 3
	reasons := map[watch.Query]string{}
	all := watch.Set{}
	for q := range j.waiting {
		all.Add(q)
		reasons[q] = "no answer yet"
		if err := r.Watcher.Err(q); err != nil {
			reasons[q] = err.Error()
		}
	}
	for q, why := range j.unmet {
		all.Add(q)
		reasons[q] = why
	}
	var parts []string
	for _, q := range all.Sorted() {
		parts = append(parts, fmt.Sprintf("%s (%s)", q, reasons[q]))
	}
	if len(parts) > most {
		parts = append(slices.Clip(parts[:most]), fmt.Sprintf("%d more", len(parts)-most))
	}
	what := strings.Join(parts, ", ")
	if j.failed != nil {
		what += fmt.Sprintf("; with what is there so far it fails: %v", j.failed)
	}
	return what
}
