package command

import (
	"regexp"
	"strings"
)

// mark is what stands in the text of a check for a path that is not known yet. Blanks don't matter, as in templates.
var mark = regexp.MustCompile(`\{\{\s*\.(Staged|StagedDir)\s*\}\}`)

// FillIn puts the path of the staged file in the place of each {{.Staged}} in the text of a check, and that of the folder in
// which it lies among all others in the place of each {{.StagedDir}}.
func FillIn(text, staged, folder string) string {
	return mark.ReplaceAllStringFunc(text, func(m string) string {
		if strings.Contains(m, "Dir") {
			return folder
		}
		return staged
	})
}
