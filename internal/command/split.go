package command

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// direct finds the program and the arguments of a text for the shell that means the same without one: a simple command of a
// program that this machine can start. In doubt the shell decides: ok is false then.
func (c Command) direct() (program string, args []string, ok bool) {
	args, ok = splitSimple(c.Args[0])
	if !ok {
		return "", nil, false
	}
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	for _, program := range candidates(args[0], env) {
		if startable(filepath.Join(c.base(program), program)) {
			return program, args, true
		}
	}
	return "", nil, false
}

// base is the folder that a path of the command is relative to.
func (c Command) base(path string) string {
	if filepath.IsAbs(path) {
		return ""
	}
	return c.Dir
}

// candidates are the paths at which a shell with this environment looks for a program.
func candidates(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	search := ""
	for _, entry := range env {
		if value, is := strings.CutPrefix(entry, "PATH="); is {
			search = value
		}
	}
	if search == "" {
		return nil // the shell has a default of its own
	}
	var paths []string
	for _, folder := range strings.Split(search, ":") {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths
}

// startable tells whether the kernel can start the file: a program of this machine, or a script that names its interpreter.
// What else there is (a script that does not) only a shell can.
func startable(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || unix.Access(path, unix.X_OK) != nil {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, 4)
	n, _ := io.ReadFull(f, begin)
	return string(begin[:n]) == "\x7fELF" || n >= 2 && string(begin[:2]) == "#!"
}

// splitSimple splits a text as a shell would that only has to split it: a program and its arguments, some of them in quotes.
// ok is false for every text that a shell may do more with.
func splitSimple(text string) (words []string, ok bool) {
	const blank, special = " \t", "|&;<>()$`\\*?[]#~!{}\"'"
	if strings.ContainsRune(text, 0) {
		return nil, false
	}
	for text = strings.Trim(text, blank); text != ""; text = strings.TrimLeft(text, blank) {
		var word strings.Builder
		for text != "" && !strings.ContainsRune(blank, rune(text[0])) {
			part, rest, quoted := text, "", false
			switch quote := text[0]; quote {
			case '\'', '"':
				if part, rest, quoted = strings.Cut(text[1:], string(quote)); !quoted || quote == '"' && strings.ContainsAny(part, "$`\\") {
					return nil, false
				}
			default:
				if i := strings.IndexAny(text, blank+special); i >= 0 {
					part, rest = text[:i], text[i:]
				}
				if part == "" || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					return nil, false
				}
			}
			word.WriteString(part)
			text = rest
		}
		words = append(words, word.String())
	}
	return words, len(words) > 0 && isProgram(words[0])
}

// isProgram tells whether the first word of a command means a program, and nothing that the shell does itself.
func isProgram(word string) bool {
	return word != "" && !strings.ContainsAny(word, "=%") && !slices.Contains(ofShell, word)
}

// ofShell are the words that mean something to dash or bash where a command begins. Some of them are programs as well, which
// may do otherwise.
var ofShell = strings.Fields(`
. : [ [[ ]] alias bg bind break builtin caller case cd chdir command compgen complete compopt continue coproc declare dirs
disown do done echo elif else enable esac eval exec exit export false fc fg fi for function getopts hash help history if in
jobs kill let local logout mapfile newgrp popd printf pushd pwd read readarray readonly return select set shift shopt source
suspend test then time times trap true type typeset ulimit umask unalias unset until wait while`)
