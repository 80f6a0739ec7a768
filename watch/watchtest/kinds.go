package watchtest

import (
	"reflect"
	"slices"
	"testing"

	"lictor/watch"
)

func isValue(want string) func(any) bool {
	return func(a any) bool {
		p, ok := a.(*watch.KeyPair)
		return ok && p != nil && p.Value == want
	}
}

func isMissing(a any) bool {
	p, ok := a.(*watch.KeyPair)
	return ok && p == nil
}

func testKey(t *testing.T, r Registry, s watch.Source) {
	const path = "contract/key/ä b%2F?#"
	w := start(t, s, watch.Key{Path: path})
	w.until("a nil *watch.KeyPair, since there is no such key", isMissing)
	r.PutKey(t, path, "one\n")
	p := w.until("the key's value", isValue("one\n")).(*watch.KeyPair)
	if p.Path != path {
		t.Errorf("Path = %q, want %q", p.Path, path)
	}
	r.PutKey(t, path, "")
	w.until("the empty value", isValue(""))
	r.DeleteKey(t, path)
	w.until("nil again", isMissing)
}

func testPrefix(t *testing.T, r Registry, s watch.Source) {
	paths := func(want ...string) func(any) bool {
		return func(a any) bool {
			list, ok := a.([]*watch.KeyPair)
			if !ok || len(list) != len(want) {
				return false
			}
			for i, p := range list {
				if p.Path != want[i] {
					return false
				}
			}
			return true
		}
	}
	w := start(t, s, watch.Prefix{Path: "contract/pre"})
	w.until("an empty list", paths())
	for _, key := range []string{"contract/prefix/b", "contract/pre/", "contract/pre/a/deep", "contract/prefix/B", "contract/pre/ä"} {
		r.PutKey(t, key, key)
		t.Cleanup(func() { r.DeleteKey(t, key) })
	}
	got := w.until("the paths in byte order", paths("contract/pre/", "contract/pre/a/deep", "contract/pre/ä", "contract/prefix/B", "contract/prefix/b"))
	if p := got.([]*watch.KeyPair)[4]; p.Value != "contract/prefix/b" {
		t.Errorf("value = %q", p.Value)
	}
	r.DeleteKey(t, "contract/prefix/B")
	w.until("the rest", paths("contract/pre/", "contract/pre/a/deep", "contract/pre/ä", "contract/prefix/b"))
	r.PutKey(t, "contract/prefix/b", "new")
	w.until("the changed value", func(a any) bool {
		list := a.([]*watch.KeyPair)
		return len(list) == 4 && list[3].Value == "new"
	})
}

func instance(node, service, id string) Instance {
	return Instance{Node: "contract-" + node, NodeAddress: "10.9.0.1", Service: "contract-" + service, ID: id, Port: 8080, Status: watch.StatusPassing}
}

func register(t *testing.T, r Registry, i Instance) {
	t.Helper()
	r.Register(t, i)
	t.Cleanup(func() { r.DeregisterNode(t, i.Node) })
}

// ids tells whether an answer to a Service query holds exactly these instances in this order.
func ids(want ...string) func(any) bool {
	return func(a any) bool {
		list, ok := a.([]*watch.ServiceInstance)
		var got []string
		for _, i := range list {
			got = append(got, i.ID)
		}
		return ok && slices.Equal(got, want)
	}
}

func testService(t *testing.T, r Registry, s watch.Source) {
	w := start(t, s, watch.Service{Name: "contract-web"})
	w.until("an empty list, since there is no such service", ids())
	i := instance("n1", "web", "web-1")
	register(t, r, i)
	w.until("the instance", ids("web-1"))
	i.Port = 9090
	r.Register(t, i)
	w.until("the new port", func(a any) bool { return ids("web-1")(a) && a.([]*watch.ServiceInstance)[0].Port == 9090 })
	for _, status := range []string{watch.StatusCritical, watch.StatusWarning, watch.StatusPassing} {
		i.Status = status
		r.Register(t, i)
		w.until("status "+status, func(a any) bool { return ids("web-1")(a) && a.([]*watch.ServiceInstance)[0].Status == status })
	}
	j := instance("n2", "web", "web-2")
	register(t, r, j)
	w.until("both", ids("web-1", "web-2"))
	r.Deregister(t, i)
	w.until("the second only", ids("web-2"))
	r.DeregisterNode(t, j.Node)
	w.until("none", ids())
}

