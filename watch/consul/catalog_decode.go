package consul

import (
	"bytes"
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
			return c.digests.nodeServices(text, before)
		}}
}

// nodeIndexEndpoint reads the index of a node's services, which is another one when any of them has changed or is gone.
func (c *catalogMirror) nodeIndexEndpoint(name string) endpoint {
	e := c.nodeEndpoint(name, nil)
	e.query.Set("filter", `ID == ""`)
	e.none, e.decode = true, discard
	return e
}

// nodeServices decodes the services of a node. Those that were known before are the same objects again.
func (d digester) nodeServices(text []byte, before *nodeServices) (*nodeServices, error) {
	var raw struct{ Node, Services json.RawMessage }
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if raw.Node == nil || raw.Services == nil {
		return nil, errors.New("a node and its services were expected")
	}
	s := &nodeServices{content: d.of(text), identity: d.of(raw.Node), byText: map[digest]*rawService{}}
	if err := json.Unmarshal(raw.Node, &s.node); err != nil {
		return nil, err
	}
	err := elements(bytes.NewReader(raw.Services), func(element []byte) error {
		key := d.of(element)
		var service *rawService
		if before != nil {
			service = before.byText[key]
		}
		if service == nil {
			if err := json.Unmarshal(element, &service); err != nil {
				return err
			}
			if service.Service == "" {
				return errNameless
			}
		}
		s.byText[key] = service
		s.services = append(s.services, service)
		return nil
	})
	if err == nil && s.node == nil && len(s.services) > 0 {
		err = errNull
	}
	return s, err
}

// A nodeChecks is what Consul says of the checks of a node.
type nodeChecks struct {
	checks []*watch.HealthCheck
	byText map[digest]*watch.HealthCheck
	sums   map[string]checkSum
}

// nodeChecksEndpoint reads the checks of a node. Those that were known before, of which there may be none, are the same objects again.
func (c *catalogMirror) nodeChecksEndpoint(name string, before map[digest]*watch.HealthCheck) endpoint {
	return endpoint{path: "health/node/" + pathSegment(name), query: scopeQuery(c.scope), decode: func(r io.Reader) (any, error) {
		k := &nodeChecks{sums: map[string]checkSum{}, byText: map[digest]*watch.HealthCheck{}}
		err := elements(r, func(element []byte) error {
			key := c.digests.of(element)
			check := before[key]
			if check == nil {
				check = &watch.HealthCheck{}
				if err := json.Unmarshal(element, check); err != nil {
					return err
				}
				if check.Node == "" {
					return errNameless
				}
				tidy(check)
			}
			k.byText[key] = check
			k.checks = append(k.checks, check)
			sum := checkSum(key)
			k.sums[watch.StatusAny] += sum
			k.sums[check.Status] += sum
			return nil
		})
		return k, err
	}}
}
