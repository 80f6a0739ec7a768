package funcs

import (
	"fmt"
	"strings"

	"lictor/watch"
)

func meshFunctions() []function {
	return []function{
		{Doc{
			Name: "caRoots", Signature: "caRoots",
			Summary: "The certificate authorities that the mesh trusts (.RootCertPEM .Active .ID .Name .NotBefore .NotAfter).",
			Example: `{{ range caRoots }}{{ .RootCertPEM }}{{ end }}`, Output: `PEM-of-the-root`,
		}, func(b binding) any { return b.caRoots }},
		{Doc{
			Name: "caLeaf", Signature: `caLeaf "SERVICE[?OPTIONS][@DATACENTER]"`,
			Summary: "A mesh certificate of a service (.CertPEM .PrivateKeyPEM .Service .ServiceURI .SerialNumber .ValidAfter " +
				".ValidBefore). It is renewed in time. A dot is part of the name; SERVICE may be quoted, as with service.",
			Example: `{{ with caLeaf "web" }}{{ .CertPEM }} {{ .ServiceURI }}{{ end }}`, Output: `PEM-of-web spiffe://mesh/web`,
		}, func(b binding) any { return b.caLeaf }},
		{Doc{
			Name: "partitions", Signature: "partitions",
			Summary: "The admin partitions (.Name .Description), by name. Consul Enterprise only.",
			Example: `{{ range partitions }}{{ .Name }} {{ end }}`, Output: `default edge `,
		}, func(b binding) any { return b.partitions }},
		{Doc{
			Name: "peerings", Signature: `peerings ["?partition=NAME"]`,
			Summary: "The cluster peerings (.Name .PeeringState .Meta .PeerServerName .PeerServerAddresses .StreamStatus ...), by name. " +
				"Consul 1.14 and later.",
			Example: `{{ range peerings }}{{ .Name }} is {{ .PeeringState }}{{ end }}`, Output: `east is ACTIVE`,
		}, func(b binding) any { return b.peerings }},
		{Doc{
			Name: "exportedServices", Signature: `exportedServices ["PARTITION"]`,
			Summary: "The services that a partition exports (.Service, .Consumers.Partitions, .Consumers.Peers, " +
				".Consumers.SamenessGroups), by name. Consul 1.17 and later.",
			Example: `{{ range exportedServices }}{{ .Service }} to {{ join "," .Consumers.Peers }}{{ end }}`, Output: `web to east`,
		}, func(b binding) any { return b.exportedServices }},
		{Doc{
			Name: "importedServices", Signature: `importedServices ["PARTITION"]`,
			Summary: "The services that a partition imports (.Service .SourcePartition .SourcePeer), by name. Consul 1.17 and later.",
			Example: `{{ range importedServices }}{{ .Service }} from {{ .SourcePartition }}{{ end }}`, Output: `login from edge`,
		}, func(b binding) any { return b.importedServices }},
	}
}

func (b binding) caRoots() ([]*watch.CARoot, error) {
	roots, _, err := ask[[]*watch.CARoot](b.pass, watch.CARoots{})
	return copied(roots), err
}

// caLeaf returns a nil of no type where there is no certificate (yet), which prints as "<no value>".
func (b binding) caLeaf(service string) (any, error) {
	if service == "" {
		return nil, nil
	}
	var leaf *watch.LeafCert
	err := lookup[leafRequest]{b, serviceNames, leafMarks, parseLeaf,
		func(r leafRequest) (found, known bool, err error) {
			leaf, known, err = ask[*watch.LeafCert](b.pass, r.CALeaf)
			return leaf != nil, known, err
		},
	}.resolve(service)
	if err != nil || leaf == nil {
		return nil, err
	}
	return leaf, nil
}

func (b binding) partitions() ([]*watch.Partition, error) {
	partitions, _, err := ask[[]*watch.Partition](b.pass, watch.Partitions{})
	return copied(partitions), err
}

func (b binding) peerings(args ...string) ([]*watch.Peering, error) {
	r, err := parseNameless(strings.Join(args, ""), "?")
	if err != nil {
		return nil, err
	}
	peerings, _, err := ask[[]*watch.Peering](b.pass, watch.Peerings{Scope: r.Scope})
	return copied(peerings), err
}

// parsePartition reads the name of a partition, which has no options.
func parsePartition(args []string) (string, error) {
	name := strings.Join(args, "")
	if strings.Contains(name, "?") {
		return "", fmt.Errorf("%s: want the name of a partition, without options", quote(name))
	}
	return name, nil
}

func (b binding) exportedServices(args ...string) ([]*watch.ExportedService, error) {
	partition, err := parsePartition(args)
	if err != nil {
		return nil, err
	}
	q := watch.ExportedServices{Scope: watch.Scope{Partition: partition}}
	services, _, err := ask[[]*watch.ExportedService](b.pass, q)
	for _, s := range services {
		b.noteName(serviceNames, s.Service)
	}
	return copied(services), err
}

func (b binding) importedServices(args ...string) ([]*watch.ImportedService, error) {
	partition, err := parsePartition(args)
	if err != nil {
		return nil, err
	}
	q := watch.ImportedServices{Scope: watch.Scope{Partition: partition}}
	services, _, err := ask[[]*watch.ImportedService](b.pass, q)
	for _, s := range services {
		b.noteName(serviceNames, s.Service)
	}
	return copied(services), err
}