func testServiceFields(t *testing.T, r Registry, s watch.Source) {
	second := instance("b", "fields", "z")
	second.Address, second.Tags, second.Meta = "10.9.9.9", []string{"v2", "Alpha", "beta"}, map[string]string{"version": "2"}
	register(t, r, second)
	register(t, r, instance("b", "fields", "a"))
	register(t, r, instance("a", "fields", "m"))
	w := start(t, s, watch.Service{Name: "contract-fields"})
	list := w.until("the instances by node and id", ids("m", "a", "z")).([]*watch.ServiceInstance)
	z := list[2]
	check := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %#v, want %#v", what, got, want)
		}
	}
	check("Name", z.Name, "contract-fields")
	check("Node", z.Node, "contract-b")
	check("Address", z.Address, "10.9.9.9")
	check("NodeAddress", z.NodeAddress, "10.9.0.1")
	check("Address of an instance without one", list[0].Address, "10.9.0.1")
	check("Tags", z.Tags, watch.ServiceTags{"Alpha", "beta", "v2"})
	check("ServiceMeta", z.ServiceMeta["version"], "2")
	check("Port", z.Port, 8080)
	check("Status", z.Status, watch.StatusPassing)
	if n := slices.IndexFunc(z.Checks, func(c *watch.HealthCheck) bool { return c.CheckID == "check:z" }); n < 0 {
		t.Errorf("Checks = %s, want one with id check:z", show(z.Checks))
	}
}

func testServices(t *testing.T, r Registry, s watch.Source) {
	find := func(a any, name string) *watch.ServiceName {
		list, ok := a.([]*watch.ServiceName)
		if !ok || !slices.IsSortedFunc(list, func(a, b *watch.ServiceName) int { return compare(a.Name, b.Name) }) {
			t.Fatalf("the answer is not a sorted []*watch.ServiceName: %s", show(a))
		}
		if i := slices.IndexFunc(list, func(n *watch.ServiceName) bool { return n.Name == name }); i >= 0 {
			return list[i]
		}
		return nil
	}
	w := start(t, s, watch.Services{})
	w.until("a list without ours", func(a any) bool { return find(a, "contract-list") == nil })
	i := instance("n1", "list", "l1")
	i.Tags = []string{"z", "a"}
	register(t, r, i)
	j := instance("n2", "list", "l2")
	j.Tags = []string{"m", "a"}
	register(t, r, j)
	w.until("ours with the tags of both instances", func(a any) bool {
		n := find(a, "contract-list")
		return n != nil && slices.Equal(n.Tags, watch.ServiceTags{"a", "m", "z"})
	})
	r.Deregister(t, i)
	r.Deregister(t, j)
	w.until("a list without ours again", func(a any) bool { return find(a, "contract-list") == nil })
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func testNodes(t *testing.T, r Registry, s watch.Source) {
	has := func(a any, name string) bool {
		list, ok := a.([]*watch.Node)
		if !ok || !slices.IsSortedFunc(list, func(a, b *watch.Node) int { return compare(a.Node, b.Node) }) {
			t.Fatalf("the answer is not a sorted []*watch.Node: %s", show(a))
		}
		return slices.ContainsFunc(list, func(n *watch.Node) bool { return n.Node == name && n.Address == "10.9.0.1" })
	}
	nodes := start(t, s, watch.Nodes{})
	node := start(t, s, watch.NodeServices{Name: "contract-n1"})
	nodes.until("a list without ours", func(a any) bool { return !has(a, "contract-n1") })
	node.until("a nil *watch.CatalogNode, since there is no such node", func(a any) bool {
		n, ok := a.(*watch.CatalogNode)
		return ok && n == nil
	})
	register(t, r, instance("n1", "on-node", "z"))
	r.Register(t, instance("n1", "a-on-node", "b"))
	r.Register(t, instance("n1", "on-node", "a"))
	nodes.until("ours", func(a any) bool { return has(a, "contract-n1") })
	node.until("its services by name and id", func(a any) bool {
		n := a.(*watch.CatalogNode)
		if n == nil || n.Node.Node != "contract-n1" || n.Node.Address != "10.9.0.1" {
			return false
		}
		var got []string
		for _, s := range n.Services {
			got = append(got, s.Service+"/"+s.ID)
		}
		return slices.Equal(got, []string{"contract-a-on-node/b", "contract-on-node/a", "contract-on-node/z"})
	})
	r.DeregisterNode(t, "contract-n1")
	nodes.until("a list without ours again", func(a any) bool { return !has(a, "contract-n1") })
	node.until("nil again", func(a any) bool { return a.(*watch.CatalogNode) == nil })
}

func testCatalogService(t *testing.T, r Registry, s watch.Source) {
	w := start(t, s, watch.CatalogService{Name: "contract-cat"})
	is := func(want ...string) func(any) bool {
		return func(a any) bool {
			list, ok := a.([]*watch.CatalogInstance)
			var got []string
			for _, i := range list {
				got = append(got, i.ServiceID+i.ServiceAddress)
			}
			return ok && slices.Equal(got, want)
		}
	}
	w.until("an empty list", is())
	i := instance("n1", "cat", "c1")
	register(t, r, i)
	w.until("the instance, without an address of its own", is("c1"))
	i.Address = "10.9.9.9"
	r.Register(t, i)
	w.until("its new address", is("c110.9.9.9"))
}

func testDatacenters(t *testing.T, _ Registry, s watch.Source) {
	w := start(t, s, watch.Datacenters{})
	w.until("at least one name", func(a any) bool {
		list, ok := a.([]string)
		return ok && len(list) > 0
	})
}
