package funcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
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
			Summary: `Writes CONTENT to another file, atomically, once the template is complete and written. USER and GROUP are names or ` +
				`numbers, "" for our own; PERMS is octal. FLAGS are append (add to what the file has) and newline (end with one), joined ` +
				`by a comma. Missing folders are made. A sandbox_path holds here too.`,
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
	w := fileWrite{path: path, mode: os.FileMode(mode & 0o777), content: rest[len(rest)-1]}
	if len(rest) == 2 {
		w.append = strings.Contains(rest[0], "append")
		if strings.Contains(rest[0], "newline") && !strings.HasSuffix(w.content, "\n") {
			w.content += "\n"
		}
	}
	if path == "" || len(path) > maxPath {
		return "", fmt.Errorf("%s is no path to write to", quote(path))
	}
	if err := checkSandbox(b.Sandbox, path); err != nil {
		return "", err
	}
	if w.uid, err = userID(owner); err != nil {
		return "", errors.New("argument 2 is no user of this machine")
	}
	if w.gid, err = groupID(group); err != nil {
		return "", errors.New("argument 3 is no group of this machine")
	}
	b.pass.Effect(func() error {
		if err := checkSandbox(b.Sandbox, path); err != nil { // folders may have become links meanwhile
			return fmt.Errorf("writeToFile: %w", err)
		}
		return w.write()
	})
	return "", nil
}

// A fileWrite is a file to be written; uid and gid are -1 for our own.
type fileWrite struct {
	path, content string
	mode          os.FileMode
	append        bool
	uid, gid      int
}

func (w fileWrite) write() error {
	content := w.content
	if w.append {
		old, err := os.ReadFile(w.path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("writeToFile: %w", err)
		}
		content = string(old) + content
	}
	if err := os.MkdirAll(filepath.Dir(w.path), 0o755); err != nil {
		return fmt.Errorf("writeToFile: %w", err)
	}
	target := w.path
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		return fmt.Errorf("writeToFile: %s is a directory", w.path)
	}
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real // a link stays one
	}
	pending, err := renameio.NewPendingFile(target, renameio.WithPermissions(w.mode), renameio.IgnoreUmask())
	if err != nil {
		return fmt.Errorf("writeToFile: %w", err)
	}
	defer pending.Cleanup()
	if w.uid >= 0 || w.gid >= 0 {
		err = pending.Chown(w.uid, w.gid)
	}
	if err == nil {
		_, err = pending.WriteString(content)
	}
	if err == nil {
		err = pending.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("writeToFile %s: %w", w.path, err)
	}
	return nil
}

func userID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.Atoi(name); err == nil && id >= 0 {
		return id, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.Atoi(name); err == nil && id >= 0 {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}
