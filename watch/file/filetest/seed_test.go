package filetest

import (
	"os"
	"path/filepath"
	"testing"

	"lictor/watch/file"
)

func TestFromSeedIsADataFile(t *testing.T) {
	text, err := os.ReadFile("../../../../shared/conformance/seed.json")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("there is no conformance corpus here: ", err)
	}
	yaml, err := FromSeed(text)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(path, yaml, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := file.Load(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.KV) != 103 || len(d.Nodes) != 11 {
		t.Errorf("%d keys and %d nodes, want 103 and 11", len(d.KV), len(d.Nodes))
	}
	if dump := os.Getenv("DUMP"); dump != "" {
		os.WriteFile(dump, yaml, 0o644)
	}
}
