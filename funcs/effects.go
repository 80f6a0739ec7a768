package funcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func effectFunctions() []function {
	return []function{
		{Doc{
			Name: "plugin", Signature: `plugin "PROGRAM" [ARGUMENT ...]`,
			Summary: "What a program prints, without the blanks around it. It runs once all data is there, for at most `plugin_timeout` " +
				"(30 seconds; then it is killed with its children), and must end with status 0. Blanks around arguments are dropped, and empty arguments.",
			Example: `{{ plugin "/bin/echo" "a" " b " }}`, Output: `a b`,
		}, func(b binding) any { return b.plugin }},
		{Doc{
			Name: "writeToFile", Signature: `writeToFile "PATH" "USER" "GROUP" "PERMS" ["FLAGS"] CONTENT`,
			Summary: `Writes CONTENT to another file, once the template is complete and written, in the way of a template's destination: in one ` +
				`step, links followed where they may be. USER and GROUP are names or numbers, "" for our own; PERMS is octal. ` +
				`FLAGS are append (add to what the file has) and newline (end with one), joined by a comma. Missing folders are made. A sandbox_path holds here too.`,
			Example: `{{ key "app/name" | writeToFile "/tmp/lictor-example" "" "" "0644" "newline" }}done`, Output: `done`,
		}, func(b binding) any { return b.writeToFile }},
	}
}

// maxPluginOutput bounds what a plugin may print, in bytes.
const maxPluginOutput = 64 << 20

// pluginGrace is how long a plugin's output is still read after it ended or was killed, in case a child of it holds it open.
const pluginGrace = time.Second

func (b binding) plugin(name string, args ...string) (string, error) {
	if name == "" || !b.pass.Confirm() {
		return "", nil
	}
	var argv []string
	for _, arg := range args {
		if arg = strings.TrimSpace(arg); arg != "" {
			argv = append(argv, arg)
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.PluginTimeout)
	defer cancel()
	stdout, stderr := &boundedBuffer{max: maxPluginOutput}, &boundedBuffer{max: 4 << 10, drop: true}
	cmd := exec.CommandContext(ctx, name, argv...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pluginGrace
	err := cmd.Run()
	if ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("did not end within %s, so it was killed", b.PluginTimeout)
	}
	if err != nil { // the arguments may be secrets: only the program is named
		if said, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n"); said != "" {
			err = fmt.Errorf("%w; it said: %s", err, said)
		}
		return "", fmt.Errorf("plugin %s: %w", quote(name), err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// A boundedBuffer keeps at most max bytes; what comes after is an error, or dropped.
type boundedBuffer struct {
	bytes.Buffer
	max  int
	drop bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	room := b.max - b.Len()
	if len(p) <= room {
		return b.Buffer.Write(p)
	}
	if !b.drop {
		return 0, fmt.Errorf("it printed more than %d bytes", b.max)
	}
	b.Buffer.Write(p[:room])
	return len(p), nil
}

func (b binding) writeToFile(path, owner, group, perms string, rest ...string) (string, error) {
	if len(rest) == 0 || len(rest) > 2 {
		return "", fmt.Errorf("wrong number of arguments: want 5 or 6, got %d", 4+len(rest))
	}
	mode, err := strconv.ParseUint(perms, 8, 12)
	if err != nil {
		return "", errors.New("argument 4 is no octal number such as 0644")
	}
	if mode&0o777 == 0 {
		return "", errors.New("argument 4 lets nobody read the file: want an octal number such as 0644")
	}
	w := FileWrite{Path: path, Mode: os.FileMode(mode & 0o777), Content: rest[len(rest)-1]}
	if len(rest) == 2 {
		w.Append = strings.Contains(rest[0], "append")
		if strings.Contains(rest[0], "newline") && !strings.HasSuffix(w.Content, "\n") {
			w.Content += "\n"
		}
	}
	if path == "" || len(path) > maxPath {
		return "", fmt.Errorf("%s is no path to write to", quote(path))
	}
	if err := checkSandbox(b.Sandbox, path); err != nil {
		return "", err
	}
	if w.User, err = userID(owner); err != nil {
		return "", errors.New("argument 2 is no user of this machine")
	}
	if w.Group, err = groupID(group); err != nil {
		return "", errors.New("argument 3 is no group of this machine")
	}
	if b.WriteFile == nil {
		return "", nil
	}
	b.pass.Effect(func() error {
		err := checkSandbox(b.Sandbox, path) // folders may have become links meanwhile
		if err == nil {
			err = b.WriteFile(w)
		}
		if err != nil {
			return fmt.Errorf("writeToFile: %w", err)
		}
		return nil
	})
	return "", nil
}

// A FileWrite is a file that a template asks for beside its output.
type FileWrite struct {
	Path, Content string
	Mode          os.FileMode
	User, Group   string // numbers; "" is nobody in particular
	Append        bool   // to what the file has
}

func userID(name string) (string, error) {
	if name == "" || isID(name) {
		return name, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	if name == "" || isID(name) {
		return name, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

func isID(name string) bool {
	_, err := strconv.ParseUint(name, 10, 31)
	return err == nil
}
