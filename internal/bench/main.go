// Command bench measures lictor, or another binary with the same flags, on a real Consul, and prints a table. It is what
// `make bench` runs; docs/performance.md says what came out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
)

// Options are what the command line says.
type options struct {
	bin    string
	beside string
	lifted bool
	runs   int
	only   *regexp.Regexp
	short  bool
	log    string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := options{}
	flag.StringVar(&o.bin, "bin", "", "the `binary` to measure; built from ./cmd/lictor when not given")
	flag.StringVar(&o.beside, "beside", "", "a second `binary`, that each work is measured with right after the first")
	limits := flag.String("limits", "default", "default: the agent's own limits; lifted: any number of connections")
	flag.IntVar(&o.runs, "runs", 3, "how often each work is done; the table shows medians")
	only := flag.String("only", "", "do only the works whose names match this `expression`")
	flag.BoolVar(&o.short, "short", false, "20 changes instead of 100, and 10 s instead of 60 s")
	flag.StringVar(&o.log, "log", "", "append what the binary logs to this `file`, and keep it")
	flag.Parse()
	if *limits != "default" && *limits != "lifted" {
		return fmt.Errorf("-limits is %q, and must be default or lifted", *limits)
	}
	o.lifted = *limits == "lifted"
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lictor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.bin == "" {
		o.bin = filepath.Join(dir, "lictor")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.bin, "./cmd/lictor").CombinedOutput(); err != nil {
			return fmt.Errorf("building lictor: %w: %s", err, out)
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	bins := []string{o.bin}
	if o.beside != "" {
		bins = append(bins, o.beside)
	}
	fmt.Fprintf(table, "binary\t%s\tlimits\t%s\n\nwork\tmeasured\n", strings.Join(bins, " and "), *limits)
	var failures []error
	for _, w := range works {
		if !o.only.MatchString(w.name) {
			continue
		}
		for _, o.bin = range bins {
			fmt.Fprintln(os.Stderr, "...", w.name, filepath.Base(o.bin))
			results, err := repeat(ctx, o, dir, w)
			if err != nil {
				failures = append(failures, fmt.Errorf("%s with %s: %w", w.name, o.bin, err))
			}
			name := w.name
			if len(bins) > 1 {
				name += ", " + filepath.Base(o.bin)
			}
			for _, line := range results {
				fmt.Fprintf(table, "%s\t%s\n", name, line)
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(failures, table.Flush())...)
}
