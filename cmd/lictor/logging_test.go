package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestPidFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-data", "data.yaml", "-template", "k.ctmpl:out", "-pid-file", "pid")
	d.file("out", "k=1\n")
	if got, want := read(t, dir, "pid"), d.cmd.Process.Pid; got != strconv.Itoa(want) {
		t.Errorf("the process file holds %q, want %d without a newline", got, want)
	}
	d.signal(syscall.SIGTERM)
	d.exit(patience)
	if _, err := os.Stat(filepath.Join(dir, "pid")); err == nil {
		t.Error("the process file is still there")
	}
	// One that can't be written ends the program before it renders.
	d = start(t, dir, "lictor", "-once", "-data", "data.yaml", "-template", "k.ctmpl:other", "-pid-file", "no/such/pid")
	if code := d.exit(patience); code != 14 || !strings.Contains(d.printed(), "no/such/pid") || read(t, dir, "other") != "" {
		t.Errorf("exit code %d with %q", code, d.printed())
	}
}

func TestLogFile(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	write(t, dir, "lictor.hcl", `
log_file {
  path                 = "logs/"
  log_rotate_bytes     = 400
  log_rotate_max_files = 2
}`)
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := start(t, dir, "lictor", "-config", "lictor.hcl", "-data", "data.yaml", "-template", "k.ctmpl:out", "-log-level", "debug")
	names := map[string]bool{} // of those that were put aside
	for i := range 20 {
		write(t, dir, "data.yaml", "kv: {k: "+strconv.Itoa(i+10)+"}\n")
		d.file("out", "k="+strconv.Itoa(i+10)+"\n")
		for _, f := range logFiles(t, dir) {
			names[f] = true
		}
	}
	d.signal(syscall.SIGTERM)
	d.exit(patience)
	files := logFiles(t, dir)
	if len(files) != 3 || len(names) <= 3 {
		t.Errorf("there were %d log files, of which %q are left: want rotation that keeps two and the present one", len(names), files)
	}
	for _, f := range files {
		if !regexp.MustCompile(`^logs/lictor(-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{9}Z)?\.log$`).MatchString(f) {
			t.Errorf("a log file is called %s", f)
		}
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o640 {
			t.Errorf("%s has the mode %v", f, info.Mode())
		}
		if info.Size() > 600 {
			t.Errorf("%s has %d bytes", f, info.Size())
		}
	}
	if last := read(t, dir, "logs/lictor.log"); !strings.Contains(last, "stopping") {
		t.Errorf("the file does not tell of the end: %q", last)
	}
	if !strings.Contains(d.printed(), "stopping") {
		t.Error("standard error is silent beside a log file")
	}
}

func logFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "logs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], dir+"/")
	}
	return files
}

func TestLogFileThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-once", "-data", "data.yaml", "-template", "k.ctmpl:out", "-log-file", "no/such/log")
	if code := d.exit(patience); code != 15 || !strings.Contains(d.printed(), "log file: ") || read(t, dir, "out") != "" {
		t.Errorf("exit code %d with %q", code, d.printed())
	}
}

func TestSyslogThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-once", "-data", "data.yaml", "-template", "k.ctmpl:out", "-syslog")
	switch code := d.exit(patience); {
	case code == 0: // there is one here
	case code != 15 || !strings.Contains(d.printed(), "is a syslog daemon running here?") || read(t, dir, "out") != "":
		t.Errorf("exit code %d with %q", code, d.printed())
	}
	d = start(t, dir, "lictor", "-once", "-data", "data.yaml", "-template", "k.ctmpl:out", "-syslog", "-syslog-facility", "LOCAL9")
	if code := d.exit(patience); code != 15 || !strings.Contains(d.printed(), `unknown facility "LOCAL9"`) {
		t.Errorf("exit code %d with %q", code, d.printed())
	}
}

func TestLogLinesAreJSONWhenAsked(t *testing.T) {
	t.Parallel()
	dir := folder(t, keyFiles())
	d := start(t, dir, "lictor", "-once", "-log-level", "info", "-log-format", "json", "-data", "data.yaml", "-template", "k.ctmpl:out:echo hello; echo world >&2")
	if code := d.exit(patience); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{`"msg":"rendered","template":"k.ctmpl => out"`, `"line":"hello"`, `"line":"world"`} {
		if !strings.Contains(d.printed(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}
