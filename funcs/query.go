package funcs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-bexpr"

	"lictor/watch"
)

// This file reads the texts that name data in a registry:
//
//	key, ls, tree     PATH?OPTIONS@DATACENTER
//	service, connect  TAG.NAME?OPTIONS@DATACENTER~NEAR|STATUSES
//	caLeaf            NAME?OPTIONS@DATACENTER
//	services          ?OPTIONS@DATACENTER
//	node              NAME?OPTIONS@DATACENTER
//	nodes             ?OPTIONS@DATACENTER~NEAR
//	peerings          ?OPTIONS
//
// Each part but the name may be left out; those that are there come in this order. OPTIONS are name=value pairs joined by
// "&": source, ns, partition, peer, sameness-group. STATUSES are joined by commas. The NAME of a service or node may be a Go string in
// double quotes, which is taken to the letter.

// A reference is such a text, taken apart.
type reference struct {
	name   string
	quoted bool   // the name is to be taken to the letter
	tag    string // before a quoted name
	watch.Scope
	near, statuses string
}

// maxReference bounds the length of such a text, in bytes. Consul's own bound for a key is far below.
const maxReference = 8 << 10

// parseReference takes text apart at marks, which are those of "?@~|" that the kind of query knows, in that order.
func parseReference(text, marks string) (reference, error) {
	if err := checkText(text); err != nil {
		return reference{}, err
	}
	name, rest := cutAt(text, marks)
	r := reference{name: name}
	return r, r.setAll(text, rest, marks)
}

func checkText(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%s is not valid UTF-8", quote(text))
	}
	if len(text) > maxReference {
		return fmt.Errorf("%s is too long", quote(text))
	}
	return nil
}

// setAll takes over what follows the name in whole.
func (r *reference) setAll(whole, rest, marks string) error {
	for _, mark := range marks {
		part, found := strings.CutPrefix(rest, string(mark))
		if !found {
			continue
		}
		part, rest = cutAt(part, marks)
		if part == "" {
			return fmt.Errorf("%s: nothing follows %q", quote(whole), mark)
		}
		if err := r.set(mark, part); err != nil {
			return fmt.Errorf("%s: %w", quote(whole), err)
		}
	}
	if rest != "" {
		return fmt.Errorf("%s: %s is out of place: the order is NAME%s, each at most once", quote(whole), quote(rest), order(marks))
	}
	return nil
}

func cutAt(text, marks string) (before, rest string) {
	if i := strings.IndexAny(text, marks); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// order is how the parts of a reference are named in an error.
func order(marks string) string {
	names := map[rune]string{'?': "?OPTIONS", '@': "@DATACENTER", '~': "~NEAR", '|': "|STATUSES"}
	out := ""
	for _, m := range marks {
		out += names[m]
	}
	return out
}

func (r *reference) set(mark rune, part string) error {
	switch mark {
	case '@':
		r.Datacenter = part
		return onlyWord(part, ".-", "datacenter")
	case '~':
		r.near = part
		return onlyWord(part, ".-", "node to be near to")
	case '|':
		r.statuses = part
		return onlyWord(part, ",", "list of statuses")
	}
	if err := onlyWord(part, "-=&", "list of options"); err != nil {
		return err
	}
	return r.SetOptions(part)
}

// onlyWord checks that text holds nothing but ASCII letters, digits, "_" and the characters in also.
func onlyWord(text, also, what string) error {
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', strings.ContainsRune(also, c):
		default:
			return fmt.Errorf("invalid format: %q can not be in a %s", c, what)
		}
	}
	return nil
}

// parseKey reads "PATH?OPTIONS@DATACENTER".
func parseKey(text string) (watch.Key, error) {
	r, err := parsePath(text)
	if err == nil && r.name == "" {
		err = fmt.Errorf("%s has no key", quote(text))
	}
	return watch.Key{Path: r.name, Scope: r.Scope}, err
}

// parsePrefix reads "PATH?OPTIONS@DATACENTER"; the path "/" is the whole store.
func parsePrefix(text string) (watch.Prefix, error) {
	r, err := parsePath(text)
	return watch.Prefix{Path: r.name, Scope: r.Scope}, err
}

// parsePath reads a path, in which any leading slashes mean nothing: no key begins with one.
func parsePath(text string) (reference, error) {
	r, err := parseReference(text, "?@")
	if err == nil && r.name == "" {
		err = fmt.Errorf("%s has no path", quote(text))
	}
	r.name = strings.TrimLeft(r.name, "/")
	return r, err
}

// A serviceRequest is what the arguments of service or connect ask for: the query that is watched, and what is picked
// from its answer here, so that templates that ask for different statuses or tags of a service share one watch.
type serviceRequest struct {
	query    watch.Service
	tag      string
	statuses []string
}

// parseService reads "TAG.NAME?OPTIONS@DATACENTER~NEAR|STATUSES" and further arguments, each of which is STATUSES or
// "filter=EXPRESSION".
func parseService(text string, more []string) (serviceRequest, error) {
	var s serviceRequest
	for _, arg := range more {
		if expression, ok := strings.CutPrefix(arg, "filter="); ok {
			if err := checkFilter(expression); err != nil {
				return s, err
			}
			s.query.Filter = expression
		} else {
			text += "|" + arg
		}
	}
	r, err := parseNamed(text, serviceMarks)
	if err != nil {
		return s, err
	}
	s.tag, s.query.Name, err = r.service()
	if errors.Is(err, errNameless) {
		return s, fmt.Errorf("%s has no service name", quote(text))
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", quote(text), err)
	}
	s.query.Near, s.query.Scope = r.near, r.Scope
	s.statuses, err = parseStatuses(r.statuses)
	if err != nil {
		return s, fmt.Errorf("%s: %w", quote(text), err)
	}
	return s, nil
}

// parseStatuses reads statuses joined by commas; "" stands for passing, and between commas for nothing.
func parseStatuses(text string) ([]string, error) {
	if text == "" {
		return []string{watch.StatusPassing}, nil
	}
	known := []string{watch.StatusAny, watch.StatusPassing, watch.StatusWarning, watch.StatusCritical, watch.StatusMaintenance}
	statuses := []string{}
	for s := range strings.SplitSeq(text, ",") {
		if s == "" {
			continue
		}
		if !slices.Contains(known, s) {
			return nil, fmt.Errorf("invalid filter: %s is no status; there are %s", quote(s), strings.Join(known, ", "))
		}
		statuses = append(statuses, s)
	}
	return statuses, nil
}

// checkFilter tells what is wrong with a filter expression as far as that can be told without the data.
func checkFilter(expression string) error {
	if len(expression) > maxReference {
		return fmt.Errorf("filter %s is too long", quote(expression))
	}
	if _, err := bexpr.CreateEvaluator(expression); err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("filter %s does not parse: %s", quote(expression), what)
	}
	return nil
}

// parseNodes reads "?OPTIONS@DATACENTER~NEAR".
func parseNodes(text string) (watch.Nodes, error) {
	r, err := parseNameless(text, "?@~")
	return watch.Nodes{Near: r.near, Scope: r.Scope}, err
}

// parseNameless reads the parts that marks begin, with no name before them.
func parseNameless(text, marks string) (reference, error) {
	r, err := parseReference(text, marks)
	if err == nil && r.name != "" {
		err = fmt.Errorf("%s: invalid format: begin with one of %s", quote(text), strings.Join(strings.Split(marks, ""), " "))
	}
	return r, err
}
