package funcs

import (
	"fmt"
	"slices"
	"strings"

	"lictor/watch"
)

// literalNames is for the documentation of functions that take a name.
const literalNames = `A registry may have names with dots, slashes, blanks or other characters that mean something here. A text that can't be read ` +
	`as above, or whose TAG.NAME no instance of any status is, is a name to the letter. So is one with any of ?@~| that the template got from the ` +
	`registry, such as a .Name of services, where it is nothing else. What may be both is warned of. A name in double quotes, as (printf "%q" .Name) ` +
	`writes it, can't be anything else: "\"my.service\"@dc2". A text that can't be read and is written out in the template is reported by lint, ` +
	`-parse-only and config -check, which don't know the names: quote it.`

const serviceArgument = `"[TAG.]NAME[?OPTIONS][@DATACENTER][~NEAR][|STATUSES]" ["filter=EXPRESSION"]`

func serviceFunctions() []function {
	return []function{
		{Doc{
			Name: "service", Signature: "service " + serviceArgument,
			Summary: "The instances of a service that pass their checks, or that have one of STATUSES (any, passing, warning, critical, " +
				"maintenance; joined by commas). They come by node and then id, or by distance from node NEAR (_agent is the agent's own). " +
				"TAG is compared without regard to case. " + literalNames + " EXPRESSION is a Consul filter over the health endpoint's fields " +
				"(https://developer.hashicorp.com/consul/api-docs/features/filtering). Fields: .Node .NodeID .NodeAddress .NodeMeta " +
				".NodeTaggedAddresses .Address .Port .ID .Name .Tags .ServiceMeta .ServiceTaggedAddresses .Status .Checks (.CheckID .Name " +
				".Status .Output .Notes .Type .Definition ...) .Weights .NodeDatacenter .Kind .Namespace .Partition.",
			Example: `{{ range service "web" }}server {{ .ID }} {{ .Address }}:{{ .Port }};{{ end }}`,
			Output:  `server web-1 10.0.0.1:8080;server web-2 10.0.0.2:8080;`,
		}, func(b binding) any { return b.service }},
		{Doc{
			Name: "connect", Signature: "connect " + serviceArgument,
			Summary: "Like service, but the instances that can serve it through the mesh: its sidecar proxies and native ones. A TAG is " +
				"accepted but chooses nothing, as in Consul: the tags of a proxy are not those of its service.",
			Example: `{{ range connect "web" }}{{ .ID }} {{ .Port }}{{ else }}no proxies{{ end }}`, Output: `web-1-proxy 21000`,
		}, func(b binding) any { return b.connect }},
		{Doc{
			Name: "services", Signature: `services ["[?OPTIONS][@DATACENTER]"]`,
			Summary: "All services (.Name, .Tags), by name; .Tags are those of all instances together, sorted. A .Name that service could " +
				`take for something else, such as v1.web, is quoted by (printf "%q" .Name).`,
			Example: `{{ range services }}{{ .Name }} {{ end }}`, Output: `db web web-1-proxy `,
		}, func(b binding) any { return b.services }},
	}
}

func (b binding) service(args ...string) ([]*watch.ServiceInstance, error) {
	return b.instances(args, false)
}

func (b binding) connect(args ...string) ([]*watch.ServiceInstance, error) {
	return b.instances(args, true)
}

func (b binding) instances(args []string, connect bool) ([]*watch.ServiceInstance, error) {
	if len(args) == 0 || args[0] == "" {
		return []*watch.ServiceInstance{}, nil
	}
	var statuses []string
	var found []*watch.ServiceInstance
	err := lookup[serviceRequest]{b, serviceNames, serviceMarks,
		func(text string) (serviceRequest, error) {
			r, err := parseService(text, args[1:])
			if err == nil && r.query.Peer != "" && r.query.SamenessGroup != "" {
				err = fmt.Errorf("%s: peer and sameness-group: only one of them can be", quote(text))
			}
			if connect {
				r.query.Connect, r.tag = true, ""
			}
			return r, err
		},
		func(r serviceRequest) (bool, bool, error) {
			all, known, err := ask[[]*watch.ServiceInstance](b.pass, r.query)
			found, statuses = r.tagged(all), r.statuses
			return len(found) > 0, known, err
		},
	}.resolve(args[0])
	if err != nil {
		return nil, err
	}
	picked := make([]*watch.ServiceInstance, 0, len(found))
	for _, instance := range found {
		b.noteName(nodeNames, instance.Node)
		if slices.Contains(statuses, instance.Status) || slices.Contains(statuses, watch.StatusAny) {
			picked = append(picked, instance)
		}
	}
	return picked, nil
}

// tagged picks the instances that have the tag that is asked for.
func (r serviceRequest) tagged(all []*watch.ServiceInstance) []*watch.ServiceInstance {
	if r.tag == "" {
		return all
	}
	var picked []*watch.ServiceInstance
	for _, instance := range all {
		if slices.ContainsFunc(instance.Tags, func(t string) bool { return strings.EqualFold(t, r.tag) }) {
			picked = append(picked, instance)
		}
	}
	return picked
}

func (b binding) services(args ...string) ([]*watch.ServiceName, error) {
	r, err := parseNameless(strings.Join(args, ""), "?@")
	if err != nil {
		return nil, err
	}
	names, _, err := ask[[]*watch.ServiceName](b.pass, watch.Services{Scope: r.Scope})
	for _, n := range names {
		b.noteName(serviceNames, n.Name)
	}
	return copied(names), err
}
