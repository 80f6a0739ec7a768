package config

import (
	"fmt"
	"io"
	"strings"
)

// Usage writes the persona's flags, grouped, one to a line or two. It does not show old flags.
func Usage(w io.Writer, p Persona) error {
	var out strings.Builder
	group := ""
	var unsupported []string
	table := append([]Flag{
		{Name: "help, -h", Group: "General", Help: "Print this and end."},
		{Name: "version, -v", Group: "General", Help: "Print the version and end."},
	}, Table(p)...)
	for _, f := range table {
		if f.Group == unsupportedGroup && !f.Old {
			unsupported = append(unsupported, "-"+f.Name)
		}
		if f.Old || f.Group == unsupportedGroup {
			continue
		}
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&out, "\n%s:\n", group)
		}
		left := "  -" + f.Name
		if f.Value != "" {
			left += " " + f.Value
		}
		if len(left) > helpColumn-2 {
			out.WriteString(left + "\n")
			left = ""
		}
		for _, line := range wrap(f.helpText(), lineWidth-helpColumn) {
			fmt.Fprintf(&out, "%-*s%s\n", helpColumn, left, line)
			left = ""
		}
	}
	fmt.Fprintf(&out, "\nAccepted, not supported:\n  %s\n", strings.Join(wrap(strings.Join(unsupported, ", "), lineWidth-2), "\n  "))
	_, err := io.WriteString(w, out.String())
	return err
}

const (
	helpColumn = 36
	lineWidth  = 110
)

// unsupportedGroup holds what is accepted so that existing command lines work.
const unsupportedGroup = "Vault"

func (f Flag) helpText() string {
	if f.Default == "" || f.Default == "false" {
		return f.Help
	}
	return fmt.Sprintf("%s (default %s)", f.Help, f.Default)
}

// wrap breaks s at blanks into lines of at most width letters.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = join(line, word, " ")
	}
	return append(lines, line)
}
