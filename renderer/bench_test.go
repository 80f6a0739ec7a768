package renderer

import (
	"fmt"
	"os"
	"testing"
)

// BenchmarkUnchanged is what each template costs in a round that changes nothing.
func BenchmarkUnchanged(b *testing.B) {
	f := File{Path: b.TempDir() + "/f"}
	content := make([]byte, 4<<10)
	if err := os.WriteFile(f.Path, content, 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if s, err := f.Stage(content); s != nil || err != nil {
			b.Fatal(s, err)
		}
	}
}

// BenchmarkCommit is what a changed one costs: most of it are the two syncs.
func BenchmarkCommit(b *testing.B) {
	f := File{Path: b.TempDir() + "/f"}
	for i := 0; b.Loop(); i++ {
		s, err := f.Stage(fmt.Appendf(make([]byte, 4<<10), "%d", i))
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
