package funcs

import (
	"slices"
	"testing"

	"github.com/Masterminds/sprig/v3"
)

func TestCatalogueIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range catalogue() {
		if seen[f.Name] {
			t.Errorf("%s is listed twice", f.Name)
		}
		seen[f.Name] = true
		if f.Group == "" || f.Signature == "" || f.Summary == "" || f.bind == nil {
			t.Errorf("%s is not documented", f.Name)
		}
		if f.bind != nil && f.bind(binding{}) == nil {
			t.Errorf("%s is documented, but there is no such function", f.Name)
		}
	}
	for name := range sprig.HermeticTxtFuncMap() {
		if !seen["sprig_"+name] {
			t.Errorf("sprig_%s is missing", name)
		}
	}
	if !slices.IsSorted(Names()) || len(Names()) != len(seen) {
		t.Error("Names are not all names, sorted")
	}
}
