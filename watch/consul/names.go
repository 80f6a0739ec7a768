package consul

import (
	"io"
	"net/url"
	"slices"

	"lictor/watch"
)

// namesEndpoint reads the names of all services with their tags. The list is read again at every change of any instance,
// though it hardly ever differs then.
func namesEndpoint(scope url.Values) endpoint {
	var last nameList
	return endpoint{path: "catalog/services", query: scope, decode: last.decode}
}

// A nameList decodes the list. Where that is as it was before, in whatever order, the answer is the same value again, which costs
// little to compare.
type nameList struct{ names []*watch.ServiceName }

func (l *nameList) decode(r io.Reader) (any, error) {
	var raw map[string][]string
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, errNull
	}
	names := make([]*watch.ServiceName, 0, len(raw))
	for name, tags := range raw {
		names = append(names, &watch.ServiceName{Name: name, Tags: sortedTags(tags)})
	}
	slices.SortFunc(names, byServiceName)
	if l.names == nil || !slices.EqualFunc(names, l.names, sameName) {
		l.names = names
	}
	return l.names, nil
}

func sameName(a, b *watch.ServiceName) bool { return a.Name == b.Name && slices.Equal(a.Tags, b.Tags) }
