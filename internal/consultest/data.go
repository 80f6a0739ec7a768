package consultest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// Put sets a key.
func (s *Server) Put(tb testing.TB, key, value string) {
	tb.Helper()
	s.must(tb, s.PutPair(background(tb), &api.KVPair{Key: key, Value: []byte(value)}))
}

// PutPair sets a key with its flags. No key of Consul begins with a slash.
func (s *Server) PutPair(ctx context.Context, p *api.KVPair) error {
	path := (&url.URL{Path: "/v1/kv/" + p.Key}).EscapedPath()
	if p.Flags != 0 {
		path += fmt.Sprintf("?flags=%d", p.Flags)
	}
	return s.do(ctx, http.MethodPut, path, strings.NewReader(string(p.Value)))
}

// Delete removes a key.
func (s *Server) Delete(tb testing.TB, key string) {
	tb.Helper()
	_, err := s.Client.KV().Delete(key, (&api.WriteOptions{}).WithContext(background(tb)))
	s.must(tb, err)
}

// DeleteTree removes every key below a prefix.
func (s *Server) DeleteTree(tb testing.TB, prefix string) {
	tb.Helper()
	_, err := s.Client.KV().DeleteTree(prefix, (&api.WriteOptions{}).WithContext(background(tb)))
	s.must(tb, err)
}

// Register puts a node, or one of its services or checks, into the catalog. What is registered so stays as it is: no
// agent looks after it.
func (s *Server) Register(tb testing.TB, r *api.CatalogRegistration) {
	tb.Helper()
	_, err := s.Client.Catalog().Register(r, (&api.WriteOptions{}).WithContext(background(tb)))
	s.must(tb, err)
}

// Deregister takes a node, or one of its services or checks, out of the catalog.
func (s *Server) Deregister(tb testing.TB, r *api.CatalogDeregistration) {
	tb.Helper()
	_, err := s.Client.Catalog().Deregister(r, (&api.WriteOptions{}).WithContext(background(tb)))
	s.must(tb, err)
}

// AgentRegister registers a service on the agent's own node, which also looks after its checks.
func (s *Server) AgentRegister(tb testing.TB, r *api.AgentServiceRegistration) {
	tb.Helper()
	s.must(tb, s.Client.Agent().ServiceRegisterOpts(r, api.ServiceRegisterOpts{}.WithContext(background(tb))))
}

// AgentDeregister takes a service off the agent's own node.
func (s *Server) AgentDeregister(tb testing.TB, id string) {
	tb.Helper()
	s.must(tb, s.Client.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(background(tb))))
}

// NewToken makes a token with one policy of the given rules (Options.ACL). It returns the token's secret.
func (s *Server) NewToken(tb testing.TB, rules string) string {
	tb.Helper()
	o := (&api.WriteOptions{}).WithContext(background(tb))
	name := fmt.Sprintf("policy-%d", time.Now().UnixNano())
	policy, _, err := s.Client.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, o)
	s.must(tb, err)
	token, _, err := s.Client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{ID: policy.ID}}}, o)
	s.must(tb, err)
	return token.SecretID
}

// SetRules replaces the rules of a token's one policy.
func (s *Server) SetRules(tb testing.TB, secret, rules string) {
	tb.Helper()
	q := (&api.QueryOptions{Token: secret}).WithContext(background(tb))
	token, _, err := s.Client.ACL().TokenReadSelf(q)
	s.must(tb, err)
	o := (&api.WriteOptions{}).WithContext(background(tb))
	_, _, err = s.Client.ACL().PolicyUpdate(&api.ACLPolicy{ID: token.Policies[0].ID, Name: token.Policies[0].Name, Rules: rules}, o)
	s.must(tb, err)
}

// LoadSeed loads a seed file of the conformance corpus (format 1: kv, catalog, coordinates) and waits until Consul has
// applied its coordinates, which takes up to five seconds.
func (s *Server) LoadSeed(tb testing.TB, path string) {
	tb.Helper()
	s.must(tb, s.LoadSeedFile(background(tb), path))
}

// LoadSeedFile is LoadSeed for callers outside a test.
func (s *Server) LoadSeedFile(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var seed struct {
		KV []struct {
			Key    string
			Value  string
			Base64 []byte `json:"value_base64"`
			Flags  uint64
		}
		Catalog     []json.RawMessage
		Coordinates []json.RawMessage
	}
	if err := json.Unmarshal(text, &seed); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, e := range seed.KV {
		value := []byte(e.Value)
		if e.Base64 != nil {
			value = e.Base64
		}
		if err := s.PutPair(ctx, &api.KVPair{Key: e.Key, Value: value, Flags: e.Flags}); err != nil {
			return err
		}
	}
	for _, body := range seed.Catalog {
		if err := s.do(ctx, http.MethodPut, "/v1/catalog/register", strings.NewReader(string(body))); err != nil {
			return err
		}
	}
	var nodes []string
	for _, body := range seed.Coordinates {
		var c struct{ Node string }
		if err := json.Unmarshal(body, &c); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		nodes = append(nodes, c.Node)
		if err := s.do(ctx, http.MethodPut, "/v1/coordinate/update", strings.NewReader(string(body))); err != nil {
			return err
		}
	}
	return s.waitCoordinates(ctx, nodes)
}

func (s *Server) waitCoordinates(ctx context.Context, nodes []string) error {
	for {
		have, _, err := s.Client.Coordinate().Nodes((&api.QueryOptions{}).WithContext(ctx))
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(nodes), func(n string) bool {
			return slices.ContainsFunc(have, func(c *api.CoordinateEntry) bool { return c.Node == n })
		})
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the coordinates of %v: %w", missing, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// background is the context of the helpers: a test's own has ended already when its clean-up runs.
func background(tb testing.TB) context.Context { return context.WithoutCancel(tb.Context()) }

// do sends one request and expects status 200.
func (s *Server) do(ctx context.Context, method, path string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr+path, body)
	if err != nil {
		return err
	}
	if s.Token != "" {
		req.Header.Set("X-Consul-Token", s.Token)
	}
	resp, err := requests.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return nil
}

func (s *Server) must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("consul at %s: %v", s.Addr, err)
	}
}

// Save gives the state of the servers, for Restore.
func (s *Server) Save(tb testing.TB) (state []byte) {
	tb.Helper()
	r, _, err := s.Client.Snapshot().Save((&api.QueryOptions{}).WithContext(background(tb)))
	s.must(tb, err)
	defer r.Close()
	state, err = io.ReadAll(r)
	s.must(tb, err)
	return state
}

// Restore takes the servers back to a state that Save gave.
func (s *Server) Restore(tb testing.TB, state []byte) {
	tb.Helper()
	s.must(tb, s.Client.Snapshot().Restore((&api.WriteOptions{}).WithContext(background(tb)), bytes.NewReader(state)))
}

// JoinWAN makes the datacenters of two servers know each other. They have different names.
func (s *Server) JoinWAN(tb testing.TB, other *Server) {
	tb.Helper()
	s.must(tb, s.Client.Agent().Join(fmt.Sprintf("127.0.0.1:%d", other.ports.wan), true))
}
