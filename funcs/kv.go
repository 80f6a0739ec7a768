package funcs

import (
	"strings"

	"lictor/watch"
)

const pathArgument = `"PATH[?OPTIONS][@DATACENTER]"`

func keyFunctions() []function {
	return []function{
		{Doc{
			Name: "key", Signature: "key " + pathArgument,
			Summary: "The value of a key. The template waits until the key exists.",
			Example: `port {{ key "app/port" }}`, Output: `port 8080`,
		}, func(b binding) any { return b.key }},
		{Doc{
			Name: "keyOrDefault", Signature: "keyOrDefault " + pathArgument + " DEFAULT",
			Summary: "The value of a key, or DEFAULT where there is no such key or its value is empty.",
			Example: `{{ keyOrDefault "app/port" "80" }} {{ keyOrDefault "app/host" "localhost" }}`, Output: `8080 localhost`,
		}, func(b binding) any { return b.keyOrDefault }},
		{Doc{
			Name: "keyExists", Signature: "keyExists " + pathArgument,
			Summary: "Whether there is such a key.",
			Example: `{{ if keyExists "app/debug" }}debug{{ else }}quiet{{ end }}`, Output: `quiet`,
		}, func(b binding) any { return b.keyExists }},
		{Doc{
			Name: "keyExistsGet", Signature: "keyExistsGet " + pathArgument,
			Summary: "The pair (.Key, .Path, .Value, .Flags, .CreateIndex, .ModifyIndex, .LockIndex, .Session) of a key, or " +
				"nothing where there is no such key. It never waits.",
			Example: `{{ with keyExistsGet "app/port" }}{{ .Value }}{{ else }}none{{ end }}`, Output: `8080`,
		}, func(b binding) any { return b.keyExistsGet }},
		{Doc{
			Name: "ls", Signature: "ls " + pathArgument,
			Summary: "The pairs right below a prefix, without those in folders below it, in the byte order of their keys. " +
				`The prefix is plain text: "app" also covers "apple".`,
			Example: `{{ range ls "app/limits" }}{{ .Key }}={{ .Value }} {{ end }}`, Output: `conns=100 rate=5 `,
		}, func(b binding) any { return b.ls }},
		{Doc{
			Name: "safeLs", Signature: "safeLs " + pathArgument,
			Summary: "Like ls, but the template waits while there is no pair, so that an emptied prefix can't blank a file.",
			Example: `{{ range safeLs "app/limits" }}{{ .Key }} {{ end }}`, Output: `conns rate `,
		}, func(b binding) any { return b.safeLs }},
		{Doc{
			Name: "tree", Signature: "tree " + pathArgument,
			Summary: "All pairs below a prefix, without folder keys, in the byte order of their paths. .Key is the path below the prefix.",
			Example: `{{ range tree "app" }}{{ .Key }}={{ .Value }} {{ end }}`, Output: `limits/conns=100 limits/rate=5 name=orders port=8080 `,
		}, func(b binding) any { return b.tree }},
		{Doc{
			Name: "safeTree", Signature: "safeTree " + pathArgument,
			Summary: "Like tree, but the template waits while there is no pair.",
			Example: `{{ len (safeTree "app") }}`, Output: `4`,
		}, func(b binding) any { return b.safeTree }},
	}
}

func (b binding) key(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	q, err := parseKey(text)
	if err != nil {
		return "", err
	}
	pair, known, err := ask[*watch.KeyPair](b.pass, q)
	if err != nil || !known {
		return "", err
	}
	if pair == nil {
		b.pass.Await(q, "there is no such key")
		return "", nil
	}
	return pair.Value, nil
}

func (b binding) keyExistsGet(text string) (*watch.KeyPair, error) {
	if text == "" {
		return nil, nil
	}
	q, err := parseKey(text)
	if err != nil {
		return nil, err
	}
	pair, _, err := ask[*watch.KeyPair](b.pass, q)
	return pair, err
}

func (b binding) keyExists(text string) (bool, error) {
	pair, err := b.keyExistsGet(text)
	return pair != nil, err
}

func (b binding) keyOrDefault(text, fallback string) (string, error) {
	pair, err := b.keyExistsGet(text)
	if err != nil || pair == nil || pair.Value == "" {
		return fallback, err
	}
	return pair.Value, nil
}

func (b binding) ls(text string) ([]*watch.KeyPair, error)     { return b.list(text, isDirect, false) }
func (b binding) safeLs(text string) ([]*watch.KeyPair, error) { return b.list(text, isDirect, true) }
func (b binding) tree(text string) ([]*watch.KeyPair, error)   { return b.list(text, isLeaf, false) }
func (b binding) safeTree(text string) ([]*watch.KeyPair, error) {
	return b.list(text, isLeaf, true)
}

// isDirect tells whether a key lies right below the prefix that it is relative to.
func isDirect(key string) bool { return key != "" && !strings.Contains(key, "/") }

// isLeaf tells whether a key is not a folder.
func isLeaf(key string) bool { return key != "" && !strings.HasSuffix(key, "/") }

// list picks pairs below a prefix. It waits for the first one where the template needs some.
func (b binding) list(text string, pick func(key string) bool, needed bool) ([]*watch.KeyPair, error) {
	picked := []*watch.KeyPair{}
	if text == "" {
		return picked, nil
	}
	q, err := parsePrefix(text)
	if err != nil {
		return nil, err
	}
	pairs, known, err := ask[[]*watch.KeyPair](b.pass, q)
	if err != nil || !known {
		return picked, err
	}
	for _, p := range pairs {
		key := watch.RelativeKey(q.Path, p.Path)
		if !pick(key) {
			continue
		}
		if p.Key != key { // the source counted from another prefix
			relative := *p
			relative.Key = key
			p = &relative
		}
		picked = append(picked, p)
	}
	if needed && len(picked) == 0 {
		b.pass.Await(q, "there is no key below this prefix")
	}
	return picked, nil
}
