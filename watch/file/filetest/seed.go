// Package filetest makes data files for tests.
package filetest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"lictor/watch"
	"lictor/watch/file"
)

// FromSeed turns a seed of the conformance corpus (format 1) into a data file that answers as a Consul does that was
// loaded with it: the agent's own node and the service consul included, as far as they don't differ from run to run.
func FromSeed(seedJSON []byte) (yaml []byte, err error) {
	d, err := data(seedJSON)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = file.Write(&b, d)
	return b.Bytes(), err
}

// seed is the corpus's format: bodies of requests to Consul, in order.
type seed struct {
	Datacenter  string
	AgentNode   string `json:"agent_node"`
	AgentNodeID string `json:"agent_node_id"`
	KV          []struct {
		Key    string
		Value  string
		Base64 []byte `json:"value_base64"`
		Flags  uint64
	}
	Catalog     []registration
	Coordinates []struct {
		Node  string
		Coord file.Coordinate
	}
}

type registration struct {
	ID, Node, Address         string
	NodeMeta, TaggedAddresses map[string]string
	Service                   *struct {
		ID, Service, Address, Kind string
		Port                       int
		Tags                       []string
		Meta                       map[string]string
		TaggedAddresses            map[string]watch.ServiceAddress
		Weights                    *watch.Weights
		Proxy                      struct{ DestinationServiceName string }
	}
	Checks []struct{ CheckID, Name, Status, Notes, Output, ServiceID string }
}

func data(seedJSON []byte) (*file.Data, error) {
	var s seed
	if err := json.Unmarshal(seedJSON, &s); err != nil {
		return nil, fmt.Errorf("the seed: %w", err)
	}
	d := &file.Data{Datacenter: s.Datacenter, Agent: s.AgentNode}
	d.KV, d.Nodes, d.Services = map[string]*watch.KeyPair{}, map[string]*file.Node{}, map[string][]*file.Instance{}
	for _, e := range s.KV {
		pair := &watch.KeyPair{Value: e.Value, Flags: e.Flags}
		if e.Base64 != nil {
			pair.Value = string(e.Base64)
		}
		d.KV[e.Key] = pair
	}
	agent := &file.Node{ID: s.AgentNodeID, Address: "127.0.0.1", Meta: map[string]string{"consul-network-segment": ""}}
	agent.Status = watch.StatusPassing
	agent.TaggedAddresses = map[string]string{"lan": "127.0.0.1", "lan_ipv4": "127.0.0.1", "wan": "127.0.0.1", "wan_ipv4": "127.0.0.1"}
	d.Nodes[s.AgentNode] = agent
	d.Services["consul"] = []*file.Instance{{ID: "consul", Node: s.AgentNode, Port: 18300}}
	for _, r := range s.Catalog {
		register(d, r)
	}
	for _, c := range s.Coordinates {
		if n := d.Nodes[c.Node]; n != nil {
			n.Coordinate = &c.Coord
		}
	}
	return d, nil
}

func register(d *file.Data, r registration) {
	node := d.Nodes[r.Node]
	if node == nil {
		node = &file.Node{}
		d.Nodes[r.Node] = node
	}
	node.ID, node.Address, node.Meta, node.TaggedAddresses = r.ID, r.Address, r.NodeMeta, r.TaggedAddresses
	var in *file.Instance
	if s := r.Service; s != nil {
		in = &file.Instance{
			ID: s.ID, Node: r.Node, Address: s.Address, Port: s.Port, Tags: s.Tags, Meta: s.Meta, TaggedAddresses: s.TaggedAddresses,
			Kind: s.Kind, ProxyFor: s.Proxy.DestinationServiceName,
		}
		if s.Weights != nil {
			in.Weights = *s.Weights
		}
		d.Services[s.Service] = append(d.Services[s.Service], in)
	}
	for _, c := range r.Checks {
		check := file.Check{HealthCheck: watch.HealthCheck{CheckID: c.CheckID, Name: c.Name, Status: c.Status, Notes: c.Notes, Output: c.Output}}
		if c.ServiceID == "" {
			node.Checks = append(node.Checks, check)
		} else {
			in.Checks = append(in.Checks, check)
		}
	}
}
