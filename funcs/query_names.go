package funcs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"lictor/watch"
)

// This file reads the texts of query.go in which there is the name of a service or a node, which may be quoted. What such a text
// means where there is more than one way to read it is in names.go.

// The marks that may follow a name, in their order.
const (
	serviceMarks = "?@~|"
	nodeMarks    = "?@"
	leafMarks    = "?@"
)

var (
	errNoTags   = errors.New("no tag can be before a name here")
	errNameless = errors.New("there is no name")
)

// parseNamed is parseReference for texts in which the name may be quoted.
func parseNamed(text, marks string) (reference, error) {
	if err := checkText(text); err != nil || !isQuoted(text, marks) {
		return parseReference(text, marks)
	}
	at := strings.IndexByte(text, '"')
	token, err := strconv.QuotedPrefix(text[at:])
	if err != nil {
		return reference{}, fmt.Errorf("%s: what begins with a quotation mark is no string", quote(text))
	}
	r := reference{tag: strings.TrimSuffix(text[:at], "."), quoted: true}
	if r.name, err = strconv.Unquote(token); err != nil {
		return r, fmt.Errorf("%s: %w", quote(text), err)
	}
	if !askable(r.name) {
		return r, fmt.Errorf("%s: invalid format: a name can not be empty, nor have characters that can't be printed", quote(text))
	}
	return r, r.setAll(text, text[at+len(token):], marks)
}

// isQuoted tells whether the name in text is quoted, also behind a tag.
func isQuoted(text, marks string) bool {
	before, _, found := strings.Cut(text, `"`)
	return found && (before == "" || strings.HasSuffix(before, ".") && !strings.ContainsAny(before, marks))
}

// service takes the tag and the name of a service apart.
func (r reference) service() (tag, name string, err error) {
	tag, name = r.tag, r.name
	if !r.quoted {
		dot := strings.LastIndexByte(name, '.')
		if dot == 0 {
			return "", "", errors.New("no tag before the dot")
		}
		tag, name = name[:max(dot, 0)], name[dot+1:]
		if name == "" {
			return "", "", errNameless
		}
		if err := onlyWord(name, serviceNames.also, "service name"); err != nil {
			return "", "", err
		}
	}
	return tag, name, onlyWord(tag, "=:.-", "tag")
}

func (s serviceRequest) target() (string, watch.Scope) { return s.query.Name, s.query.Scope }

// A nodeRequest is what node asks for.
type nodeRequest struct{ watch.NodeServices }

func (r nodeRequest) target() (string, watch.Scope) { return r.Name, r.Scope }

// parseNode reads "NAME?OPTIONS@DATACENTER"; "" is the agent's own node.
func parseNode(text string) (nodeRequest, error) {
	r, err := parseNamed(text, nodeMarks)
	if err != nil {
		return nodeRequest{}, err
	}
	if text != "" && r.name == "" {
		return nodeRequest{}, fmt.Errorf("%s has no node name", quote(text))
	}
	if !r.quoted {
		err = onlyWord(r.name, nodeNames.also, "node name")
	}
	if err == nil && r.tag != "" {
		err = errNoTags
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", quote(text), err)
	}
	return nodeRequest{watch.NodeServices{Name: r.name, Scope: r.Scope}}, err
}

// A leafRequest is what caLeaf asks for.
type leafRequest struct{ watch.CALeaf }

func (r leafRequest) target() (string, watch.Scope) { return r.Service, r.Scope }

// parseLeaf reads "NAME?OPTIONS@DATACENTER". A certificate is not for a tag, so a dot is part of the name.
func parseLeaf(text string) (leafRequest, error) {
	r, err := parseNamed(text, leafMarks)
	switch {
	case err != nil:
		return leafRequest{}, err
	case r.tag != "":
		err = errNoTags
	case !askable(r.name):
		err = errors.New("a service name can not be empty, nor have characters that can't be printed")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", quote(text), err)
	}
	return leafRequest{watch.CALeaf{Service: r.name, Scope: r.Scope}}, err
}
