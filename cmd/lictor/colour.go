package main

import (
	"io"
	"os"
	"strings"

	"github.com/fatih/color"
	"golang.org/x/term"
)

// colourful tells whether out is a terminal whose user wants colours (https://no-color.org).
func colourful(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// colourDiff colours a unified diff where out is a terminal.
func colourDiff(out io.Writer, diff string) string {
	if !colourful(out) {
		return diff
	}
	paint := map[string]*color.Color{
		"---": color.New(color.Bold), "+++": color.New(color.Bold), "@@": color.New(color.FgCyan),
		"-": color.New(color.FgRed), "+": color.New(color.FgGreen),
	}
	var b strings.Builder
	for line := range strings.Lines(diff) {
		text := strings.TrimSuffix(line, "\n")
		for _, prefix := range []string{"---", "+++", "@@", "-", "+"} {
			if strings.HasPrefix(text, prefix) {
				c := paint[prefix]
				c.EnableColor() // the library looks at its own standard output
				text = c.Sprint(text)
				break
			}
		}
		b.WriteString(text)
		if strings.HasSuffix(line, "\n") {
			b.WriteString("\n")
		}
	}
	return b.String()
}
