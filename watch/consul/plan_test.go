package consul

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"

	"lictor/internal/consultest"
	"lictor/watch"
)

func TestManyKeysShareOneQuery(t *testing.T) {
	server := shared.Server(t)
	keys := put(t, server, "group/%04d", 2000)
	tap := newTap(t, server)
	want := keySet(keys)
	want.Add(watch.Key{Path: "group/none"})
	want.Add(watch.Prefix{Path: "group/00"})
	w := follow(t, open(t, Config{Address: tap.URL, Stale: true}), want)
	answered(t, w, want)
	eventually(t, func() string {
		if n := tap.held(); n != 1 {
			return fmt.Sprintf("%d queries are held open, want 1", n)
		}
		return ""
	})
	whole, single := 0, 0
	for _, asked := range tap.all() {
		switch {
		case strings.Contains(asked, "keys=") || strings.Contains(asked, "index="):
		case strings.Contains(asked, "recurse="):
			whole++
		default:
			single++
		}
	}
	if whole > 2 || single > 0 { // it is read again before it is held open when taking it in took long
		t.Errorf("the prefix was read %d times, and keys by themselves %d times: %v", whole, single, tap.all())
	}
	server.Put(t, keys[7], "new")
	valueIs(t, w, keys[7], "new")
	server.Put(t, "group/none", "here")
	valueIs(t, w, "group/none", "here")
	server.Delete(t, "group/none")
	eventually(t, func() string {
		if v, _ := w.Get(watch.Key{Path: "group/none"}); v != (*watch.KeyPair)(nil) {
			return fmt.Sprintf("group/none is %v after it was deleted", v)
		}
		return ""
	})
	v, _ := w.Get(watch.Prefix{Path: "group/00"})
	if list := v.([]*watch.KeyPair); len(list) != 100 || list[7].Value != "new" || list[7].Key != "07" {
		t.Errorf("prefix has %d keys, the eighth is %+v", len(list), list[7])
	}
}

func TestHugePrefixIsNotReadForTwoKeys(t *testing.T) {
	server := shared.Server(t)
	put(t, server, "huge/%05d", 3000)
	tap := newTap(t, server)
	want := keySet([]string{"huge/00001", "huge/00002"})
	w := follow(t, open(t, Config{Address: tap.URL, Stale: true, Plan: PlanShared}), want)
	answered(t, w, want)
	if n := tap.count("recurse"); n != 0 {
		t.Errorf("the prefix was read %d times", n)
	}
	server.Put(t, "huge/00002", "new")
	valueIs(t, w, "huge/00002", "new")
}

// TestPrefixThatGrows has a prefix that was fit to be shared until others filled it.
func TestPrefixThatGrows(t *testing.T) {
	server := shared.Server(t)
	server.DeleteTree(t, "grows/") // of an earlier run on the same server
	keys := put(t, server, "grows/%02d", 10)
	tap := newTap(t, server)
	w := follow(t, open(t, Config{Address: tap.URL, Stale: true, Plan: PlanShared}), keySet(keys))
	answered(t, w, keySet(keys))
	if tap.count("recurse") == 0 {
		t.Error("the prefix was not shared at first")
	}
	put(t, server, "grows/other/%04d", 1000)
	eventually(t, func() string {
		if n := tap.held(); n != len(keys) {
			return fmt.Sprintf("%d queries are held open, want one for each of %d keys", n, len(keys))
		}
		return ""
	})
	server.Put(t, keys[3], "new")
	valueIs(t, w, keys[3], "new")
}

// TestLargeNeighbours has few small keys beside many large ones, which must not be read again and again for them.
func TestLargeNeighbours(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	want := ways()["prefix"].want
	for q := range want {
		f.keys[q.(watch.Key).Path] = "dg=="
	}
	for i := range 100 {
		f.keys[fmt.Sprintf("app/blob-%d", i)] = strings.Repeat("YWJj", 8000)
	}
	log := &lockedBuffer{}
	w := follow(t, open(t, Config{Address: f.URL, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}), want)
	answered(t, w, want)
	eventually(t, func() string {
		if !strings.Contains(log.String(), `msg="consul plan" slots=56 "by itself"="60 for 60 queries"`) {
			return "the keys were not moved: " + log.String()
		}
		return ""
	})
	before := f.count("recurse")
	f.set(func() { f.keys["app/7"] = "bmV3" })
	valueIs(t, w, "app/7", "new")
	if n := f.count("recurse") - before; n > 0 {
		t.Errorf("the prefix was read %d times for a change of one key", n)
	}
}

// TestPlanIsShown reads the plan from the debug log.
func TestPlanIsShown(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	want := ways()["prefix"].want
	for q := range want {
		f.keys[q.(watch.Key).Path] = "dg=="
	}
	want.AddAll(ways()["mirror"].want)
	log := &lockedBuffer{}
	w := follow(t, open(t, Config{Address: f.URL, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}), want)
	answered(t, w, want)
	for _, line := range []string{
		`msg="consul plan" slots=56 prefix="1 for 60 queries" catalog="1 for 60 queries"`,
		`msg="consul catalog mirror" "answers from"=nodes services=60 nodes=1`,
	} {
		eventually(t, func() string {
			if !strings.Contains(log.String(), line) {
				return "there is no " + line + " in\n" + log.String()
			}
			return ""
		})
	}
}

