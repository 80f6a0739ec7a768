package runner

import (
	"fmt"
	"slices"
	"strings"

	"lictor/watch"
)

// lackLines says what the first render still waits for and why, one line for each job. It makes a pass of each, since what
// came after the last one may not be what the template waits for.
func (r *Runner) lackLines() []string {
	var lines []string
	for _, g := range r.Groups {
		for _, j := range g.Jobs {
			if !g.committed && !j.ready {
				r.execute(g, j)
			}
			if !g.committed && !j.ready && j.err == nil {
				lines = append(lines, fmt.Sprintf("%s: waiting for %s", j.Name, r.lacks(j)))
			}
		}
	}
	return lines
}

// lacks lists what j waits for, a few of many, each with the reason where one is known.
func (r *Runner) lacks(j *Job) string {
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
	return strings.Join(parts, ", ")
}
