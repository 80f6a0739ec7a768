package file

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-bexpr/grammar"

	"lictor/watch"
)

// The fields that filter expressions are over: those of Consul's health endpoint. Go names are Consul's names.
type (
	healthEntry struct {
		Node    *watch.Node
		Service *healthService
		Checks  []healthCheck
	}
	healthService struct {
		Kind, ID, Service, Address string
		Tags                       []string
		Meta                       map[string]string
		Port                       int
		TaggedAddresses            map[string]watch.ServiceAddress
		Weights                    watch.Weights
		EnableTagOverride          bool
		Connect                    struct{ Native bool }
		Proxy                      struct{ DestinationServiceName string }
	}
	healthCheck struct {
		Node, CheckID, Name, Status, Notes, Output, ServiceID, ServiceName, Type string
		ServiceTags                                                              []string
		ExposedPort                                                              int
		PeerName                                                                 string
	}
)

func (i *instance) entry() healthEntry {
	s := i.service
	e := healthEntry{
		Node: i.node,
		Service: &healthService{
			Kind: s.Kind, ID: s.ID, Service: s.Name, Address: i.Instance.Address, Tags: i.Tags, Meta: s.ServiceMeta, Port: s.Port,
			TaggedAddresses: s.ServiceTaggedAddresses, Weights: s.Weights, EnableTagOverride: i.EnableTagOverride,
		},
	}
	for _, c := range s.Checks {
		e.Checks = append(e.Checks, healthCheck{c.Node, c.CheckID, c.Name, c.Status, c.Notes, c.Output, c.ServiceID, c.ServiceName, c.Type,
			c.ServiceTags, c.ExposedPort, c.PeerName})
	}
	e.Service.Connect.Native, e.Service.Proxy.DestinationServiceName = i.ConnectNative, i.ProxyFor
	return e
}

// filter keeps the instances for which a Consul filter expression is true.
//
// The expression is parsed by the library that Consul uses. It is evaluated here, since newer versions of the library no
// longer do it as Consul does: a field of a list, such as Checks.Status, matches when that of any element does.
func filter(expression string, instances []*instance) ([]*instance, error) {
	var cond condition
	parsed, err := grammar.Parse("", []byte(rawSlashes(expression)), grammar.MaxExpressions(1_000_000))
	if err == nil {
		cond, err = compile(parsed)
	}
	if err != nil {
		return nil, watch.Permanent(fmt.Errorf("the filter %q can't be used: %s", expression, strings.ReplaceAll(err.Error(), "\n", " ")))
	}
	var kept []*instance
	for _, in := range instances {
		if cond(reflect.ValueOf(in.entry())) {
			kept = append(kept, in)
		}
	}
	return kept, nil
}

var literal = regexp.MustCompile("`[^`]*`|\"(?:[^\"\\\\]|\\\\.)*\"")

// rawSlashes quotes texts such as "/metrics" in the other way, `/metrics`: the library would take them for paths and lose
// the slash.
func rawSlashes(expression string) string {
	return literal.ReplaceAllStringFunc(expression, func(s string) string {
		if strings.HasPrefix(s, `"/`) && !strings.ContainsAny(s, "`\\") {
			return "`" + s[1:len(s)-1] + "`"
		}
		return s
	})
}

// A condition is a compiled expression.
type condition func(entry reflect.Value) bool

func compile(node any) (condition, error) {
	switch e := node.(type) {
	case *grammar.UnaryExpression:
		c, err := compile(e.Operand)
		return func(v reflect.Value) bool { return !c(v) }, err
	case *grammar.BinaryExpression:
		left, err := compile(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := compile(e.Right)
		if e.Operator == grammar.BinaryOpAnd {
			return func(v reflect.Value) bool { return left(v) && right(v) }, err
		}
		return func(v reflect.Value) bool { return left(v) || right(v) }, err
	case *grammar.MatchExpression:
		return compileMatch(e)
	}
	return nil, fmt.Errorf("any and all are not known to Consul")
}

func compileMatch(e *grammar.MatchExpression) (condition, error) {
	leaf, err := fieldType(reflect.TypeFor[healthEntry](), e.Selector.Path, nil)
	if err != nil {
		return nil, err
	}
	test, err := leafTest(e, leaf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(e.Selector.Path, "."), err)
	}
	negative := slices.Contains([]grammar.MatchOperator{grammar.MatchNotEqual, grammar.MatchNotIn, grammar.MatchNotContains, grammar.MatchIsNotEmpty, grammar.MatchNotMatches}, e.Operator)
	holds := func(v reflect.Value) bool { return test(v) != negative }
	return func(entry reflect.Value) bool {
		return anyField(entry, e.Selector.Path, holds, e.Operator.NotPresentDisposition())
	}, nil
}

