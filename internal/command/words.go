package command

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// SignalName is the signal's usual name, such as SIGTERM.
func SignalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return s.String()
}

// quoteWord writes a word so that a shell would read it as that one word.
func quoteWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Join is the one text for the shell that envconsul makes of trailing arguments. It joins them with blanks, so that the
// shell still expands them; but an argument that holds a blank, or nothing, stays the one argument that it was, taken as
// it stands, where envconsul would let it fall apart.
func Join(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if len(args) > 1 && (a == "" || strings.ContainsAny(a, " \t\r\n")) {
			words[i] = quoteWord(a)
		}
	}
	return strings.Join(words, " ")
}
