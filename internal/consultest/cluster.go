package consultest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// A Cluster is three Consul servers that elect a leader, and a client agent in front of them. Each can be killed, frozen
// (Signal with SIGSTOP) and started again by itself; the data of a server stays. Its members take any number of
// connections: a test may follow one of them in many ways at once.
type Cluster struct {
	Servers []*Server
	Agent   *Server // a client: it holds no data, and asks the servers

	multiplier int
}

// clusterSize is the smallest number of servers that one may be lost of.
const clusterSize = 3

// StartCluster starts a cluster that ends with the test, and waits until it has a leader. The raft multiplier says how
// patient the servers are: without word from the leader they elect another after one to two seconds times that. Where no
// Consul can be built the test is skipped, as by [Start].
func StartCluster(tb testing.TB, multiplier int) *Cluster {
	tb.Helper()
	c, err := newCluster(tb.Context(), multiplier)
	if err != nil {
		unavailable(tb, err)
	}
	tb.Cleanup(c.close)
	c.WaitLeader(tb)
	return c
}

func newCluster(ctx context.Context, multiplier int) (*Cluster, error) {
	binary, err := Binary()
	if err != nil {
		return nil, &missingError{err}
	}
	for range attempts {
		c := &Cluster{multiplier: multiplier}
		if err = c.start(ctx, binary); err == nil {
			return c, nil
		}
		c.close()
		if !portTaken(err) {
			break
		}
	}
	return nil, err
}

// start starts all members. All ports are known before, since each member is told where the servers are.
func (c *Cluster) start(ctx context.Context, binary string) error {
	taken := map[int]bool{}
	for i := range clusterSize + 1 {
		name := fmt.Sprint("server-", i+1)
		if i == clusterSize {
			name = "client"
		}
		s, err := newServer(binary, Options{Node: name, Persist: true, LiftLimits: true})
		if err != nil {
			return err
		}
		s.cluster = c
		if i < clusterSize {
			c.Servers = append(c.Servers, s)
		} else {
			c.Agent = s
		}
		if err := s.choosePorts(taken); err != nil {
			return err
		}
	}
	for _, s := range c.members() {
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) members() []*Server {
	if c.Agent == nil {
		return c.Servers
	}
	return append(slices.Clone(c.Servers), c.Agent)
}

func (c *Cluster) close() {
	for _, s := range c.members() {
		s.Close()
	}
}

// config is what a member's configuration says of the cluster. A server that is away for long stays a member, and who
// asks while there is no leader is refused after a second, where Consul's default is seven.
func (c *Cluster) config(s *Server) string {
	var b strings.Builder
	fmt.Fprintf(&b, "performance { raft_multiplier = %d, rpc_hold_timeout = \"1s\" }\n", c.multiplier)
	if s == c.Agent {
		b.WriteString("server = false\n")
	} else {
		fmt.Fprintf(&b, "server = true\nbootstrap_expect = %d\nautopilot { cleanup_dead_servers = false }\n", clusterSize)
	}
	b.WriteString("leave_on_terminate = false\nretry_interval = \"200ms\"\nretry_join = [")
	for _, other := range c.Servers {
		fmt.Fprintf(&b, "\"127.0.0.1:%d\", ", other.ports.lan)
	}
	b.WriteString("]\n")
	return b.String()
}

// WaitLeader waits until the cluster has a leader that answers through the client agent, and returns it. There must be two
// servers at least that run.
func (c *Cluster) WaitLeader(tb testing.TB) *Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(background(tb), time.Minute)
	defer cancel()
	for {
		leader, err := c.leader(ctx)
		if err == nil {
			return leader
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("the cluster has no leader: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Cluster) leader(ctx context.Context) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // what was sent to a server that is silent has no answer
	defer cancel()
	o := (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
	if _, _, err := c.Agent.Client.Catalog().Nodes(o); err != nil {
		return nil, err
	}
	address, err := c.Agent.Client.Status().LeaderWithQueryOptions(o)
	if err != nil {
		return nil, err
	}
	for _, s := range c.Servers {
		if address == fmt.Sprintf("127.0.0.1:%d", s.ports.server) {
			return s, nil
		}
	}
	return nil, errors.New("no server is it")
}

// Followers are the servers but leader.
func (c *Cluster) Followers(leader *Server) []*Server {
	return slices.DeleteFunc(slices.Clone(c.Servers), func(s *Server) bool { return s == leader })
}
