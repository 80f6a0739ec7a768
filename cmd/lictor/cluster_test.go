package main

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
)

// The tests of this file are rows of docs/failure-modes.md that take a cluster of Consul servers: what lictor believes of
// a server that has lost its leader, and what it does until there is one again.

// A watched is a lictor that follows a service, keys and a marker on one member of a cluster.
type watched struct {
	*running
	what string
}

// startOn starts a lictor that writes the files web, conf and marker in a folder of its own.
func startOn(t *testing.T, what string, s *consultest.Server, args ...string) watched {
	t.Helper()
	dir := folder(t, clusterFiles)
	return watched{start(t, dir, "lictor", append(onMember(s), args...)...), what}
}

// clusterFiles has lictor note everything that it is about to write. Consul holds its queries open for a second only, so
// that it is soon seen what a server says that has lost its leader.
var clusterFiles = map[string]string{
	"lictor.hcl": `
block_query_wait = "1s"
consul {
  retry {
    max_backoff = "500ms"
  }
}
template {
  contents    = "{{range service \"web\"}}{{.ID}} {{end}}"
  destination = "web"
  check       = "(cat {{.Staged}}; echo) >> web.history"
}
template {
  contents    = "{{range ls \"conf\"}}{{.Key}}={{.Value}} {{end}}"
  destination = "conf"
  check       = "(cat {{.Staged}}; echo) >> conf.history"
}
template {
  contents    = "{{key \"marker\"}}"
  destination = "marker"
}
`}

func onMember(s *consultest.Server) []string {
	return []string{"-consul", s.Addr, "-config", "lictor.hcl"}
}

// shows waits until the files say so.
func (d watched) shows(web, conf, marker string) {
	d.t.Helper()
	d.file("web", web)
	d.file("conf", conf)
	d.file("marker", marker)
}

// still fails the test unless the files say so and lictor runs.
func (d watched) still(web, conf, marker string) {
	d.t.Helper()
	for name, want := range map[string]string{"web": web, "conf": conf, "marker": marker} {
		if got := read(d.t, d.dir, name); got != want {
			d.t.Errorf("%s: the good file %s has become %q, want %q", d.what, name, got, want)
		}
	}
	if !d.alive() {
		d.t.Errorf("%s: it has ended", d.what)
	}
}

// wrote fails the test unless what was ever written to a file is in this order, with steps left out or not.
func (d watched) wrote(name string, contents ...string) {
	d.t.Helper()
	history := strings.Split(read(d.t, d.dir, name+".history"), "\n")
	for _, line := range history[:len(history)-1] {
		at := slices.Index(contents, line)
		if at < 0 {
			d.t.Errorf("%s: %s went this way: %q", d.what, name, history)
			return
		}
		contents = contents[at:]
	}
}

// fill puts into a cluster what clusterFiles are about.
func fill(t *testing.T, s *consultest.Server) {
	t.Helper()
	register(t, s, "web-1", "passing")
	register(t, s, "web-2", "passing")
	s.Put(t, "conf/a", "1")
	s.Put(t, "conf/b", "2")
	s.Put(t, "marker", "0")
}

// insist does something to a cluster, again and again until it is done: for moments after an election it may be refused.
func insist(t *testing.T, what string, do func() error) {
	t.Helper()
	eventually(t, what, func() bool { return do() == nil })
}

func putIn(t *testing.T, s *consultest.Server, key, value string) {
	t.Helper()
	insist(t, "put "+key, func() error { return s.PutPair(t.Context(), &api.KVPair{Key: key, Value: []byte(value)}) })
}

