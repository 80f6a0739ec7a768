package consultest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
)

var shared = &Shared{}

func TestMain(m *testing.M) { goleak.VerifyTestMain(shared.Main(m)) }

func TestSharedServerIsOneServer(t *testing.T) {
	first := shared.Server(t)
	if second := shared.Server(t); first != second {
		t.Error("two calls gave two servers")
	}
}

func TestKeysAndServices(t *testing.T) {
	s := shared.Server(t)
	s.Put(t, "odd key/ü%2F", "v")
	p, _, err := s.Client.KV().List("", nil)
	if err != nil || len(p) != 1 || p[0].Key != "odd key/ü%2F" || string(p[0].Value) != "v" {
		t.Fatalf("keys = %v, %v", p, err)
	}
	s.DeleteTree(t, "")
	s.Register(t, &api.CatalogRegistration{Node: "n1", Address: "10.0.0.1", Service: &api.AgentService{Service: "web", Port: 80}})
	web, _, err := s.Client.Catalog().Service("web", "", nil)
	if err != nil || len(web) != 1 {
		t.Fatalf("web = %v, %v", web, err)
	}
	s.Deregister(t, &api.CatalogDeregistration{Node: "n1"})
}

func TestStopAndStart(t *testing.T) {
	for _, persist := range []bool{false, true} {
		s := Start(t, Options{Persist: persist})
		s.Put(t, "k", "v")
		if persist {
			s.Stop()
		} else {
			s.Kill()
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, _, err := s.Client.KV().Get("k", nil)
		if err != nil || (p != nil) != persist {
			t.Errorf("persist=%v: key after restart = %v, %v", persist, p, err)
		}
	}
}

func TestTLSAndACL(t *testing.T) {
	s := Start(t, Options{TLS: true, ACL: true})
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer tr.CloseIdleConnections()
	s.Put(t, "allowed/k", "v")
	token := s.NewToken(t, `key_prefix "allowed/" { policy = "read" }`)
	c, err := api.NewClient(&api.Config{Address: "https://" + s.HTTPSAddr, Token: token, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	if p, _, err := c.KV().Get("allowed/k", nil); err != nil || p == nil {
		t.Errorf("allowed key = %v, %v", p, err)
	}
	if _, _, err := c.KV().Get("other", nil); err == nil {
		t.Error("a key outside the token's policy was readable")
	}
	s.SetRules(t, token, "")
	if _, _, err := c.KV().Get("allowed/k", nil); err == nil {
		t.Error("the key was still readable after its rule was gone")
	}
}

func TestLoadSeed(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "conformance", "seed.json")
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no conformance corpus: %v", err)
	}
	s := Start(t, Options{Node: "conf-agent", NodeID: "c0de0000-0000-4000-8000-000000000001"})
	s.LoadSeed(t, path)
	services, _, err := s.Client.Catalog().Services(nil)
	if err != nil || len(services) != 12 {
		t.Errorf("%d services, want 12; %v", len(services), err)
	}
	keys, _, err := s.Client.KV().Keys("", "", nil)
	if err != nil || len(keys) != 103 {
		t.Errorf("%d keys, want 103; %v", len(keys), err)
	}
}

// TestCluster loses the leader of three servers, and then all but one.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 1)
	leader := c.WaitLeader(t)
	c.Agent.Put(t, "k", "v")
	if err := leader.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	next := c.WaitLeader(t)
	if next == leader {
		t.Fatal("a frozen server leads")
	}
	next.Kill()
	rest := c.Followers(next)
	if rest[0] == leader {
		slices.Reverse(rest)
	}
	if _, _, err := rest[0].Client.KV().Get("k", &api.QueryOptions{RequireConsistent: true}); err == nil {
		t.Error("one of three servers leads")
	}
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.WaitLeader(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		p, _, err := next.Client.KV().Get("k", &api.QueryOptions{AllowStale: true})
		if p != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the key is not on the server that was away: %v", err)
		}
	}
}
