package consul

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"lictor/watch"
)

func decodeCARoots(r io.Reader) (any, error) {
	var raw struct {
		Roots []struct {
			ID, Name    string
			RootCert    string
			Active      bool
			CreateIndex uint64
			ModifyIndex uint64
		}
	}
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	answer := []*watch.CARoot{}
	for _, c := range raw.Roots {
		answer = append(answer, &watch.CARoot{
			ID: c.ID, Name: c.Name, RootCertPEM: c.RootCert, Active: c.Active, CreateIndex: c.CreateIndex, ModifyIndex: c.ModifyIndex,
		})
	}
	return answer, nil
}

func decodeCALeaf(r io.Reader) (any, error) {
	var raw struct {
		SerialNumber, CertPEM, PrivateKeyPEM string
		Service, ServiceURI                  string
		ValidAfter, ValidBefore              time.Time
		CreateIndex, ModifyIndex             uint64
	}
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	answer := watch.LeafCert(raw)
	return &answer, nil
}

func decodePartitions(r io.Reader) (any, error) {
	answer, err := list(r, func(p *watch.Partition) *watch.Partition { return p })
	slices.SortFunc(answer, func(a, b *watch.Partition) int { return strings.Compare(a.Name, b.Name) })
	return answer, err
}

func decodePeerings(r io.Reader) (any, error) {
	type peering struct {
		watch.Peering
		State string // which templates know as PeeringState
	}
	answer, err := list(r, func(p *peering) *watch.Peering {
		p.PeeringState = p.State
		slices.Sort(p.StreamStatus.ImportedServices)
		slices.Sort(p.StreamStatus.ExportedServices)
		return &p.Peering
	})
	slices.SortFunc(answer, func(a, b *watch.Peering) int { return strings.Compare(a.Name, b.Name) })
	return answer, err
}

func decodeExported(r io.Reader) (any, error) {
	answer, err := list(r, func(s *watch.ExportedService) *watch.ExportedService { return s })
	slices.SortFunc(answer, func(a, b *watch.ExportedService) int { return strings.Compare(a.Service, b.Service) })
	return answer, err
}

// decodeImported reads a bare list from the community edition, and a list inside an object from Enterprise.
func decodeImported(r io.Reader) (any, error) {
	var raw json.RawMessage
	if err := one(r, &raw); err != nil {
		return nil, err
	}
	answer := []*watch.ImportedService{}
	var err error
	if len(raw) > 0 && raw[0] == '{' {
		wrapped := struct{ ImportedServices *[]*watch.ImportedService }{&answer}
		err = json.Unmarshal(raw, &wrapped)
	} else {
		err = json.Unmarshal(raw, &answer)
	}
	slices.SortFunc(answer, func(a, b *watch.ImportedService) int { return strings.Compare(a.Service, b.Service) })
	return answer, err
}
