package consul

import (
	"reflect"
	"slices"

	"lictor/watch"
)

// changedServices are the services of which two states of a node have other instances.
func changedServices(before, now *nodeState) (names []string) {
	if before == nil {
		for name := range now.instances {
			names = append(names, name)
		}
		return names
	}
	for name, list := range now.instances {
		if !sameInstances(list, before.instances[name]) {
			names = append(names, name)
		}
	}
	for name := range before.instances {
		if now.instances[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

func sameInstances(a, b []*watch.ServiceInstance) bool {
	return slices.EqualFunc(a, b, func(x, y *watch.ServiceInstance) bool { return x == y || reflect.DeepEqual(x, y) })
}

// newNodeState makes instances out of services and checks. Those that were the same before, where anything was known, are the same objects
// again.
func newNodeState(s *nodeServices, k *nodeChecks, before *nodeState) *nodeState {
	state := &nodeState{nodeServices: s, instances: make(map[string][]*watch.ServiceInstance, len(s.services)), sums: k.sums, checks: k.byText,
		made: make(map[*rawService]*watch.ServiceInstance, len(s.services))}
	of := make(map[string][]*watch.HealthCheck, len(s.services))
	for _, check := range k.checks {
		of[check.ServiceID] = append(of[check.ServiceID], check)
	}
	for _, service := range s.services {
		checks := of[""]
		if service.ID != "" {
			checks = slices.Concat(checks, of[service.ID])
		}
		i := newInstance(s.node, service, checks)
		if before != nil && before.identity == s.identity {
			if same := before.made[service]; same != nil && slices.Equal(same.Checks, i.Checks) {
				i = same
			}
		}
		state.made[service] = i
		name := fold(service.Service)
		state.instances[name] = append(state.instances[name], i)
	}
	return state
}
