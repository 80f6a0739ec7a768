package file_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lictor/watch"
	"lictor/watch/file"
	"lictor/watch/watchtest"
)

// registry is a data file that the contract test changes as if it were a registry.
type registry struct {
	path string
	data file.Data
}

var _ watchtest.Registry = (*registry)(nil)

func (r *registry) save(tb testing.TB) {
	tb.Helper()
	var b bytes.Buffer
	if err := file.Write(&b, &r.data); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(r.path+".tmp", b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(r.path+".tmp", r.path); err != nil {
		tb.Fatal(err)
	}
}

func (r *registry) PutKey(tb testing.TB, path, value string) {
	r.data.KV[path] = &watch.KeyPair{Value: value}
	r.save(tb)
}

func (r *registry) DeleteKey(tb testing.TB, path string) {
	delete(r.data.KV, path)
	r.save(tb)
}

func (r *registry) Register(tb testing.TB, i watchtest.Instance) {
	r.data.Nodes[i.Node] = &file.Node{Address: i.NodeAddress}
	r.remove(i)
	in := &file.Instance{ID: i.ID, Node: i.Node, Address: i.Address, Port: i.Port, Tags: i.Tags, Meta: i.Meta}
	in.Checks = []file.Check{{HealthCheck: watch.HealthCheck{CheckID: "check:" + i.ID, Status: i.Status}}}
	r.data.Services[i.Service] = append(r.data.Services[i.Service], in)
	r.save(tb)
}

func (r *registry) remove(i watchtest.Instance) {
	rest := slices.DeleteFunc(r.data.Services[i.Service], func(in *file.Instance) bool { return in.Node == i.Node && in.ID == i.ID })
	if r.data.Services[i.Service] = rest; len(rest) == 0 {
		delete(r.data.Services, i.Service)
	}
}

func (r *registry) Deregister(tb testing.TB, i watchtest.Instance) {
	r.remove(i)
	r.save(tb)
}

func (r *registry) DeregisterNode(tb testing.TB, node string) {
	delete(r.data.Nodes, node)
	for name, list := range r.data.Services {
		if rest := slices.DeleteFunc(list, func(in *file.Instance) bool { return in.Node == node }); len(rest) == 0 {
			delete(r.data.Services, name)
		} else {
			r.data.Services[name] = rest
		}
	}
	r.save(tb)
}

func TestContract(t *testing.T) {
	r := &registry{path: filepath.Join(t.TempDir(), "data.yaml")}
	r.data.KV, r.data.Nodes, r.data.Services = map[string]*watch.KeyPair{"k": {Value: "v"}}, map[string]*file.Node{}, map[string][]*file.Instance{}
	r.save(t)
	watchtest.Contract(t, r, func(tb testing.TB) watch.Source { return file.New(r.path) })
}
