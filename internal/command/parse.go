package command

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Text is the command that a configuration means by one text: with a blank inside it is for the shell, without one it
// is the name of a program, run directly. This is the rule of both peers for the child of exec mode; a template's command
// given as a text always goes to the shell ([Shell]). The peers also cut such a text at its commas; we keep it whole, since
// that only ever broke commands.
func Text(text string) Command {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, " \t\r\n") {
		return Shell(text)
	}
	return Command{Args: []string{text}}
}

// Shell is the command that gives text to /bin/sh -c.
func Shell(text string) Command { return Command{Args: []string{text}, Shell: true} }

// List is the command that a configuration means by a list of texts: a single text is as in [Text], more are a program
// and its arguments, run directly.
func List(args []string) Command {
	if len(args) == 1 {
		return Text(args[0])
	}
	return Command{Args: args}
}

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
