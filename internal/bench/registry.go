package main

import (
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

func (r *registry) service(i int) string { return fmt.Sprintf("svc-%05d", i) }
func (r *registry) node(n int) string    { return fmt.Sprintf("node-%05d", n) }
func (r *registry) id(service, instance int) string {
	return fmt.Sprintf("%s-%d", r.service(service), instance)
}

// register puts an instance into the catalog.
func (r *registry) register(ctx context.Context, service, instance, port int, status string) error {
	n := (service*2 + instance) % r.nodes
	id := r.id(service, instance)
	_, err := r.Client.Catalog().Register(&api.CatalogRegistration{
		Node: r.node(n), Address: fmt.Sprintf("10.1.%d.%d", n/250, n%250), SkipNodeUpdate: port != basePort,
		Service: &api.AgentService{ID: id, Service: r.service(service), Port: port, Tags: []string{"http", "v1"}, Meta: map[string]string{"version": "1"}},
		Checks: api.HealthChecks{{Node: r.node(n), CheckID: "check:" + id, Name: "alive", Status: status, ServiceID: id,
			Output: "HTTP GET http://10.1.0.1:8000/health: 200 OK"}},
	}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// deregister takes an instance out of the catalog.
func (r *registry) deregister(ctx context.Context, service, instance int) error {
	n := (service*2 + instance) % r.nodes
	_, err := r.Client.Catalog().Deregister(&api.CatalogDeregistration{Node: r.node(n), ServiceID: r.id(service, instance)},
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
				if err := r.register(ctx, i, k, basePort, "passing"); err != nil {
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
