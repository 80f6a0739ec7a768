package consul

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"lictor/watch"
)

func decodeCARoots(r io.Reader) (any, error) {
	var raw struct {
		Roots []*struct {
			ID, Name                 string
			RootCert                 string
			Active                   bool
			NotBefore, NotAfter      *time.Time
			DaysRemaining            *int
			CreateIndex, ModifyIndex uint64
		}
	}
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	answer := []*watch.CARoot{}
	if raw.Roots == nil {
		return nil, errNull
	}
	for _, c := range raw.Roots {
		if c == nil {
			return nil, errNull
		}
		answer = append(answer, &watch.CARoot{
			ID: c.ID, Name: c.Name, RootCertPEM: c.RootCert, Active: c.Active, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			DaysRemaining: c.DaysRemaining, CreateIndex: c.CreateIndex, ModifyIndex: c.ModifyIndex,
		})
	}
	return answer, nil
}

func decodeCALeaf(r io.Reader) (any, error) {
	var raw *struct {
		SerialNumber, CertPEM, PrivateKeyPEM string
		Service, ServiceURI                  string
		ValidAfter, ValidBefore              time.Time
		CreateIndex, ModifyIndex             uint64
	}
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	if raw == nil || raw.CertPEM == "" {
		return nil, errNull
	}
	answer := watch.LeafCert(*raw)
	return &answer, nil
}

func decodePartitions(r io.Reader) (any, error) {
	answer, err := list(r, func(p *watch.Partition) (*watch.Partition, error) { return p, nil })
	slices.SortFunc(answer, func(a, b *watch.Partition) int { return strings.Compare(a.Name, b.Name) })
	return answer, err
}

func decodePeerings(r io.Reader) (any, error) {
	type peering struct {
		watch.Peering
		State      string // which templates know as PeeringState
		PeerCAPems []string
	}
	answer, err := list(r, func(p *peering) (*watch.Peering, error) {
		p.PeeringState, p.Peering.PeerCAPems = p.State, p.PeerCAPems
		slices.Sort(p.StreamStatus.ImportedServices)
		slices.Sort(p.StreamStatus.ExportedServices)
		return &p.Peering, nil
	})
	slices.SortFunc(answer, func(a, b *watch.Peering) int { return strings.Compare(a.Name, b.Name) })
	return answer, err
}

func decodeExported(r io.Reader) (any, error) {
	type exported struct {
		Service, Partition, Namespace string
		Consumers                     struct{ Peers, Partitions, SamenessGroups []string }
	}
	answer, err := list(r, func(s *exported) (*watch.ExportedService, error) {
		c := watch.ExportedServiceConsumers(s.Consumers)
		c.Peers, c.Partitions = notNil(c.Peers), notNil(c.Partitions)
		return &watch.ExportedService{Service: s.Service, Partition: s.Partition, Namespace: s.Namespace, Consumers: c}, nil
	})
	slices.SortFunc(answer, func(a, b *watch.ExportedService) int { return strings.Compare(a.Service, b.Service) })
	return answer, err
}

// decodeImported reads a bare list from the community edition, and a list inside an object from Enterprise.
func decodeImported(r io.Reader) (any, error) {
	type imported struct{ Service, Namespace, SourcePartition, SourcePeer string }
	var raw json.RawMessage
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	if raw[0] == '{' {
		var wrapped struct{ ImportedServices json.RawMessage }
		if err := json.Unmarshal(raw, &wrapped); err != nil {
			return nil, err
		}
		raw = wrapped.ImportedServices
	}
	answer, err := list(bytes.NewReader(raw), func(s *imported) (*watch.ImportedService, error) {
		service := watch.ImportedService(*s)
		return &service, nil
	})
	slices.SortFunc(answer, func(a, b *watch.ImportedService) int { return strings.Compare(a.Service, b.Service) })
	return answer, err
}
