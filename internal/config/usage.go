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
		for _, line := range wrap(f.Text(), lineWidth-helpColumn) {
			fmt.Fprintf(&out, "%-*s%s\n", helpColumn, left, line)
			left = ""
		}
	}
	fmt.Fprintf(&out, "\nAccepted, not supported:\n  %s\n", strings.Join(wrap(strings.Join(unsupported, ", "), lineWidth-2), "\n  "))
	var names []string
	for _, v := range Variables() {
		names = append(names, v.Names...)
	}
	fmt.Fprintf(&out, "\nEnvironment variables, for what nothing else sets:\n  %s\n", strings.Join(wrap(strings.Join(names, ", "), lineWidth-2), "\n  "))
	_, err := io.WriteString(w, out.String())
	return err
}

const (
	helpColumn = 36
	lineWidth  = 110
)

// A Variable is an environment variable that fills an option in.
type Variable struct {
	Names []string // the first that is set counts
	Path  string   // of the option
}

// Variables are all environment variables that fill options in.
func Variables() []Variable {
	var all []Variable
	c := Default("lictor")
	schema{}.walk(&c, func(st setting) {
		if len(st.env) > 0 && st.group != unsupportedGroup {
			all = append(all, Variable{st.env, st.path})
		}
	})
	return all
}

// unsupportedGroup holds what is accepted so that existing command lines work.
const unsupportedGroup = "Vault"

// Text is the help with the default.
func (f Flag) Text() string {
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
