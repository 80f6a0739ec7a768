package file

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lictor/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write puts a file into place at once, as most editors do.
func write(tb testing.TB, path, text string) {
	tb.Helper()
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		tb.Fatal(err)
	}
}

// parsed is the data of one document.
func parsed(tb testing.TB, text string) *Data {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "data.yaml")
	write(tb, path, text)
	d, err := Load(nil, path)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// ask answers one query.
func ask[A any](tb testing.TB, d *Data, q watch.Query) A {
	tb.Helper()
	a, err := d.Answer(q)
	if err != nil {
		tb.Fatalf("%s: %v", q, err)
	}
	answer, ok := a.(A)
	if !ok {
		tb.Fatalf("%s: the answer is a %T", q, a)
	}
	return answer
}

// patience is longer than anything here may take, on the slowest machine.
const patience = time.Minute

// eventually polls until ok, and fails when that takes too long.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("not within %s: %s", patience, what)
		}
	}
}