func signalAll(t *testing.T, sig syscall.Signal, servers ...*consultest.Server) {
	t.Helper()
	for _, s := range servers {
		if err := s.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
}

func startAgain(t *testing.T, servers ...*consultest.Server) {
	t.Helper()
	for _, s := range servers {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClusterWithoutALeaderBlanksNothing(t *testing.T) {
	t.Parallel()
	c := consultest.StartCluster(t, 1)
	fill(t, c.Agent)
	leader := c.WaitLeader(t)
	near, far := c.Followers(leader)[0], c.Followers(leader)[1]
	all := []watched{
		startOn(t, "a follower", near), startOn(t, "through a follower", near, "-max-stale", "0"),
		startOn(t, "an agent", c.Agent), startOn(t, "through an agent", c.Agent, "-max-stale", "0"),
	}
	const web, conf = "web-1 web-2 ", "a=1 b=2 "
	for _, d := range all {
		d.shows(web, conf, "0")
	}

	// One of three servers is left, which holds all data and knows no leader.
	far.Kill()
	leader.Kill()
	for _, d := range all {
		d.waitPrinted("No cluster leader", 1)
		d.still(web, conf, "0")
	}
	onceIsRefused(t, near, "2s", "0")
	// And now it has not read its log: that is done when a leader says how far. It holds nothing until then.
	near.Kill()
	startAgain(t, near)
	onceIsRefused(t, near, "2s", "0")
	for _, d := range all {
		d.still(web, conf, "0")
	}

	startAgain(t, leader, far)
	putIn(t, c.Agent, "conf/c", "3")
	putIn(t, c.Agent, "marker", "1")
	insist(t, "register web-3", func() error { return registerOn(c.Agent, "web-3") })
	for _, d := range all {
		d.shows("web-1 web-2 web-3 ", "a=1 b=2 c=3 ", "1")
		d.wrote("web", "web-1 web-2 ", "web-1 web-2 web-3 ")
		d.wrote("conf", "a=1 b=2 ", "a=1 b=2 c=3 ")
		said, recovered := strings.Count(d.printed(), "No cluster leader"), strings.Count(d.printed(), "all queries answer again")
		if said > 1+recovered {
			t.Errorf("%s: it has said %d times that there is no leader, and %d times that recovered", d.what, said, recovered)
		}
	}
}

// onceIsRefused renders once from a server that must not be believed: that fails, and writes nothing.
func onceIsRefused(t *testing.T, s *consultest.Server, stale ...string) {
	t.Helper()
	var all []*running
	for _, bound := range stale {
		dir := folder(t, clusterFiles)
		write(t, dir, "web", "web-0 ")
		all = append(all, start(t, dir, "lictor", append(onMember(s), "-once", "-max-stale", bound, "-consul-retry=false")...))
	}
	for i, d := range all {
		if code := d.exit(patience); code != exitRuntime || !strings.Contains(d.printed(), "consul at "+s.Addr) {
			t.Errorf("-once, max_stale %s: exit code %d, printed %q", stale[i], code, d.printed())
		}
		if web, conf, marker := read(t, d.dir, "web"), read(t, d.dir, "conf"), read(t, d.dir, "marker"); web != "web-0 " || conf+marker != "" {
			t.Errorf("-once, max_stale %s: it has written %q, %q and %q", stale[i], web, conf, marker)
		}
	}
}

func TestClusterElectsAnotherLeader(t *testing.T) {
	t.Parallel()
	c := consultest.StartCluster(t, 1)
	fill(t, c.Agent)
	leader := c.WaitLeader(t)
	near := c.Followers(leader)[0]
	all := []watched{startOn(t, "a follower", near), startOn(t, "through a follower", near, "-max-stale", "0"), startOn(t, "an agent", c.Agent)}
	for _, d := range all {
		d.shows("web-1 web-2 ", "a=1 b=2 ", "0")
	}
	leader.Kill()
	c.WaitLeader(t)
	for _, d := range all {
		d.still("web-1 web-2 ", "a=1 b=2 ", "0")
	}
	insist(t, "register web-3", func() error { return registerOn(c.Agent, "web-3") })
	putIn(t, c.Agent, "conf/a", "3")
	putIn(t, c.Agent, "marker", "1")
	for _, d := range all {
		d.shows("web-1 web-2 web-3 ", "a=3 b=2 ", "1")
	}

	// A follower that was asleep while the others went on, and then finds none of them, holds an older state. At first it
	// says that it has just heard from its leader: what the leader said to it had waited in its sockets.
	startAgain(t, leader)
	back := leader // it may hold nothing yet
	leader = c.WaitLeader(t)
	asleep, awake := c.Followers(leader)[0], c.Followers(leader)[1]
	if asleep == back {
		asleep, awake = awake, asleep
	}
	signalAll(t, syscall.SIGSTOP, asleep)
	putIn(t, leader, "conf/a", "4")
	putIn(t, leader, "marker", "2")
	all[2].shows("web-1 web-2 web-3 ", "a=4 b=2 ", "2")
	leader.Kill()
	awake.Kill()
	signalAll(t, syscall.SIGCONT, asleep)
	waitLeaderless(t, asleep)
	onceIsRefused(t, asleep, "2s", "0")
	all[2].still("web-1 web-2 web-3 ", "a=4 b=2 ", "2")
	startAgain(t, leader, awake)
	putIn(t, c.Agent, "conf/a", "5")
	for _, d := range all {
		d.shows("web-1 web-2 web-3 ", "a=5 b=2 ", "2")
		d.wrote("web", "web-1 web-2 ", "web-1 web-2 web-3 ")
		d.wrote("conf", "a=1 b=2 ", "a=3 b=2 ", "a=4 b=2 ", "a=5 b=2 ")
	}
}

// waitLeaderless waits until a server has said for a second that it knows no leader: just after it was asleep it has
// not read yet what the leader said before it ended.
func waitLeaderless(t *testing.T, s *consultest.Server) {
	t.Helper()
	since := time.Now()
	eventually(t, "the server has no leader", func() bool {
		_, meta, err := s.Client.KV().Get("marker", &api.QueryOptions{AllowStale: true})
		if err == nil && meta.KnownLeader {
			since = time.Now()
		}
		return time.Since(since) > time.Second
	})
}

func TestClusterAnswerThatIsTooOld(t *testing.T) {
	t.Parallel()
	c := consultest.StartCluster(t, 3) // patient: a follower knows its leader for 3 s at least after its last word
	fill(t, c.Agent)
	leader := c.WaitLeader(t)
	near, far := c.Followers(leader)[0], c.Followers(leader)[1]
	d := startOn(t, "a follower", near, "-max-stale", "1s")
	d.shows("web-1 web-2 ", "a=1 b=2 ", "0")
	far.Kill()
	leader.Kill()
	eventually(t, "the follower's answers are too old", func() bool {
		_, meta, err := near.Client.KV().Get("marker", &api.QueryOptions{AllowStale: true})
		return err == nil && meta.LastContact.Milliseconds() > 1000
	})
	onceIsRefused(t, near, "1s", "0")
	d.still("web-1 web-2 ", "a=1 b=2 ", "0")
	startAgain(t, leader, far)
	putIn(t, c.Agent, "conf/a", "3")
	putIn(t, c.Agent, "marker", "1")
	insist(t, "register web-3", func() error { return registerOn(c.Agent, "web-3") })
	d.shows("web-1 web-2 web-3 ", "a=3 b=2 ", "1")
}

// registerOn registers a passing instance of web.
func registerOn(s *consultest.Server, id string) error {
	_, err := s.Client.Catalog().Register(&api.CatalogRegistration{
		Node: "n-" + id, Address: "10.0.0.1", Service: &api.AgentService{ID: id, Service: "web", Port: 80},
	}, nil)
	return err
}
