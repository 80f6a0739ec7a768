package consul

import (
	"encoding/json"
	"errors"
	"io"
	"lictor/watch"
)

// nodeEndpoint reads the services of a node. Where they are as they were known before, which may be nil, they are not decoded.
func (c *catalogMirror) nodeEndpoint(name string, before *nodeServices) endpoint {
	return endpoint{path: "catalog/node-services/" + pathSegment(name), query: scopeQuery(c.scope), none: &nodeServices{},
		decode: func(r io.Reader) (any, error) {
			text, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			if before != nil && c.digests.of(text) == before.content {
				same := *before
				return &same, nil
			}
			return c.digests.nodeServices(text)
		}}
}

// nodeIndexEndpoint reads the index of a node's services, which is another one when any of them has changed or is gone.
func (c *catalogMirror) nodeIndexEndpoint(name string) endpoint {
	e := c.nodeEndpoint(name, nil)
	e.query.Set("filter", `ID == ""`)
	e.none, e.decode = true, discard
	return e
}

func (d digester) nodeServices(text []byte) (*nodeServices, error) {
	var raw struct{ Node, Services json.RawMessage }
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if raw.Node == nil || raw.Services == nil {
		return nil, errors.New("a node and its services were expected")
	}
	s := &nodeServices{content: d.of(text), identity: d.of(raw.Node)}
	if err := json.Unmarshal(raw.Node, &s.node); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw.Services, &s.services); err != nil {
		return nil, err
	}
	for _, service := range s.services {
		switch {
		case service == nil || s.node == nil:
			return nil, errNull
		case service.Service == "":
			return nil, errNameless
		}
	}
	return s, nil
}

// A nodeChecks is what Consul says of the checks of a node.
type nodeChecks struct {
	checks []*watch.HealthCheck
	sums   map[string]checkSum
}

func (c *catalogMirror) nodeChecksEndpoint(name string) endpoint {
	return endpoint{path: "health/node/" + pathSegment(name), query: scopeQuery(c.scope), decode: func(r io.Reader) (any, error) {
		k := &nodeChecks{sums: map[string]checkSum{}}
		err := elements(r, func(element []byte) error {
			check := &watch.HealthCheck{}
			if err := json.Unmarshal(element, check); err != nil {
				return err
			}
			if check.Node == "" {
				return errNameless
			}
			tidy(check)
			k.checks = append(k.checks, check)
			sum := checkSum(c.digests.of(element))
			k.sums[watch.StatusAny] += sum
			k.sums[check.Status] += sum
			return nil
		})
		return k, err
	}}
}
