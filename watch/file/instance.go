package file

import (
	"cmp"
	"fmt"
	"slices"

	"lictor/watch"
)

// An instance is a service instance with its defaults filled in.
type instance struct {
	*Instance
	name    string
	node    *watch.Node
	service *watch.ServiceInstance
}

// answer fills in what templates see of an instance.
func (i *instance) answer(id string, nodeHealth Health) *watch.ServiceInstance {
	in, node := i.Instance, i.node
	s := &watch.ServiceInstance{
		Node: node.Node, NodeID: node.ID, NodeAddress: node.Address, NodeDatacenter: node.Datacenter,
		NodeTaggedAddresses: node.TaggedAddresses, NodeMeta: node.Meta,
		ServiceMeta: in.Meta, Address: cmp.Or(in.Address, node.Address), ServiceTaggedAddresses: in.TaggedAddresses,
		ID: id, Name: i.name, Kind: in.Kind, Tags: sortedTags(in.Tags), Port: in.Port, Weights: in.Weights,
		Namespace: in.Namespace, Partition: in.Partition,
	}
	if s.Kind == "" && in.ProxyFor != "" {
		s.Kind = "connect-proxy"
	}
	if s.Weights == (watch.Weights{}) {
		s.Weights = defaultWeights
	}
	s.Checks = append(nodeChecks(node.Node, nodeHealth), i.checks(id)...)
	s.Status = s.Checks.AggregatedStatus()
	return s
}

func sortedTags(tags []string) watch.ServiceTags {
	t := append(watch.ServiceTags{}, tags...) // never nil: toJSON shows the difference
	slices.Sort(t)
	return t
}

// nodeChecks are the checks of a node.
func nodeChecks(node string, h Health) watch.HealthChecks {
	serf := watch.HealthCheck{CheckID: "serfHealth", Name: "Serf Health Status", Output: "Agent alive and reachable"}
	if h.Status != watch.StatusPassing {
		serf.Output = "Agent not live or unreachable"
	}
	id := func(n int) string { return fmt.Sprintf("node:%d", n) }
	checks := h.list("Node check", id, serf, watch.HealthCheck{CheckID: "_node_maintenance", Name: "Node Maintenance Mode"})
	for _, c := range checks {
		c.Node, c.ServiceTags = node, sortedTags(c.ServiceTags)
	}
	return checks
}

// checks are the checks of an instance, without those of its node.
func (i *instance) checks(id string) watch.HealthChecks {
	h, own := i.Health, "service:"+id
	numbered := func(n int) string {
		if len(h.Checks) > 1 || h.Status != "" {
			return fmt.Sprintf("%s:%d", own, n)
		}
		return own
	}
	name := fmt.Sprintf("Service '%s' check", i.name)
	checks := h.list(name, numbered, watch.HealthCheck{CheckID: own, Name: name},
		watch.HealthCheck{CheckID: "_service_maintenance:" + id, Name: "Service Maintenance Mode"})
	for _, c := range checks {
		c.Node, c.ServiceID, c.ServiceName = i.node.Node, id, cmp.Or(c.ServiceName, i.name)
		if c.ServiceTags == nil {
			c.ServiceTags = i.Tags
		}
		c.ServiceTags = sortedTags(c.ServiceTags)
	}
	return checks
}

// list is all checks by id: those that are written out, which get a name and the n-th id where they have none, and those that
// stand for a status and for a maintenance.
func (h Health) list(name string, id func(n int) string, forStatus, forMaintenance watch.HealthCheck) watch.HealthChecks {
	var checks watch.HealthChecks
	for n, c := range h.Checks {
		check := c.HealthCheck
		check.CheckID, check.Status = cmp.Or(check.CheckID, id(n+1)), cmp.Or(check.Status, watch.StatusPassing)
		if !c.Nameless {
			check.Name = cmp.Or(check.Name, name)
		}
		checks = append(checks, &check)
	}
	if h.Status != "" {
		forStatus.Status = h.Status
		checks = append(checks, &forStatus)
	}
	if h.Maintenance != "" {
		forMaintenance.Status, forMaintenance.Notes = watch.StatusCritical, h.Maintenance
		checks = append(checks, &forMaintenance)
	}
	slices.SortStableFunc(checks, func(a, b *watch.HealthCheck) int { return cmp.Compare(a.CheckID, b.CheckID) })
	return checks
}
