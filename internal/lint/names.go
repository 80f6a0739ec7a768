package lint

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"text/template"

	"lictor/funcs"
	"lictor/internal/engine"
)

// mostNames is how many such names are told of: anybody may register more.
const mostNames = 20

// namesOfTwoMeanings renders the template as long as there is a warning that is new. To fail at it tells where it is.
func namesOfTwoMeanings(t *tree, found func(Position, string, ...any)) {
	if t.Render == nil {
		return
	}
	told := map[warning]bool{}
	for range mostNames {
		_, err := t.render(t.Text, func(p *engine.Pass, o funcs.Options) template.FuncMap {
			return funcs.Map(context.Background(), warnedPass{p, told}, o)
		})
		w, ok := errors.AsType[warning](err)
		if !ok {
			return // all are told, or it does not render, which is for others to say
		}
		told[w] = true
		at := Position{1, 1}
		if m := placed.FindStringSubmatch(strings.TrimPrefix(err.Error(), t.Name+":")); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			at.Column, _ = strconv.Atoi(m[2])
		}
		found(at, "%s", string(w))
	}
}

// A warnedPass fails at a warning that is not told yet.
type warnedPass struct {
	*engine.Pass
	told map[warning]bool
}

func (p warnedPass) Warn(what string) error {
	if w := warning(what); !p.told[w] {
		return w
	}
	return nil
}

// A warning is what a function warns of, as an error.
type warning string

func (w warning) Error() string { return string(w) }
