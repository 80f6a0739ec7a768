package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"lictor/internal/consultest"
)

// A registry is a Consul agent with services for a benchmark.
type registry struct {
	*consultest.Server
	services, nodes int
}

// newRegistry starts an agent and fills its catalog. Whoever calls it closes it.
func newRegistry(ctx context.Context, o consultest.Options, services, nodes int) (*registry, error) {
	server, err := consultest.New(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &registry{server, services, nodes}
	if err := r.fill(ctx); err != nil {
		server.Close()
		return nil, err
	}
	return r, nil
}

func (r *registry) service(i int) string { return fmt.Sprintf("svc-%05d", i) }
func (r *registry) node(n int) string    { return fmt.Sprintf("node-%05d", n) }
func (r *registry) id(service, instance int) string {
	return fmt.Sprintf("%s-%d", r.service(service), instance)
}

// An instance is one of a service's, as it is registered.
type instance struct {
	service, number, port int
	status                string
	address               string // "" is the node's
}

// register puts an instance into the catalog.
func (r *registry) register(ctx context.Context, i instance) error {
	node, id := r.node(r.home(i)), r.id(i.service, i.number)
	_, err := r.Client.Catalog().Register(&api.CatalogRegistration{
		Node: node, Address: r.nodeAddress(i), SkipNodeUpdate: i.port != basePort,
		Service: &api.AgentService{ID: id, Service: r.service(i.service), Address: i.address, Port: i.port, Tags: []string{"http", "v1"}, Meta: map[string]string{"version": "1"}},
		Checks: api.HealthChecks{{Node: node, CheckID: "check:" + id, Name: "alive", Status: i.status, ServiceID: id,
			Output: "HTTP GET http://10.1.0.1:8000/health: 200 OK"}},
	}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// home is the number of the node that an instance is on.
func (r *registry) home(i instance) int { return (i.service*2 + i.number) % r.nodes }

func (r *registry) nodeAddress(i instance) string {
	return fmt.Sprintf("10.1.%d.%d", r.home(i)/250, r.home(i)%250)
}

// line is how [serviceTemplate] renders an instance.
func (r *registry) line(i instance) []byte {
	return fmt.Appendf(nil, "%s %s:%d\n", r.id(i.service, i.number), cmp.Or(i.address, r.nodeAddress(i)), i.port)
}

// deregister takes an instance out of the catalog.
func (r *registry) deregister(ctx context.Context, service, number int) error {
	node := r.node(r.home(instance{service: service, number: number}))
	_, err := r.Client.Catalog().Deregister(&api.CatalogDeregistration{Node: node, ServiceID: r.id(service, number)},
		(&api.WriteOptions{}).WithContext(ctx))
	return err
}

const basePort = 8000

// fill registers two instances of each service.
func (r *registry) fill(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range r.services {
		g.Go(func() error {
			for k := range 2 {
				if err := r.register(ctx, instance{i, k, basePort, "passing", ""}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// putKeys makes keys below one prefix.
func (r *registry) putKeys(ctx context.Context, keys int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for from := 0; from < keys; from += 64 {
		g.Go(func() error {
			var ops api.KVTxnOps
			for i := from; i < min(from+64, keys); i++ {
				ops = append(ops, &api.KVTxnOp{Verb: api.KVSet, Key: keyName(i), Value: fmt.Appendf(nil, "value %d", i)})
			}
			_, _, _, err := r.Client.KV().Txn(ops, (&api.QueryOptions{}).WithContext(ctx))
			return err
		})
	}
	return g.Wait()
}

func keyName(i int) string { return fmt.Sprintf("bench/keys/%05d", i) }
