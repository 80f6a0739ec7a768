package funcs_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"lictor/funcs"
	"lictor/internal/engine"
)

// saysItsName are the functions whose errors may hold an argument, since it is the name of what they ask for or an
// expression that says so, and the documentation says that it does.
var saysItsName = []string{
	"key", "keyExists", "keyExistsGet", "keyOrDefault", "ls", "safeLs", "tree", "safeTree", "service", "services", "connect", "node", "nodes",
	"caRoots", "caLeaf", "partitions", "peerings", "exportedServices", "file", "plugin", "writeToFile", "mustEnv", "sockaddr", "sprig_fail",
}

// slow are functions that take their time by design.
var slow = regexp.MustCompile("^sprig_(gen.*|buildCustomCert|derivePassword|bcrypt|htpasswd)$")

// What came from the registry may be a secret, in whichever argument of whichever function it is, and must not get into a log.
// Here every function is called with a secret in each of its arguments, in forms that it may stumble over.
func TestNoErrorHoldsAnArgument(t *testing.T) {
	forms := []string{"hunter2", "(hunter2", `{"a": hunter2`, `{hunter2: 1}: 2`, "{a: 13371337}: 2", "a: hunter2: [", "http://u:hunter2@[", "%hunter2", ">= hunter2", "*hunter2", "13371337", "1e13371337", "-13371337"}
	var known template.FuncMap
	probe := func(p *engine.Pass) template.FuncMap {
		known = funcs.Map(t.Context(), p, funcs.Options{Env: lookupEnv})
		return template.FuncMap{"probe": func() string {
			for name, f := range known {
				if slices.Contains(saysItsName, name) || slow.MatchString(name) {
					continue
				}
				for _, form := range forms {
					for _, err := range stumble(f, form) {
						if strings.Contains(err, "hunter2") || strings.Contains(err, "13371337") {
							t.Errorf("%s of %s: %s", name, form, err)
						}
					}
				}
			}
			return ""
		}}
	}
	tmpl, err := engine.Parse("probe", "{{ probe }}", engine.Options{}, probe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Execute(answers); err != nil {
		t.Fatal(err)
	}
	for _, name := range saysItsName {
		if known[name] == nil {
			t.Errorf("there is no function %s", name)
		}
	}
}

// stumble calls f with a secret in each of its arguments in turn, and once in all, and returns its errors.
func stumble(f any, secret string) []string {
	fn := reflect.ValueOf(f)
	n := fn.Type().NumIn()
	var errs []string
	for at := range n + 1 {
		args := make([]reflect.Value, 0, n+1)
		for i := range n {
			t := fn.Type().In(i)
			if fn.Type().IsVariadic() && i == n-1 {
				t = t.Elem()
			}
			args = append(args, argument(t, secret, i == at || at == n))
		}
		errs = append(errs, outcome(fn, args))
		if fn.Type().IsVariadic() {
			errs = append(errs, outcome(fn, append(args, args[n-1])), outcome(fn, args[:n-1]))
		}
	}
	return errs
}

// argument is a value for a parameter of type t, with the secret in it or without.
func argument(t reflect.Type, secret string, with bool) reflect.Value {
	if !with {
		secret = "1"
	}
	var n int64
	fmt.Sscan(secret, &n) //nolint:errcheck // 0 is a number too
	for _, v := range []any{secret, map[string]any{secret: secret, secret + "/" + secret: secret}, []any{secret}, []string{secret}, int(n), n, n == 1} {
		if v := reflect.ValueOf(v); v.Type() == t || t.Kind() == reflect.Interface && v.Type().Implements(t) {
			return v
		}
	}
	return reflect.Zero(t)
}

// outcome is the error of a call, which may be a panic that text/template makes an error of.
func outcome(fn reflect.Value, args []reflect.Value) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	results := fn.Call(args)
	if last := results[len(results)-1]; last.Type() == reflect.TypeFor[error]() && !last.IsNil() {
		return last.Interface().(error).Error()
	}
	return ""
}
