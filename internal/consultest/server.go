// Package consultest starts real Consul agents for tests.
//
// A test calls [Start]; a package with many tests shares one agent through [Shared]. Agents listen on free ports of
// 127.0.0.1, live in a temporary folder and never outlive the test binary.
package consultest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sys/unix"
)

// Options say how an agent differs from the plain `consul agent -dev`.
type Options struct {
	Node   string // the agent's node name; "" is "agent"
	NodeID string // "" is a random one
	HCL    string // more configuration, in Consul's own language
	// Persist keeps the data over Stop and Start. Without it a start begins with an empty store and a low index, as a
	// server does that lost its disk.
	Persist bool
	// TLS also serves the API on HTTPSAddr, with a certificate of the authority in CAFile. The agent asks for no client
	// certificate unless HCL says so; CertFile and KeyFile serve as one.
	TLS bool
	// ACL switches access control on, with a default policy of deny. Token then may do everything.
	ACL bool
	// LiftLimits allows any number of connections from one client address, where Consul's default is 200.
	LiftLimits bool
}

// A Server is a Consul agent that serves as its own server, or belongs to a [Cluster].
type Server struct {
	Addr      string // host:port of the API
	HTTPSAddr string // host:port of the API over TLS; "" without Options.TLS
	Token     string // the token that may do everything; "" without Options.ACL
	Client    *api.Client

	Certificates // those of the API over TLS

	options Options
	binary  string
	dir     string
	ports   ports
	cmd     *exec.Cmd
	cluster *Cluster // nil for one that is its own server
}

type ports struct{ http, https, server, lan, wan int }

// Start starts an agent that ends with the test. Where no Consul can be built the test is skipped, with the reason; it
// fails instead when the environment has CI=true.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := New(tb.Context(), o)
	if err != nil {
		unavailable(tb, err)
	}
	tb.Cleanup(s.Close)
	return s
}

func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if _, missing := errors.AsType[*missingError](err); missing && os.Getenv("CI") != "true" {
		tb.Skipf("no Consul to test against: %v (needs a Go module proxy once, or %s=/path/to/consul)", err, BinaryEnv)
	}
	tb.Fatal(err)
}

// missingError says that there is no binary to start.
type missingError struct{ error }

// New starts an agent and waits until it leads and has registered itself. The caller closes it.
func New(ctx context.Context, o Options) (*Server, error) {
	binary, err := Binary()
	if err != nil {
		return nil, &missingError{err}
	}
	s, err := newServer(binary, o)
	if err != nil {
		return nil, err
	}
	if o.TLS {
		err = s.RenewCertificates()
	}
	for attempt := 0; err == nil && attempt < attempts; attempt++ { // another process may take a port that was free a moment ago
		if err = s.choosePorts(map[int]bool{}); err != nil {
			break
		}
		if err = s.Start(ctx); err == nil {
			return s, nil
		}
		if !portTaken(err) {
			break
		}
		err = nil
	}
	if err == nil {
		err = errors.New("consul: every attempt met a port in use")
	}
	s.Close()
	return nil, err
}

// attempts is how often a start is tried again that meets a port in use.
const attempts = 5

func portTaken(err error) bool { return strings.Contains(err.Error(), "address already in use") }

// newServer makes a Server with a folder of its own that has no ports yet.
func newServer(binary string, o Options) (*Server, error) {
	if o.Node == "" {
		o.Node = "agent"
	}
	dir, err := os.MkdirTemp("", "consultest-")
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, binary: binary, dir: dir}
	if o.ACL {
		s.Token = "10000000-0000-4000-8000-000000000001"
	}
	return s, nil
}

// choosePorts finds ports that are free and not taken, and takes them.
func (s *Server) choosePorts(taken map[int]bool) error {
	for _, p := range []*int{&s.ports.http, &s.ports.https, &s.ports.server, &s.ports.lan, &s.ports.wan} {
		port, err := freePort(taken)
		if err != nil {
			return err
		}
		*p, taken[port] = port, true
	}
	s.Addr = fmt.Sprintf("127.0.0.1:%d", s.ports.http)
	if s.options.TLS {
		s.HTTPSAddr = fmt.Sprintf("127.0.0.1:%d", s.ports.https)
	}
	client, err := api.NewClient(&api.Config{Address: s.Addr, Token: s.Token, HttpClient: requests})
	s.Client = client
	return err
}

