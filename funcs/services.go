package funcs

import (
	"slices"
	"strings"

	"lictor/watch"
)

const serviceArgument = `"[TAG.]NAME[?OPTIONS][@DATACENTER][~NEAR][|STATUSES]" ["filter=EXPRESSION"]`

func serviceFunctions() []function {
	return []function{
		{Doc{
			Name: "service", Signature: "service " + serviceArgument,
			Summary: "The instances of a service that pass their checks, or that have one of STATUSES (any, passing, warning, critical, " +
				"maintenance; joined by commas). They come by node and then id, or by distance from node NEAR (_agent is the agent's own). " +
				"TAG is compared without regard to case. EXPRESSION is a Consul filter over the health endpoint's fields " +
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
			Summary: "All services (.Name, .Tags), by name; .Tags are those of all instances together, sorted.",
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
	request, err := parseService(args[0], args[1:])
	if err != nil {
		return nil, err
	}
	if connect {
		request.query.Connect, request.tag = true, ""
	}
	all, _, err := ask[[]*watch.ServiceInstance](b.pass, request.query)
	if err != nil {
		return nil, err
	}
	picked := make([]*watch.ServiceInstance, 0, len(all))
	for _, instance := range all {
		if request.accepts(instance) {
			picked = append(picked, instance)
		}
	}
	return picked, nil
}

// accepts tells whether an instance has the status and the tag that are asked for.
func (r serviceRequest) accepts(instance *watch.ServiceInstance) bool {
	if !slices.Contains(r.statuses, instance.Status) && !slices.Contains(r.statuses, watch.StatusAny) {
		return false
	}
	return r.tag == "" || slices.ContainsFunc(instance.Tags, func(t string) bool { return strings.EqualFold(t, r.tag) })
}

func (b binding) services(args ...string) ([]*watch.ServiceName, error) {
	r, err := parseNameless(strings.Join(args, ""), "?@")
	if err != nil {
		return nil, err
	}
	names, _, err := ask[[]*watch.ServiceName](b.pass, watch.Services{Scope: r.Scope})
	return copied(names), err
}
