package record

import (
	"maps"
	"regexp"
	"slices"

	"lictor/watch"
	"lictor/watch/file"
)

// An instance is one by its datacenter, node and id.
type instanceKey struct{ datacenter, node, id string }

// instance finds or makes an instance of a service.
func (r *recorder) instance(to *file.Registry, dc, node, id, service string) (in *file.Instance, isNew bool) {
	key := instanceKey{dc, node, id}
	if in = r.known[key]; in != nil {
		return in, false
	}
	in = &file.Instance{ID: id, Node: node}
	r.known[key] = in
	r.serviceList(to, service)
	to.Services[service] = append(to.Services[service], in)
	return in, true
}

// serviceList makes the list of a service's instances, also where it stays empty.
func (r *recorder) serviceList(to *file.Registry, service string) {
	if to.Services == nil {
		to.Services = map[string][]*file.Instance{}
	}
	if to.Services[service] == nil {
		to.Services[service] = []*file.Instance{}
	}
}

// node finds or makes a node.
func (r *recorder) node(to *file.Registry, name, id, address string, meta, tagged map[string]string) *file.Node {
	if to.Nodes == nil {
		to.Nodes = map[string]*file.Node{}
	}
	n := to.Nodes[name]
	if n == nil {
		n = &file.Node{}
		to.Nodes[name] = n
	}
	n.Address, n.Meta = address, told(r, meta)
	if r.detail >= Full {
		n.ID, n.TaggedAddresses = id, told(r, tagged)
	}
	return n
}

// told is a mapping as far as the recording says it.
func told[V any](r *recorder, m map[string]V) map[string]V {
	if len(m) == 0 && r.detail < Exact {
		return nil
	}
	return m
}

var wordOnly = regexp.MustCompile(`^[\w-]*$`)

func (r *recorder) service(to *file.Registry, dc string, q watch.Service, instances []*watch.ServiceInstance) {
	var nodes []string
	if !q.Connect && (len(instances) > 0 || wordOnly.MatchString(q.Name)) { // of other names it was only asked whether they are there
		r.serviceList(to, q.Name)
	}
	for _, s := range instances {
		nodes = append(nodes, s.Node)
		n := r.node(to, s.Node, s.NodeID, s.NodeAddress, s.NodeMeta, s.NodeTaggedAddresses)
		in, _ := r.instance(to, dc, s.Node, s.ID, s.Name)
		if s.Address != s.NodeAddress {
			in.Address = s.Address
		}
		in.Port, in.Tags, in.Meta, in.Weights, in.Kind = s.Port, s.Tags, told(r, s.ServiceMeta), s.Weights, s.Kind
		if q.Connect && s.Kind == "connect-proxy" {
			in.ProxyFor = q.Name
		} else if q.Connect {
			in.ConnectNative = true
		}
		var ofNode, own watch.HealthChecks
		for _, c := range s.Checks {
			if c.ServiceID == "" {
				ofNode = append(ofNode, c)
			} else {
				own = append(own, c)
			}
		}
		n.Health, in.Health = r.health(ofNode, "", nil), r.health(own, s.Name, s.Tags)
		if r.detail >= Full {
			in.TaggedAddresses = told(r, s.ServiceTaggedAddresses)
			in.Namespace, in.Partition = s.Namespace, s.Partition
		}
	}
	r.near(dc, q.Near, nodes)
}

// health is the shortest that says what the checks of a node, or of an instance of a service with these tags, say.
func (r *recorder) health(checks watch.HealthChecks, service string, tags []string) file.Health {
	var h file.Health
	if len(checks) == 0 {
		return h
	}
	if r.detail >= Full {
		for _, c := range checks {
			h.Checks = append(h.Checks, r.check(c, service, tags))
		}
		return h
	}
	switch status := checks.AggregatedStatus(); status {
	case watch.StatusPassing: // as without any check
	case watch.StatusMaintenance:
		h.Maintenance = "true"
	default:
		h.Status = status
	}
	return h
}

// check says what is not known of the service and the node anyway.
func (r *recorder) check(c *watch.HealthCheck, service string, tags []string) file.Check {
	check := file.Check{HealthCheck: *c, Nameless: c.Name == ""}
	check.Node, check.ServiceID = "", ""
	if c.ServiceName == service {
		check.ServiceName = ""
	}
	if slices.Equal(c.ServiceTags, tags) {
		check.ServiceTags = nil
	}
	if r.detail < Exact {
		check.CreateIndex, check.ModifyIndex = 0, 0
	}
	return check
}

func (r *recorder) catalogService(to *file.Registry, dc string, q watch.CatalogService, instances []*watch.CatalogInstance) {
	var nodes []string
	r.serviceList(to, q.Name)
	for _, c := range instances {
		nodes = append(nodes, c.Node)
		r.node(to, c.Node, c.ID, c.Address, c.NodeMeta, c.TaggedAddresses)
		in, isNew := r.instance(to, dc, c.Node, c.ServiceID, c.ServiceName)
		in.Address = c.ServiceAddress
		if isNew {
			in.Port, in.Tags, in.Meta = c.ServicePort, c.ServiceTags, told(r, c.ServiceMeta)
			if r.detail >= Full {
				in.Namespace = c.Namespace
			}
		}
	}
	r.near(dc, q.Near, nodes)
}

func (r *recorder) nodes(to *file.Registry, dc, near string, list []*watch.Node) {
	var names []string
	for _, n := range list {
		names = append(names, n.Node)
		r.node(to, n.Node, n.ID, n.Address, n.Meta, n.TaggedAddresses)
	}
	r.near(dc, near, names)
}

func (r *recorder) nodeServices(to *file.Registry, dc, name string, answer *watch.CatalogNode) {
	if answer == nil {
		return
	}
	n := answer.Node
	r.node(to, n.Node, n.ID, n.Address, n.Meta, n.TaggedAddresses)
	if name == "" && to == &r.data.Registry {
		r.data.Agent = n.Node
	}
	for _, s := range answer.Services {
		in, isNew := r.instance(to, dc, n.Node, s.ID, s.Service)
		in.Address, in.EnableTagOverride = s.Address, s.EnableTagOverride
		if isNew {
			in.Port, in.Tags, in.Meta = s.Port, s.Tags, told(r, s.Meta)
		}
	}
}

// placeNames sees to it that all services are in the list of services that was read: those that nothing else is known
// of get an instance that only carries their tags.
func (r *recorder) placeNames(queries []watch.Query, answers map[watch.Query]any) {
	for _, q := range queries {
		services, ok := q.(watch.Services)
		if !ok {
			continue
		}
		to := r.registry(services.Datacenter)
		for _, name := range answers[q].([]*watch.ServiceName) {
			if len(to.Services[name.Name]) > 0 {
				continue
			}
			node := r.quietNode(to, queries)
			in, _ := r.instance(to, services.Datacenter, node, name.Name, name.Name)
			in.Tags = name.Tags
		}
	}
}

// quietNode is a node on which an instance can be put that no query shows: one that nobody asked for the services of.
func (r *recorder) quietNode(to *file.Registry, queries []watch.Query) string {
	asked := map[string]bool{r.data.Agent: true}
	for _, q := range queries {
		if n, ok := q.(watch.NodeServices); ok {
			asked[n.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(to.Nodes)) {
		if !asked[name] {
			return name
		}
	}
	const placeholder = "any"
	r.node(to, placeholder, "", "127.0.0.1", nil, nil)
	return placeholder
}
