package environ

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Formats are the names that [Format] knows.
var Formats = []string{"sh", "dotenv", "json", "systemd", "docker"}

// Format writes an environment as text that another program reads back to exactly the same values, sorted by name:
//
//   - sh: export commands for a POSIX shell (eval, or the dot command)
//   - dotenv: a .env file
//   - json: one object
//   - systemd: a file for EnvironmentFile=
//   - docker: a file for docker run --env-file
//
// It is an error, which names the variable and never shows its value, when the format can't hold a name or a value.
func Format(name string, entries []string) ([]byte, error) {
	entries = slices.Sorted(slices.Values(entries))
	if name == "json" {
		return formatJSON(entries)
	}
	line, ok := map[string]func(name, value string) (string, error){
		"sh": shLine, "dotenv": dotenvLine, "systemd": systemdLine, "docker": dockerLine,
	}[name]
	if !ok {
		return nil, fmt.Errorf("unknown format %q: there are %s", name, strings.Join(Formats, ", "))
	}
	var out bytes.Buffer
	for _, entry := range entries {
		variable, value, _ := strings.Cut(entry, "=")
		if name != "docker" && !isIdentifier(variable) {
			return nil, fmt.Errorf("variable %q: the format %s can not hold this name: -sanitize would fix it", variable, name)
		}
		text, err := line(variable, value)
		if err != nil {
			return nil, fmt.Errorf("variable %q: the format %s can not hold its value: %w", variable, name, err)
		}
		out.WriteString(text + "\n")
	}
	return out.Bytes(), nil
}

// Listing lists an environment for people: the names, and with values those too, quoted.
func Listing(entries []string, values bool) []byte {
	var out bytes.Buffer
	for _, entry := range slices.Sorted(slices.Values(entries)) {
		name, value, _ := strings.Cut(entry, "=")
		if values {
			fmt.Fprintf(&out, "%s=%q\n", name, value)
		} else {
			fmt.Fprintf(&out, "%s=(redacted, %d bytes)\n", name, len(value))
		}
	}
	return out.Bytes()
}

func formatJSON(entries []string) ([]byte, error) {
	object := make(map[string]string, len(entries))
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("variable %q: the format json can not hold it: it is not valid UTF-8", name)
		}
		object[name] = value
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(object); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func shLine(name, value string) (string, error) {
	return "export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'", nil
}

// dotenvLine writes what the dialects of .env files agree on: a bare word, a text in single quotes that is taken as it
// stands, and, where that does not do, one in double quotes with escapes.
func dotenvLine(name, value string) (string, error) {
	bare := func(r rune) bool { return isNameRune(r) || strings.ContainsRune("-./:@%+,", r) }
	switch {
	case value == "":
		return name + "=", nil
	case strings.IndexFunc(value, func(r rune) bool { return !bare(r) }) < 0:
		return name + "=" + value, nil
	case !strings.ContainsAny(value, "'\\\r\n"):
		return name + "='" + value + "'", nil
	}
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`).Replace(value) + `"`, nil
}

// systemdLine follows systemd.exec(5): between double quotes a backslash keeps the next of "\`$ as it is, nothing is
// expanded, and lines may go on. systemd drops a variable that is not UTF-8 or holds control characters other than tab
// and newline.
func systemdLine(name, value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("it is not valid UTF-8")
	}
	if i := strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }); i >= 0 {
		return "", fmt.Errorf("it has the control character %q", value[i])
	}
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`, nil
}

// dockerLine follows docker's reader: everything after the first = up to the end of the line is the value as it stands.
func dockerLine(name, value string) (string, error) {
	switch {
	case name == "" || strings.HasPrefix(name, "#") || strings.ContainsAny(name, " \t\v\f\r\n"):
		return "", fmt.Errorf("and not its name either: -sanitize would fix it")
	case strings.Contains(value, "\n"):
		return "", fmt.Errorf("it has several lines")
	case strings.HasSuffix(value, "\r"):
		return "", fmt.Errorf("it ends with a carriage return")
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return "", fmt.Errorf("it is not valid UTF-8")
	}
	return name + "=" + value, nil
}
