package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// The daemon writes to a stream whenever the content is another one, and anew after its configuration was read again. A fifo
// that nobody reads holds up nothing else.
func TestDaemonWritesToStreams(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"data.yaml": "kv: {a: 1, b: 1}\n",
		"a.ctmpl":   "a={{ key \"a\" }}\n",
		"b.ctmpl":   "b={{ key \"b\" }}\n",
	})
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	d := start(t, dir, "lictor", "-data", "data.yaml", "-template", "a.ctmpl:-:echo told >> told", "-template", "b.ctmpl:fifo", "-template", "b.ctmpl:file")
	d.file("file", "b=1\n")
	d.file("told", "told\n")
	d.waitPrinted(`destination \"fifo\": is a fifo that nobody reads`, 1)

	write(t, dir, "data.yaml", "kv: {a: 1, b: 2}\n")
	d.file("file", "b=2\n")
	reader, err := os.OpenFile(dir+"/fifo", os.O_RDWR, 0) // which does not wait for a writer
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	write(t, dir, "data.yaml", "kv: {a: 2, b: 3}\n")
	d.file("told", "told\ntold\n")
	d.file("file", "b=3\n")
	got := make([]byte, len("b=3\n"))
	if _, err := reader.Read(got); err != nil || string(got) != "b=3\n" {
		t.Errorf("read %q, %v", got, err)
	}
	if n := strings.Count(d.printed(), "a=1\n"); n != 1 {
		t.Errorf("the same content was written %d times", n)
	}

	d.signal(syscall.SIGHUP)
	d.waitPrinted("a=2\n", 2)
	d.signal(syscall.SIGTERM)
	if code := d.exit(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
