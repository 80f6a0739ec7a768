package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A figure is what a work measured: a number, or as many as there were changes. It tells how often it was measured and in
// what unit.
type figure struct {
	name   string
	values []float64
	unit   string
	worst  bool // the largest value counts, and not the median
}

func took(name string, values ...time.Duration) figure {
	f := figure{name: name, unit: "ms"}
	for _, v := range values {
		f.values = append(f.values, float64(v)/float64(time.Millisecond))
	}
	return f
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// repeat does a work several times, and tells each figure as its median over the runs. Where a run fails, what was measured
// until then is told too.
func repeat(ctx context.Context, o options, dir string, w work) (lines []string, err error) {
	var runs [][]figure
	for range o.runs {
		var figures []figure
		figures, err = w.do(ctx, o, dir)
		runs = append(runs, figures)
		if err != nil {
			break
		}
	}
	for i, f := range runs[0] {
		var same []figure
		for _, figures := range runs {
			if i < len(figures) {
				same = append(same, figures[i])
			}
		}
		lines = append(lines, f.name+"\t"+tell(same))
	}
	return lines, err
}

// tell is what the runs say of one figure.
func tell(runs []figure) string {
	f := runs[0]
	var each, all []float64
	for _, r := range runs {
		each, all = append(each, median(r.values)), append(all, r.values...)
	}
	number := func(v float64) string { return strings.TrimSpace(digits(v) + " " + f.unit) }
	if f.worst {
		return "at most " + number(slices.Max(all))
	}
	text := number(median(each))
	if len(f.values) > 1 {
		text = fmt.Sprintf("median %s, worst of %d %s", text, len(all), number(slices.Max(all)))
	}
	if len(each) > 1 {
		var parts []string
		for _, v := range each {
			parts = append(parts, digits(v))
		}
		text += " (runs: " + strings.Join(parts, ", ") + ")"
	}
	return text
}

// digits writes a number with three digits, or all that are before the point.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
