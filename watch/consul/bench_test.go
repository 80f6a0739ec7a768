package consul

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"lictor/internal/consultest"
	"lictor/watch"
)

// answerAll measures how long it takes until all queries are answered for the first time.
func answerAll(b *testing.B, server *consultest.Server, c Config, want watch.Set) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := New(c)
		if err != nil {
			b.Fatal(err)
		}
		w := watch.New(s, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(b.Context())
		w.Sync(ctx, want)
		for left := len(want); left > 0; {
			select {
			case <-w.Changed():
				left -= len(w.Take())
			case <-time.After(time.Minute):
				b.Fatal("not all answered within a minute")
			}
		}
		cancel()
		w.Wait()
	}
}

func BenchmarkFirstAnswers(b *testing.B) {
	server, err := consultest.New(b.Context(), consultest.Options{})
	if err != nil {
		b.Skip(err)
	}
	defer server.Close()
	keys := watch.Set{}
	for from := 0; from < 20000; from += 64 {
		var ops api.KVTxnOps
		for i := from; i < min(20000, from+64); i++ {
			key := fmt.Sprintf("bench/%05d", i)
			ops = append(ops, &api.KVTxnOp{Verb: api.KVSet, Key: key, Value: []byte("value")})
			keys.Add(watch.Key{Path: key})
		}
		if _, _, _, err := server.Client.KV().Txn(ops, nil); err != nil {
			b.Fatal(err)
		}
	}
	services := watch.Set{}
	for i := range 1000 {
		for k := range 2 {
			n := (2*i + k) % 50
			id := fmt.Sprintf("svc-%04d-%d", i, k)
			_, err := server.Client.Catalog().Register(&api.CatalogRegistration{
				Node: fmt.Sprintf("node-%d", n), Address: "10.0.0.1",
				Service: &api.AgentService{ID: id, Service: fmt.Sprintf("svc-%04d", i), Port: 80, Tags: []string{"a"}},
				Check:   &api.AgentCheck{Node: fmt.Sprintf("node-%d", n), CheckID: "check:" + id, Name: "alive", Status: "passing", ServiceID: id},
			}, nil)
			if err != nil {
				b.Fatal(err)
			}
		}
		services.Add(watch.Service{Name: fmt.Sprintf("svc-%04d", i)})
	}
	b.Run("20000 keys", func(b *testing.B) { answerAll(b, server, Config{Address: server.Addr, Stale: true}, keys) })
	b.Run("1000 services", func(b *testing.B) { answerAll(b, server, Config{Address: server.Addr, Stale: true}, services) })
}
