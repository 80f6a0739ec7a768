package consul

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"lictor/watch"
)

func decodeCARoots(r io.Reader) (any, error) {
	var raw struct{ Roots []*watch.CARoot }
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	if raw.Roots == nil || slices.Contains(raw.Roots, nil) {
		return nil, errNull
	}
	return raw.Roots, nil
}

func decodeCALeaf(r io.Reader) (any, error) {
	var leaf *watch.LeafCert
	if err := one(r, &leaf); err != nil {
		return nil, err
	}
	if leaf == nil || leaf.CertPEM == "" {
		return nil, errNull
	}
	return leaf, nil
}

func decodePartitions(r io.Reader) (any, error) {
	convert := func(p *watch.Partition) (*watch.Partition, error) { return p, nil }
	return sorted("", convert, func(a, b *watch.Partition) int { return strings.Compare(a.Name, b.Name) })(r)
}

func decodePeerings(r io.Reader) (any, error) {
	type raw struct {
		watch.Peering
		State      string // which templates know as PeeringState
		PeerCAPems []string
	}
	convert := func(p *raw) (*watch.Peering, error) {
		p.PeeringState, p.Peering.PeerCAPems = p.State, p.PeerCAPems
		slices.Sort(p.StreamStatus.ImportedServices)
		slices.Sort(p.StreamStatus.ExportedServices)
		return &p.Peering, nil
	}
	return sorted("", convert, func(a, b *watch.Peering) int { return strings.Compare(a.Name, b.Name) })(r)
}

func decodeExported(r io.Reader) (any, error) {
	type raw struct {
		watch.ExportedService
		Consumers struct{ Peers, Partitions, SamenessGroups []string }
	}
	convert := func(s *raw) (*watch.ExportedService, error) {
		c := watch.ExportedServiceConsumers(s.Consumers)
		c.Peers, c.Partitions = notNil(c.Peers), notNil(c.Partitions)
		s.ExportedService.Consumers = c
		return &s.ExportedService, nil
	}
	return sorted("", convert, func(a, b *watch.ExportedService) int { return strings.Compare(a.Service, b.Service) })(r)
}

// decodeImported reads a bare list from the community edition, and a list inside an object from Enterprise.
func decodeImported(r io.Reader) (any, error) {
	var text json.RawMessage
	if err := one(r, &text); err != nil {
		return nil, err
	}
	if text[0] == '{' {
		var wrapped struct{ ImportedServices json.RawMessage }
		if err := json.Unmarshal(text, &wrapped); err != nil {
			return nil, err
		}
		text = wrapped.ImportedServices
	}
	type raw struct {
		watch.ImportedService
		SourcePeer string
	}
	convert := func(s *raw) (*watch.ImportedService, error) {
		s.ImportedService.SourcePeer = s.SourcePeer
		return &s.ImportedService, nil
	}
	return sorted("", convert, func(a, b *watch.ImportedService) int { return strings.Compare(a.Service, b.Service) })(bytes.NewReader(text))
}
