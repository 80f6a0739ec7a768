package consul

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"lictor/watch"
)

// An endpoint is where the answer to one query is read, and how it is understood.
type endpoint struct {
	path   string
	query  url.Values
	decode func(io.Reader) (any, error)
	none   any                                                // the answer where Consul says that there is no such thing
	finish func(ctx context.Context, answer any) (any, error) // completes the answer with further reads; may be nil
	every  time.Duration                                      // above 0: the endpoint can not be held open, and is read this often
	toll   time.Duration                                      // what each byte of an answer costs Consul, where that is much
	agent  bool                                               // the agent answers from what it knows itself: there is no choice of servers
}

// How often endpoints are read that can not be held open.
const pollEvery = 10 * time.Second

// endpoint tells where the answer to q is read.
func (s *Source) endpoint(ctx context.Context, q watch.Query) (endpoint, error) {
	switch q := q.(type) {
	case watch.Key:
		return keyEndpoint(q), nil
	case watch.Prefix:
		return prefixEndpoint(q), nil
	case watch.Service:
		return serviceEndpoint(q), nil
	case watch.CatalogService:
		return catalogServiceEndpoint(q), nil
	case watch.Services:
		return namesEndpoint(scopeQuery(q.Scope)), nil
	case watch.Nodes:
		return nodesEndpoint(q), nil
	case watch.NodeServices:
		return s.nodeServicesEndpoint(ctx, q)
	case watch.Datacenters:
		return s.datacentersEndpoint(q), nil
	case watch.CARoots:
		return endpoint{path: "agent/connect/ca/roots", decode: decodeCARoots, agent: true}, nil
	case watch.CALeaf:
		return endpoint{path: "agent/connect/ca/leaf/" + pathSegment(q.Service), query: scopeQuery(q.Scope), decode: decodeCALeaf, agent: true}, nil
	case watch.Partitions:
		return endpoint{path: "partitions", decode: decodePartitions}, nil
	case watch.Peerings:
		return endpoint{path: "peerings", query: scopeQuery(q.Scope), decode: decodePeerings}, nil
	case watch.ExportedServices:
		return endpoint{path: "exported-services", query: scopeQuery(q.Scope), decode: decodeExported}, nil
	case watch.ImportedServices:
		return endpoint{path: "imported-services", query: scopeQuery(q.Scope), decode: decodeImported}, nil
	}
	return endpoint{}, watch.Permanent(fmt.Errorf("consul can not answer %s", q))
}

// scopeQuery makes the parameters that say which part of the registry is asked.
func scopeQuery(s watch.Scope) url.Values {
	v := url.Values{}
	for _, p := range [...]struct{ name, value string }{
		{"dc", s.Datacenter}, {"ns", s.Namespace}, {"partition", s.Partition}, {"peer", s.Peer}, {"sameness-group", s.SamenessGroup},
	} {
		if p.value != "" {
			v.Set(p.name, p.value)
		}
	}
	return v
}

func near(v url.Values, node string) url.Values {
	if node != "" {
		v.Set("near", node)
	}
	return v
}

// A result is an answer and what came with it.
type result struct {
	watch.Answer
	index uint64
	took  time.Duration // to make the answer and take it in, without the time that Consul waited
	same  bool          // it is the answer of the read before, and has no value
	null  bool          // it says null in place of a list, which may be a server that knows nothing yet
	every time.Duration // the endpoint's
	// unindexed says that it may be new whatever its index is.
	unindexed bool
}

// read asks an endpoint once.
func (s *Source) read(ctx context.Context, e endpoint, a ask) (result, error) {
	if e.agent {
		a.mode = leader
	}
	var value any
	var took time.Duration
	var null bool
	reply, err := s.client.get(ctx, call{e.path, e.query, a}, func(r io.Reader) (err error) {
		begin, counted := time.Now(), &counter{Reader: r}
		value, err = e.decode(counted)
		took = max(time.Since(begin), time.Duration(counted.bytes)*e.toll)
		null = strings.TrimSpace(string(counted.begin)) == "null"
		return err
	})
	if err != nil {
		return result{}, err
	}
	if !reply.found {
		value = e.none
		if value == nil {
			return result{}, watch.Permanent(fmt.Errorf("consul at %s knows nothing of /v1/%s", s.client.base, e.path))
		}
	}
	if e.finish != nil {
		if value, err = e.finish(ctx, value); err != nil {
			return result{}, err
		}
	}
	return result{Answer: watch.Answer{Value: value, Evidence: reply.evidence}, index: reply.index, took: took, null: null}, nil
}

// A counter counts what is read, and keeps the first few bytes.
type counter struct {
	io.Reader
	bytes int
	begin []byte
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += n
	c.begin = append(c.begin, p[:min(n, max(0, 8-len(c.begin)))]...)
	return n, err
}

// readMode is the mode of ordinary reads.
func (s *Source) readMode() mode {
	if s.stale {
		return stale
	}
	return leader
}
