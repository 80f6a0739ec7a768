package conformance

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxDifferences is how many entries differences.md may have.
const maxDifferences = 5

// anyOutput stands for an output that is not the same each time.
const anyOutput = "(any output)"

// differences reads differences.md: the output that we give, on purpose, in place of what each of these cases wants.
func differences(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("differences.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n## "); n > maxDifferences {
		t.Errorf("differences.md has %d entries, over the bound of %d", n, maxDifferences)
	}
	ours := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^- `([^`]+)` gives an output$").FindAllStringSubmatch(string(text), -1) {
		ours[m[1]] = anyOutput
	}
	for _, m := range regexp.MustCompile("(?m)^- `([^`]+)` gives `(.*)`$").FindAllStringSubmatch(string(text), -1) {
		ours[m[1]] = m[2]
	}
	return ours
}

// checkDifference tells how an outcome is not the one that differences.md promises.
func checkDifference(o outcome, want string) error {
	if o.out == nil || o.exit != 0 || *o.out != want && want != anyOutput {
		got := "nothing"
		if o.out != nil {
			got = strconv.Quote(*o.out)
		}
		return fmt.Errorf("differences.md promises %q; got %s, exit %d: %s", want, got, o.exit, o.stderr)
	}
	return nil
}
