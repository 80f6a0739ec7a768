package renderer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "pool.txt")
	f := File{Path: dest, Backup: true, Mode: 0o600}
	if s := write(t, f, "16"); len(s.Warnings()) != 1 || !strings.Contains(s.Warnings()[0], "no backup") {
		t.Errorf("warnings of the first render: %q", s.Warnings())
	}
	onlyThese(t, dir, "pool.txt")
	put(t, dest, "old", 0o664)
	write(t, f, "17")
	see(t, dest+".bak", "old", 0o664)
	write(t, f, "18")
	see(t, dest, "18", 0o600)
	see(t, dest+".bak", "17", 0o600)
	onlyThese(t, dir, "pool.txt", "pool.txt.bak")

	// The backup and the file as one file of two names: the next backup must still be made.
	if err := os.Remove(dest + ".bak"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(dest, dest+".bak"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "19")
	see(t, dest+".bak", "18", 0o600)
	onlyThese(t, dir, "pool.txt", "pool.txt.bak")
}

// A commit that fails leaves the older backup, which is of another content than what is still there.
func TestBackupOutlivesACommitThatFails(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		fail := 1
		for failed := "?"; failed != ""; fail++ {
			dir := t.TempDir()
			dest := dir + "/f"
			put(t, dest+".bak", "older", 0o604)
			put(t, dest, "old", 0o600)
			steps := 0
			failed = ""
			faulty := &faults{before: func(op, path string) error {
				if op == "remove" || op == "stat" {
					return nil // or it could not clean up
				}
				if steps++; steps == fail {
					failed = op + " " + path
					return unix.EIO
				}
				return nil
			}}
			s, err := File{Path: dest, Backup: true, InPlace: inPlace, faults: faulty}.Stage([]byte("new"))
			if err == nil {
				err = (&Group{faults: faulty}).Commit([]*Staged{s})
			}
			if err != nil {
				see(t, dest, "old", 0o600)
				see(t, dest+".bak", "older", 0o604)
			} else {
				see(t, dest, "new", 0o600)
				see(t, dest+".bak", "old", 0o600)
			}
			onlyThese(t, dir, "f", "f.bak")
			if t.Failed() {
				t.Fatalf("in place %v, %s failing: %v", inPlace, failed, err)
			}
		}
		if fail < 12 {
			t.Errorf("only %d steps", fail)
		}
	}
}

func TestBackupThatFailsStopsTheCommit(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	put(t, dest, "old", 0o600)
	if err := os.Mkdir(dest+".bak", 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := File{Path: dest, Backup: true}.Stage([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err == nil {
		t.Error("committed without the backup that was asked for")
	}
	see(t, dest, "old", 0o600)
	onlyThese(t, dir, "f", "f.bak")
}
