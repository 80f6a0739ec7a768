package cases

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Count tells how many results passed, and how many did not.
func Count(results []Result) (passed, failed int) {
	for _, r := range results {
		if r.Passed() {
			passed++
		} else {
			failed++
		}
	}
	return passed, failed
}

// WriteJSON writes results as one JSON document, for other programs.
func WriteJSON(w io.Writer, results []Result) error {
	type one struct {
		Name    string  `json:"name"`
		Path    string  `json:"path"`
		Passed  bool    `json:"passed"`
		Updated bool    `json:"updated,omitempty"`
		Seconds float64 `json:"seconds"`
		Failure string  `json:"failure,omitempty"`
		Diff    string  `json:"diff,omitempty"`
	}
	var all struct {
		Passed int   `json:"passed"`
		Failed int   `json:"failed"`
		Cases  []one `json:"cases"`
	}
	all.Passed, all.Failed = Count(results)
	for _, r := range results {
		all.Cases = append(all.Cases, one{r.Name, r.Path, r.Passed(), r.Updated, r.Elapsed.Seconds(), r.Failure, r.Diff})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(all)
}

// WriteJUnit writes results as JUnit XML, which CI systems show.
func WriteJUnit(w io.Writer, results []Result) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testCase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		File    string   `xml:"file,attr"`
		Time    string   `xml:"time,attr"`
		Failure *failure `xml:"failure"`
	}
	type suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	passed, failed := Count(results)
	s := suite{Name: "lictor test", Tests: passed + failed, Failures: failed}
	var total time.Duration
	for _, r := range results {
		total += r.Elapsed
		c := testCase{Name: r.Name, Class: "lictor", File: r.Path, Time: seconds(r.Elapsed)}
		if !r.Passed() {
			message, _, _ := strings.Cut(r.Failure, "\n")
			if message == "" {
				message = "the output is not as wanted"
			}
			c.Failure = &failure{message, r.Failure + r.Diff}
		}
		s.Cases = append(s.Cases, c)
	}
	s.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