// fieldType finds the type of a field, and so that there is one.
func fieldType(t reflect.Type, path, above []string) (reflect.Type, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(path) == 0 {
		return t, nil
	}
	next := slices.Concat(above, path[:1])
	switch t.Kind() {
	case reflect.Struct:
		if f, ok := t.FieldByName(path[0]); ok {
			return fieldType(f.Type, path[1:], next)
		}
		var names []string
		for i := range t.NumField() {
			names = append(names, t.Field(i).Name)
		}
		return nil, fmt.Errorf("there is no field %s; known there are %s", strings.Join(next, "."), strings.Join(names, ", "))
	case reflect.Slice:
		return fieldType(t.Elem(), path, above)
	case reflect.Map:
		return fieldType(t.Elem(), path[1:], next)
	}
	return nil, fmt.Errorf("there is no field %s: %s is a single value", strings.Join(next, "."), strings.Join(above, "."))
}

// anyField tells whether the field passes the test: for a list, whether that of any element does; for a name that a
// mapping does not have, absent.
func anyField(v reflect.Value, path []string, test func(reflect.Value) bool, absent bool) bool {
	v = reflect.Indirect(v)
	if len(path) == 0 {
		return test(v)
	}
	switch v.Kind() {
	case reflect.Struct:
		return anyField(v.FieldByName(path[0]), path[1:], test, absent)
	case reflect.Slice:
		for i := range v.Len() {
			if anyField(v.Index(i), path, test, absent) {
				return true
			}
		}
		return false
	}
	at := v.MapIndex(reflect.ValueOf(path[0]))
	if !at.IsValid() {
		return absent
	}
	return anyField(at, path[1:], test, absent)
}

// leafTest makes the test of an operator for a field of type t, not yet negated.
func leafTest(e *grammar.MatchExpression, t reflect.Type) (func(reflect.Value) bool, error) {
	raw := ""
	if e.Value != nil {
		raw = e.Value.Raw
	}
	switch e.Operator {
	case grammar.MatchEqual, grammar.MatchNotEqual:
		return equals(raw, t.Kind())
	case grammar.MatchIn, grammar.MatchNotIn, grammar.MatchContains, grammar.MatchNotContains:
		switch {
		case t.Kind() == reflect.String:
			return func(v reflect.Value) bool { return strings.Contains(v.String(), raw) }, nil
		case t.Kind() == reflect.Map:
			return func(v reflect.Value) bool { return v.MapIndex(reflect.ValueOf(raw)).IsValid() }, nil
		case t == reflect.TypeFor[[]string]():
			return func(v reflect.Value) bool { return slices.Contains(v.Interface().([]string), raw) }, nil
		}
	case grammar.MatchIsEmpty, grammar.MatchIsNotEmpty:
		switch t.Kind() {
		case reflect.Map, reflect.Slice:
			return func(v reflect.Value) bool { return v.Len() == 0 }, nil
		}
	case grammar.MatchMatches, grammar.MatchNotMatches:
		if t.Kind() == reflect.String {
			re, err := regexp.Compile(raw)
			return func(v reflect.Value) bool { return re.MatchString(v.String()) }, err
		}
	}
	return nil, fmt.Errorf("the operator %q does not go with a field of this kind", strings.ToLower(e.Operator.String()))
}

// equals makes the test whether a field of this kind is what raw says.
func equals(raw string, k reflect.Kind) (func(reflect.Value) bool, error) {
	var want any = raw
	var err error
	switch k {
	case reflect.String:
	case reflect.Int:
		var n int64
		n, err = strconv.ParseInt(raw, 0, 64)
		want = int(n)
	case reflect.Uint64:
		want, err = strconv.ParseUint(raw, 0, 64)
	case reflect.Bool:
		want, err = strconv.ParseBool(raw)
	default:
		return nil, errors.New("lists and mappings can't be compared with ==; use in, contains or is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is not a value of this field's kind", raw)
	}
	return func(v reflect.Value) bool { return v.Interface() == want }, nil
}