// freePort finds a port that is not taken and free for TCP and UDP, below the range from which the kernel serves outgoing
// connections.
func freePort(taken map[int]bool) (int, error) {
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if taken[port] {
			continue
		}
		tcp, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		tcp.Close()
		udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		udp.Close()
		return port, nil
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// requests makes the requests of the helpers, each within a time limit: an agent that hangs fails the test, and the error names the
// request. A helper's connections are not kept, so that they take none from the code under test.
var requests = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Minute}

// Start starts the agent again after Stop or Kill, on the same ports and with the same configuration. It waits until the
// agent is ready, a member of a cluster only until it serves its API: whether there is a leader then depends on others.
func (s *Server) Start(ctx context.Context) error {
	config := filepath.Join(s.dir, "agent.hcl")
	if err := os.WriteFile(config, []byte(s.config()), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"agent", "-config-file", config}
	if !s.options.Persist {
		args = append(args, "-dev")
	}
	cmd := exec.Command(s.binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "GOMAXPROCS=" + os.Getenv("GOMAXPROCS")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives a killed test
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	if err := s.waitReady(ctx); err != nil {
		s.Kill()
		return err
	}
	return nil
}

func (s *Server) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "node_name = %q\nbind_addr = \"127.0.0.1\"\nclient_addr = \"127.0.0.1\"\ndata_dir = %q\nlog_level = \"WARN\"\n",
		s.options.Node, filepath.Join(s.dir, "data"))
	https := -1
	if s.options.TLS {
		https = s.ports.https
		fmt.Fprintf(&b, "cert_file = %q\nkey_file = %q\nca_file = %q\n", s.CertFile, s.KeyFile, s.CAFile)
	}
	fmt.Fprintf(&b, "ports { http = %d, https = %d, server = %d, serf_lan = %d, serf_wan = %d, dns = -1, grpc = -1 }\n",
		s.ports.http, https, s.ports.server, s.ports.lan, s.ports.wan)
	if s.options.NodeID != "" {
		fmt.Fprintf(&b, "node_id = %q\n", s.options.NodeID)
	} else {
		b.WriteString("disable_host_node_id = true\n")
	}
	switch {
	case s.cluster != nil:
		b.WriteString(s.cluster.config(s))
	case s.options.Persist:
		b.WriteString("server = true\nbootstrap_expect = 1\nperformance { raft_multiplier = 1 }\n")
	}
	if s.options.ACL {
		fmt.Fprintf(&b, "acl { enabled = true, default_policy = \"deny\", tokens { initial_management = %q, agent = %q } }\n", s.Token, s.Token)
	}
	if s.options.LiftLimits {
		b.WriteString("limits { http_max_conns_per_client = 10000 }\n")
	}
	b.WriteString(s.options.HCL)
	return b.String()
}

// waitReady waits until the agent is the leader, its own service has passing checks, and its node the metadata that the agent adds a
// moment later; or until it serves its API if it belongs to a cluster.
func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if s.exited() {
			return fmt.Errorf("consul ended at once: %s", s.logTail())
		}
		leader, err := s.Client.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
		if _, refused := errors.AsType[api.StatusError](err); s.cluster != nil && (err == nil || refused) {
			return nil
		}
		if leader != "" {
			entries, _, err := s.Client.Health().Service("consul", "", true, (&api.QueryOptions{}).WithContext(ctx))
			if err == nil && len(entries) > 0 && len(entries[0].Node.Meta) > 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("consul was not ready in time: %w: %s", ctx.Err(), s.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) exited() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, s.cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}

func (s *Server) logTail() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " / ")
}

// Kill ends the agent at once, as a crash does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop asks the agent to end, and waits until it has. An agent that does not end is killed, and that is told on standard error.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(sig os.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	const limit = 30 * time.Second
	process := s.cmd.Process
	late := time.AfterFunc(limit, func() {
		fmt.Fprintf(os.Stderr, "consultest: consul at %s did not end within %v of %v and is killed: %s\n", s.Addr, limit, sig, s.logTail())
		_ = process.Kill()
	})
	_ = s.cmd.Wait()
	late.Stop()
	s.cmd = nil
}

// Signal sends a signal to the agent: SIGSTOP makes it a peer that is connected and silent, until SIGCONT.
func (s *Server) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// PID is the agent's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Close ends the agent and removes its data.
func (s *Server) Close() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

// Port is the port of Addr.
func (s *Server) Port() string { return strconv.Itoa(s.ports.http) }
