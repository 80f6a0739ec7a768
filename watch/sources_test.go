package watch

import "testing"

func TestSourceNames(t *testing.T) {
	names := SourceNames{"data", "consul"}
	for _, q := range []Query{Key{Path: "a"}, Prefix{Path: "a"}, Service{Name: "a", Near: "n"}, Services{}, Nodes{}, NodeServices{Name: "n"}, CALeaf{Service: "s"}, CatalogService{Name: "a"}} {
		named := func(source string) Query {
			switch q := q.(type) {
			case Key:
				q.Source = source
				return q
			case Service:
				q.Source = source
				return q
			case Services:
				q.Source = source
				return q
			}
			return q
		}
		for source, want := range map[string]Query{"": q, "data": q, "consul": named("consul")} {
			if got, err := names.Resolve(named(source)); err != nil || got != want {
				t.Errorf("%s is asked as %s, want %s: %v", named(source), got, want, err)
			}
		}
	}
	other := Key{Path: "a", Scope: Scope{Source: "etcd"}}
	if _, err := names.Resolve(other); err == nil || err.Error() != `there is no source "etcd", only consul, data` {
		t.Error(err)
	}
	if got, err := SourceNames(nil).Resolve(other); err != nil || got != other {
		t.Errorf("without names %s is asked as %s: %v", other, got, err)
	}
	if q := (Datacenters{}); SourceOf(q) != "" {
		t.Error("a query without a scope names a source")
	}
}
