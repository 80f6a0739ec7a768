package funcs

import (
	"fmt"
	"strings"

	"lictor/watch"
)

func nodeFunctions() []function {
	return []function{
		{Doc{
			Name: "nodes", Signature: `nodes ["[?OPTIONS][@DATACENTER][~NEAR]"]`,
			Summary: "All nodes (.Node .ID .Address .Datacenter .TaggedAddresses .Meta), by name, or by distance from node NEAR.",
			Example: `{{ range nodes }}{{ .Node }}={{ .Address }} {{ end }}`, Output: `app-1=10.0.0.1 app-2=10.0.0.2 `,
		}, func(b binding) any { return b.nodes }},
		{Doc{
			Name: "node", Signature: `node ["NAME[?OPTIONS][@DATACENTER]"]`,
			Summary: "One node (.Node, as nodes has it) and what is registered on it (.Services, by name and id, each with .ID .Service " +
				".Tags .Meta .Port .Address .EnableTagOverride). Without a name it is the agent's own node. Where there is no such " +
				"node, .Node is empty. NAME may be quoted, and text that names no node otherwise is taken as a name to the letter, as with service.",
			Example: `{{ with node "app-1" }}{{ .Node.Address }}{{ range .Services }} {{ .ID }}:{{ .Port }}{{ end }}{{ end }}`,
			Output:  `10.0.0.1 db-1:5432 web-1:8080 web-1-proxy:21000`,
		}, func(b binding) any { return b.node }},
		{Doc{
			Name: "datacenters", Signature: "datacenters [IGNORE-FAILING]",
			Summary: "The names of all known datacenters, sorted. With true, without those that can't be reached now.",
			Example: `{{ range datacenters }}{{ . }} {{ end }}`, Output: `dc1 `,
		}, func(b binding) any { return b.datacenters }},
	}
}

func (b binding) nodes(args ...string) ([]*watch.Node, error) {
	q, err := parseNodes(strings.Join(args, ""))
	if err != nil {
		return nil, err
	}
	nodes, _, err := ask[[]*watch.Node](b.pass, q)
	for _, n := range nodes {
		b.noteName(nodeNames, n.Node)
	}
	return copied(nodes), err
}

// node returns nil while nothing is known, and an empty node where there is none of that name, so that templates which
// test it with `with` behave as they always did.
func (b binding) node(args ...string) (*watch.CatalogNode, error) {
	var node *watch.CatalogNode
	var answered bool
	err := lookup[nodeRequest]{b, nodeNames, nodeMarks, parseNode,
		func(r nodeRequest) (found, known bool, err error) {
			node, known, err = ask[*watch.CatalogNode](b.pass, r.NodeServices)
			answered = known
			return node != nil, known, err
		},
	}.resolve(strings.Join(args, ""))
	if err != nil || !answered {
		return nil, err
	}
	if node == nil {
		return &watch.CatalogNode{}, nil
	}
	for _, s := range node.Services {
		b.noteName(serviceNames, s.Service)
	}
	return node, nil
}

func (b binding) datacenters(args ...bool) ([]string, error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("wrong number of arguments: want at most 1, got %d", len(args))
	}
	names, _, err := ask[[]string](b.pass, watch.Datacenters{IgnoreFailing: len(args) == 1 && args[0]})
	return copied(names), err
}
