package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// What templates see of Consul's answers is what consul-template shows of them, and all of it can be recorded.

// registerAnswers registers a service whose texts are known to the last byte, but for the indexes.
func registerAnswers(t *testing.T, server *consultest.Server) {
	t.Helper()
	server.Put(t, "a/b", "1")
	server.Register(t, &api.CatalogRegistration{
		Node: "node-a", Address: "10.0.9.1", Service: &api.AgentService{ID: "w1", Service: "web", Port: 80, Meta: map[string]string{}},
		Check: &api.AgentCheck{Node: "node-a", CheckID: "service:w1", Name: "check w1", Status: "passing", ServiceID: "w1"},
	})
	server.Register(t, &api.CatalogRegistration{
		Node: "node-b", Address: "10.0.9.2", Service: &api.AgentService{ID: "d1", Service: "db"},
		Check: &api.AgentCheck{Node: "node-b", CheckID: "unnamed", Status: "passing", ServiceID: "d1", Definition: api.HealthCheckDefinition{
			HTTP: "http://10.0.9.2/", Header: map[string][]string{"Accept": {"text/plain"}}, IntervalDuration: 10 * time.Second, TCPUseTLS: true,
		}},
	})
}

var anIndex = regexp.MustCompile(`("?(?:Create|Modify|create|modify)_?(?:I|i)ndex"?:? ?)\d+`)

func TestTextsOfLiveAnswersAreThePeers(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{HCL: "connect { enabled = true }"})
	registerAnswers(t, server)
	for template, want := range map[string]string{
		`{{ range service "web" }}{{ . | toJSON }}{{ end }}`: `{"Node":"node-a","NodeID":"","NodeAddress":"10.0.9.1","NodeTaggedAddresses":null,"NodeMeta":null,"ServiceMeta":{},` +
			`"Address":"10.0.9.1","ServiceTaggedAddresses":null,"ID":"w1","Name":"web","Tags":[],"Checks":[{"Node":"node-a","CheckID":"service:w1","Name":"check w1","Status":"passing",` +
			`"Notes":"","Output":"","ServiceID":"w1","ServiceName":"web","ServiceTags":[],"Type":"","ExposedPort":0,"Definition":{"Interval":"0s","Timeout":"0s",` +
			`"DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,"Method":"","Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","TCPUseTLS":false,"UDP":"","GRPC":"",` +
			`"OSService":"","GRPCUseTLS":false},"CreateIndex":N,"ModifyIndex":N}],"Status":"passing","Port":80,"Weights":{"Passing":1,"Warning":1}}`,
		`{{ range service "db" }}{{ range .Checks }}{{ .Definition.HTTP }} {{ .Definition.Interval }} {{ .Definition.IntervalDuration }} {{ .Definition.Header.Accept }} [{{ .PeerName }}] {{ .ExposedPort }}{{ end }}{{ end }}`: `http://10.0.9.2/ 10s 10s [text/plain] [] 0`,
		`{{ range service "db" }}{{ .NodeDatacenter }} [{{ .Kind }}] [{{ .Namespace }}]{{ end }}`:                                                                                                                                `dc1 [] []`,
		`{{ range caRoots }}{{ .NotBefore.IsZero }} {{ .NotAfter.IsZero }}{{ end }}`:                                                                                                                                             `false false`,
		`{{ range caRoots }}{{ if .RootCertPEM | contains "CERT" }}{{ . | toJSON | regexReplaceAll "\"(ID|Name|RootCert|Not[A-Z][a-z]*)\":\"[^\"]*\"" "$1" }}{{ end }}{{ end }}`:                                                 `{ID,Name,RootCert,"Active":true,NotBefore,NotAfter,"CreateIndex":N,"ModifyIndex":N}`,
		`{{ range ls "a" }}{{ . | toJSON }}{{ end }}`: `{"Path":"a/b","Key":"b","Value":"1","CreateIndex":N,"ModifyIndex":N,"LockIndex":0,"Flags":0,"Session":""}`,
		`{{ with node "node-a" }}{{ . | toJSON }}{{ end }}`: `{"Node":{"ID":"","Node":"node-a","Address":"10.0.9.1","Datacenter":"dc1","TaggedAddresses":null,"Meta":null},` +
			`"Services":[{"ID":"w1","Service":"web","Tags":[],"Meta":{},"Port":80,"Address":"","EnableTagOverride":false}]}`,
	} {
		dir := folder(t, map[string]string{"t.ctmpl": template})
		out, stderr, err := lictor(t, dir, "render", "-consul", server.Addr, "t.ctmpl")
		if err != nil {
			t.Errorf("%s: %v: %s", template, err, stderr)
		}
		if got := anIndex.ReplaceAllString(out, "${1}N"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", template, got, want)
		}
	}
}

// What a template prints of an answer can be recorded, down to what only toJSON shows; a private key is replaced.
func TestWhateverIsPrintedCanBeRecorded(t *testing.T) {
	t.Parallel()
	server := consultest.Start(t, consultest.Options{HCL: "connect { enabled = true }"})
	registerAnswers(t, server)
	for _, template := range []string{
		`{{ service "web" | toJSON }}`, `{{ service "db" | toYAML }}`, `{{ range service "web" }}{{ .ServiceMeta | toJSON }}{{ end }}`,
		`{{ caRoots | toJSON }}`, `{{ nodes | toJSON }}{{ node "node-a" | toJSON }}{{ services | toJSON }}{{ ls "a" | toJSON }}`,
		`{{ with caLeaf "web" }}{{ .CertPEM }}{{ .ValidBefore }}{{ end }}`,
	} {
		dir := folder(t, map[string]string{"t.ctmpl": template})
		live, stderr, err := lictor(t, dir, "render", "-consul", server.Addr, "t.ctmpl")
		if err != nil {
			t.Fatalf("%s: %v: %s", template, err, stderr)
		}
		if _, stderr, err := lictor(t, dir, "record", "-consul", server.Addr, "-o", "data.yaml", "t.ctmpl"); err != nil {
			t.Errorf("%s: %v: %s", template, err, stderr)
			continue
		}
		if offline, stderr, err := lictor(t, dir, "render", "-data", "data.yaml", "t.ctmpl"); err != nil || offline != live {
			t.Errorf("%s: %v: %s\nlive    %s\noffline %s", template, err, stderr, live, offline)
		}
	}

	dir := folder(t, map[string]string{"t.ctmpl": `{{ with caLeaf "web" }}{{ .PrivateKeyPEM }}{{ end }}`, "strict.ctmpl": `{{ with caLeaf "web" }}{{ if not (.PrivateKeyPEM | contains "PRIVATE") }}{{ parseInt .PrivateKeyPEM }}{{ end }}{{ end }}`})
	out, stderr, err := lictor(t, dir, "record", "-consul", server.Addr, "t.ctmpl")
	if err != nil || !strings.Contains(out, "REDACTED") || strings.Contains(out, "PRIVATE KEY") {
		t.Errorf("a private key: %v: %s\n%s", err, stderr, out)
	}
	out, stderr, err = lictor(t, dir, "record", "-consul", server.Addr, "strict.ctmpl")
	if err == nil || out != "" || !strings.Contains(stderr, "a private key is recorded as REDACTED, and with that strict.ctmpl:1:") {
		t.Errorf("a template that fails without the private key: %v: %s\n%s", err, stderr, out)
	}
}