// TestBudget asks for far more than a small budget allows, of all kinds: all is answered and followed, and there are never
// more connections.
func TestBudget(t *testing.T) {
	const budget = 10
	server := shared.Server(t)
	tap := newTap(t, server)
	want := watch.Set{}
	for i := range 40 {
		key := fmt.Sprintf("budget/%d/%d/k", i%7, i)
		server.Put(t, key, "v")
		want.Add(watch.Key{Path: key})
		want.Add(watch.Service{Name: fmt.Sprintf("budget-%d", i)})
		want.Add(watch.Service{Name: fmt.Sprintf("budget-%d", i), Connect: true})
		want.Add(watch.NodeServices{Name: fmt.Sprintf("budget-%d", i)})
	}
	want.Add(watch.Services{})
	want.Add(watch.Nodes{})
	r := registry{server}
	r.Register(t, instanceOf("budget-3", 1))
	w := follow(t, open(t, Config{Address: tap.URL, Stale: true, MaxConnections: budget}), want)
	answered(t, w, want)
	for i := range 5 {
		key := fmt.Sprintf("budget/%d/%d/k", i, i)
		server.Put(t, key, "new")
		valueIs(t, w, key, "new")
		in := instanceOf(fmt.Sprintf("budget-%d", i), 2)
		r.Register(t, in)
		t.Cleanup(func() { r.DeregisterNode(t, in.Node) })
		eventually(t, func() string {
			v, _ := w.Get(watch.Service{Name: in.Service})
			if list := v.([]*watch.ServiceInstance); len(list) == 0 {
				return in.Service + " has no instance"
			}
			return ""
		})
	}
	r.DeregisterNode(t, "budget-3-node-1")
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if tap.most > budget {
		t.Errorf("%d requests at a time, want at most %d", tap.most, budget)
	}
}

// TestOnce holds nothing open, except for what is missing.
func TestOnce(t *testing.T) {
	server := shared.Server(t)
	r := registry{server}
	want := watch.Set{}
	for i := range 30 {
		in := instanceOf(fmt.Sprintf("once-%d", i), 1)
		in.Node = "once-node"
		r.Register(t, in)
		want.Add(watch.Service{Name: in.Service})
	}
	t.Cleanup(func() { r.DeregisterNode(t, "once-node") })
	keys := put(t, server, "once/%02d", 20)
	want.AddAll(keySet(keys))
	want.Add(watch.Services{})
	tap := newTap(t, server)
	w := follow(t, open(t, Config{Address: tap.URL, Stale: true, Once: true}), want)
	answered(t, w, want)
	if n := tap.count("index="); n != 0 {
		t.Errorf("%d queries waited for a change: %v", n, tap.all())
	}
	more := watch.Set{}
	more.AddAll(want)
	more.Add(watch.Key{Path: "once/awaited"})
	more.Add(watch.Key{Path: "elsewhere/awaited"})
	w.Sync(t.Context(), more)
	answered(t, w, more)
	server.Put(t, "once/awaited", "here")
	server.Put(t, "elsewhere/awaited", "here")
	valueIs(t, w, "once/awaited", "here")
	valueIs(t, w, "elsewhere/awaited", "here")
	server.Delete(t, "once/awaited")
	server.Delete(t, "elsewhere/awaited")
}

// TestHTTP2 has many queries share few connections over TLS, counted from the kernel's table.
func TestHTTP2(t *testing.T) {
	server := consultest.Start(t, consultest.Options{TLS: true})
	var keys []string
	for i := range 600 {
		keys = append(keys, fmt.Sprintf("h2/%d/%d", i%2, i))
	}
	server.Put(t, keys[0], "v")
	s := open(t, Config{Address: server.HTTPSAddr, TLS: TLS{Enabled: true, CAFile: server.CAFile}, Plan: PlanSingle})
	w := follow(t, s, keySet(keys))
	answered(t, w, keySet(keys))
	server.Put(t, keys[599], "new")
	valueIs(t, w, keys[599], "new")
	if n := connectionsTo(t, server.HTTPSAddr); n < 1 || n > 10 {
		t.Errorf("%d connections for 600 queries, want 1 to 10", n)
	}
}

// connectionsTo counts the connections to a local port that were open at one moment. The kernel does not show its table all at
// once: one that is closed and its successor may both be in it. So it is read twice, and counts what was there both times.
func connectionsTo(t *testing.T, addr string) int {
	t.Helper()
	before, after := socketsTo(t, addr), socketsTo(t, addr)
	maps.DeleteFunc(after, func(inode string, _ struct{}) bool { _, ok := before[inode]; return !ok })
	return len(after)
}

// socketsTo lists the inodes of established connections to a local port.
func socketsTo(t *testing.T, addr string) map[string]struct{} {
	t.Helper()
	var port int
	if _, err := fmt.Sscanf(addr[strings.LastIndexByte(addr, ':')+1:], "%d", &port); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[string]struct{}{}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) && f[3] == "01" {
			inodes[f[9]] = struct{}{}
		}
	}
	return inodes
}
