package funcs

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dario.cat/mergo"

	"lictor/watch"
)

func mapFunctions() []function {
	return []function{
		{Doc{Name: "byKey", Signature: `byKey PAIRS`,
			Summary: "The pairs of tree, grouped by the first part of their keys: a map of maps of pairs. Pairs without a folder are left out. " +
				"range goes through a map in the order of its keys.",
			Example: `{{ range $folder, $pairs := tree "app" | byKey }}{{ $folder }}: {{ $pairs.rate.Value }}{{ end }}`, Output: `limits: 5`}, is(byKey)},
		{Doc{Name: "byTag", Signature: `byTag SERVICES`,
			Summary: "What service or services gave, grouped by tag: a map of lists. Each is listed under each of its tags; the order within a list stays.",
			Example: `{{ range $tag, $list := service "web" | byTag }}{{ $tag }}:{{ len $list }} {{ end }}`, Output: `blue:1 http:2 `}, is(byTag)},
		{Doc{Name: "byPort", Signature: `byPort SERVICES`,
			Summary: "What service gave, grouped by port: a map of lists.",
			Example: `{{ range $port, $list := service "web" | byPort }}{{ $port }}:{{ len $list }} {{ end }}`, Output: `8080:2 `}, is(byPort)},
		{Doc{Name: "byMeta", Signature: `byMeta "NAME[|int],..." SERVICES`,
			Summary: `What service gave, grouped by service metadata: a map of lists. Several names are joined by "_" in the map's keys, in ` +
				`which other signs become "_". With |int a value is padded to five digits, so that keys sort as numbers.`,
			Example: `{{ range $key, $list := service "web" | byMeta "version" }}{{ $key }}:{{ len $list }} {{ end }}`, Output: `1_0:1 1_1:1 `}, is(byMeta)},
		{Doc{Name: "explode", Signature: `explode PAIRS`,
			Summary: "The pairs of tree or ls as nested maps of values.",
			Example: `{{ tree "app" | explode | toJSON }}`, Output: `{"limits":{"conns":"100","rate":"5"},"name":"orders","port":"8080"}`}, is(explode)},
		{Doc{Name: "explodeMap", Signature: `explodeMap MAP`,
			Summary: `A map whose keys have slashes as nested maps.`,
			Example: "{{ parseJSON `{\"a/b\":1,\"a/c\":2}` | explodeMap | toJSON }}", Output: `{"a":{"b":1,"c":2}}`}, is(explodeMap)},
		{Doc{Name: "mergeMap", Signature: `mergeMap MAP DEFAULTS`,
			Summary: "Puts into MAP what it lacks (or has empty) from DEFAULTS, nested maps too, and returns it.",
			Example: "{{ mergeMap (parseJSON `{\"a\":1}`) (parseJSON `{\"a\":2,\"b\":3}`) | toJSON }}", Output: `{"a":1,"b":3}`}, is(mergeMap)},
		{Doc{Name: "mergeMapWithOverride", Signature: `mergeMapWithOverride MAP OVERRIDES`,
			Summary: "Puts all of OVERRIDES into MAP, nested maps too, and returns it.",
			Example: "{{ mergeMapWithOverride (parseJSON `{\"a\":1}`) (parseJSON `{\"a\":2,\"b\":3}`) | toJSON }}", Output: `{"a":2,"b":3}`}, is(mergeMapWithOverride)},
	}
}

func byKey(pairs []*watch.KeyPair) map[string]map[string]*watch.KeyPair {
	groups := map[string]map[string]*watch.KeyPair{}
	for _, p := range pairs {
		folder, key, found := strings.Cut(p.Key, "/")
		if !found {
			continue
		}
		if groups[folder] == nil {
			groups[folder] = map[string]*watch.KeyPair{}
		}
		below := *p
		below.Key = key
		groups[folder][key] = &below
	}
	return groups
}

func byTag(services any) (map[string][]any, error) {
	groups := map[string][]any{}
	switch list := services.(type) {
	case []*watch.ServiceInstance:
		groupInto(groups, list, func(s *watch.ServiceInstance) []string { return s.Tags })
	case []*watch.ServiceName:
		groupInto(groups, list, func(s *watch.ServiceName) []string { return s.Tags })
	case nil:
	default:
		return nil, fmt.Errorf("wrong argument type %T: want what service or services gives", services)
	}
	return groups, nil
}

func groupInto[K comparable, T any](groups map[K][]any, list []T, keys func(T) []K) {
	for _, item := range list {
		for _, k := range keys(item) {
			groups[k] = append(groups[k], item)
		}
	}
}

func byPort(services any) (map[int][]any, error) {
	groups := map[int][]any{}
	switch list := services.(type) {
	case []*watch.ServiceInstance:
		groupInto(groups, list, func(s *watch.ServiceInstance) []int { return []int{s.Port} })
	case nil:
	default:
		return nil, fmt.Errorf("wrong argument type %T: want what service gives", services)
	}
	return groups, nil
}

func byMeta(meta string, services []*watch.ServiceInstance) (map[string][]*watch.ServiceInstance, error) {
	unusual := regexp.MustCompile(`[^a-zA-Z0-9_-]`)
	groups := map[string][]*watch.ServiceInstance{}
	for _, s := range services {
		var parts []string
		for field := range strings.SplitSeq(meta, ",") {
			part, err := metaPart(s, field)
			if err != nil {
				return nil, err
			}
			parts = append(parts, unusual.ReplaceAllString(part, "_"))
		}
		key := strings.Join(parts, "_")
		groups[key] = append(groups[key], s)
	}
	return groups, nil
}

// metaPart is what field, "NAME" or "NAME|int", adds to a service's group.
func metaPart(s *watch.ServiceInstance, field string) (string, error) {
	name, isNumber := strings.CutSuffix(field, "|int")
	value := s.ServiceMeta[name]
	if !isNumber {
		if value == "" {
			return "_no_" + name + "_", nil
		}
		return value, nil
	}
	if value == "" {
		value = "0"
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return "", fmt.Errorf("what service %s has as %s is no integer", s.ID, quote(name))
	}
	return fmt.Sprintf("%05d", n), nil
}

var errNotAMap = errors.New("a key is both a value and a folder, so this is not a map")

func explode(pairs []*watch.KeyPair) (map[string]any, error) {
	m := map[string]any{}
	for _, p := range pairs {
		if err := put(m, p.Key, p.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Path, err)
		}
	}
	return m, nil
}

func explodeMap(flat map[string]any) (map[string]any, error) {
	m := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		if err := put(m, key, flat[key]); err != nil {
			return nil, err // without the key: in a map made of a value it is a part of that
		}
	}
	return m, nil
}

// put sets the value at a path of keys joined by slashes, making maps on the way. A path that ends in a slash is a folder,
// which has no value.
func put(m map[string]any, path string, value any) error {
	for path != "" {
		name, rest, nested := strings.Cut(path, "/")
		below, exists := m[name]
		child, isMap := below.(map[string]any)
		switch {
		case !nested && isMap, nested && exists && !isMap:
			return errNotAMap
		case !nested:
			m[name] = value
			return nil
		case !exists:
			child = map[string]any{}
			m[name] = child
		}
		m, path = child, rest
	}
	return nil
}

func mergeMap(m, defaults map[string]any) (map[string]any, error) {
	if err := checkHolds(m, defaults); err != nil {
		return nil, err
	}
	err := mergo.Merge(&m, defaults)
	return m, err
}

func mergeMapWithOverride(m, overrides map[string]any) (map[string]any, error) {
	if err := checkHolds(m, overrides); err != nil {
		return nil, err
	}
	err := mergo.Merge(&m, overrides, mergo.WithOverride)
	return m, err
}
